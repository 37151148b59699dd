"""What an image file holds, and its values as they are stored; `dnzoo.imaging.reading` has the rules.

Pillow decodes. It has no pixels of five bands, and of 16-bit colour it keeps the high byte: tifffile
reads such TIFFs, and of such a PNG the low byte is decoded beside the high one.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LARGE: int = 2**26  # pixels, above which a TIFF stays on disk
BANDS: int = 13  # at most
TIFF: tuple[str, ...] = (".tif", ".tiff")
# tags of EXIF and TIFF
ORIENTATION: int = 274
SAMPLES: int = 277
DTYPES: dict[str, str] = {"I": "int32", "F": "float32"}  # of Pillow's modes
WORDS: dict[str, str] = {"u": "integers", "i": "integers", "f": "floating point numbers"}


class Facts(NamedTuple):
    """What a file says of its image.

    Attributes:
        height, width: upright.
        bands, dtype: of a pixel, as stored.
        orientation: 1 to 8 as EXIF has it; 1 is upright.
        format: Pillow's name of the file's.
        raw: Pillow's name for the samples in the file, such as "L;2".
        plain: whether it is one of Pillow's images of 8 bits.
        large: whether it stays on disk.
    """

    height: int
    width: int
    bands: int
    dtype: str
    orientation: int = 1
    format: str = "TIFF"
    raw: str = ""
    plain: bool = False
    large: bool = False

    @property
    def depth(self) -> str:
        """In words: "16-bit grey"."""
        kind = np.dtype(self.dtype)
        if kind.kind == "u" and self.bands == 1:
            return f"{8 * kind.itemsize}-bit grey"
        words = f"{8 * kind.itemsize}-bit {WORDS.get(kind.kind, kind.name)}"
        return words if self.bands == 1 else f"{self.bands} bands of {words}"


def described(path: Path) -> Facts:
    """What a file holds; nothing is decoded.

    Raises:
        ImportError: for a TIFF of many bands, without the package that reads it.
        ValueError: when it is no image, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    tiff = path.suffix.lower() in TIFF
    with opened(
        path, (UnidentifiedImageError, Image.DecompressionBombError) if tiff else ()
    ) as file:
        if file is not None and not (tiff and _pages(file)):
            height, width = file.height, file.width
            bands, dtype = _held(file)
            usual = bands == len(file.getbands()) and file.mode != "RGBX"
            raw, orientation = samples(file), file.getexif().get(ORIENTATION, 1)
            turned = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
            if not height * width:
                raise ValueError("it has no pixels")
            large = tiff and height * width > LARGE
            plain = usual and dtype == "uint8"
            return Facts(*turned, bands, dtype, orientation, file.format, raw, plain, large)
    return _tiff(path, lambda series, order, facts: facts)


@contextmanager
def opened(path: Path, none: tuple[type[Exception], ...] = ()) -> Iterator[Any]:
    """A file as Pillow opens it, None where it raises one of `none`; what else it raises is ours."""
    from PIL import Image

    check_regular(path)
    logger = logging.getLogger(
        "PIL.TiffImagePlugin"
    )  # it logs what it can't decode, and raises too
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                file = Image.open(path)
            except none:
                yield None
                return
            with file:
                yield file
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large to decode at once: make it a TIFF.") from error
    except ImportError:
        raise
    except Exception as error:  # Pillow has a dozen kinds of errors for damaged files
        said = str(error) or type(error).__name__
        raise ValueError(
            f"{path} can't be read as an image ({said}): remove or mend it."
        ) from error
    finally:
        logger.disabled = before


def values(path: Path, facts: Facts) -> np.ndarray:
    """The values as they are stored, (H, W, bands), upright."""
    if facts.format == "TIFF" and (
        facts.bands > 1 or facts.dtype not in ("uint16", "int32", "float32")
    ):
        found = _tiff(path, lambda series, order, _: np.transpose(series.asarray(), order))
        return turn(found[..., None] if found.ndim == 2 else found, facts.orientation)
    with opened(path) as file:
        low = file.tile[0]._replace(args="RGB;16L") if facts.raw == "RGB;16B" else None
        found = np.array(file)
    if low is not None:
        with opened(path) as file:  # its little-endian high byte is our low one
            file.tile = [low]
            found = found.astype("uint16") * 256 + np.array(file)
    return turn(found[..., None] if found.ndim == 2 else found, facts.orientation)


