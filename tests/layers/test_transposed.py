"""Transposed convolution against a scatter sum in numpy, PyTorch, and Keras's own layer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import geometry
from dnzoo.layers import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    DepthwiseConv2DTranspose,
    FractionalConv2D,
    SeparableConv2DTranspose,
    convolution,
)
from dnzoo.layers.geometry import DATA_FORMATS
from tests.backends import gradients
from tests.conftest import child, has
from tests.layer_conformance import LayerConformance


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


class TestGroupsAndDilation(LayerConformance):
    shapes = (2, 5, 4, 4)

    def build(self, **kwargs):
        return Conv2DTranspose(6, 3, 2, 1, dilation_rate=(2, 1), groups=2, **kwargs)


class TestConv1DTranspose(LayerConformance):
    shapes = (2, 5, 4)

    def build(self, **kwargs):
        return Conv1DTranspose(3, 4, 3, 1, 2, groups=1, dilation_rate=2, **kwargs)


class TestConv3DTranspose(LayerConformance):
    shapes = (2, 3, 2, 4, 4)

    def build(self, **kwargs):
        return Conv3DTranspose(6, 3, (1, 2, 3), 1, groups=2, **kwargs)


class TestFractionalConv2D(LayerConformance):
    shapes = (2, 5, 4, 4)

    def build(self, **kwargs):
        return FractionalConv2D(6, (4, 3), 2, 1, dilation_rate=(1, 2), **kwargs)


class TestDepthwiseConv2DTranspose(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return DepthwiseConv2DTranspose(4, 2, 1, depth_multiplier=2, **kwargs)


class TestSeparableConv2DTranspose(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return SeparableConv2DTranspose(5, 3, 2, "same", activation="relu", **kwargs)


def scatter(x, kernel, stride, padding, output_padding, dilation, groups):
    """y(i, j) = sum x(m, n) w(i - S m, j - S n), then P rows off each side and O_P more at the end."""
    rank = x.ndim - 2
    taps, (out, depth) = kernel.shape[:rank], kernel.shape[rank:]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, taps)]
    rows = [s * (n - 1) + k for s, n, k in zip(stride, x.shape[1:-1], spans)]
    y = np.zeros((len(x), *(r + o for r, o in zip(rows, output_padding)), out * groups))
    width = depth // groups
    for tap in np.ndindex(*taps):  # where a tap puts the pixels: no two of them in one place
        places = [
            slice(d * t, d * t + s * (n - 1) + 1, s)
            for s, n, d, t in zip(stride, x.shape[1:-1], dilation, tap)
        ]
        for g in range(groups):
            seen = slice(g * width, (g + 1) * width)
            written = (..., *places, slice(g * out, (g + 1) * out))
            y[written] += x[..., seen] @ kernel[tap][:, seen].T
    window = tuple(slice(p, n - p) for p, n in zip(padding, y.shape[1:-1]))
    return y[(slice(None), *window)]


def expected_size(arguments, sizes):
    """S (H - 1) + D (K - 1) + 1 - 2 P + O_P."""
    columns = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate")
    return tuple(
        s * (n - 1) + d * (k - 1) + 1 - 2 * p + o
        for n, k, s, p, o, d in zip(sizes, *(arguments[column] for column in columns))
    )


def window_of(arguments, layer):
    columns = ("strides", "padding", "output_padding", "dilation_rate", "groups")
    return [np.asarray(layer.kernel), *(arguments[column] for column in columns)]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("portable", [False, True])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_formula_and_scatter_sum(rank, portable, data):
    draw = data.draw
    largest = 9 if rank < 3 else 3  # the sum by hand takes its time
    arguments, shape = geometry.geometry(lambda *ends: draw(st.integers(*ends)), rank, largest)
    arguments["data_format"] = draw(st.sampled_from(DATA_FORMATS))
    x = np.random.default_rng(0).normal(0, 1, shape).astype("float32")
    layer = geometry.LAYERS[rank](**arguments)
    channels = -1 if arguments["data_format"] == "channels_last" else 1
    layer.build(np.moveaxis(np.empty(shape), -1, channels).shape)
    with pytest.MonkeyPatch.context() as patch:
        if portable:
            patch.setattr(convolution, "_tensorflow_has_kernels", lambda *_: False)
        y = np.moveaxis(np.asarray(layer(np.moveaxis(x, -1, channels))), channels, -1)
    assert y.shape[1:-1] == expected_size(arguments, shape[1:-1])
    expected = scatter(x, *window_of(arguments, layer))
    assert np.allclose(y, expected, atol=1e-4)


@pytest.mark.parametrize("portable", [False, True])
def test_fast_and_portable_paths_agree(portable):
    """Groups, dilation, and more output padding than the kernels take."""
    x = np.random.default_rng(0).normal(0, 1, (1, 3, 4, 4)).astype("float32")
    layer = Conv2DTranspose(4, 2, (1, 2), (0, 2), 2, dilation_rate=3, groups=2, use_bias=False)
    layer.build(x.shape)
    with pytest.MonkeyPatch.context() as patch:
        if portable:
            patch.setattr(convolution, "_tensorflow_has_kernels", lambda *_: False)
        y = np.asarray(layer(x))
    kernel = np.asarray(layer.kernel)
    assert np.allclose(y, scatter(x, kernel, (1, 2), (0, 2), (2, 2), (3, 3), 2), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_fractional_strides_are_the_transposed_convolution_with_the_mirrored_kernel(groups):
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 4, 4)).astype("float32")
    arguments = (6, (4, 3), (2, 3), (2, 1), (1, 0))
    transposed = Conv2DTranspose(*arguments, dilation_rate=(2, 1), groups=groups)
    fractional = FractionalConv2D(*arguments, dilation_rate=(2, 1), groups=groups)
    transposed.build(x.shape), fractional.build(x.shape)
    fractional.kernel.assign(convolution.convolution_kernel(transposed.kernel.value, groups))
    mirrored = np.asarray(transposed.kernel)[::-1, ::-1]
    if groups == 1:
        assert np.array_equal(fractional.kernel, mirrored.transpose(0, 1, 3, 2))
    assert np.allclose(fractional(x), transposed(x), atol=1e-5)


def test_depthwise_is_a_group_for_each_channel():
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 4, 3)).astype("float32")
    depthwise = DepthwiseConv2DTranspose(4, 2, 1, depth_multiplier=2, use_bias=False)
    y = np.asarray(depthwise(x))
    for channel in range(3):
        alone = Conv2DTranspose(2, 4, 2, 1, use_bias=False)
        alone.build((None, 5, 4, 1))
        alone.kernel.assign(depthwise.kernel.value[..., channel : channel + 1])
        expected = alone(x[..., channel : channel + 1])
        assert np.allclose(y[..., 2 * channel : 2 * channel + 2], expected, atol=1e-5)


def test_separable_is_the_transposed_convolution_with_the_product_of_kernels():
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 4, 3)).astype("float32")
    layer = SeparableConv2DTranspose(5, 4, 2, 1, depth_multiplier=2)
    y = layer(x)
    whole = Conv2DTranspose(5, 4, 2, 1)
    whole.build(x.shape)
    depthwise = np.asarray(layer.depthwise.kernel)  # (k, k, multiplier, in)
    pointwise = np.asarray(layer.pointwise.kernel)[0, 0].reshape(3, 2, 5)  # in, multiplier, out
    whole.kernel.assign(np.einsum("klmc,cmo->kloc", depthwise, pointwise))
    assert np.allclose(y, whole(x), atol=1e-5)


# Keras's own layer fails on a CPU for "same" with an even kernel and output_padding=0.
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "output_padding"), [("valid", None), ("same", None), ("valid", 0)]
)
def test_keras_sizes_and_values_for_string_padding(kernel, strides, padding, output_padding):
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 5, 3)).astype("float32")
    for rank, layer in ((2, keras.layers.Conv2DTranspose), (1, keras.layers.Conv1DTranspose)):
        image = x if rank == 2 else x[:, 0]
        arguments = (2, kernel, strides, padding, output_padding)
        ours, theirs = geometry.LAYERS[rank](*arguments), layer(*arguments)
        expected = theirs(image)
        assert ours.compute_output_shape(image.shape) == tuple(expected.shape)
        ours.build(image.shape)
        ours.set_weights(theirs.get_weights())
        assert np.allclose(ours(image), expected, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equals_pytorch(rank):
    """Values and gradients; benchmarks/geometry.py does it 5,000 times a dimension."""
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    rng = np.random.default_rng(rank)
    for _ in range(150 if rank < 3 else 50):
        drawn = geometry.geometry(geometry.integers(rng), rank, 5)
        assert max(geometry.errors(rank, *drawn, rng)) < geometry.TOLERANCE, drawn


def test_gradient_of_one_channel_and_one_column_in_3d():
    """TensorFlow 2.21's conv3d, on a CPU with oneDNN, gets (1, 29, 9, 5, 1) with these strides wrong."""
    x = np.random.default_rng(0).normal(0, 1, (1, 6, 3, 1, 1)).astype("float32")
    layer = Conv3DTranspose(1, (7, 1, 3), (4, 1, 3), use_bias=False)
    cotangent = np.random.default_rng(1).normal(0, 1, layer.compute_output_shape(x.shape))
    found = gradients(layer, x, lambda shape: cotangent)["inputs"][0]
    kernel = np.asarray(layer.kernel)[:, 0, :, 0, 0]
    for i, j in np.ndindex(6, 3):
        expected = (cotangent[0, 4 * i : 4 * i + 7, j, :, 0] * kernel).sum()
        assert np.isclose(found[0, i, j, 0, 0], expected, atol=1e-4)


