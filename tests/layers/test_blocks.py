"""Blocks, preprocessing and the choice of an upsampler."""

from typing import get_args

import keras
import numpy as np
import pytest

from dnzoo.layers import ConvBlock, Preprocessing, ResidualUpBlock, upsample
from dnzoo.layers.normalization import NORMALIZATIONS
from dnzoo.layers.upsampling import UPSAMPLINGS, Upsampling
from tests.layer_conformance import LayerConformance


class TestConvBlock(LayerConformance):
    shapes = (2, 7, 6, 3)

    def build(self, **kwargs):
        return ConvBlock(4, normalization=None, activation="gelu", **kwargs)


class TestResidualBlock(LayerConformance):
    shapes = (2, 9, 8, 3)

    def build(self, **kwargs):
        return ConvBlock(4, padding="valid", residual=True, **kwargs)


class TestResidualBlock1D(TestResidualBlock):
    shapes = (2, 9, 3)


class TestResidualBlock3D(TestResidualBlock):
    shapes = (1, 6, 5, 7, 2)


class TestResidualUpBlock(LayerConformance):
    shapes = (2, 3, 4, 3)

    def build(self, **kwargs):
        return ResidualUpBlock(4, upsampling="subpixel", normalization="group", **kwargs)


class TestResidualUpBlock3D(TestResidualUpBlock):
    shapes = (1, 2, 3, 2, 3)


class TestResidualUpBlockPreactivation(LayerConformance):
    shapes = (2, 3, 4, 4)

    def build(self, **kwargs):
        return ResidualUpBlock(6, preactivation=True, activation="gelu", **kwargs)


class TestPreprocessing(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return Preprocessing([0.5, 1.0, 2.0], [1.0, 0.0, -1.0], reverse=True, **kwargs)


def test_residual_block_adds_its_input():
    """With a silent branch and enough channels, the block is relu."""
    x = np.random.default_rng(0).normal(0, 1, (1, 6, 6, 4)).astype("float32")
    block = ConvBlock(4, residual=True, normalization=None, kernel_initializer="zeros")
    assert np.array_equal(block(x), np.maximum(x, 0))
    valid = ConvBlock(
        4, residual=True, normalization=None, kernel_initializer="zeros", padding="valid"
    )
    assert np.array_equal(valid(x), np.maximum(x, 0)[:, 2:-2, 2:-2])
    even = ConvBlock(4, 2, depth=1, residual=True, padding="valid")
    assert even(x).shape == even.compute_output_shape(x.shape) == (1, 5, 5, 4)


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("name", UPSAMPLINGS[2])
def test_residual_up_block_adds_a_shortcut_upsampled_the_same_way(name, preactivation):
    x = np.random.default_rng(0).normal(0, 1, (1, 3, 4, 4)).astype("float32")
    block = ResidualUpBlock(6, 3, name, None, preactivation=preactivation)
    y = block(x)
    assert type(block.up) is type(block.shortcut)
    assert not np.array_equal(block.up.weights[-2], block.shortcut.weights[-2])
    branch = block.up(np.maximum(x, 0) if preactivation else x)
    branch = block.conv(np.maximum(branch, 0))
    total = np.asarray(branch + block.shortcut(x))
    assert np.allclose(y, total if preactivation else np.maximum(total, 0), atol=1e-5)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("preactivation", [False, True])
def test_residual_up_block_normalises(normalization, preactivation):
    x = np.random.default_rng(0).normal(3, 2, (2, 3, 4, 4)).astype("float32")
    block = ResidualUpBlock(6, 2, "nearest", normalization, preactivation=preactivation)
    assert block(x, training=True).shape == (2, 6, 8, 6)
    norms = [w for w in block.weights if "norm" in w.path]
    assert len(norms) == {"batch": 8, None: 0}.get(normalization, 4)


@pytest.mark.parametrize(
    ("rank", "name"), [(rank, name) for rank in UPSAMPLINGS for name in UPSAMPLINGS[rank]]
)
@pytest.mark.parametrize("scale", [2, 3])
def test_upsample(rank: int, name: str, scale: int) -> None:
    layer = upsample(name, 5, scale, rank=rank, use_bias=False, name="up")
    given = (3, 4, 2)[:rank]
    made = (1, *(scale * size for size in given), 5)
    assert layer(np.ones((1, *given, 4), "float32")).shape == made
    assert layer.name == "up"
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.compute_output_shape((1, *given, 4)) == made


def test_every_name_is_known_to_a_rank() -> None:
    assert {name for names in UPSAMPLINGS.values() for name in names} == {*get_args(Upsampling)}
