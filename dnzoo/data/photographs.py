"""Photographs for super-resolution: small images and the large ones they were made of.

Small images are Pillow's bicubic reductions, which average over the source as MATLAB's `imresize`
does. Training images are cut into aligned tiles, small and large, and written once to `data_dir`.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from dnzoo.data import check, targets, tfds_offline
from dnzoo.data.arrays import cached, place
from dnzoo.data.base import Data, parts_of
from dnzoo.data.check import Look
from dnzoo.data.scenes import SPLITS
from dnzoo.data.targets import Target
from dnzoo.imaging import reading

# Debian's lomiri-wallpapers-16.04, mate-backgrounds
BACKGROUNDS: Path = Path("/usr/share/backgrounds")
# ten that are a part of dnzoo, split; LICENSE there names authors and terms
SAMPLE: Path = Path(__file__).with_name("photographs_sample")
# of Debian's what is no photograph
DRAWN: re.Pattern[str] = re.compile("mate/(abstract|desktop)/|umang|analogpattern")
TILE: int = 192  # of the large image; 2, 3 and 4 divide it
SMALLEST: int = 144  # rows and columns of a test photograph at least, as many as the report shows
SHRINK: int = 2  # photographs of cameras are halved first: JPEG's and the sensor's noise goes
FLAT: float = 45.0  # dB: tiles that bicubic upsampling restores better teach nothing
KINDS: tuple[str, ...] = ("small", "large")
# The test: photographs of scikit-image and scikit-learn
TEST: tuple[str, ...] = (
    "astronaut",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "rocket",
    "brick",
    "grass",
    "gravel",
)
TEST_SKLEARN: tuple[str, ...] = ("china.jpg", "flower.jpg")


@dataclasses.dataclass(frozen=True)
class Photographs(Data):
    """Aligned tiles for super-resolution: splits "train" and "validation" of (small, large).

    Attributes:
        scale: how much larger the large images are.
        test: {name: (H, W, 3) uint8}, whole images whose sizes `scale` divides.
        name, detail, splits: as of `Data`.
    """

    scale: int
    test: dict[str, np.ndarray]
    targets: ClassVar[tuple[Target, ...]] = (targets.Image(), targets.Image())


def load(
    data: str,
    data_dir: str | Path = "data",
    scale: int = 2,
    seed: int = 0,
    white: float | None = None,
    black: float | None = None,
) -> Photographs:
    """The photographs that `data` names, for a scale.

    Args:
        data: "photographs" (Debian's packages lomiri-wallpapers-16.04 and mate-backgrounds, a tenth
            of them for validation; the test is eleven photographs of scikit-image and scikit-learn),
            "sample" (ten that are a part of dnzoo: eight to train and validate on, two to test),
            "div2k" (fetched by TFDS; a tenth of "train" validates, "validation" tests), or a folder
            of images (`dnzoo.imaging.reading.TYPES`), in train/, validation/ and test/, or split 80, 10,
            10 by `seed`.
        data_dir: where prepared data goes.
        scale: 2, 3 or 4.
        seed: of the split.
        white, black: values of 16-bit and float images that become 255 and 0; None: the percentiles
            99.9 and 0.1 of the training photographs.

    Raises:
        FileNotFoundError: for a path that is not there, a name that is not known.
        ValueError: for fewer than 3 photographs, a file that can't be read, test photographs that
            all have less than 144 rows or columns, or others of which none has 192 x 192 pixels with detail.
        ImportError: for "photographs" without scikit-image or scikit-learn.
        ConnectionError: when data must be fetched and there is no network.
    """
    if data == "div2k":
        return _div2k(data_dir, scale)
    pixels = black, white
    if data == "photographs":
        root, shrink = BACKGROUNDS, SHRINK
        parts = _split(find(), seed, ("validation", "train"))
    elif data == "sample" or Path(data).is_dir():
        root, shrink = SAMPLE if data == "sample" else Path(data), 1
        parts = _split_folder(root, seed)
    else:
        raise FileNotFoundError(
            f"data={data!r} is neither a folder nor one of photographs, sample, div2k. A folder needs "
            f"images: {', '.join(reading.TYPES)}."
        )
    digest, contents = check.identity(root, parts, (scale, seed, shrink, TILE, FLAT, pixels))
    name = "photographs_sample" if data == "sample" else Path(data).resolve().name
    detail = f"x{scale}-{digest}"
    look = limits = None
    if data != "photographs":
        where = place(f"{name}-{detail}", data_dir)
        look = check.kept(where, lambda: _look(root, parts, contents, pixels))
        limits = look.facts["pixels"] and tuple(look.facts["pixels"])
    sources = {
        split: (
            len(parts[split]),
            _all_tiles(map(_reader(shrink, limits), parts[split]), scale, split),
        )
        for split in ("train", "validation")
    }
    beside = {check.KEPT: look.as_json()} if look else None
    splits = cached(f"{name}-{detail}", sources, data_dir, KINDS, beside)
    test = test_photographs() if look is None else _large(parts["test"], limits)
    return Photographs(name, detail, splits, scale, _cut(test, scale), look=look)


def _large(paths: Sequence[Path], pixels: reading.Pixels | None) -> dict[str, np.ndarray]:
    """Photographs that are large enough to test on, by name."""
    found = {path.name: read(path, pixels=pixels) for path in paths}
    return {name: image for name, image in found.items() if min(image.shape[:2]) >= SMALLEST}


def _look(
    root: Path,
    parts: Mapping[str, Sequence[Path]],
    contents: Mapping[Path, str],
    pixels: tuple[float | None, float | None],
) -> Look:
    """A look at a folder; photographs that are too small are named, and refused where all are."""
    splits = {split: parts[split] for split in SPLITS}
    look = check.images(root, splits, contents, channels=3, pixels=pixels)
    if look.refusals:
        return look
    small = {
        split: [path for path in paths if min(reading.described(path)[:2]) < least]
        for (split, paths), least in zip(splits.items(), (TILE, TILE, SMALLEST))
    }
    for split, paths in small.items():
        least = SMALLEST if split == "test" else TILE
        if not paths:
            continue
        names = check.named(root, paths)
        if len(paths) == len(splits[split]):
            look.refusals.append(
                f"all photographs of the {split} split are below {least} x {least} pixels: {names}. "
                f"At least {TILE} x {TILE} pixels with detail are needed, {SMALLEST} x {SMALLEST} to test; "
                "another `seed` splits them otherwise."
            )
        else:
            look.notes.append(
                f"{len(paths)} photographs of the {split} split are below {least} x {least} pixels and "
                f"not used: {names}."
            )
    check.left_out(look, root, [path for paths in splits.values() for path in paths])
    return look


def find(
    folder: str | os.PathLike[str] | None = None,
    drawn: re.Pattern[str] = DRAWN,
    argument: str = "data",
) -> list[Path]:
    """Paths of the photographs in a folder, sub-folders included; None: Debian's, less the drawn.

    `argument` is what the error calls the folder.

    Raises:
        FileNotFoundError: when the folder is missing; the message says what to install or pass.
    """
    if folder is None and not BACKGROUNDS.is_dir():
        raise FileNotFoundError(
            f"No photographs here: pass {argument}=<folder> of them, or on Debian: apt install "
            "lomiri-wallpapers-16.04 mate-backgrounds."
        )
    root = Path(folder or BACKGROUNDS)
    if not root.is_dir():
        raise FileNotFoundError(f"{argument}={str(folder)!r} is no folder.")
    found = reading.listed(root, recursive=True)
    if folder is None:
        found = [path for path in found if not drawn.search(str(path.relative_to(root)))]
    return found


def read(
    path: str | os.PathLike[str],
    shrink: int = 1,
    channels: int = 3,
    pixels: reading.Pixels | None = None,
) -> np.ndarray:
    """A photograph as (H, W, channels) uint8; `dnzoo.imaging.reading` says by which rules.

    Args:
        shrink: so many rows and columns become one, their mean.
        channels, pixels: as for `dnzoo.imaging.reading.read`.

    Raises:
        ValueError: when it can't be read.
    """
    image = reading.read(path, channels, pixels=pixels)
    return image if shrink == 1 else np.array(Image.fromarray(image).reduce(shrink))


def resize(image: np.ndarray, factor: float) -> np.ndarray:
    """Pillow's bicubic, which averages where it reduces: (H, W, 3) uint8 -> the same, `factor` times."""
    height, width = (round(size * factor) for size in image.shape[:2])
    return np.array(Image.fromarray(image).resize((width, height), Image.BICUBIC))


