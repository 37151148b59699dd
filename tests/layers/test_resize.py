"""Resizing against Pillow, TensorFlow and PyTorch."""

import numpy as np
import pytest
from PIL import Image

from dnzoo import layers
from dnzoo.layers import Resize1D, Resize2D, Resize3D, ResizeConv1D, ResizeConv2D, ResizeConv3D
from dnzoo.layers.interpolation import INTERPOLATIONS, _cut, _product, interpolation_matrix, resize
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class TestNearest(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return ResizeConv2D(6, 3, scale=2, **kwargs)


class TestBilinear(LayerConformance):
    shapes = (2, 4, 5, 3)

    def build(self, **kwargs):
        return ResizeConv2D(2, 3, scale=3, interpolation="bilinear", activation="relu", **kwargs)


class TestBicubic(LayerConformance):
    shapes = (2, 4, 5, 3)

    def build(self, **kwargs):
        return ResizeConv2D(2, 1, scale=2, interpolation="bicubic", **kwargs)


class TestBilinearByTwo(LayerConformance):
    shapes = (2, 4, 5, 3)

    def build(self, **kwargs):
        return Resize2D(2, interpolation="bilinear", **kwargs)


class TestFractionalNearest(LayerConformance):
    shapes = (2, 4, 5, 3)

    def build(self, **kwargs):
        return Resize2D((1.5, 1.7), **kwargs)


class TestCubicOfPyTorch(LayerConformance):
    shapes = (2, 4, 5, 3)

    def build(self, **kwargs):
        return Resize2D(1.5, interpolation="bicubic", cubic_coefficient=-0.75, **kwargs)


class TestAntialias(LayerConformance):
    shapes = (2, 9, 7, 3)
    sizes_follow_inputs = False

    def build(self, **kwargs):
        return Resize2D(size=(4, 5), interpolation="bicubic", antialias=True, **kwargs)


class TestResize1D(LayerConformance):
    shapes = (2, 5, 3)

    def build(self, **kwargs):
        return Resize1D(2.5, interpolation="linear", **kwargs)


class TestResize3D(LayerConformance):
    shapes = (2, 3, 2, 4, 2)

    def build(self, **kwargs):
        return Resize3D(2, interpolation="trilinear", **kwargs)


class TestResizeConv1D(LayerConformance):
    shapes = (2, 5, 3)

    def build(self, **kwargs):
        return ResizeConv1D(4, scale=2, interpolation="linear", **kwargs)


class TestResizeConv3D(LayerConformance):
    shapes = (2, 3, 2, 4, 2)

    def build(self, **kwargs):
        return ResizeConv3D(3, scale=2, **kwargs)


SIZES = [(5, 7), (10, 14), (15, 21), (25, 35), (8, 9), (13, 5), (3, 3), (1, 1), (2, 30)]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS[2])
@pytest.mark.parametrize("size", SIZES)
def test_equals_pillow(interpolation, size):
    """Pillow antialiases whenever it shrinks."""
    image = np.random.default_rng(0).uniform(-1, 1, (5, 7)).astype("float32")
    method = getattr(Image, interpolation.upper())
    expected = Image.fromarray(image).resize(size[::-1], method)
    layer = Resize2D(size=size, interpolation=interpolation, antialias=interpolation != "nearest")
    assert np.allclose(layer(image[None, ..., None])[0, ..., 0], np.array(expected), atol=1e-6)
    if size[0] % 5 == 0 and size[0] // 5 == size[1] // 7:
        scaled = Resize2D(size[0] // 5, interpolation=interpolation)
        assert np.allclose(scaled(image[None, ..., None])[0, ..., 0], np.array(expected), atol=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS[2])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_equals_tensorflow(interpolation, antialias, size):
    import tensorflow as tf

    if interpolation == "nearest" and antialias:
        return  # refused, see the bad input
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 7, 3)).astype("float32")
    expected = tf.image.resize(x, size, interpolation, antialias=antialias)
    ours = Resize2D(size=size, interpolation=interpolation, antialias=antialias)(x)
    # TensorFlow's own bicubic kernel reads its weights from a table of 1,024 distances
    table = interpolation == "bicubic" and not antialias
    assert np.allclose(ours, expected, atol=3e-3 if table else 2e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS[2])
