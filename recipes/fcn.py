"""Segment photographs, garments, pets, or your own images with FCN-8s, FCN-16s or FCN-32s.

    dnzoo train fcn --data cutout_scenes --scenes 5000 --epochs 10 --warmup 200 \\
        --encoder-weights imagenet --loss cross_entropy+dice --precision float32
As the paper trains, each net from the one before:
    dnzoo train fcn --model fcn32s --out runs/fcn32s
    dnzoo train fcn --model fcn16s --start-from runs/fcn32s/saved_model --out runs/fcn16s
    dnzoo train fcn --model fcn8s --start-from runs/fcn16s/saved_model --out runs/fcn8s
"""

import dataclasses
import functools
from typing import Annotated, Literal

import dnzoo
from dnzoo import training
from dnzoo.models import take_weights
from dnzoo.tasks import Segmentation
from dnzoo.terminal import FOLDER, MODEL, NAME, NAME_OR_FILE
from dnzoo.zoo import create_model


@dataclasses.dataclass(kw_only=True)
class Config(Segmentation.Config):
    out: Annotated[str, FOLDER] = "runs/fcn"
    model: Literal["fcn32s", "fcn16s", "fcn8s"] = "fcn8s"
    """How fine the scores are that the net uses."""
    start_from: Annotated[str | None, MODEL] = None
    """A saved model, a name or a folder: layers of the same name start with its weights."""
    encoder: Annotated[str, NAME] = "efficientnet_lite0"
    """efficientnet_lite0, or a keras.applications name; vgg16 is the paper's."""
    encoder_weights: Annotated[str | None, NAME_OR_FILE] = None
    """imagenet, or a weights file, for --encoder."""
    fc_filters: int = 256
    """Channels of fc6 and fc7; 4096 are the paper's."""
    fc_kernel_size: int = 1
    """Of fc6; 7 is the paper's, for images of 224 pixels and more."""
    dropout: float = 0.5
    """Rate after fc6 and fc7."""
    padding: Literal["same", "valid"] = "same"
    """valid: the paper's way, the image padded by 100."""


def build(config, data):
    model = create_model(
        config.model,
        input_shape=(None, None, data.channels),
        classes=len(data.class_names),
        encoder=config.encoder,
        encoder_weights=config.encoder_weights,
        fc_filters=config.fc_filters,
        fc_kernel_size=config.fc_kernel_size,
        dropout=config.dropout,
        padding=config.padding,
    )
    if config.start_from:
        print("Taken:", ", ".join(take_weights(model, dnzoo.load(config.start_from))))
    return model


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "fc_filters": hp.Choice("fc_filters", [64, 128, 256]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "loss": hp.Choice("loss", ["cross_entropy", "cross_entropy+dice", "lovasz"]),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
