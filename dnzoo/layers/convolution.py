"""How transposed convolutions are computed: by fractional strides anywhere, by kernels where there are.

Both put out the same window of the whole scatter sum, which `geometry.conv_transpose_window` names.
"""

import functools
from collections.abc import Sequence

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Tensor


def conv_transpose(
    x: Tensor,
    kernel: Tensor,
    strides: Sequence[int],
    windows: Sequence[tuple[int, int]],
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
    data_format: str | None = None,
) -> Tensor:
    """Transposed convolution of any rank.

    Args:
        x: (N, H, ..., in), or (N, in, H, ...) for "channels_first".
        kernel: (k, ..., out / groups, in).
        strides, dilation_rate: one integer per axis.
        windows: (first, extra) an axis, from `geometry.conv_transpose_window`.

    Returns:
        (N, S (H - 1) + extra, ..., out).
    """
    arguments = (x, kernel, strides, windows, dilation_rate, groups, data_format)
    dilated = any(rate > 1 for rate in dilation_rate)
    plain = not dilated and (groups == 1 or len(strides) == 3)  # 3-D groups are split
    # with dilation TensorFlow's 3-D kernel has no gradient
    if _tensorflow_has_kernels(x, plain) and not (dilated and len(strides) == 3):
        return _tensorflow(*arguments)
    if not needs_zeros(groups, dilation_rate):
        whole = ops.conv_transpose(x, kernel, strides, "valid", data_format=data_format)
        rows = [max(k, s) for k, s in zip(kernel.shape, strides)]
        return _window(whole, rows, windows, data_format)
    mirrored = convolution_kernel(kernel, groups)
    return fractional_conv(x, mirrored, strides, windows, dilation_rate, data_format)


def needs_zeros(groups: int, dilation_rate: Sequence[int]) -> bool:
    """Whether keras.ops has no transposed convolution for it, but that with zeros between pixels."""
    return groups > 1 or max(dilation_rate) > 1


def fractional_conv(
    x: Tensor,
    kernel: Tensor,
    strides: Sequence[int],
    windows: Sequence[tuple[int, int]],
    dilation_rate: Sequence[int],
    data_format: str | None,
) -> Tensor:
    """Convolution of `x` with S - 1 zeros put between its rows: a stride of 1 / S.

    Equals `conv_transpose` with a kernel for which `convolution_kernel` gives this one; works on
    every backend, and multiplies S ** rank times as much.

    Args:
        kernel: (k, ..., in / groups, out), as of a convolution.
    """
    before, after = [], []
    axes = geometry.spatial_axes(len(strides), data_format)
    for axis, taps, stride, rate, (first, extra) in zip(
        axes, kernel.shape, strides, dilation_rate, windows
    ):
        x = geometry.per_axis(x, axis, lambda rows, stride=stride: _between_zeros(rows, stride))
        span = geometry.reach(taps, rate)
        before.append(span - 1 - first)
        after.append(extra + first - stride)
    x = geometry.pad_or_crop(x, before, after, data_format)
    arguments = (1, "valid", data_format, tuple(dilation_rate))
    groups = geometry.channels(x.shape, data_format) // kernel.shape[-2]
    if groups == 1 or keras.backend.backend() != "tensorflow":
        return ops.conv(x, kernel, *arguments)
    # Keras has XLA compile a convolution with groups; its backward pass takes 50 times as long
    axis = -1 if data_format == "channels_last" else 1
    parts = zip(ops.split(x, groups, axis), ops.split(kernel, groups, -1))
    return ops.concatenate([ops.conv(part, k, *arguments) for part, k in parts], axis)