def _held(file: Any) -> tuple[int, str]:
    """(bands, dtype) of the samples in a file."""
    bands = getattr(file, "tag_v2", {}).get(SAMPLES, 1)
    bands = max(bands, len(file.getbands()))
    deep = file.mode.startswith("I;16") or samples(file).startswith("RGB;16")
    return bands, "uint16" if deep else DTYPES.get(file.mode, "uint8")


def _pages(file: Any) -> bool:
    """Whether a TIFF has its bands one after the other, as pages of one size."""
    if getattr(file, "n_frames", 1) == 1:
        return False
    size = file.size
    file.seek(1)
    same = file.size == size
    file.seek(0)
    return same


def samples(file: Any) -> str:
    """Pillow's name for the samples in an open file."""
    arguments = file.tile[0][3] if file.tile else ""
    return arguments if isinstance(arguments, str) else (arguments or ("",))[0]


def _tiff(path: Path, use: Callable[..., Any]) -> Any:
    """`use(series, order, facts)`: what tifffile reads of a file, and its axes as (H, W, bands)."""
    tifffile = package(path)
    try:
        with tifffile.TiffFile(path) as file:
            series, page = file.series[0], file.pages[0]
            tag = page.tags.get(ORIENTATION)
            shape, order = series.shape, tuple(range(len(series.shape)))
            if len(shape) == 3 and (series.axes[0] == "S" or shape[0] <= BANDS < shape[2]):
                order = (1, 2, 0)
            height, width, bands = ([shape[i] for i in order] + [1])[:3]
            if len(shape) > 3 or not 1 <= bands <= BANDS or not height * width:
                raise ValueError(f"it holds {shape}; bands may be {BANDS} at most")
            orientation = 1 if tag is None else int(tag.value)
            if orientation in (5, 6, 7, 8):
                height, width = width, height
            large = height * width > LARGE
            facts = Facts(height, width, bands, series.dtype.name, orientation, large=large)
            return use(series, order, facts)
    except Exception as error:  # of a damaged file
        raise ValueError(f"{path} can't be read as a TIFF ({error}).") from error


def mapped(path: Path, channels: int) -> np.ndarray:
    """A TIFF's (H, W, channels) uint8 as a `numpy.memmap`, upright."""
    tifffile = package(path)
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
    return turn(image, orientation)


def create(
    path: str | os.PathLike[str], shape: tuple[int, ...], palette: np.ndarray | None = None
) -> np.ndarray:
    """A new uint8 TIFF on disk, as an array to write to: (H, W) with a palette, or (H, W, 3).

    Raises:
        ImportError: without the package that writes it; the message names the extra.
    """
    tifffile = package(path)
    colours: dict[str, Any] = {"photometric": "rgb"}
    if palette is not None:
        table = np.zeros((256, 3), "uint16")
        table[: len(palette)] = np.asarray(palette, "uint16") * 257
        colours = {"photometric": "palette", "colormap": table.T}
    size = int(np.prod(shape, dtype="int64"))
    return tifffile.memmap(path, shape=shape, dtype="uint8", bigtiff=size > 2**31, **colours)


def turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """A view of rows and columns as EXIF's orientation, 1 to 8, wants them."""
    array = array.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else array
    array = array[::-1] if orientation in (3, 4, 7, 8) else array
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def check_regular(path: Path) -> None:
    """Raise ValueError for what is no file: a pipe would be waited for without end."""
    if not path.is_file():
        what = "is no regular file" if path.exists() else "can't be read as an image: it is missing"
        raise ValueError(f"{path} {what}.")


def package(path: str | os.PathLike[str]) -> Any:
    """tifffile, or an ImportError that names the extra."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            f'{path} is large, or has many bands: pip install "dnzoo[tiff]" to read it.'
        ) from error
    return tifffile
