"""Resizing against Pillow, which has the same conventions, and PyTorch."""

import numpy as np
import pytest
from PIL import Image

from dnzoo.layers import ResizeConv2D
from dnzoo.layers.resize import INTERPOLATIONS, resize
from tests.conformance import LayerConformance
from tests.conftest import has


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


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("scale", [1, 2, 3, 5])
def test_equals_pillow(interpolation, scale):
    image = np.random.default_rng(0).uniform(-1, 1, (5, 7)).astype("float32")
    method = getattr(Image, interpolation.upper())
    expected = Image.fromarray(image).resize((7 * scale, 5 * scale), method)
    ours = np.asarray(resize(image[None, ..., None], scale, interpolation, "channels_last"))
    assert np.allclose(ours[0, ..., 0], np.array(expected), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 1), (1, 3, 4, 2), (1, 2, 3, 4, 1)])
def test_any_rank_and_format(shape):
    x = np.random.default_rng(0).normal(0, 1, shape).astype("float32")
    last = np.asarray(resize(x, 2, "nearest", "channels_last"))
    expected = x
    for axis in range(1, len(shape) - 1):
        expected = expected.repeat(2, axis)
    assert np.array_equal(last, expected)
    first = np.asarray(resize(np.moveaxis(x, -1, 1), 2, "nearest", "channels_first"))
    assert np.array_equal(first, np.moveaxis(expected, -1, 1))


def test_bilinear_equals_pytorch():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 4, 6, 3)).astype("float32")
    ours = np.asarray(resize(x, 2, "bilinear", "channels_last"))
    image = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    expected = torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
    assert np.allclose(ours, expected.numpy().transpose(0, 2, 3, 1), atol=1e-6)


def test_unknown_interpolation():
    with pytest.raises(ValueError, match="interpolation must be one of nearest, bilinear, bicubic"):
        ResizeConv2D(3, interpolation="lanczos")
