"""Fading in, and the callback that drives it."""

import keras
import numpy as np
import pytest

from dnzoo.layers import FadeIn, FadeInSchedule
from tests.conftest import run_on
from tests.layer_conformance import LayerConformance


class TestFadeIn(LayerConformance):
    shapes = [(2, 5, 4, 3), (2, 5, 4, 3)]

    def build(self, **kwargs):
        return FadeIn(0.3, **kwargs)


def test_fades():
    old, new = np.float32([[1.0]]), np.float32([[3.0]])
    for alpha, expected in ((0, 1), (0.5, 2), (1, 3)):
        assert FadeIn(alpha)([old, new]) == expected


def test_schedule():
    seen, fade = [], FadeIn()

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(round(float(keras.ops.convert_to_numpy(fade.alpha.value)), 3))

    x = keras.Input((1,))
    model = keras.Model(x, fade([x, keras.layers.Dense(1)(x)]))
    model.compile("sgd", "mse")
    data = np.ones((6, 1), "float32")
    for _ in range(2):  # a second fit goes on where the first was
        callbacks = [FadeInSchedule([fade], 5, begin=1), Watch()]
        model.fit(data, data, batch_size=2, verbose=0, callbacks=callbacks)
    assert seen == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_schedule_on(backend):
    run_on(backend, "from tests.layers import test_fade as t; t.test_schedule()")


def test_state_is_saved(tmp_path):
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = keras.Model(inputs, FadeIn(name="fade")(inputs))
    model.get_layer("fade").alpha.assign(0.75)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.get_layer("fade").alpha.value) == 0.75
