"""Adaptive average pooling against PyTorch's definition, written out in numpy, and PyTorch."""

import math

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo import layers
from dnzoo.layers import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
)
from tests.conftest import has, slow
from tests.layer_conformance import LayerConformance


class TestOverlapping(LayerConformance):
    shapes = (2, 7, 5, 3)
    sizes_follow_inputs = False

    def build(self, **kwargs):
        return AdaptiveAveragePooling2D((3, 2), **kwargs)


class TestMoreBinsThanRows(LayerConformance):
    shapes = (2, 3, 4, 2)
    sizes_follow_inputs = False

    def build(self, **kwargs):
        return AdaptiveAveragePooling2D(6, **kwargs)


class TestOneDimension(LayerConformance):
    shapes = (2, 7, 3)
    sizes_follow_inputs = False

    def build(self, **kwargs):
        return AdaptiveAveragePooling1D(3, **kwargs)


class TestThreeDimensions(LayerConformance):
    shapes = (2, 5, 4, 3, 2)
    sizes_follow_inputs = False

    def build(self, **kwargs):
        return AdaptiveAveragePooling3D((3, 2, 1), **kwargs)


def bin_by_bin(x, sizes):
    """PyTorch's definition: rows floor(i H / H') to ceil((i + 1) H / H'), in every axis."""
    made = np.zeros((len(x), *sizes, x.shape[-1]))
    for place in np.ndindex(*sizes):
        window = tuple(
            slice(math.floor(i * n / m), math.ceil((i + 1) * n / m))
            for i, n, m in zip(place, x.shape[1:-1], sizes)
        )
        mean = x[(slice(None), *window)].mean(tuple(range(1, x.ndim - 1)))
        made[(slice(None), *place)] = mean
    return made


SIZES = [(1, 1, 1), (2, 3, 2), (6, 5, 7), (4, 4, 4), (9, 2, 11)]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_every_bin(rank, sizes):
    x = np.random.default_rng(0).normal(0, 1, (2, *(6, 5, 7)[:rank], 3)).astype("float32")
    layer = getattr(layers, f"AdaptiveAveragePooling{rank}D")(sizes[:rank])
    assert np.allclose(layer(x), bin_by_bin(x, sizes[:rank]), atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_equals_pytorch(rank, sizes):
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, *(6, 5, 7)[:rank], 3)).astype("float32")
    theirs = getattr(torch.nn, f"AdaptiveAvgPool{rank}d")(sizes[:rank])
    expected = theirs(torch.tensor(np.moveaxis(x, -1, 1).copy())).numpy()
    layer = getattr(layers, f"AdaptiveAveragePooling{rank}D")(sizes[:rank])
    assert np.allclose(layer(x), np.moveaxis(expected, 1, -1), atol=1e-6)


def test_global_mean_is_one_bin():
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 7, 3)).astype("float32")
    found = AdaptiveAveragePooling2D(1)(x)[:, 0, 0]
    assert np.allclose(found, keras.layers.GlobalAveragePooling2D()(x), atol=1e-6)


@slow
@pytest.mark.parametrize("shape", [(9, 7, 3), (None, None, 3)])
def test_exports_to_onnx(tmp_path, shape):
    image = keras.Input(shape)
    model = keras.Model(image, AdaptiveAveragePooling2D((2, 3))(image))
    assert dnzoo.export(model, tmp_path / "pooling.onnx") < 1e-5
