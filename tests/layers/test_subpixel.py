"""Pixel shuffle against numpy and PyTorch; ICNR against nearest-neighbour resizing."""

import numpy as np
import pytest

from dnzoo import layers
from dnzoo.layers import (
    PixelShuffle1D,
    PixelShuffle2D,
    PixelShuffle3D,
    PixelUnshuffle1D,
    PixelUnshuffle2D,
    PixelUnshuffle3D,
    SubpixelConv1D,
    SubpixelConv2D,
    SubpixelConv3D,
)
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class TestPixelShuffle1D(LayerConformance):
    shapes = (2, 3, 6)

    def build(self, **kwargs):
        return PixelShuffle1D(2, **kwargs)


class TestPixelShuffle2D(LayerConformance):
    shapes = (2, 3, 5, 18)

    def build(self, **kwargs):
        return PixelShuffle2D(3, **kwargs)


class TestPixelShuffle3D(LayerConformance):
    shapes = (2, 3, 2, 1, 16)

    def build(self, **kwargs):
        return PixelShuffle3D(2, **kwargs)


class TestPixelUnshuffle1D(LayerConformance):
    shapes = (2, 6, 3)

    def build(self, **kwargs):
        return PixelUnshuffle1D(3, **kwargs)


class TestPixelUnshuffle2D(LayerConformance):
    shapes = (2, 6, 4, 3)

    def build(self, **kwargs):
        return PixelUnshuffle2D(2, **kwargs)


class TestPixelUnshuffle3D(LayerConformance):
    shapes = (2, 2, 4, 2, 3)

    def build(self, **kwargs):
        return PixelUnshuffle3D(2, **kwargs)


class TestSubpixelConv1D(LayerConformance):
    shapes = (2, 5, 3)

    def build(self, **kwargs):
        return SubpixelConv1D(4, 3, scale=3, **kwargs)


class TestSubpixelConv2D(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return SubpixelConv2D(6, 3, scale=2, activation="relu", **kwargs)


class TestSubpixelConv3D(LayerConformance):
    shapes = (2, 3, 2, 4, 3)

    def build(self, **kwargs):
        return SubpixelConv3D(2, 3, scale=2, icnr=False, **kwargs)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_order_and_inverse(rank, data_format, block):
    """Channel (i b + j) C + c goes to row i, column j of the block of channel c; and back."""
    depth, sizes = 2, (2, 3, 4)[:rank]
    x = np.random.default_rng(0).normal(0, 1, (2, *sizes, block**rank * depth)).astype("float32")
    expected = np.zeros((2, *(size * block for size in sizes), depth), "float32")
    for offset in np.ndindex(*[block] * rank):
        first = np.ravel_multi_index(offset, [block] * rank) * depth
        window = tuple(slice(o, None, block) for o in offset)
        expected[(slice(None), *window)] = x[..., first : first + depth]
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, -1, 1), np.moveaxis(expected, -1, 1)
    shuffle = getattr(layers, f"PixelShuffle{rank}D")(block, data_format)
    unshuffle = getattr(layers, f"PixelUnshuffle{rank}D")(block, data_format)
    assert np.array_equal(shuffle(x), expected)
    assert np.array_equal(unshuffle(expected), x)


def test_integers_are_shuffled_as_they_are():
    x = np.arange(16).reshape(1, 2, 2, 4)
    assert np.array_equal(PixelUnshuffle2D(2)(PixelShuffle2D(2)(x)), x)


def test_equals_pytorch_after_permutation():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 3, 5, 12)).astype("float32")
    ours = np.asarray(PixelShuffle2D(2)(x))
    theirs = x.reshape(2, 3, 5, 4, 3).swapaxes(3, 4).reshape(x.shape).transpose(0, 3, 1, 2)
    expected = torch.nn.functional.pixel_shuffle(torch.tensor(theirs.copy()), 2).numpy()
    assert np.array_equal(ours, expected.transpose(0, 2, 3, 1))
    back = torch.nn.functional.pixel_unshuffle(torch.tensor(expected), 2).numpy()
    back = back.transpose(0, 2, 3, 1).reshape(2, 3, 5, 3, 4).swapaxes(3, 4).reshape(x.shape)
    assert np.array_equal(PixelUnshuffle2D(2)(ours), back)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal"])
def test_starts_as_nearest_neighbour(rank, scale, initializer):
    x = np.random.default_rng(0).normal(0, 1, (*(1, 4, 3, 2)[: rank + 1], 3)).astype("float32")
    layer = getattr(layers, f"SubpixelConv{rank}D")(2, scale=scale, kernel_initializer=initializer)
    y = np.asarray(layer(x))
    expected = y[(slice(None), *[slice(None, None, scale)] * rank)]
    for axis in range(1, rank + 1):
        expected = expected.repeat(scale, axis)
    assert np.array_equal(y, expected)
    assert expected.std() > 0
    plain = getattr(layers, f"SubpixelConv{rank}D")(2, scale=scale, icnr=False)
    assert not np.array_equal(np.asarray(plain(x))[:, 0], np.asarray(plain(x))[:, 1])
