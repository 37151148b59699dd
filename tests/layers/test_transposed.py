"""Transposed convolution against a scatter sum in numpy, PyTorch, and Keras's own layer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnzoo.layers import Conv2DTranspose
from tests.backends import gradients
from tests.conformance import LayerConformance
from tests.conftest import has


class TestIntegerPadding(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return Conv2DTranspose(
            6,
            (4, 3),
            strides=(2, 3),
            padding=(1, 0),
            output_padding=(1, 2),
            activation="relu",
            **kwargs,
        )


class TestSame(LayerConformance):
    shapes = (2, 5, 7, 3)

    def build(self, **kwargs):
        return Conv2DTranspose(4, 3, strides=2, padding="same", **kwargs)


def scatter(x, kernel, stride, padding, output_padding):
    """y(i, j) = sum x(m, n) w(i - S m, j - S n), then P rows off each side and O_P more at the end."""
    n, height, width, _ = x.shape
    k = kernel.shape[0]
    rows, columns = (stride * (size - 1) + k + output_padding for size in (height, width))
    y = np.zeros((n, rows, columns, kernel.shape[2]))
    for i in range(height):
        for j in range(width):
            patch = np.einsum("nc,klfc->nklf", x[:, i, j], kernel)
            y[:, stride * i : stride * i + k, stride * j : stride * j + k] += patch
    return y[:, padding : rows - padding, padding : columns - padding]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_formula_and_scatter_sum(data):
    kernel, stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    extra = data.draw(st.integers(0, stride - 1))
    room = stride * (min(height, width) - 1) + kernel + extra
    padding = data.draw(st.integers(0, (room - 1) // 2))
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (1, height, width, 2)).astype("float32")
    layer = Conv2DTranspose(3, kernel, stride, padding, extra)
    y = np.asarray(layer(x))
    assert y.shape[1] == stride * (height - 1) + kernel - 2 * padding + extra
    expected = scatter(x, np.asarray(layer.kernel), stride, padding, extra)
    assert np.allclose(y, expected, atol=1e-5)


# Keras's own layer fails on a CPU for "same" with an even kernel and output_padding=0.
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "output_padding"), [("valid", None), ("same", None), ("valid", 0)]
)
def test_keras_sizes_and_values_for_string_padding(kernel, strides, padding, output_padding):
    arguments = (2, kernel, strides, padding, output_padding)
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 5, 3)).astype("float32")
    ours, keras_layer = Conv2DTranspose(*arguments), keras.layers.Conv2DTranspose(*arguments)
    expected = keras_layer(x)
    assert ours.compute_output_shape(x.shape) == tuple(expected.shape)
    ours.build(x.shape)
    ours.set_weights(keras_layer.get_weights())
    assert np.array_equal(ours(x), expected)


@pytest.mark.parametrize("geometry", [(3, 2, 1, 1), (4, 2, 1, 0), (2, 3, 0, 2), (5, 1, 2, 0)])
def test_equals_pytorch(geometry):
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    kernel, stride, padding, extra = geometry
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 6, 3)).astype("float32")
    layer = Conv2DTranspose(4, kernel, stride, padding, extra, use_bias=False)
    y = np.asarray(layer(x))
    kernel = np.asarray(layer.kernel).transpose(3, 2, 0, 1).copy()
    weight = torch.tensor(kernel, requires_grad=True)
    image = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    expected = torch.nn.functional.conv_transpose2d(image, weight, None, stride, padding, extra)
    assert np.allclose(y, expected.detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)

    cotangent = np.random.default_rng(1).normal(0, 1, y.shape).astype("float32")
    found = gradients(layer, x, lambda shape: cotangent)
    expected.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2).copy()))
    assert np.allclose(found["inputs"][0], image.grad.numpy().transpose(0, 2, 3, 1), atol=1e-4)
    assert np.allclose(found["weights"][0], weight.grad.numpy().transpose(2, 3, 1, 0), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "filters must be"),
        ({"filters": 2, "kernel_size": (3, 3, 3)}, "kernel_size must be"),
        ({"filters": 2.5, "kernel_size": 3}, "filters must be an integer, at least 1"),
        ({"filters": 2, "kernel_size": 3, "strides": 0}, "strides must be"),
        ({"filters": 2, "kernel_size": 3, "data_format": "NCHW"}, "data_format must be"),
        ({"filters": 2, "kernel_size": 3, "padding": "causal"}, "padding must be"),
        ({"filters": 2, "kernel_size": 3, "padding": -1}, "padding must be"),
        (
            {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 2},
            "smaller than strides",
        ),
    ],
)
def test_illegal_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Conv2DTranspose(**arguments)


def test_too_much_padding():
    with pytest.raises(ValueError, match="too small"):
        Conv2DTranspose(2, 2, padding=2)(keras.Input((1, 1, 3)))
