"""Image files: found and read by one rule, wherever dnzoo reads images.

* Regular files with an ending of `TYPES`; hidden ones ("._a.png", ".DS_Store") are left out.
* EXIF turns every image upright, and its mask with it.
* Transparency is laid on white, unless `read_rgba` asks for it.
* Pixels come out from 0 to 255. Other numbers than those of 8 bits need to be told which value becomes
  0 and which 255 (`pixels`), and are refused otherwise; 16-bit colour is then the type's range.
* 1, 3, or as many bands as the file has, 13 at most: of more than 3 none is left out or made up.
* A file that is damaged, too large or no file is one `ValueError` that names it.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dnzoo.imaging import decoding
from dnzoo.imaging.decoding import LARGE, Facts, create, turn

__all__ = [
    "LARGE",
    "TYPES",
    "converted",
    "create",
    "described",
    "find",
    "listed",
    "read",
    "read_alpha",
    "read_mask",
]
__all__ += ["read_pair", "read_rgba", "values"]

TYPES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LOSSY: tuple[str, ...] = ("JPEG", "MPO", "WEBP")  # formats that change class numbers
# what Pillow multiplies grey samples of 2 and 4 bits by
STRETCHED: dict[str, int] = {"L;2": 85, "L;4": 17}
GREY: tuple[float, ...] = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow has it
Pixels = tuple[float, float]  # the values that become 0 and 255


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
        decoding.check_regular(path)
    return found


def described(path: str | os.PathLike[str]) -> Facts:
    """Size, bands and depth of an image, which is not decoded. Raises as `read`."""
    return decoding.described(Path(path))


def values(path: str | os.PathLike[str]) -> np.ndarray:
    """The values as they are stored, (H, W, bands) of any dtype, upright. Raises as `read`."""
    return decoding.values(Path(path), described(path))


def read(
    path: str | os.PathLike[str],
    channels: int = 3,
    at_least: int | None = None,
    pixels: Pixels | None = None,
) -> np.ndarray:
    """An image as (H, W, channels) uint8, upright, transparency laid on white.

    A TIFF of more than `LARGE` pixels is a `numpy.memmap`: of the file itself, or of a temporary one if
    it is compressed or tiled.

    Args:
        channels: 1 (grey) or 3 (RGB), or the number of bands that the file has.
        at_least: rows and columns that suffice: a JPEG is decoded at a fraction of its size then.
        pixels: the values that become 0 and 255, of an image that is not of 8 bits.

    Raises:
        ImportError: for a TIFF that is so large or has many bands, without the package that reads it;
            the message names the extra.
        ValueError: when it can't be read, is too large, is not of 8 bits and `pixels` is None, or has
            another number of bands.
    """
    return _read(Path(path), channels, at_least, pixels)[0]


def converted(image: Any, channels: int = 3, pixels: Pixels | None = None) -> np.ndarray:
    """A Pillow image as `read` gives a file's: (H, W, channels) uint8, upright, transparency on white.

    Args:
        channels, pixels: as `read` takes them.

    Raises:
        ValueError: as `read`.
    """
    from PIL import ImageOps

    image, name = ImageOps.exif_transpose(image), f"the image of mode {image.mode}"
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        found = np.array(image)[..., None]
        facts = Facts(*found.shape, found.dtype.name)
        return _scaled(name, facts, lambda: found, channels, pixels)
    if channels not in (1, 3) and len(image.getbands()) != channels:
        raise ValueError(_other_bands(name, Facts(1, 1, len(image.getbands()), "uint8"), channels))
    return _plain(image, channels)


def read_rgba(path: str | os.PathLike[str]) -> np.ndarray:
    """An image with its transparency, (H, W, 4) uint8, upright; 255 is opaque. Raises as `read`."""
    path, facts = Path(path), described(path)
    if facts.large:
        raise ValueError(f"{path} has more than {LARGE} pixels: too large with transparency.")
    _check_plain(path, facts)
    return np.array(_decoded(path).convert("RGBA"))


def read_alpha(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The transparency of an image, (H, W) uint8, upright, 255 is opaque; None where all of it is opaque.

    None too for what is not of 8 bits, and for a TIFF that stays on disk. Raises as `read`.
    """
    path, facts = Path(path), described(path)
    image = _decoded(path) if facts.plain and not facts.large else None
    if image is None or not ("A" in image.getbands() or "transparency" in image.info):
        return None
    alpha = np.array(image.convert("RGBA"))[..., 3]
    return None if alpha.min() == 255 else alpha


