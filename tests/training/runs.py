"""Small runs that the tests of training share."""

import dataclasses
import signal

import keras

from dnzoo import storage, training, unet
from dnzoo.layers import Output
from dnzoo.tasks import Segmentation
from dnzoo.training.run import train


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "small"
    out: str = "unused"
    epochs: int = 3
    batch_size: int = 8
    seed: int = 1
    precision: str = "float32"


def build():
    return unet(
        (None, None, 3), classes=11, filters=(4, 8), dropout=0.2, include_preprocessing=True
    )


def build_small():
    """All that has a state, in few layers: normalisation, dropout, a head."""
    x = image = keras.Input((None, None, 3))
    for layer in (
        keras.layers.Conv2D(4, 3, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Conv2D(11, 1, dtype="float32", name="head"),
        Output("classes", logits=True),
    ):
        x = layer(x)
    return keras.Model(image, x, name="small")


def run(
    data, out, stop_at=None, stop_in="train", build=build_small, kind=Config, callbacks=(), **kwargs
):
    """Train; `stop_at` sends SIGTERM when that step's batch is fetched."""
    config = kind(out=str(out), **kwargs)
    task = Segmentation(data, config, "cross_entropy+dice")
    batches = getattr(task, stop_in)
    fetch = batches.batch

    def batch(step):
        if step == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return fetch(step)

    batches.batch = batch
    return training.run(config, task, build, callbacks)


def straight_run(data, out, kind=Config, callbacks=(), **kwargs):
    """The training alone, never stopped: nothing is saved but checkpoints and the log."""
    config = kind(out=str(out), **kwargs)
    with storage.owned(out, alone=True) as folder:
        task = Segmentation(data, config, "cross_entropy+dice")
        train(config, task, build_small, folder, callbacks)
