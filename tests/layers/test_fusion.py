"""The joining of levels."""

import keras
import numpy as np
import pytest

from dnzoo.layers import MatchSize, MultiScaleFusion, Resize2D, SkipFusion
from tests.layer_conformance import LayerConformance


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


class TestAttentionFusion3D(TestAttentionFusion):
    shapes = [(1, 3, 2, 4, 3), (1, 3, 2, 4, 4)]


class TestMatchSize(LayerConformance):
    shapes = [(2, 6, 5, 3), (2, 5, 6, 4)]
    without_gradient = (1,)

    def build(self, **kwargs):
        return MatchSize(**kwargs)


class TestMatchSize3D(TestMatchSize):
    shapes = [(1, 4, 5, 3, 2), (1, 5, 4, 3, 3)]


class TestMatchSizeCenter(LayerConformance):
    shapes = [(2, 7, 6, 3), (2, 5, 2, 4)]
    without_gradient = (1,)

    def build(self, **kwargs):
        return MatchSize("center", **kwargs)


class TestMatchSizeCenter1D(TestMatchSizeCenter):
    shapes = [(2, 7, 3), (2, 3, 4)]


class TestMultiScaleFusion(LayerConformance):
    shapes = [(2, 7, 6, 3), (2, 4, 3, 4), (2, 2, 2, 5)]

    def build(self, **kwargs):
        return MultiScaleFusion(4, normalization="layer", activation="relu", **kwargs)


class TestMultiScaleConcat(LayerConformance):
    shapes = [(2, 6, 6, 3), (2, 3, 3, 4)]

    def build(self, **kwargs):
        return MultiScaleFusion(2, "concat", "nearest", **kwargs)


@pytest.mark.parametrize("sizes", [((8, 8), (7, 8)), ((6, 8), (7, 9)), ((4, 4), (4, 4))])
def test_match_size_start(sizes):
    given, wanted = sizes
    x = np.random.default_rng(0).normal(0, 1, (1, *given, 2)).astype("float32")
    expected = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")[:, : wanted[0], : wanted[1]]
    layer, reference = MatchSize(), np.zeros((1, *wanted, 3), "float32")
    assert np.array_equal(layer([x, reference]), expected)
    inputs = [keras.Input((None, None, 2)), keras.Input((None, None, 3))]
    assert np.array_equal(keras.Model(inputs, layer(inputs))([x, reference]), expected)


def test_match_size_of_volumes_repeats_the_last_plane():
    x = np.random.default_rng(0).normal(0, 1, (1, 3, 4, 5, 2)).astype("float32")
    expected = np.pad(x, ((0, 0), (0, 1), (0, 0), (0, 1), (0, 0)), mode="edge")[:, :, :3]
    assert np.array_equal(MatchSize()([x, np.zeros((1, 4, 3, 6, 1), "float32")]), expected)


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


def test_multi_scale_fusion():
    rng = np.random.default_rng(0)
    fine, coarse = (
        rng.normal(0, 1, shape).astype("float32") for shape in ((1, 6, 8, 3), (1, 3, 4, 5))
    )
    layer = MultiScaleFusion(2)
    y = layer([fine, coarse])
    first, second = (np.asarray(part.kernel)[0, 0] for part in layer.projections)
    up = np.asarray(Resize2D(2, interpolation="bilinear")(coarse @ second))
    assert np.allclose(y, fine @ first + up, atol=1e-5)


def test_multi_scale_fusion_trains_its_normalisation():
    levels = [np.ones((2, 4, 4, 3), "float32"), np.ones((2, 2, 2, 3), "float32")]
    layer = MultiScaleFusion(2, normalization="batch")
    layer(levels, training=False)
    still = [np.array(weight) for weight in layer.non_trainable_weights]
    layer(levels, training=True)
    moved = [not np.array_equal(a, b) for a, b in zip(still, layer.non_trainable_weights)]
    assert len(moved) == 4 and all(moved)
