"""Spectral normalisation against numpy's singular values and PyTorch's layer."""

import keras
import numpy as np
import pytest

from dnzoo import layers
from dnzoo.layers import SpectralNormalization
from tests.backends import gradients
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class TestSpectralTransposed(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return SpectralNormalization(layers.Conv2DTranspose(6, 4, 2, 1, **kwargs))


class TestSpectralConv(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return SpectralNormalization(keras.layers.Conv2D(6, 3, **kwargs), power_iterations=2)


MADE = {
    "Conv1DTranspose": (2, 4, 3),
    "Conv2DTranspose": (2, 4, 4, 3),
    "Conv3DTranspose": (1, 3, 3, 3, 2),
    "FractionalConv2D": (2, 4, 4, 3),
    "SubpixelConv2D": (2, 4, 4, 3),
    "ResizeConv2D": (2, 4, 4, 3),
    "SeparableConv2DTranspose": (2, 4, 4, 3),
    "Dense": (2, 5),
    "Conv2D": (2, 4, 4, 3),
}


@pytest.mark.parametrize("name", MADE)
def test_sigma_is_the_largest_singular_value(name):
    """The kernel that is used has norm 1, as a matrix of channels out times the rest."""
    kind = getattr(layers, name, None) or getattr(keras.layers, name)
    arguments = (4,) if name == "Dense" else (4, 3)
    layer = SpectralNormalization(kind(*arguments), power_iterations=200)
    x = np.random.default_rng(0).normal(0, 1, MADE[name]).astype("float32")
    layer(x, training=True)
    plain = kind(*arguments)
    expected_shape = plain(x).shape
    changed = 0
    for kernel in [w for w in layer.layer.weights if w.path.endswith("kernel")]:
        value = np.asarray(kernel)
        transposed = "Transpose" in name and "pointwise" not in kernel.path
        matrix = np.moveaxis(value, -2 if transposed else -1, -1)
        matrix = matrix.reshape(-1, matrix.shape[-1])
        sigma = np.linalg.svd(matrix, compute_uv=False)[0]
        place = next(i for i, w in enumerate(layer.layer.weights) if w is kernel)
        plain.weights[place].assign(value / sigma)
        changed += 1
    assert changed == (2 if "Separable" in name else 1)
    y = np.asarray(layer(x))
    assert y.shape == expected_shape
    assert np.allclose(y, plain(x), atol=1e-4)


def test_equals_pytorch():
    """After so many power iterations that both are at the end: output and gradient."""
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 4, 4, 3)).astype("float32")
    ours = SpectralNormalization(layers.Conv2DTranspose(5, 3, 2, 1, use_bias=False), 200)
    ours.build(x.shape)
    theirs = torch.nn.ConvTranspose2d(3, 5, 3, 2, 1, bias=False)
    theirs = torch.nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=200)
    kernel = np.asarray(ours.layer.kernel).transpose(3, 2, 0, 1)
    with torch.no_grad():
        theirs.parametrizations.weight.original.copy_(torch.tensor(kernel.copy()))
    cotangent = np.random.default_rng(1).normal(0, 1, (2, 7, 7, 5)).astype("float32")
    y = theirs(torch.tensor(x.transpose(0, 3, 1, 2).copy()))
    y.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2).copy()))
    found = gradients(ours, x, lambda shape: cotangent, training=True)
    gradient = theirs.parametrizations.weight.original.grad.numpy().transpose(2, 3, 1, 0)
    assert np.allclose(found["weights"][0], gradient, atol=1e-4)
    output = np.asarray(ours(x))
    assert np.allclose(output, y.detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)


def test_inference_and_frozen_layers_keep_the_vector():
    x = np.ones((1, 4, 4, 2), "float32")
    layer = SpectralNormalization(layers.Conv2DTranspose(3, 3, 2))
    layer(x, training=True)
    vector = np.array(layer.vectors[0])
    kernel = np.array(layer.layer.kernel)
    layer(x)
    assert np.array_equal(layer.vectors[0], vector)
    layer.layer.trainable = False
    frozen = layer(x)
    assert np.array_equal(layer.layer.kernel, kernel)
    layer.layer.trainable = True
    assert np.array_equal(layer(x), frozen)


def test_a_layer_without_kernel():
    with pytest.raises(
        ValueError, match="SpectralNormalization: the layer must have a kernel; got a ReLU"
    ):
        SpectralNormalization(keras.layers.ReLU())(np.ones((1, 2), "float32"))
