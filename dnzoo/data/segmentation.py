"""Images and their masks: from TFDS, or from a folder of the user's own.

Whatever the source, images come out as uint8 (n, size, size, 3) and masks as uint8 (n, size,
size), class numbers and 255 for "ignore", fitted into the square without distortion: the border
is black and ignored. They are written once to `data_dir` and memory-mapped from there, so that a
data set may be larger than memory.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from dnzoo.data import folder, tfds_offline
from dnzoo.data.arrays import cached
from dnzoo.data.base import Data, fitted
from dnzoo.data.composed import Composed
from dnzoo.data.scenes import SPLITS, Split
from dnzoo.data.targets import ClassMask, Image, Target
from dnzoo.imaging.drawing import palette
from dnzoo.metrics.labels import IGNORE


@dataclasses.dataclass(frozen=True)
class SegmentationData(Data):
    """Images and their masks, (n, H, W, 3) and (n, H, W).

    Attributes:
        class_names: one per class, class 0 first.
        colours: of the classes, (red, green, blue); None: dnzoo's.
        name, detail, splits: as of `Data`.
    """

    class_names: tuple[str, ...]
    colours: Sequence[tuple[int, int, int]] | None = None
    targets: ClassVar[tuple[Target, ...]] = (Image(), ClassMask())

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.splits["train"][0].shape[-1]

    @property
    def palette(self) -> list[tuple[int, int, int]]:
        """A colour, (red, green, blue) 0 to 255, for each class; class 0 is black unless said otherwise."""
        return [*self.colours] if self.colours else palette(len(self.class_names))


def load(
    data: str,
    data_dir: str | Path = "data",
    size: int = 128,
    seed: int = 0,
    scenes: int = 2000,
    without: Sequence[str] = (),
    cutouts: str | Path | None = None,
    backgrounds: str | Path | None = None,
    mask_values: Sequence[int] | None = None,
    channels: int | None = None,
    white: float | None = None,
    black: float | None = None,
) -> SegmentationData:
    """The data set that `data` names.

    Args:
        data: "fashion_scenes" (made from the sample that dnzoo ships), "cutout_scenes" (made from
            two folders), "oxford_iiit_pet" (fetched by TFDS), or a folder. A folder holds
            `images/` and `masks/`, images (`dnzoo.imaging.reading.TYPES`) and masks of the same name
            (palette or grey PNG, TIFF or BMP; the value is the class, 255 ignored), or both in one
            folder (x.jpg and x_mask.png), or `train/`, `validation/` (or `val/`, `valid/`) and `test/`,
            each with these. Without these it is split 80, 10, 10 by `seed`. A `classes.txt` beside them
            names the classes, one per line, and in lines such as "road 128 64 128" their colours in
            masks of colours ("ignore 0 0 0": of pixels without a class).
        data_dir: where prepared data goes.
        size: height and width of the images that come out.
        seed: of the scenes, and of a folder's split.
        scenes: how many training scenes to compose, for the two kinds of scenes.
        without: names of classes that the scenes do without.
        cutouts, backgrounds: folders for "cutout_scenes"; see `dnzoo.data.cutouts.Cutouts`.
        mask_values: of a folder: the value in masks of each class, in order; None: 0, 1, 2 and so on.
        channels: of a folder: of the images that come out; None: 3, or as many as bands, up to 13.
        white, black: of a folder: values of 16-bit and float images that become 255 and 0; None: the
            percentiles 99.9 and 0.1 of the training images. Images of 8 bits stay as they are.

    Raises:
        FileNotFoundError: for a path that is not there, a name that is not known.
        ValueError: for masks that do not fit their images or can't be read as class numbers, and for
            whatever else `dnzoo.data.check` refuses; the message says what to do.
        ConnectionError: when data must be fetched and there is no network.

    Example:
        >>> getfixture("small_scenes").splits["test"][0].shape
        (6, 32, 32, 3)
    """
    own = {"mask_values": mask_values, "channels": channels, "white": white, "black": black}
    named = [f"{name}={value}" for name, value in own.items() if value is not None]
    if named and not Path(data).is_dir():
        raise ValueError(f"{', '.join(named)} is for a folder; data={data!r} is none.")
    if data == "fashion_scenes":
        return fashion_scenes(data_dir, size, scenes, seed=seed, without=without)
    if data == "cutout_scenes":
        folders = (cutouts, backgrounds)
        return cutout_scenes(data_dir, size, scenes, seed=seed, without=without, folders=folders)
    if data == "oxford_iiit_pet":
        return _oxford_iiit_pet(data_dir, size)
    if Path(data).is_dir():
        name, detail, splits, look = folder.load(
            data, data_dir, size, seed, mask_values, channels, (black, white)
        )
        names, colours = look.facts["classes"], look.facts["palette"]
        colours = colours and [tuple(colour) for colour in colours]
        return SegmentationData(name, detail, splits, tuple(names), colours, look=look)
    raise FileNotFoundError(
        f"data={data!r} is neither a folder nor one of fashion_scenes, cutout_scenes, "
        "oxford_iiit_pet. A folder needs images/ and masks/ (PNG masks of class numbers, paired by "
        "name)."
    )


def fashion_scenes(
    data_dir: str | Path,
    size: int = 128,
    train: int = 2000,
    validation: int = 300,
    test: int = 500,
    seed: int = 0,
    without: Sequence[str] = (),
) -> SegmentationData:
    """Garment scenes (`dnzoo.data.garments`), composed once and kept in `data_dir`.

    Args:
        data_dir: folder of the prepared arrays.
        size: height and width of a scene, in pixels.
        train, validation, test: number of scenes in each split.
        seed: of the scenes.
        without: names of classes that do not appear.

    Returns:
        `SegmentationData`: per split, images (n, size, size, 3) and masks of class numbers, uint8.

    Raises:
        ValueError: when `without` names what is no class, or all classes.
    """
    counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
    composed = Composed("fashion_scenes", size, counts, seed, without)
    return _composed("fashion_scenes", composed, data_dir)


def cutout_scenes(
    data_dir: str | Path,
    size: int = 128,
    train: int = 2000,
    validation: int = 300,
    test: int = 500,
    seed: int = 0,
    without: Sequence[str] = (),
    folders: tuple[str | Path | None, str | Path | None] = (None, None),
) -> SegmentationData:
    """Scenes of cut-out photographs (`dnzoo.data.cutouts`); arguments as for `fashion_scenes`.

    Args:
        folders: of cut-outs and of backgrounds; see `dnzoo.data.cutouts.Cutouts`.
    """
    counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
    composed = Composed("cutout_scenes", size, counts, seed, without, folders)
    return _composed("cutouts", composed, data_dir)


def _composed(name: str, composed: Composed, data_dir: str | Path) -> SegmentationData:
    def read(split: Split) -> Iterator[tuple[np.ndarray, ...]]:
        for scene in composed.scenes(split):
            yield scene["image"][None], scene["segmentation_mask"][None]

    sources = {split: (composed.counts[split], read(split)) for split in SPLITS}
    arrays = cached(f"{name}-{composed.detail}", sources, data_dir)
    return SegmentationData(name, composed.detail, arrays, composed.class_names)


def _oxford_iiit_pet(data_dir: str | Path, size: int) -> SegmentationData:
    """Oxford-IIIT Pet (Parkhi et al. 2012): background, pet, outline. A tenth of "train" validates."""
    builder = tfds_offline.reachable("oxford_iiit_pet", data_dir, "images/ and masks/")
    classes = np.array([IGNORE, 1, 0, 2], "uint8")  # TFDS: 1 pet, 2 background, 3 outline

    def read(part: str) -> Iterator[tuple[np.ndarray, ...]]:
        for example in tfds_offline.examples(builder, part):
            yield example["image"], classes[example["segmentation_mask"][..., 0]]

    parts = {"train": "train[:90%]", "validation": "train[90%:]", "test": "test"}
    sources = {
        split: (builder.info.splits[part].num_examples, read(part)) for split, part in parts.items()
    }
    detail, names = f"{size}px", ("background", "pet", "outline")
    arrays = fitted(f"oxford_iiit_pet-{detail}", sources, data_dir, size)
    return SegmentationData("oxford_iiit_pet", detail, arrays, names)