@pytest.mark.parametrize("size", SIZES)
def test_equals_jax(interpolation, size):
    if not has("jax"):
        pytest.skip("make test-all compares with JAX")
    import jax

    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 7, 3)).astype("float32")
    method = interpolation.replace("bicubic", "cubic")
    for antialias in (False, True) if interpolation != "nearest" else (False,):
        expected = jax.image.resize(x, (2, *size, 3), method, antialias)
        ours = Resize2D(size=size, interpolation=interpolation, antialias=antialias)(x)
        assert np.allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 4, 1), (1, 3, 4, 2), (1, 2, 3, 4, 1)])
def test_any_rank_and_format(shape):
    x = np.random.default_rng(0).normal(0, 1, shape).astype("float32")
    layer = getattr(layers, f"Resize{len(shape) - 2}D")
    expected = x
    for axis in range(1, len(shape) - 1):
        expected = expected.repeat(2, axis)
    assert np.array_equal(layer(2)(x), expected)
    first = layer(2, data_format="channels_first")(np.moveaxis(x, -1, 1))
    assert np.array_equal(first, np.moveaxis(expected, -1, 1))


PYTORCH = {
    1: [("nearest", "nearest-exact", {}), ("linear", "linear", {})],
    2: [
        ("nearest", "nearest-exact", {}),
        ("bilinear", "bilinear", {}),
        ("bicubic", "bicubic", {"cubic_coefficient": -0.75}),
        ("bilinear", "bilinear", {"antialias": True}),
        ("bicubic", "bicubic", {"antialias": True}),
    ],
    3: [("nearest", "nearest-exact", {}), ("trilinear", "trilinear", {})],
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.4, 0.75, 1.5, 2, 3, 3.7])
def test_equals_pytorch(rank, factor):
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, *(6, 5, 7)[:rank], 3)).astype("float32")
    image = torch.tensor(np.moveaxis(x, -1, 1).copy())
    for ours, theirs, arguments in PYTORCH[rank]:
        y = getattr(layers, f"Resize{rank}D")(factor, interpolation=ours, **arguments)(x)
        expected = torch.nn.functional.interpolate(
            image,
            scale_factor=factor,
            mode=theirs,
            antialias=arguments.get("antialias", False),
            recompute_scale_factor=True,  # the ratio of the sizes counts, as everywhere else
        )
        assert np.allclose(y, np.moveaxis(expected.numpy(), 1, -1), atol=5e-6), (ours, arguments)


def test_cubic_of_opencv_repeats_the_border():
    """Catmull-Rom's taps at half a pixel, by hand, with a = -0.75."""
    matrix = interpolation_matrix(4, 8, "cubic", a=-0.75)
    quarter = [-0.10546875, 0.87890625, 0.26171875, -0.03515625]
    assert np.allclose(matrix[3], quarter)
    assert np.allclose(matrix[0, :2], [-0.03515625 + 0.26171875 + 0.87890625, -0.10546875])


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(
    ("size", "target"), [(64, 128), (96, 144), (128, 64), (101, 202), (80, 8), (64, 65)]
)
def test_long_axes_in_blocks(method, size, target):
    """The same as the whole matrix; blocks where the sizes have a factor in common."""
    antialias = target < size and method != "nearest"
    matrix = interpolation_matrix(size, target, method, antialias)
    rows = np.random.default_rng(0).normal(0, 1, (2, size, 3)).astype("float32")
    assert np.allclose(_product(matrix, rows), matrix.astype("float32") @ rows, atol=1e-5)
    assert (_cut(matrix)[0] > 1) == (size != 101 and target != 65)


def test_nearest_is_exact_where_a_row_lies_between_two():
    """(2 i + 1) H / 2 H' in whole numbers, for every size up to 60."""
    for size in range(1, 61, 7):
        for target in range(1, 61):
            rows = [(2 * i + 1) * size // (2 * target) for i in range(target)]
            assert np.array_equal(interpolation_matrix(size, target, "nearest").argmax(1), rows)


def test_sizes_round_down():
    assert Resize2D(1.5).compute_output_shape((1, 5, None, 2)) == (1, 7, None, 2)
    assert Resize2D((0.5, 2.0)).scale == (0.5, 2)
    x = np.zeros((1, 3, 3, 1), "float32")
    assert resize(x, "nearest", "channels_last", size=(7, 2)).shape == (1, 7, 2, 1)