WITHOUT_ONEDNN = """
import numpy as np
from benchmarks import geometry
from dnzoo.layers import convolution
rng = np.random.default_rng(0)
worst = 0.0
for number in range(20):
    drawn = geometry.geometry(geometry.integers(rng), 2, 5)
    worst = max(worst, *geometry.errors(2, *drawn, rng))
print("WORST", worst, convolution._tensorflow_takes_groups_and_dilation('float32'))
"""


def test_without_onednn():
    """TensorFlow then has no kernel for dilation on a CPU: the portable path has to be taken."""
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    done = child(WITHOUT_ONEDNN, env={"TF_ENABLE_ONEDNN_OPTS": "0"})
    _, worst, native = done.stdout.splitlines()[-1].split()
    assert float(worst) < 1e-5 and native == "False"


def test_same_with_output_padding_is_the_same_on_every_backend():
    """Keras's PyTorch backend warns that its own is not; ours is one window of one sum."""
    x = np.random.default_rng(0).normal(0, 1, (1, 3, 3, 1)).astype("float32")
    layer = Conv2DTranspose(1, 4, 2, "same", output_padding=1, use_bias=False)
    y = np.asarray(layer(x))
    whole = scatter(x, np.asarray(layer.kernel), (2, 2), (0, 0), (0, 0), (1, 1), 1)
    assert np.allclose(y, whole[:, 1:6, 1:6], atol=1e-5)


def test_too_much_padding():
    with pytest.raises(ValueError, match="too small"):
        Conv2DTranspose(2, 2, padding=2)(keras.Input((1, 1, 3)))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_groups_and_dilation_in_every_dtype(dtype):
    """Kernels for groups and for dilation are there for some dtypes only."""
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 4))
    for kwargs in ({"groups": 2}, {"dilation_rate": 2}):
        layer = Conv2DTranspose(4, 3, 2, 1, dtype=dtype, **kwargs)
        exact = Conv2DTranspose(4, 3, 2, 1, **kwargs)
        exact.build(x.shape)
        layer.build(x.shape)
        layer.set_weights(exact.get_weights())
        made = np.asarray(layer(x), "float64")
        expected = np.asarray(exact(x.astype("float32")))
        assert np.abs(made - expected).max() < {"float64": 1e-5}.get(dtype, 0.05)
