"""Find the masks of objects whose boxes are given, with Mask R-CNN's mask head.

python recipes/mask_head.py --data cutout_scenes --encoder-weights imagenet
"""

import dataclasses

from dnzoo import training
from dnzoo.data import instances
from dnzoo.models import mask_branch
from dnzoo.tasks import InstanceMasks


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_scenes"
    """fashion_scenes, cutout_scenes or coco/2017."""
    out: str = "runs/mask_head"
    """The folder that gets everything the run makes."""
    scenes: int = 2000
    """Training scenes to compose, for fashion_scenes and cutout_scenes."""
    cutouts: str | None = None
    """For cutout_scenes: transparent PNGs in a sub-folder a class; none: Debian's, if installed."""
    backgrounds: str | None = None
    """For cutout_scenes: a folder of photographs; none: Debian's, if installed."""
    image_size: int = 128
    """Images are fitted into a square of this size."""
    encoder: str = "efficientnet_lite0"
    """efficientnet_lite0, or a keras.applications name."""
    encoder_weights: str | None = None
    """imagenet, or a weights file, for --encoder."""
    stride: int = 4
    """Of the features that regions are cut from."""
    filters: int = 96
    """Channels of the feature pyramid and the head; 256 are the paper's."""
    learning_rate: float = 1e-3
    """Highest learning rate, of AdamW."""


def setup(config):
    data = instances.load(
        config.data,
        config.data_dir,
        config.image_size,
        config.seed,
        config.scenes,
        config.cutouts,
        config.backgrounds,
    )

    def build():
        return mask_branch(
            (None, None, 3),
            len(data.class_names),
            encoder=config.encoder,
            encoder_weights=config.encoder_weights,
            stride=config.stride,
            filters=config.filters,
            name="mask_head",
        )

    return InstanceMasks(data, config), build


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "filters": hp.Choice("filters", [32, 64, 96, 128]),
        "stride": hp.Choice("stride", [4, 8]),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
