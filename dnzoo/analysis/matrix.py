"""A convolution as a matrix."""

from collections.abc import Sequence

import numpy as np

from dnzoo.layers import geometry
from dnzoo.layers.base import Integers, Tensor


def convolution_matrix(
    kernel: Tensor,
    input_shape: Sequence[int],
    strides: Integers = 1,
    padding: Integers = 0,
    dilation_rate: Integers = 1,
) -> np.ndarray:
    """The matrix W with which a strided convolution is a product: `y = W x`, of flattened images.

    Its transpose is what a transposed convolution with the same kernel computes: `W^T y` has the
    convolution's input size. Images are flattened in the order (rows, ..., channels).

    Args:
        kernel: (k, ..., in, out), any rank.
        input_shape: (H, ..., in) of x.
        strides, padding, dilation_rate: an integer, or one per axis; `padding` rows of zeros on
            both sides.

    Returns:
        float64, (H' ... out, H ... in).

    Raises:
        ValueError: for shapes that do not fit.

    Example:
        >>> convolution_matrix(np.ones((2, 1, 1)), (3, 1))
        array([[1., 1., 0.],
               [0., 1., 1.]])
    """
    kernel = np.asarray(kernel, "float64")
    *taps, depth, filters = kernel.shape
    rank = len(taps)
    owner = "convolution_matrix"
    strides = geometry.as_tuple(strides, rank, "strides", 1, owner)
    padding = geometry.as_tuple(padding, rank, "padding", 0, owner)
    dilation = geometry.as_tuple(dilation_rate, rank, "dilation_rate", 1, owner)
    if len(input_shape) != rank + 1 or input_shape[-1] != depth:
        raise ValueError(
            f"{owner}: input_shape must have {rank} sizes and the kernel's {depth} channels; "
            f"got input_shape={tuple(input_shape)}, a kernel of {kernel.shape}."
        )
    given = tuple(input_shape[:-1])
    made = tuple(geometry.conv_size(*axis) for axis in zip(given, taps, strides, padding, dilation))
    if min(made) < 1:
        raise ValueError(f"{owner}: an input of {given} leaves {made} rows.")
    matrix = np.zeros((*made, filters, *given, depth))
    for row in np.ndindex(*made):
        for tap in np.ndindex(*taps):
            place = tuple(
                s * r - p + d * t for s, r, p, d, t in zip(strides, row, padding, dilation, tap)
            )
            if all(0 <= at < size for at, size in zip(place, given)):
                matrix[(*row, slice(None), *place)] = kernel[tap].T
    return matrix.reshape(np.prod(made) * filters, np.prod(given) * depth)
