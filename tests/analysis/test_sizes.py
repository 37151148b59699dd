"""Sizes, against what the layers put out; the adjoint, against the layers' own products."""

import keras
import numpy as np
import pytest

from dnzoo import unet
from dnzoo.analysis import convolution_matrix, input_size, output_size, valid_sizes
from dnzoo.layers import (
    Conv1DTranspose,
    Conv2DTranspose,
    DepthwiseConv2DTranspose,
    MaxPoolWithSwitches2D,
    PixelUnshuffle2D,
    Resize1D,
    Resize2D,
)

PAPER = {"classes": 2, "filters": (2, 4, 8, 16, 32), "padding": "valid", "normalization": None}


def test_output_size():
    assert output_size(unet((None, None, 1), **PAPER), (572, 188)) == (388, 4)
    assert output_size(Conv1DTranspose(4, 3, 2), (5,)) == (11,)
    assert output_size(DepthwiseConv2DTranspose(4, 2, 1), (5, 6)) == (10, 12)
    assert output_size(keras.layers.Conv2D(4, 3), (5, 6)) == (3, 4)
    with pytest.raises(ValueError):
        output_size(keras.layers.Conv2D(4, 3), (2, 6))


def test_valid_sizes():
    """The U-Net paper's sizes: every 16th from 188 on."""
    model = unet((None, None, 1), **PAPER)
    assert valid_sizes(model, 180, 240) == [188, 204, 220, 236]
    assert valid_sizes(PixelUnshuffle2D(4), 1, 12) == [4, 8, 12]
    assert valid_sizes(keras.layers.Conv2D(1, 3), 1, 5) == [3, 4, 5]


def test_input_size():
    assert input_size(unet((None, None, 1), **PAPER), 20) == [204]
    assert input_size(unet((None, None, 1), **PAPER), 21) == []
    assert input_size(Conv2DTranspose(4, 4, 2, 1), 10) == [5]
    assert input_size(Conv2DTranspose(4, 4, 2, 1), 11) == []
    assert input_size(Resize1D(0.5), 3) == [6, 7]
    assert input_size(Resize2D(2.5), 7) == [3]
    with pytest.raises(ValueError, match="10 rows give 5, fewer than 9: raise largest"):
        input_size(Resize2D(0.5), 9, largest=10)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [(3, 1, 0, 1), (4, 2, 1, 1), (3, 2, 1, 2), (2, 3, 0, 1)])  # fmt: skip
def test_transposed_convolution_is_the_transposed_matrix(rank, kernel, stride, padding, dilation):
    rng = np.random.default_rng(0)
    sizes, depth, filters = (9, 8)[:rank], 2, 3
    weights = rng.normal(0, 1, (*[kernel] * rank, depth, filters)).astype("float32")
    matrix = convolution_matrix(weights, (*sizes, depth), stride, padding, dilation)
    x = rng.normal(0, 1, (1, *sizes, depth)).astype("float32")
    made = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in sizes]
    y = rng.normal(0, 1, (1, *made, filters)).astype("float32")

    # W x is the convolution
    padded = np.pad(x, [(0, 0), *[(padding, padding)] * rank, (0, 0)])
    if stride == 1 or dilation == 1:
        convolved = keras.ops.conv(padded, weights, stride, "valid", None, dilation)
        assert np.allclose(matrix @ x.ravel(), np.ravel(convolved), atol=1e-4)
    # W^T y is the transposed one, from the same kernel; rows that the stride left over are 0
    left = [n + 2 * padding - dilation * (kernel - 1) - 1 - stride * (m - 1) for n, m in zip(sizes, made)]  # fmt: skip
    kind = {1: Conv1DTranspose, 2: Conv2DTranspose}[rank]
    layer = kind(
        depth, kernel, stride, padding, tuple(left), dilation_rate=dilation, use_bias=False
    )
    layer.build(y.shape)
    layer.kernel.assign(weights)
    assert np.allclose(matrix.T @ y.ravel(), np.ravel(layer(y)), atol=1e-4)
    # <W x, y> = <x, W^T y>
    assert np.isclose((matrix @ x.ravel()) @ y.ravel(), x.ravel() @ np.ravel(layer(y)), rtol=1e-4)


def test_matrix_refuses_what_does_not_fit():
    kernel = np.ones((3, 3, 2, 1))
    with pytest.raises(
        ValueError, match="input_shape must have 2 sizes and the kernel's 2 channels"
    ):
        convolution_matrix(kernel, (5, 5, 3))
    with pytest.raises(ValueError, match="an input of \\(2, 5\\) leaves \\(0, 3\\) rows"):
        convolution_matrix(kernel, (2, 5, 2))
    with pytest.raises(ValueError, match="strides must be"):
        convolution_matrix(kernel, (5, 5, 2), strides=0)


def test_layers_with_several_outputs_and_fixed_sizes():
    assert MaxPoolWithSwitches2D(3).compute_output_shape((1, 7, 9, 2))[0] == (1, 2, 3, 2)
