"""Sizes, crops and axes of spatial layers: the one place that knows the arithmetic.

Everything works for any number of spatial dimensions. A size is an `int`, or `None` where it is
known only at run time. "Transposed" sizes follow two rules, because two are in use:

* `padding="valid" | "same"` keeps Keras's sizes: `H * S + max(K - S, 0)` and `H * S`.
* integer padding follows the formula `S (H - 1) + K - 2 P + O_P` (PyTorch's, and the papers').

They agree for "valid" and `P = 0` whenever `K >= S`; below that Keras adds `S - K` more rows.
"""

from numbers import Integral

import keras
from keras import ops


def as_tuple(value, rank, argument, minimum=0):
    """`value` as a tuple of `rank` ints, each at least `minimum`; `argument` is named in the error."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    legal = all(
        isinstance(v, Integral) and not isinstance(v, bool) and v >= minimum for v in values
    )
    if len(values) != rank or not legal:
        several = f" or {rank} integers, each" if rank > 1 else ","
        raise ValueError(
            f"{argument} must be an integer{several} at least {minimum}; got {argument}={value!r}."
        )
    return tuple(int(v) for v in values)


def checked_data_format(data_format):
    """`data_format`, or Keras's setting for None; ValueError for anything but the two there are."""
    data_format = keras.config.image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f'data_format must be "channels_last" or "channels_first"; got {data_format!r}.'
        )
    return data_format


def spatial_axes(rank, data_format):
    """Axes of the spatial dimensions of a batch: (1, 2) for images with channels last."""
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


def spatial_shape(shape, data_format):
    """The spatial part of a batch's shape."""
    return tuple(shape[1:-1]) if data_format == "channels_last" else tuple(shape[2:])


def channels(shape, data_format):
    """The number of channels in a batch's shape."""
    return shape[-1] if data_format == "channels_last" else shape[1]


def batch_shape(batch, spatial, depth, data_format):
    """A batch's shape from its parts."""
    if data_format == "channels_last":
        return (batch, *spatial, depth)
    return (batch, depth, *spatial)


def conv_transpose_size(size, kernel, stride, padding, output_padding=None):
    """Rows out of a transposed convolution (see the module's text for the two rules).

    `padding`: "valid", "same" or an integer P. `output_padding`: integer, or None for Keras's
    default size (string padding) or 0 (integer padding).
    """
    if size is None:
        return None
    if isinstance(padding, int):
        return stride * (size - 1) + kernel - 2 * padding + (output_padding or 0)
    if output_padding is None:
        return size * stride + (max(kernel - stride, 0) if padding == "valid" else 0)
    trimmed = 2 * (kernel // 2) if padding == "same" else 0
    return stride * (size - 1) + kernel - trimmed + output_padding


def conv_transpose_missing(kernel, stride, padding, output_padding):
    """Rows that a "valid" transposed convolution lacks at the end for integer `padding`; or 0.

    Keras's "valid" gives `S (H - 1) + max(K, S)` rows, of which `padding` are cut off in front.
    """
    return max(kernel - padding + output_padding - max(kernel, stride), 0)


def crop(x, before, sizes, data_format):
    """The window of `sizes` rows that begins `before` rows into each spatial axis."""
    axes = spatial_axes(len(sizes), data_format)
    window = [slice(None)] * len(x.shape)
    for axis, start, size in zip(axes, before, sizes):
        if not isinstance(size, int) or size != x.shape[axis]:
            window[axis] = slice(start, start + size)
    return x if all(part == slice(None) for part in window) else x[tuple(window)]


def pad_end(x, rows, data_format):
    """Append `rows` rows of zeros to each spatial axis."""
    if not any(rows):
        return x
    widths = [(0, 0)] * len(x.shape)
    for axis, count in zip(spatial_axes(len(rows), data_format), rows):
        widths[axis] = (0, count)
    return ops.pad(x, widths)
