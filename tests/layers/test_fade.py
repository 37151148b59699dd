"""Fading in, and the callback that drives it."""

import keras
import numpy as np
import pytest

from dnzoo.layers import FadeIn
from tests.conformance import LayerConformance
from tests.conftest import child, has


class TestFadeIn(LayerConformance):
    shapes = [(2, 5, 4, 3), (2, 5, 4, 3)]

    def build(self, **kwargs):
        return FadeIn(0.3, **kwargs)


def test_fades():
    old, new = np.float32([[1.0]]), np.float32([[3.0]])
    for alpha, expected in ((0, 1), (0.5, 2), (1, 3)):
        assert FadeIn(alpha)([old, new]) == expected


SCHEDULE = """
import keras, numpy as np
from dnzoo.layers import FadeIn, FadeInSchedule

class Watch(keras.callbacks.Callback):
    seen = []
    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(round(float(keras.ops.convert_to_numpy(fade.alpha.value)), 3))

x = keras.Input((1,))
fade = FadeIn()
model = keras.Model(x, fade([x, keras.layers.Dense(1)(x)]))
model.compile("sgd", "mse")
data = np.ones((6, 1), "float32")
for _ in range(2):  # a second fit goes on where the first was
    model.fit(data, data, batch_size=2, verbose=0, callbacks=[FadeInSchedule([fade], 5, begin=1), Watch()])
print(Watch.seen)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_schedule(backend):
    if backend != "tensorflow" and not has(backend):
        pytest.skip("make test-all compares with JAX and PyTorch")
    done = child(SCHEDULE, env={"KERAS_BACKEND": backend})
    assert done.stdout.splitlines()[-1] == "[0.0, 0.0, 0.25, 0.5, 0.75, 1.0]"


def test_state_is_saved(tmp_path):
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = keras.Model(inputs, FadeIn(name="fade")(inputs))
    model.get_layer("fade").alpha.assign(0.75)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.get_layer("fade").alpha.value) == 0.75
