"""A kind of output that dnzoo does not know: all of it is said here, and nothing in `dnzoo/` changes.

Depth of a tilted plane: an image whose brightness is the distance, from 1 to 5 metres.
"""

import dataclasses
import json
import signal

import keras
import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import tasks, training
from dnzoo.data import targets
from dnzoo.data.base import Data
from dnzoo.imaging import drawing
from dnzoo.inference import files, kinds
from dnzoo.layers import ConvBlock, Output, Preprocessing

FAR = 5.0


@kinds.register
class PlaneDepth(kinds.Kind):
    """Metres, (N, H, W, 1)."""

    name = "plane_depth"

    def draw(self, prediction, image):
        """Near is bright: grey levels of the inverse depth."""
        near = 255 / np.maximum(prediction[..., 0], 1.0)
        return Image.fromarray(near.round().astype("uint8"))


class Planes(Data):
    """Images and depths, made by a formula."""

    targets = (targets.Image(), targets.Depth())

    @classmethod
    def make(cls, counts, size=24):
        return cls(
            "planes", f"{size}px", {split: cls.rendered(n, size) for split, n in counts.items()}
        )

    @staticmethod
    def rendered(count, size):
        rng = np.random.default_rng(count)
        rows, columns = np.mgrid[:size, :size] / size
        slopes = rng.uniform(-1.5, 1.5, (count, 2, 1, 1))
        depths = (3.0 + slopes[:, 0] * (rows - 0.5) + slopes[:, 1] * (columns - 0.5)).astype(
            "float32"
        )
        images = np.repeat(255 * depths[..., None] / FAR, 3, axis=-1).round().astype("uint8")
        return images, depths[..., None]


@keras.saving.register_keras_serializable("tests")
class AbsoluteRelative(keras.metrics.Mean):
    """Mean |error| as a share of the true depth."""

    higher_is_better = False

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(keras.ops.abs(y_true - y_pred) / y_true)


class PlaneTask(tasks.Task):
    """Learn metres; judged by the absolute relative error."""

    kind, monitor = "plane_depth", "abs_rel"
    caption = "Images, and inverse depths: true and predicted."
    labels = {"abs_rel": "absolute relative error"}
    loss = "mae"

    @dataclasses.dataclass(kw_only=True)
    class Config(training.Config):
        data: str = "planes"
        out: str = "unused"
        images: int = 64
        """How many to make."""

    @classmethod
    def load(cls, config):
        return Planes.make({"train": config.images, "validation": 8, "test": 9})

    def __init__(self, data, config):
        super().__init__(data, config, self._as_float, self._as_float)

    def _as_float(self, images, depths, rng):
        return images.astype("float32"), depths

    def metrics(self):
        return [AbsoluteRelative("abs_rel")]

    def evaluate(self, model):
        images, depths = self.test.arrays
        return {"abs_rel": float(np.mean(abs(model.predict_on_batch(images) - depths) / depths))}

    def pictures(self, model):
        images, depths = self.test.arrays
        kind = kinds.of(model)
        shown = [
            np.concatenate(
                [image, *(np.stack([np.array(kind.draw(d, image))] * 3, -1) for d in pair)], axis=1
            )
            for image, *pair in zip(images, depths, model.predict_on_batch(images))
        ]
        return drawing.grid(shown, columns=3)


def build(config, data):
    image = keras.Input((None, None, 3), name="image")
    x = ConvBlock(8, normalization=None, name="block")(Preprocessing(name="preprocessing")(image))
    x = keras.layers.Conv2D(1, 1, name="head")(x)
    return keras.Model(image, Output("plane_depth", unit="m")(x), name="planes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Its folder and metrics: interrupted once, and gone on with."""
    out = tmp_path_factory.mktemp("planes") / "out"
    config = PlaneTask.Config(
        out=str(out), epochs=12, batch_size=8, learning_rate=0.02, precision="float32"
    )
    task, make = training.setup(config, build)
    fetch = task.train.batch

    def batch(step):
        if step == 20:
            signal.raise_signal(signal.SIGTERM)
        return fetch(step)

    task.train.batch = batch
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        training.run(config, task, make)
    return out, training.run(config, *training.setup(config, build))


def test_it_learns_and_is_evaluated(trained):
    out, metrics = trained
    assert metrics["abs_rel"] < 0.1  # a guess of 3 m is 0.13 off
    assert "absolute relative error" in (out / "report.html").read_text("utf-8")
    with Image.open(out / "predictions.png") as picture:
        assert picture.width > picture.height > 3 * 24


def test_it_is_saved_and_loaded_with_its_unit(trained):
    out, metrics = trained
    model = dnzoo.load(out / "saved_model")
    assert kinds.said(model) == ("plane_depth", {"unit": "m"})
    config = PlaneTask.Config(out=str(out))
    assert PlaneTask.from_config(config).evaluate(model) == metrics
    meta = json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text("utf-8"))
    assert meta["output"] == {"kind": "plane_depth", "unit": "m"}


def test_it_predicts_from_arrays_and_files(trained, tmp_path):
    import tensorflow as tf

    model = dnzoo.load(trained[0] / "saved_model")
    image = Planes.rendered(1, 50)[0][0]
    depth = dnzoo.predict(model, image)
    assert np.allclose(depth, dnzoo.predict(model, image, tile=31), atol=1e-4)
    module = tf.saved_model.load(str(trained[0] / "saved_model"))
    served = module.serve(image[None].astype("float32"))["plane_depth"]
    assert np.allclose(served[0], depth, atol=1e-4)
    Image.fromarray(image).save(tmp_path / "a.png")
    (path,) = files.predict_files(model, tmp_path / "a.png", tmp_path / "out")
    assert path.name == "a_plane_depth.png"
    with Image.open(path) as drawn:
        assert np.array_equal(drawn, kinds.of(model).draw(depth, image))
