"""Pooling with switches and unpooling, against numpy and PyTorch."""

import keras
import numpy as np
import pytest

from dnzoo.layers import MaxPoolWithSwitches2D, MaxUnpool2D
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class TestMaxPoolWithSwitches2D(LayerConformance):
    shapes = (2, 7, 4, 3)

    def build(self, **kwargs):
        return MaxPoolWithSwitches2D(2, **kwargs)


class TestMaxUnpool2D(LayerConformance):
    shapes = [(2, 3, 2, 4), (2, 3, 2, 4), (2, 7, 4, 1)]
    without_gradient = (1, 2)

    def inputs(self):
        x, switches, reference = super().inputs()
        return [x, np.floor(2 + 2 * switches), reference]

    def build(self, **kwargs):
        return MaxUnpool2D(2, **kwargs)


def pooled(x, p):
    """Maxima and where they are, window by window."""
    n, height, width, depth = x.shape
    values = np.zeros((n, height // p, width // p, depth), x.dtype)
    switches = np.zeros(values.shape, "int32")
    for b, i, j, c in np.ndindex(*values.shape):
        window = x[b, p * i : p * (i + 1), p * j : p * (j + 1), c]
        values[b, i, j, c], switches[b, i, j, c] = window.max(), window.argmax()
    return values, switches


@pytest.mark.parametrize("p", [1, 2, 3])
def test_equals_numpy_also_for_ties(p):
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 8, 2)).astype("float32")  # many ties
    values, switches = MaxPoolWithSwitches2D(p)(x)
    expected = pooled(x, p)
    assert np.array_equal(values, expected[0]) and np.array_equal(switches, expected[1])
    back = np.asarray(MaxUnpool2D(p)([values, switches]))
    assert back.shape == (2, 7 // p * p, 8 // p * p, 2)
    again = pooled(np.where(back == 0, -1, back), p)
    chosen = expected[0] > 0  # a maximum of 0 can't be told from what was not chosen
    assert np.array_equal(again[1][chosen], expected[1][chosen])
    assert np.count_nonzero(back) == np.count_nonzero(expected[0])


def test_equals_pytorch():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).integers(0, 4, (2, 7, 9, 3)).astype("float32")
    p, width = 2, x.shape[2]
    values, switches = (np.asarray(part) for part in MaxPoolWithSwitches2D(p)(x))
    image = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    expected, indices = torch.nn.functional.max_pool2d(image, p, return_indices=True)
    rows, columns = np.indices(values.shape[1:3])[..., None]
    flat = (p * rows + switches // p) * width + p * columns + switches % p
    assert np.array_equal(values, expected.numpy().transpose(0, 2, 3, 1))
    assert np.array_equal(flat, indices.numpy().transpose(0, 2, 3, 1))
    theirs = torch.nn.functional.max_unpool2d(expected, indices, p, output_size=(7, 9))
    ours = MaxUnpool2D(p)([values, switches, x])
    assert np.array_equal(ours, theirs.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_segnet_trains(jit_compile):
    """Encoder and decoder with switches, sizes that 2 does not divide."""
    image = keras.Input((9, 7, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    values, switches = MaxPoolWithSwitches2D()(x)
    y = keras.layers.Conv2D(4, 3, padding="same")(values)
    y = keras.layers.Conv2D(1, 3, padding="same")(MaxUnpool2D()([y, switches, x]))
    model = keras.Model(image, y)
    model.compile("adam", "mse", jit_compile=jit_compile)
    images = np.random.default_rng(0).normal(0, 1, (2, 9, 7, 1)).astype("float32")
    assert np.isfinite(model.train_on_batch(images, images))
