"""Image files: found, read whole, or left on disk where they are too large for memory."""

import warnings
from pathlib import Path

import numpy as np

TYPES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LARGE = 2**26  # pixels, above which a TIFF stays on disk


def find(source):
    """The image files that a path names, one or a folder of them.

    Raises:
        FileNotFoundError: when there is none.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    found = sorted(p for p in source.glob("*") if p.suffix.lower() in TYPES)
    if not found:
        raise FileNotFoundError(f"{source} is neither an image nor a folder with images.")
    return found


def read(path, channels):
    """An image as (H, W, channels) uint8, 1 or 3 channels, upright.

    A TIFF of more than `LARGE` pixels is a `numpy.memmap`: of the file itself, or of a temporary one if
    it is compressed or tiled.

    Raises:
        ImportError: for such a TIFF, without the package that reads it; the message names the extra.
        ValueError: when it can't be read, is too large, or for another number of channels.
    """
    from PIL import Image, ImageOps

    if channels not in (1, 3):
        raise ValueError(f"the model reads {channels} channels: use dnzoo.predict with an array.")
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if path.suffix.lower() in (".tif", ".tiff") and file.width * file.height > LARGE:
                    return _mapped(path, channels)
                image = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except Image.DecompressionBombError as error:
        if path.suffix.lower() in (".tif", ".tiff"):
            return _mapped(path, channels)
        raise ValueError(f"{path} is too large to decode at once: make it a TIFF.") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read as an image ({error}).") from error
    return np.array(image).reshape(image.height, image.width, channels)


def _mapped(path, channels):
    tifffile = _tifffile(path)
    try:
        image = tifffile.imread(path, key=0, out="memmap")
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise ValueError(f"{path} can't be read as a TIFF ({error}).") from error
    image = image[..., None] if image.ndim == 2 else image
    if image.dtype != "uint8" or image.ndim != 3 or image.shape[2] != channels:
        raise ValueError(
            f"{path} holds {image.shape} {image.dtype}; the model reads (H, W, {channels}) uint8."
        )
    return image


def create(path, shape, palette=None):
    """A new uint8 TIFF on disk, as an array to write to: (H, W) with a palette, or (H, W, 3).

    Raises:
        ImportError: without the package that writes it; the message names the extra.
    """
    tifffile = _tifffile(path)
    colours = {"photometric": "rgb"}
    if palette is not None:
        table = np.zeros((256, 3), "uint16")
        table[: len(palette)] = np.asarray(palette, "uint16") * 257
        colours = {"photometric": "palette", "colormap": table.T}
    size = int(np.prod(shape, dtype="int64"))
    return tifffile.memmap(path, shape=shape, dtype="uint8", bigtiff=size > 2**31, **colours)


def _tifffile(path):
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f'{path} is large: pip install "dnzoo[tiff]" to read it.') from error
    return tifffile
