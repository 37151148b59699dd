"""Find the masks of objects whose boxes are given, with Mask R-CNN's mask head.

dnzoo train mask_head --data cutout_scenes --encoder-weights imagenet
"""

import dataclasses
import functools
from typing import Annotated

from dnzoo import training
from dnzoo.models import mask_branch
from dnzoo.tasks import InstanceMasks
from dnzoo.terminal import FOLDER, NAME, NAME_OR_FILE


@dataclasses.dataclass(kw_only=True)
class Config(InstanceMasks.Config):
    out: Annotated[str, FOLDER] = "runs/mask_head"
    encoder: Annotated[str, NAME] = "efficientnet_lite0"
    """efficientnet_lite0, or a keras.applications name."""
    encoder_weights: Annotated[str | None, NAME_OR_FILE] = None
    """imagenet, or a weights file, for --encoder."""
    stride: int = 4
    """Of the features that regions are cut from."""
    filters: int = 96
    """Channels of the feature pyramid and the head; 256 are the paper's."""


def build(config, data):
    return mask_branch(
        (None, None, 3),
        len(data.class_names),
        encoder=config.encoder,
        encoder_weights=config.encoder_weights,
        stride=config.stride,
        filters=config.filters,
        name="mask_head",
    )


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "filters": hp.Choice("filters", [32, 64, 96, 128]),
        "stride": hp.Choice("stride", [4, 8]),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
