"""Initialisers against nearest-neighbour and bilinear upsampling."""

import keras
import numpy as np
import pytest

from dnzoo import layers
from dnzoo.layers import ICNR, Bilinear, Conv2DTranspose, DepthwiseConv2DTranspose, Resize2D


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bilinear_equals_resizing_inside_the_border(scale):
    x = np.random.default_rng(0).normal(0, 1, (1, 6, 7, 3)).astype("float32")
    kernel = 2 * scale - scale % 2
    expected = np.asarray(Resize2D(scale, interpolation="bilinear")(x))
    arguments = {"kernel_initializer": Bilinear(), "use_bias": False}
    padding = (kernel - scale) // 2
    inside = (slice(None), slice(scale, -scale), slice(scale, -scale))
    for layer in (
        Conv2DTranspose(3, kernel, scale, padding, **arguments),
        DepthwiseConv2DTranspose(kernel, scale, padding, **arguments),
    ):
        y = np.asarray(layer(x))
        assert y.shape == expected.shape
        assert np.allclose(y[inside], expected[inside], atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3])
def test_bilinear_of_other_ranks(rank):
    """A constant stays what it is, inside the border, channel for channel."""
    layer = getattr(layers, f"Conv{rank}DTranspose")(
        2, 4, 2, 1, kernel_initializer="dnzoo>Bilinear"
    )
    x = np.ones((1, *[5] * rank, 2), "float32") * np.float32([1, 10])
    y = np.asarray(layer(x))[(slice(None), *[slice(2, -2)] * rank)]
    assert np.allclose(y, [1, 10])


def test_bilinear_weights():
    kernel = np.asarray(Bilinear()((3, 1, 2, 4)))
    assert np.array_equal(kernel[:, 0, 0, 0], [0.5, 1, 0.5])
    assert np.array_equal(kernel[1, 0], [[1, 0, 1, 0], [0, 1, 0, 1]])
    assert kernel.dtype == "float32" and Bilinear()((1, 1, 1), dtype="float16").dtype == "float16"
    with pytest.raises(
        ValueError, match=r"multiple of the channels out; got the shape \(2, 2, 3\)"
    ):
        Bilinear()((2, 2, 3))
    with pytest.raises(ValueError, match="Bilinear: the kernel must be"):
        Bilinear()((2, 2))
    again = keras.initializers.deserialize(keras.initializers.serialize(Bilinear()))
    assert isinstance(again, Bilinear) and again.get_config() == {}


def test_icnr_wraps_any_initialiser():
    kernel = np.asarray(ICNR(keras.initializers.Constant(2.0), 3)((2, 9)))
    assert np.array_equal(kernel, np.full((2, 9), 2))  # no spatial dimension: a copy
    kernel = np.asarray(ICNR("he_normal", 2)((3, 3, 4, 8), dtype="float32"))
    assert all(np.array_equal(kernel[..., :2], kernel[..., i : i + 2]) for i in (2, 4, 6))
    assert not np.array_equal(kernel[..., 0], kernel[..., 1])
    seeded = keras.initializers.HeNormal(seed=1)
    assert np.array_equal(ICNR(seeded, 2)((1, 4, 8))[..., :4], seeded((1, 4, 4)))
    assert ICNR(seeded, 2)((1, 4, 8), dtype="bfloat16").dtype == "bfloat16"
    with pytest.raises(
        ValueError, match=r"multiple of scale \*\* rank = 4; got the shape \(3, 3, 1, 6\)"
    ):
        ICNR(scale=2)((3, 3, 1, 6))
    with pytest.raises(ValueError, match="ICNR: scale must be an integer, at least 1; got scale=0"):
        ICNR(scale=0)
    assert ICNR(scale=2)((3, 3, 3, 8)).shape == (3, 3, 3, 8)  # the channels in do not matter
    with pytest.raises(ValueError, match="multiple of scale"):
        ICNR(scale=2)((3, 3, 4, 6))
    assert ICNR().scale == 2 and isinstance(ICNR().initializer, keras.initializers.GlorotUniform)
    again = keras.initializers.deserialize(keras.initializers.serialize(ICNR("he_normal", 3)))
    assert again.scale == 3 and isinstance(again.initializer, keras.initializers.HeNormal)
