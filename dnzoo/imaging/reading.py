"""Image files: found and read by one rule, wherever dnzoo reads images.

* Regular files with an ending of `TYPES`; hidden ones ("._a.png", ".DS_Store") are left out.
* EXIF turns every image upright, and its mask with it.
* Transparency is laid on white, unless `read_rgba` asks for it.
* Pixels are 8 bits. 16-bit grey, 32-bit and floating point, and more bands than colour and
  transparency, are refused. Of 16-bit colour Pillow keeps the high byte.
* A file that is damaged, too large or no file is one `ValueError` that names it.
"""

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TYPES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LARGE: int = 2**26  # pixels, above which a TIFF stays on disk
LOSSY: tuple[str, ...] = ("JPEG", "MPO", "WEBP")  # formats that change class numbers
# what Pillow multiplies grey samples of 2 and 4 bits by
STRETCHED: dict[str, int] = {"L;2": 85, "L;4": 17}
# tags of EXIF and TIFF
ORIENTATION: int = 274
SAMPLES: int = 277


def find(source: str | os.PathLike[str]) -> list[Path]:
    """The image files that a path names, one or a folder of them.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: as `listed`.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    found = listed(source) if source.is_dir() else []
    if not found:
        raise FileNotFoundError(f"{source} is neither an image nor a folder with images.")
    return found


def listed(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The image files in a folder, sorted; `recursive`: in its sub-folders too.

    Raises:
        ValueError: for a pipe, a device or a broken link that is named like an image.
    """
    folder = Path(folder)
    found = [
        path
        for path in sorted(folder.rglob("*") if recursive else folder.glob("*"))
        if path.suffix.lower() in TYPES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    ]
    for path in found:
        _check_regular(path)
    return found


def read(
    path: str | os.PathLike[str], channels: int = 3, at_least: int | None = None
) -> np.ndarray:
    """An image as (H, W, channels) uint8, 1 or 3 channels, upright, transparency laid on white.

    A TIFF of more than `LARGE` pixels is a `numpy.memmap`: of the file itself, or of a temporary one if
    it is compressed or tiled.

    Args:
        at_least: rows and columns that suffice: a JPEG is decoded at a fraction of its size then.

    Raises:
        ImportError: for such a TIFF, without the package that reads it; the message names the extra.
        ValueError: when it can't be read, is too large, is not of 8 bits, or for another number of
            channels.
    """
    if channels not in (1, 3):
        raise ValueError(f"the model reads {channels} channels: use dnzoo.predict with an array.")
    return _read(Path(path), channels, at_least)[0]


def read_rgba(path: str | os.PathLike[str]) -> np.ndarray:
    """An image with its transparency, (H, W, 4) uint8, upright; 255 is opaque. Raises as `read`."""
    decoded = _decode(Path(path))
    if decoded is None:
        raise ValueError(f"{path} has more than {LARGE} pixels: too large with transparency.")
    return np.array(decoded.image.convert("RGBA"))


def read_pair(
    path: str | os.PathLike[str], mask_path: str | os.PathLike[str]
) -> tuple[np.ndarray, np.ndarray]:
    """An image, (H, W, 3) uint8, and its mask, (H, W) uint8, the class number of each pixel.

    An image that EXIF turns takes a mask without EXIF with it. Only where the sizes tell that the mask
    is upright already, it stays.

    Args:
        path: of the image, as `read` takes it.
        mask_path: a palette or grey image of 8 bits or fewer, whose values are class numbers.

    Raises:
        ImportError: as `read`.
        ValueError: as `read`; for a colour or a lossy mask, and one of another size than its image.
    """
    image, orientation = _read(Path(path), 3)
    mask, own = _read_mask(Path(mask_path))
    if own == 1 and _turn(mask, orientation).shape == image.shape[:2]:
        mask = _turn(mask, orientation)
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"{mask_path} is {mask.shape}, its image {image.shape[:2]} (rows, columns)."
        )
    return image, mask


class _Decoded(NamedTuple):
    image: Any  # Pillow's, upright
    orientation: int  # before it was turned, 1 to 8 as EXIF has it; 1 is upright
    format: str
    raw: str  # Pillow's name for the samples in the file, such as "L;2"


def _read(path: Path, channels: int, at_least: int | None = None) -> tuple[np.ndarray, int]:
    """(image, orientation that it had in the file)."""
    from PIL import Image

    decoded = _decode(path, at_least)
    if decoded is None:
        return _mapped(path, channels)
    image = decoded.image
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    return np.array(image).reshape(image.height, image.width, channels), decoded.orientation


