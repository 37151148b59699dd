"""CARAFE and DySample against slow and obvious numpy versions."""

import keras
import numpy as np
import pytest

from dnzoo.layers import CARAFE, DySample, Resize2D, learned
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class TestCARAFE(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return CARAFE(2, 3, 3, compressed=4, **kwargs)


class TestDySample(LayerConformance):
    shapes = (2, 5, 4, 6)
    tolerance = 1e-3  # a sampling point beside a pixel may fall on either side of it

    def build(self, **kwargs):
        return DySample(2, groups=2, **kwargs)


@pytest.mark.parametrize("scale", [2, 3])
def test_carafe(scale):
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 3, 2)).astype("float32")
    k = 5
    layer = CARAFE(scale, k, 3, compressed=4)
    y = np.asarray(layer(x))
    logits = np.asarray(layer.encode(layer.compress(x)))
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for i, j in np.ndindex(4 * scale, 3 * scale):
        sub_pixel = (i % scale) * scale + j % scale
        weights = np.exp(logits[0, i // scale, j // scale].reshape(-1, k * k)[sub_pixel])
        weights = weights.reshape(k, k) / weights.sum()
        around = padded[0, i // scale : i // scale + k, j // scale : j // scale + k]
        assert np.allclose(y[0, i, j], np.einsum("kl,klc->c", weights, around), atol=1e-5)


def test_gradient_of_what_carafe_gathers():
    """TensorFlow's fast gradient, and the gradient of that, against the plain one."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, 4, 3, 5)), tf.float32)
    weights = tf.constant(rng.normal(size=(2, 4, 3, 9, 5)), tf.float32)
    found = []
    for gather in (learned._around, learned._tensorflow_around):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = gather(x, 3)
                loss = tf.reduce_sum(weights * y**2)
            first = tape.gradient(loss, x)
            square = tf.reduce_sum(first**2)
        found.append([y, first, outer.gradient(square, x)])
    for plain, fast in zip(*found):
        assert np.allclose(plain, fast, rtol=1e-5, atol=1e-5)


def sampled(image, row, column):
    """Bilinear, the border repeated."""
    height, width = image.shape[:2]
    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    i, j = int(row), int(column)
    down, right = row - i, column - j
    i1, j1 = min(i + 1, height - 1), min(j + 1, width - 1)
    top = (1 - right) * image[i, j] + right * image[i, j1]
    return (1 - down) * top + down * ((1 - right) * image[i1, j] + right * image[i1, j1])


def with_offsets(layer, x, spread):
    layer.build(x.shape)
    layer.offset.kernel.assign(
        np.random.default_rng(1).normal(0, spread, layer.offset.kernel.shape)
    )
    return np.asarray(layer(x))


def points(layer, x):
    """Sampling points (s H, s W, groups), rows and columns, of the first image."""
    s, (height, width) = layer.scale, x.shape[1:3]
    offset = 0.25 * np.asarray(layer.offset(x))[0]
    rows, columns = np.zeros((2, s * height, s * width, layer.groups))
    for i, j in np.ndindex(*rows.shape[:2]):
        sub_pixel = (i % s) * s + j % s
        moved = offset[i // s, j // s].reshape(s * s, layer.groups, 2)[sub_pixel]
        rows[i, j] = (i + 0.5) / s - 0.5 + moved[:, 0]
        columns[i, j] = (j + 0.5) / s - 0.5 + moved[:, 1]
    return rows, columns


def test_dysample():
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 5, 6)).astype("float32")
    layer = DySample(2, groups=3)
    y = with_offsets(layer, x, 2.0)
    rows, columns = points(layer, x)
    for i, j in np.ndindex(*y.shape[1:3]):
        for group in range(3):
            own = slice(2 * group, 2 * group + 2)
            expected = sampled(x[0, ..., own], rows[i, j, group], columns[i, j, group])
            assert np.allclose(y[0, i, j, own], expected, atol=1e-4)


def test_dysample_equals_pytorch_grid_sample():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (1, 4, 5, 6)).astype("float32")
    layer = DySample(2, groups=1)
    y = with_offsets(layer, x, 2.0)
    rows, columns = (part[..., 0] for part in points(layer, x))
    grid = np.stack([(2 * columns + 1) / 5 - 1, (2 * rows + 1) / 4 - 1], -1)[None]
    expected = torch.nn.functional.grid_sample(
        torch.tensor(x.transpose(0, 3, 1, 2).copy()),
        torch.tensor(grid.astype("float32")),
        padding_mode="border",
        align_corners=False,
    )
    assert np.allclose(y, expected.numpy().transpose(0, 2, 3, 1), atol=1e-4)


def test_dysample_of_a_diverged_training_is_nan():
    # of even width and one group: else NaN's whole number, the least there is, wraps to 0
    x = np.full((1, 4, 4, 8), np.nan, "float32")
    assert np.isnan(DySample(2, groups=1)(x)).all()


def test_dysample_starts_as_bilinear():
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 5, 8)).astype("float32")
    layer = DySample(3)
    layer.build(x.shape)
    assert 0 < np.abs(layer.offset.kernel).max() < 0.01
    layer.offset.kernel.assign(keras.ops.zeros(layer.offset.kernel.shape))
    assert np.allclose(layer(x), Resize2D(3, interpolation="bilinear")(x), atol=1e-5)