def cut(image: np.ndarray, scale: int) -> np.ndarray:
    """The image without the last rows and columns that `scale` does not divide."""
    height, width = (size - size % scale for size in image.shape[:2])
    return image[:height, :width]


def tiles(image: np.ndarray, scale: int) -> tuple[np.ndarray, ...]:
    """Aligned tiles of the reduced image and of the image, less those without detail.

    Returns:
        Arrays (n, TILE / scale, TILE / scale, 3) and (n, TILE, TILE, 3), uint8.
    """
    large = cut(image, scale)
    small = resize(large, 1 / scale)
    size, pairs = TILE // scale, []
    for top in range(0, small.shape[0] - size + 1, size):
        for left in range(0, small.shape[1] - size + 1, size):
            low = small[top : top + size, left : left + size]
            high = large[top * scale :, left * scale :][:TILE, :TILE]
            error = resize(low, scale).astype("float32") - high
            if 10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)) < FLAT:
                pairs.append((low, high))
    lows, highs = zip(*pairs) if pairs else ((), ())
    shapes = (-1, size, size, 3), (-1, TILE, TILE, 3)
    return tuple(np.array(p, "uint8").reshape(s) for p, s in zip((lows, highs), shapes))


def _all_tiles(
    images: Iterable[np.ndarray], scale: int, split: str
) -> Iterator[tuple[np.ndarray, ...]]:
    """The tiles of each image that has some."""
    found = False
    for pair in (tiles(image, scale) for image in images):
        if len(pair[0]):
            found = True
            yield pair
    if not found:
        raise ValueError(
            f"no photograph of the {split} split has {TILE} x {TILE} pixels with detail that bicubic "
            "upsampling would lose: there is nothing to learn."
        )


