"""Blocks, the joining of levels, preprocessing and the choice of an upsampler."""

import keras
import numpy as np
import pytest

from dnzoo.layers import (
    AttentionGate,
    ConvBlock,
    MatchSize,
    Preprocessing,
    SkipFusion,
    upsample,
)
from dnzoo.layers.upsampling import UPSAMPLINGS
from tests.conformance import LayerConformance


class TestConvBlock(LayerConformance):
    shapes = (2, 7, 6, 3)

    def build(self, **kwargs):
        return ConvBlock(4, normalization=None, activation="gelu", **kwargs)


class TestResidualBlock(LayerConformance):
    shapes = (2, 9, 8, 3)

    def build(self, **kwargs):
        return ConvBlock(4, padding="valid", residual=True, **kwargs)


class TestAttentionGate(LayerConformance):
    shapes = [(2, 5, 4, 6), (2, 5, 4, 8)]

    def build(self, **kwargs):
        return AttentionGate(**kwargs)


class TestConcat(LayerConformance):
    shapes = [(2, 5, 4, 3), (2, 5, 4, 2)]

    def build(self, **kwargs):
        return SkipFusion(**kwargs)


class TestAdd(LayerConformance):
    shapes = [(2, 5, 4, 3), (2, 5, 4, 2)]

    def build(self, **kwargs):
        return SkipFusion("add", **kwargs)


class TestAttentionFusion(LayerConformance):
    shapes = [(2, 5, 4, 3), (2, 5, 4, 4)]

    def build(self, **kwargs):
        return SkipFusion("attention", **kwargs)


class TestMatchSize(LayerConformance):
    shapes = [(2, 6, 5, 3), (2, 5, 6, 4)]
    without_gradient = (1,)

    def build(self, **kwargs):
        return MatchSize(**kwargs)


class TestMatchSizeCenter(LayerConformance):
    shapes = [(2, 7, 6, 3), (2, 5, 2, 4)]
    without_gradient = (1,)

    def build(self, **kwargs):
        return MatchSize("center", **kwargs)


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


@pytest.mark.parametrize("sizes", [((8, 8), (7, 8)), ((6, 8), (7, 9)), ((4, 4), (4, 4))])
def test_match_size_start(sizes):
    given, wanted = sizes
    x = np.random.default_rng(0).normal(0, 1, (1, *given, 2)).astype("float32")
    expected = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")[:, : wanted[0], : wanted[1]]
    layer, reference = MatchSize(), np.zeros((1, *wanted, 3), "float32")
    assert np.array_equal(layer([x, reference]), expected)
    inputs = [keras.Input((None, None, 2)), keras.Input((None, None, 3))]
    assert np.array_equal(keras.Model(inputs, layer(inputs))([x, reference]), expected)


def test_match_size_center():
    x = np.arange(36, dtype="float32").reshape(1, 6, 6, 1)
    matched = MatchSize("center")([x, np.zeros((1, 2, 4, 1), "float32")])
    assert np.array_equal(matched, x[:, 2:4, 1:5])
    with pytest.raises(ValueError, match="centre-cropped"):
        MatchSize("center")([x, np.zeros((1, 3, 4, 1), "float32")])
    with pytest.raises(ValueError, match="at most 1 may be missing"):
        MatchSize()([x, np.zeros((1, 8, 6, 1), "float32")])


def test_add_and_concat():
    x, skip = np.ones((1, 2, 2, 3), "float32"), np.full((1, 2, 2, 3), 2, "float32")
    assert np.array_equal(SkipFusion("add")([x, skip]), x + skip)
    assert np.array_equal(SkipFusion()([x, skip]), np.concatenate([skip, x], -1))


@pytest.mark.parametrize("name", UPSAMPLINGS)
@pytest.mark.parametrize("scale", [2, 3])
def test_upsample(name, scale):
    layer = upsample(name, 5, scale, use_bias=False, name="up")
    assert layer(np.ones((1, 3, 4, 2), "float32")).shape == (1, 3 * scale, 4 * scale, 5)
    assert layer.name == "up" and len(layer.weights) == 1


def test_illegal_choices():
    for make, message in [
        (lambda: upsample("unpool", 4), "upsampling must be one of transposed, subpixel"),
        (lambda: SkipFusion("multiply"), "skip must be one of concat, add, attention"),
        (lambda: ConvBlock(4, padding="full"), 'padding must be "same" or "valid"'),
        (lambda: MatchSize("end"), 'anchor must be "start" or "center"'),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