def _read_mask(path: Path) -> tuple[np.ndarray, int]:
    decoded = _decode(path)
    if decoded is None:
        mask, orientation = _mapped(path, 1)
        return mask[..., 0], orientation
    mode = decoded.image.mode
    if mode not in ("P", "L", "1") or decoded.format in LOSSY:
        raise ValueError(
            f"{path} is a {decoded.format if decoded.format in LOSSY else mode} image; a mask must "
            "be a palette or grey PNG whose values are class numbers."
        )
    return np.array(decoded.image, "uint8") // STRETCHED.get(decoded.raw, 1), decoded.orientation


def _decode(path: Path, at_least: int | None = None) -> _Decoded | None:
    """A file as Pillow decodes it; None for a TIFF that stays on disk."""
    from PIL import Image, ImageOps

    _check_regular(path)
    tiff = path.suffix.lower() in (".tif", ".tiff")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if tiff and file.width * file.height > LARGE:
                    return None
                refused = _refused(file)
                if not refused:
                    raw, orientation = _samples(file), file.getexif().get(ORIENTATION, 1)
                    if at_least:
                        file.draft("RGB", (at_least, at_least))
                    file.load()
                    return _Decoded(ImageOps.exif_transpose(file), orientation, file.format, raw)
    except Image.DecompressionBombError as error:
        if tiff:
            return None
        raise ValueError(f"{path} is too large to decode at once: make it a TIFF.") from error
    except Exception as error:  # Pillow has a dozen kinds of errors for damaged files
        said = str(error) or type(error).__name__
        raise ValueError(
            f"{path} can't be read as an image ({said}): remove or mend it."
        ) from error
    raise ValueError(f"{path} holds {refused}: convert it to 8 bits, grey or RGB, 0 to 255.")


def _refused(file: Any) -> str | None:
    """What a file holds that would be clipped or cut in an image of 8 bits."""
    bands = getattr(file, "tag_v2", {}).get(SAMPLES, 1)
    if bands > len(file.getbands()) or file.mode == "RGBX":
        return f"{bands} bands"
    if file.mode.startswith("I;16"):
        return "16-bit grey"
    return {"I": "integers of more than 8 bits", "F": "floating point numbers"}.get(file.mode)


def _samples(file: Any) -> str:
    arguments = file.tile[0][3] if file.tile else ""
    return arguments if isinstance(arguments, str) else (arguments or ("",))[0]


def _check_regular(path: Path) -> None:
    """A pipe would be waited for without end."""
    if not path.is_file():
        what = "is no regular file" if path.exists() else "can't be read as an image: it is missing"
        raise ValueError(f"{path} {what}.")


def _turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """A view of rows and columns as EXIF's orientation, 1 to 8, wants them."""
    array = array.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else array
    array = array[::-1] if orientation in (3, 4, 7, 8) else array
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def _mapped(path: Path, channels: int) -> tuple[np.ndarray, int]:
    tifffile = _tifffile(path)
    try:
        with tifffile.TiffFile(path) as file:
            tag = file.pages[0].tags.get(ORIENTATION)
            orientation = 1 if tag is None else int(tag.value)
        image = tifffile.imread(path, key=0, out="memmap")
    except Exception as error:  # of a damaged file
        raise ValueError(f"{path} can't be read as a TIFF ({error}).") from error
    image = image[..., None] if image.ndim == 2 else image
    if image.dtype != "uint8" or image.ndim != 3 or image.shape[2] != channels:
        raise ValueError(
            f"{path} holds {image.shape} {image.dtype}; the model reads (H, W, {channels}) uint8."
        )
    return _turn(image, orientation), orientation


def create(
    path: str | os.PathLike[str], shape: tuple[int, ...], palette: np.ndarray | None = None
) -> np.ndarray:
    """A new uint8 TIFF on disk, as an array to write to: (H, W) with a palette, or (H, W, 3).

    Raises:
        ImportError: without the package that writes it; the message names the extra.
    """
    tifffile = _tifffile(path)
    colours: dict[str, Any] = {"photometric": "rgb"}
    if palette is not None:
        table = np.zeros((256, 3), "uint16")
        table[: len(palette)] = np.asarray(palette, "uint16") * 257
        colours = {"photometric": "palette", "colormap": table.T}
    size = int(np.prod(shape, dtype="int64"))
    return tifffile.memmap(path, shape=shape, dtype="uint8", bigtiff=size > 2**31, **colours)


def _tifffile(path: str | os.PathLike[str]) -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f'{path} is large: pip install "dnzoo[tiff]" to read it.') from error
    return tifffile
