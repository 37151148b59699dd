"""Train a small classifier, whose features and classes judge what a generator makes.

dnzoo train classifier --data fashion_mnist --image-size 32 --out runs/classifier
"""

import dataclasses
import functools
from typing import Annotated

import keras

from dnzoo import training
from dnzoo.layers import ConvBlock, Output, Preprocessing
from dnzoo.tasks import Classification
from dnzoo.terminal import FOLDER


@dataclasses.dataclass(kw_only=True)
class Config(Classification.Config, training.Normalized):
    out: Annotated[str, FOLDER] = "runs/classifier"
    filters: tuple[int, ...] = (16, 32, 64)
    """Channels of each level, two convolutions each; the last are the features."""
    learning_rate: float = 3e-3


def build(config, data):
    image = x = keras.Input(data.shape, name="image")
    x = Preprocessing(name="preprocessing")(x)
    for level, width in enumerate(config.filters):
        if level:
            x = keras.layers.MaxPooling2D(2, name=f"pool_{2**level}")(x)
        x = ConvBlock(width, normalization_momentum=config.momentum, name=f"block_{2**level}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dense(data.classes, dtype="float32", name="logits")(x)
    return keras.Model(image, Output("labels", logits=True)(x), name="classifier")


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "weight_decay": hp.Float("weight_decay", 1e-5, 1e-2, sampling="log"),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
