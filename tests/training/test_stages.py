"""Stages that begin with a function, of a model in parts: stopped and resumed, to the bit."""

import dataclasses
import signal
import types

import keras
import numpy as np
import pytest

from dnzoo import storage, training
from dnzoo.imaging import drawing
from dnzoo.models import dcgan
from dnzoo.training import Stage
from dnzoo.training.loop import Loop
from dnzoo.training.notes import Notes
from dnzoo.training.run import train
from dnzoo.training.task import Task
from tests.conftest import slow, weights


def smooth(model):
    """Change the loss: real images count less."""
    model.label_smoothing = 0.3


def freeze(model):
    model.discriminator.get_layer("conv_0").trainable = False


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "noise"
    out: str = "unused"
    batch_size: int = 8
    precision: str = "float32"

    def stages(self):
        return [Stage(2, 1e-2, begin=smooth), Stage(1, 1e-2, begin=freeze)]


class Noise(Task):
    """Images that are noise: only the steps count."""

    caption = "Noise."

    def __init__(self, config):
        images = np.random.default_rng(0).uniform(-1, 1, (40, 16, 16, 1)).astype("float32")
        splits = {"train": (images,), "validation": (images[:8],), "test": (images[:8],)}
        data = types.SimpleNamespace(
            name="noise", detail="40", splits=splits, identity="noise-40", pixels=None, look=None
        )
        super().__init__(data, config, lambda images, rng: (images,), lambda images, rng: (images,))

    def validate(self, model, devices=1, callbacks=()):
        return {"loss": float(np.std(model.generate(4)))}

    def evaluate(self, model):
        return {"deviation": float(np.std(model.generate(4)))}

    def pictures(self, model):
        return drawing.sheet(127.5 * (model.generate(4) + 1), 4)


def build():
    return dcgan((16, 16, 1), 6, filters=4, critic_steps=2, average=0.9)


def run(out, stop_at=None, precision="float32"):
    config = Config(out=str(out), precision=precision)
    task = Noise(config)
    fetch = task.train.batch

    def batch(step):
        if step == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return fetch(step)

    task.train.batch = batch
    return training.run(config, task, build)


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_float16", marks=slow)])
def test_parts_and_stages_stopped_and_resumed(tmp_path, precision):
    """In the middle of a cycle, of an epoch and of each stage."""
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    config = Config(out=str(straight), precision=precision)
    with storage.owned(straight, alone=True) as folder:
        train(config, Noise(config), build, folder)
    for step in (8, 13):
        with pytest.raises(KeyboardInterrupt):
            run(stopped, step, precision)
    assert run(stopped, precision=precision) is not None
    expected, found = weights(straight), weights(stopped)
    assert set(expected) == set(found)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (straight / "log.csv").read_bytes() == (stopped / "log.csv").read_bytes()


def test_where_a_model_grows_the_best_epoch_is_one_since():
    """The weights of an earlier one would not fit. Where the run goes on, all is begun again."""
    model, begun = keras.Sequential([keras.layers.Dense(2)]), []
    model.build((None, 3))

    def grow(model):
        begun.append(keras.random.uniform(()))
        model.add(keras.layers.Dense(2))

    stages = [Stage(1, 0.1, begin=lambda model: begun.append(0.0)), Stage(1, 0.1, begin=grow)]
    loop = types.SimpleNamespace(stages=stages, model=model, config=Config(), resumed=False)
    loop.notes = Notes(best=1.0)
    Loop._begin(loop, 0)
    assert loop.notes.best == 1.0 and begun == [0.0]
    Loop._begin(loop, 1)
    assert loop.notes.best is None and len(model.layers) == 2
    loop.resumed, loop.notes.best = True, 2.0
    Loop._begin(loop, 1)
    assert loop.notes.best == 2.0 and len(begun) == 4
    assert float(begun[1]) == float(begun[3])  # the same seed
