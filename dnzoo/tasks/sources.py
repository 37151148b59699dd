"""Flags that several tasks share, because their data comes from the same places."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

from dnzoo import training
from dnzoo.data import pictures
from dnzoo.terminal import DATA, FOLDER


@dataclasses.dataclass(kw_only=True)
class Scenes(training.Config):
    """Images with masks: composed scenes among them."""

    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"scenes": (1, math.inf)}

    data: Annotated[str, DATA] = "fashion_scenes"
    """fashion_scenes, cutout_scenes, oxford_iiit_pet, or a folder with images/ and masks/."""
    scenes: int = 2000
    """Training scenes to compose, for fashion_scenes and cutout_scenes."""
    cutouts: Annotated[str | None, FOLDER] = None
    """For cutout_scenes: transparent PNGs in a sub-folder per class; none: Debian's, if installed."""
    backgrounds: Annotated[str | None, FOLDER] = None
    """For cutout_scenes: a folder of photographs; none: Debian's, if installed."""
    image_size: int = 128
    """Images are fitted into a square of this size."""


@dataclasses.dataclass(kw_only=True)
class Depths(training.Config):
    """Images of one's own of any depth."""

    white: float | None = None
    """The value that is white in 16-bit and float images, such as 4095; none: taken from the images."""
    black: float | None = None
    """The value that is black in them, with --white; none: 0."""


@dataclasses.dataclass(kw_only=True)
class SmallImages(Depths):
    """Small images with labels."""

    data: Annotated[str, DATA] = "fashion_mnist"
    """mnist, fashion_mnist, cifar10, celeb_a, or a folder of their raw files or of images."""
    image_size: int | None = None
    """Rows and columns of the images; none: as they are."""
    channels: int | None = None
    """Of a folder of images: 1 (grey) or 3; none: 1 if all are grey."""
    batch_size: int = 128
    """Images per step, all devices together."""


def load_for(config: SmallImages) -> pictures.Pictures:
    """The small images that a config names."""
    return pictures.load(
        config.data,
        config.data_dir,
        config.image_size,
        config.seed,
        config.channels,
        config.white,
        config.black,
    )
