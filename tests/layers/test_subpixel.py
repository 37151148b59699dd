"""Pixel shuffle against numpy and PyTorch; ICNR against nearest-neighbour resizing."""

import keras
import numpy as np
import pytest

from dnzoo.layers import ICNR, PixelShuffle2D, SubpixelConv2D
from dnzoo.layers.subpixel import depth_to_space
from tests.conformance import LayerConformance
from tests.conftest import has


class TestPixelShuffle2D(LayerConformance):
    shapes = (2, 3, 5, 18)

    def build(self, **kwargs):
        return PixelShuffle2D(3, **kwargs)


class TestSubpixelConv2D(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return SubpixelConv2D(6, 3, scale=2, activation="relu", **kwargs)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_order(rank, data_format):
    """Channel (i b + j) C + c goes to row i, column j of the block of channel c."""
    block, depth, sizes = 2, 3, (2, 3, 4)[:rank]
    x = np.random.default_rng(0).normal(0, 1, (2, *sizes, block**rank * depth)).astype("float32")
    expected = np.zeros((2, *(size * block for size in sizes), depth), "float32")
    for offset in np.ndindex(*[block] * rank):
        first = np.ravel_multi_index(offset, [block] * rank) * depth
        window = tuple(slice(o, None, block) for o in offset)
        expected[(slice(None), *window)] = x[..., first : first + depth]
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, -1, 1), np.moveaxis(expected, -1, 1)
    assert np.array_equal(
        depth_to_space(keras.ops.convert_to_tensor(x), block, data_format), expected
    )


def test_equals_pytorch_after_permutation():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 3, 5, 12)).astype("float32")
    ours = np.asarray(PixelShuffle2D(2)(x))
    theirs = x.reshape(2, 3, 5, 4, 3).swapaxes(3, 4).reshape(x.shape).transpose(0, 3, 1, 2)
    expected = torch.nn.functional.pixel_shuffle(torch.tensor(theirs.copy()), 2).numpy()
    assert np.array_equal(ours, expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("scale", [2, 3])
def test_starts_as_nearest_neighbour(scale):
    x = np.random.default_rng(0).normal(0, 1, (1, 4, 6, 3)).astype("float32")
    y = np.asarray(SubpixelConv2D(2, scale=scale)(x))
    coarse = y[:, ::scale, ::scale]
    assert np.array_equal(y, coarse.repeat(scale, 1).repeat(scale, 2))
    assert coarse.std() > 0


def test_channels_must_divide():
    with pytest.raises(ValueError, match="multiple of block_size"):
        PixelShuffle2D(2)(keras.Input((4, 4, 6)))
    with pytest.raises(ValueError, match="multiple of scale"):
        ICNR(scale=2)((3, 3, 1, 6))