def convolution_kernel(kernel: Tensor, groups: int = 1) -> Tensor:
    """The kernel (k, ..., in / groups, out) with which a convolution does the transposed one's sums.

    It is the transposed convolution's (k, ..., out / groups, in), mirrored.
    """
    rank = len(kernel.shape) - 2
    *taps, out, depth = kernel.shape
    axes = (*range(rank), rank + 2, rank + 1, rank)
    kernel = ops.flip(kernel, tuple(range(rank)))
    kernel = ops.transpose(ops.reshape(kernel, (*taps, out, groups, depth // groups)), axes)
    return ops.reshape(kernel, (*taps, depth // groups, groups * out))


def _between_zeros(rows: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return rows
    _, size, trail = ops.shape(rows)
    spaced = ops.pad(ops.reshape(rows, (-1, 1, trail)), [(0, 0), (0, stride - 1), (0, 0)])
    return ops.reshape(spaced, (-1, size * stride, trail))


def _window(
    whole: Tensor, rows: Sequence[int], windows: Sequence[tuple[int, int]], data_format: str | None
) -> Tensor:
    """Rows `first` on of the whole sum, which ends `rows` after S (H - 1)."""
    before = [-first for first, _ in windows]
    after = [first + extra - end for (first, extra), end in zip(windows, rows)]
    return geometry.pad_or_crop(whole, before, after, data_format)


def _tensorflow_has_kernels(x: Tensor, plain: bool) -> bool:
    return (
        keras.backend.backend() == "tensorflow"
        and not isinstance(x, keras.KerasTensor)
        and (
            plain or _tensorflow_takes_groups_and_dilation(keras.backend.standardize_dtype(x.dtype))
        )
    )


@functools.cache
def _tensorflow_takes_groups_and_dilation(dtype: str) -> bool:
    """Whether this TensorFlow does, forward and backward: on a CPU oneDNN, for some dtypes. Tried once."""
    import tensorflow as tf

    with tf.init_scope():  # at once, also where a graph is being made
        x, kernel = tf.ones((1, 2, 2, 2), dtype), tf.ones((2, 2, 1, 2), dtype)
        try:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = tf.nn.conv_transpose(x, kernel, (1, 5, 5, 2), 2, "VALID", dilations=2)
            tape.gradient(y, [x, kernel])
        except tf.errors.OpError:
            return False
    return True


def _tensorflow(
    x: Tensor,
    kernel: Tensor,
    strides: Sequence[int],
    windows: Sequence[tuple[int, int]],
    dilation_rate: Sequence[int],
    groups: int,
    data_format: str | None,
) -> Tensor:
    import tensorflow as tf

    rank = len(strides)
    if data_format == "channels_first":  # which a CPU has no kernel for
        x = tf.transpose(x, (0, *range(2, rank + 2), 1))
        y = _tensorflow(x, kernel, strides, windows, dilation_rate, groups, "channels_last")
        return tf.transpose(y, (0, rank + 1, *range(1, rank + 1)))
    if rank == 1:
        flat = ((1, *strides), ((0, 1), *windows), (1, *dilation_rate), groups, data_format)
        return _tensorflow(x[:, None], kernel[None], *flat)[:, 0]
    if rank == 3 and groups > 1:  # as does the 3-D kernel
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
        rest = (strides, windows, dilation_rate, 1, data_format)
        return tf.concat([_tensorflow(part, weights, *rest) for part, weights in parts], -1)

    if rank == 3 and kernel.shape[-2] == 1 and x.shape[3] == 1:
        # oneDNN's strided 3-D convolution, which the gradient is, fails for 1 channel and 1 column
        x = geometry.pad_or_crop(x, (0, 0, 0), (0, 0, 1), data_format)
        first, extra = windows[2]
        windows = (*windows[:2], (first, extra - strides[2]))

    # "SAME" finds the window by itself where as much is left over on both sides, and saves a copy
    # each way; with a row of zeros more, a kernel of 3 with output padding is such a case too
    short = [
        2 * first + extra - k if d == 1 and 0 < extra <= stride else 0
        for (first, extra), stride, k, d in zip(windows, strides, kernel.shape, dilation_rate)
    ]
    if max(short) == 1 and min(short) >= 0:
        kernel = tf.pad(kernel, [*((0, rows) for rows in short), (0, 0), (0, 0)])
    spans = [geometry.reach(k, d) for k, d in zip(kernel.shape, dilation_rate)]
    same = all(
        0 < extra <= stride and first == max(span - extra, 0) // 2
        for (first, extra), stride, span in zip(windows, strides, spans)
    )
    if same:
        rows = [extra for _, extra in windows]
    else:
        rows = [
            min(max(first + extra, span), span + stride - 1)
            for (first, extra), stride, span in zip(windows, strides, spans)
        ]
    shape = ops.shape(x)
    sizes = [stride * (size - 1) + end for stride, size, end in zip(strides, shape[1:], rows)]
    y = tf.nn.conv_transpose(
        x,
        kernel,
        [shape[0], *sizes, groups * kernel.shape[-2]],
        strides,
        "SAME" if same else "VALID",
        dilations=dilation_rate,
    )
    return y if same else _window(y, rows, windows, data_format)