def _reader(shrink: int, pixels: reading.Pixels | None) -> Callable[[Path], np.ndarray]:
    return lambda path: read(path, shrink, pixels=pixels)


def test_photographs() -> dict[str, np.ndarray]:
    """{name: (H, W, 3) uint8}: eleven photographs that come with scikit-image and scikit-learn.

    Raises:
        ImportError: when one of these is missing.
    """
    try:
        import skimage.data
        import sklearn.datasets
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[photographs]".') from error
    found = {name: getattr(skimage.data, name)() for name in TEST}
    found |= {name[:-4]: sklearn.datasets.load_sample_image(name) for name in TEST_SKLEARN}
    return {
        name: np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
        for name, image in found.items()
    }


test_photographs.__test__ = False  # its name misleads pytest


def _cut(photographs: Mapping[str, np.ndarray], scale: int) -> dict[str, np.ndarray]:
    return {name: cut(image, scale) for name, image in photographs.items()}


def _split(paths: Sequence[Path], seed: int, splits: Sequence[str]) -> dict[str, list[Path]]:
    """A tenth of the photographs, one at least, for each split but the last."""
    if len(paths) < len(splits):
        raise ValueError(f"{len(paths)} photographs; {', '.join(splits)} need {len(splits)}.")
    order = [paths[i] for i in np.random.default_rng(seed).permutation(len(paths))]
    held, parts = max(len(paths) // 10, 1), {}
    for split in splits[:-1]:
        parts[split], order = order[:held], order[held:]
    return {**parts, splits[-1]: order}


def _split_folder(root: Path, seed: int) -> dict[str, list[Path]]:
    """The photographs of each split: as sub-folders have them, else a tenth of the others."""
    folders = parts_of(root)
    if not folders:
        return _split(find(root), seed, ("test", "validation", "train"))
    found = {split: find(path) for split, path in folders.items()}
    lacking = [split for split in ("test", "validation") if split not in found]
    found |= _split(found["train"], seed, (*lacking, "train"))
    for split, paths in found.items():
        if not paths:
            raise ValueError(f"{root}: there is no photograph in the {split} split.")
    return {split: found[split] for split in ("test", "validation", "train")}


def _div2k(data_dir: str | Path, scale: int) -> Photographs:
    """DIV2K (Agustsson and Timofte 2017): 800 photographs to train on, 100 that the field tests on."""
    builder = tfds_offline.reachable(f"div2k/bicubic_x{scale}", data_dir, "photographs")

    def images(split: str) -> Iterator[np.ndarray]:
        return (example["hr"] for example in tfds_offline.examples(builder, split))

    splits = {"train": "train[:90%]", "validation": "train[90%:]"}
    sources = {
        name: (None, _all_tiles(images(split), scale, name)) for name, split in splits.items()
    }
    arrays = cached(f"div2k-x{scale}", sources, data_dir, KINDS)
    test = {f"{i:04d}": image for i, image in enumerate(images("validation"), start=801)}
    return Photographs("div2k", f"x{scale}", arrays, scale, _cut(test, scale))