def read_pair(
    path: str | os.PathLike[str],
    mask_path: str | os.PathLike[str],
    channels: int = 3,
    pixels: Pixels | None = None,
    colours: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """An image, (H, W, channels) uint8, and its mask, (H, W), the number of each pixel.

    An image that EXIF turns takes a mask without EXIF with it. Only where the sizes tell that the mask
    is upright already, it stays.

    Args:
        path, channels, pixels: of the image, as `read` takes it.
        mask_path, colours: as `read_mask` takes them.

    Raises:
        ImportError: as `read`.
        ValueError: as `read`; for a colour or a lossy mask, and one of another size than its image.
    """
    image, orientation = _read(Path(path), channels, None, pixels)
    mask, own = _read_mask(Path(mask_path), colours)
    if own == 1 and turn(mask, orientation).shape == image.shape[:2]:
        mask = turn(mask, orientation)
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"{mask_path} is {mask.shape}, its image {image.shape[:2]} (rows, columns)."
        )
    return image, mask


def read_mask(path: str | os.PathLike[str], colours: bool = False) -> np.ndarray:
    """The numbers in a mask, (H, W): of a palette or grey image, or of its colours.

    Args:
        path: of a PNG, TIFF or BMP.
        colours: 65536 red + 256 green + blue of each pixel.

    Raises:
        ValueError: when it can't be read, is lossy, or of colour where `colours` is false.
    """
    return _read_mask(Path(path), colours)[0]


def _read(
    path: Path, channels: int, at_least: int | None = None, pixels: Pixels | None = None
) -> tuple[np.ndarray, int]:
    """(image, orientation that it had in the file)."""
    facts = described(path)
    if facts.large:
        return decoding.mapped(path, channels), facts.orientation
    high_byte = facts.raw.startswith("RGB;16") and pixels is None
    if not facts.plain and not (high_byte and channels in (1, 3)):
        stored = functools.partial(decoding.values, path, facts)
        return _scaled(path, facts, stored, channels, pixels), facts.orientation
    image = _decoded(path, at_least)
    if channels not in (1, 3) and facts.bands != channels:
        raise ValueError(_other_bands(path, facts, channels))
    return _plain(image, channels), facts.orientation


def _plain(image: Any, channels: int) -> np.ndarray:
    """Pillow's image of 8 bits, as an array of 1 channel, of 3, or of its own."""
    from PIL import Image

    if channels in (1, 3):
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
    return np.array(image).reshape(image.height, image.width, channels)


def _decoded(path: Path, at_least: int | None = None) -> object:
    """Pillow's image, upright."""
    from PIL import ImageOps

    with decoding.opened(path) as file:
        if at_least:
            file.draft("RGB", (at_least, at_least))
        file.load()
        return ImageOps.exif_transpose(file)


def _scaled(
    path: Path | str,
    facts: Facts,
    stored: Callable[[], np.ndarray],
    channels: int,
    pixels: Pixels | None,
) -> np.ndarray:
    """Values of any kind from 0 to 255; what is no number becomes 0."""
    if facts.dtype != "uint8" and pixels is None:
        _check_plain(path, facts)
    found = stored()
    if found.shape[2] == 1 and channels == 3:
        found = found.repeat(3, axis=2)
    elif found.shape[2] == 3 and channels == 1:
        found = (found @ np.array(GREY))[..., None]
    if found.shape[2] != channels:
        raise ValueError(_other_bands(path, facts, channels))
    if facts.dtype == "uint8":
        return np.ascontiguousarray(found)
    black, white = pixels
    scaled = (found.astype("float64") - black) * (255 / (white - black))
    return np.nan_to_num(scaled, nan=0.0).clip(0, 255).round().astype("uint8")


def _check_plain(path: Path | str, facts: Facts) -> None:
    """Raise ValueError for what would be clipped or cut in an image of 8 bits."""
    if not facts.plain:
        raise ValueError(
            f"{path} holds {facts.depth}: convert it to 8 bits, grey or RGB, 0 to 255"
            + (", or say which value is white (white=65535)." if facts.dtype != "uint8" else ".")
        )


def _other_bands(path: Path | str, facts: Facts, channels: int) -> str:
    return f"{path} has {facts.bands} bands; {channels} are read here."


def _read_mask(path: Path, colours: bool = False) -> tuple[np.ndarray, int]:
    facts = described(path)
    if facts.large:
        return decoding.mapped(path, 1)[..., 0], facts.orientation
    if facts.format in LOSSY:
        raise ValueError(
            f"{path} is a {facts.format} image; a mask must be a palette or grey PNG whose values are "
            f"class numbers ({facts.format} blurs them)."
        )
    if facts.dtype in ("uint16", "int32") and facts.bands == 1 and not colours:
        return decoding.values(path, facts)[..., 0], facts.orientation
    if not facts.plain:
        raise ValueError(f"{path} holds {facts.depth}; a mask holds whole numbers, one a pixel.")
    image = _decoded(path)
    if colours:
        found = np.array(image.convert("RGB"), "int32")
        return found @ np.array([65536, 256, 1], "int32"), facts.orientation
    if image.mode not in ("P", "L", "1"):
        raise ValueError(
            f"{path} is a {image.mode} image; a mask must be a palette or grey PNG whose values are "
            "class numbers. If its colours are classes, a classes.txt beside images/ names each, in "
            'lines such as "road 128 64 128".'
        )
    return np.array(image, "uint8") // STRETCHED.get(facts.raw, 1), facts.orientation
