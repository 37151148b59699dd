"""Sizes, crops and axes of spatial layers: the one place that knows the arithmetic.

Everything works for any number of spatial dimensions. A size is an `int`, or `None` where it is
known only at run time. "Transposed" sizes follow two rules, because there are two conventions:

* `padding="valid" | "same"` keeps Keras's sizes: `H * S + max(K - S, 0)` and `H * S`.
* integer padding follows the formula `S (H - 1) + K - 2 P + O_P` (PyTorch's, and the papers').

They agree for "valid" and `P = 0` whenever `K >= S`; below that Keras adds `S - K` more rows.
K is what a kernel of k taps reaches over: `D (k - 1) + 1` with the dilation rate D.
"""

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

from keras import ops

DATA_FORMATS: tuple[str, ...] = ("channels_last", "channels_first")


def as_tuple(
    value: Any, rank: int, argument: str, minimum: int = 0, owner: str | None = None
) -> tuple[int, ...]:
    """`value` as a tuple of `rank` ints, each at least `minimum`.

    The error names `argument`, and the class `owner` that was given it.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    legal = all(
        isinstance(v, Integral) and not isinstance(v, bool) and v >= minimum for v in values
    )
    if len(values) != rank or not legal:
        whose = f"{owner}: " if owner else ""
        several = f" or {rank} integers, each" if rank > 1 else ","
        raise ValueError(
            f"{whose}{argument} must be an integer{several} at least {minimum}; "
            f"got {argument}={value!r}."
        )
    return tuple(int(v) for v in values)


def one_of(value: Any, legal: Iterable[Any], argument: str, owner: str | None = None) -> Any:
    """`value`, which must be one of the legal ones; the error names `argument` and `owner`."""
    legal = tuple(legal)
    if value not in legal:
        raise ValueError(
            f"{f'{owner}: ' if owner else ''}{argument} must be one of "
            f"{', '.join(map(repr, legal))}; got {argument}={value!r}."
        )
    return value


def spatial_axes(rank: int, data_format: str | None) -> tuple[int, ...]:
    """Axes of the spatial dimensions of a batch: (1, 2) for images with channels last."""
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


def spatial_shape(shape: Sequence[Any], data_format: str | None) -> tuple[Any, ...]:
    """The spatial part of a batch's shape."""
    return tuple(shape[1:-1]) if data_format == "channels_last" else tuple(shape[2:])


def channels(shape: Sequence[Any], data_format: str | None) -> Any:
    """The number of channels in a batch's shape."""
    return shape[-1] if data_format == "channels_last" else shape[1]


def batch_shape(
    batch: Any, spatial: Iterable[Any], depth: Any, data_format: str | None
) -> tuple[Any, ...]:
    """A batch's shape from its parts."""
    if data_format == "channels_last":
        return (batch, *spatial, depth)
    return (batch, depth, *spatial)


def reach(kernel: int, dilation: int) -> int:
    """K, the rows that a kernel of `kernel` taps spans."""
    return dilation * (kernel - 1) + 1


def conv_size(
    size: int | None, kernel: int, stride: int = 1, padding: int | str = "valid", dilation: int = 1
) -> int | None:
    """Rows out of a convolution or pooling; `padding` is "valid", "same" or an integer P."""
    if size is None:
        return None
    if padding == "same":
        return -(-size // stride)
    total = 2 * padding if isinstance(padding, int) else 0
    return (size + total - reach(kernel, dilation)) // stride + 1


def conv_transpose_window(
    kernel: int,
    stride: int,
    padding: int | str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> tuple[int, int]:
    """(first, extra): which rows of the whole scatter sum a transposed convolution puts out.

    The sum has rows 0 to S (H - 1) + K - 1. Out come `S (H - 1) + extra` of them from row `first`
    on, zeros where they lie beyond the end.

    Args:
        padding: "valid", "same" or an integer P.
        output_padding: O_P; None: 0 for integer padding, Keras's choice for the others.
    """
    span = reach(kernel, dilation)
    if isinstance(padding, int):
        return padding, span - 2 * padding + (output_padding or 0)
    if padding == "valid":
        return 0, max(span, stride) if output_padding is None else span + output_padding
    extra = stride if output_padding is None else span % 2 + output_padding
    return max(span - extra, 0) // 2, extra


def conv_transpose_size(
    size: int | None,
    kernel: int,
    stride: int,
    padding: int | str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> int | None:
    """Rows out of a transposed convolution (see the module's text for the two rules)."""
    if size is None:
        return None
    _, extra = conv_transpose_window(kernel, stride, padding, output_padding, dilation)
    return stride * (size - 1) + extra


def conv_transpose_rows(
    low: int,
    high: int,
    kernel: int,
    stride: int,
    padding: int | str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> tuple[int, int]:
    """(first, last) input row that output rows `low` to `high` of a transposed convolution sum."""
    first, _ = conv_transpose_window(kernel, stride, padding, output_padding, dilation)
    period = stride * dilation
    ends = {*range(low, min(high, low + period) + 1), *range(max(low, high - period), high + 1)}
    found = [
        (row + first - dilation * tap) // stride
        for row in ends
        for tap in range(kernel)
        if (row + first - dilation * tap) % stride == 0
    ]
    # a row that nothing is written to lies beside the pixel before it
    return (min(found), max(found)) if found else ((high + first) // stride,) * 2


def crop(x: Any, before: Sequence[Any], sizes: Sequence[Any], data_format: str | None) -> Any:
    """The window of `sizes` rows that begins `before` rows into each spatial axis."""
    axes = spatial_axes(len(sizes), data_format)
    window = [slice(None)] * len(x.shape)
    for axis, start, size in zip(axes, before, sizes):
        if not isinstance(size, int) or size != x.shape[axis]:
            window[axis] = slice(start, start + size)
    return x if all(part == slice(None) for part in window) else x[tuple(window)]


def pad_or_crop(
    x: Any, before: Sequence[int], after: Sequence[int], data_format: str | None
) -> Any:
    """Add rows of zeros before and after each spatial axis; negative numbers take rows away."""
    axes = spatial_axes(len(before), data_format)
    widths, window = [(0, 0)] * len(x.shape), [slice(None)] * len(x.shape)
    for axis, first, last in zip(axes, before, after):
        widths[axis] = (max(first, 0), max(last, 0))
        window[axis] = slice(max(-first, 0), min(last, 0) or None)
    x = x if all(part in (slice(None), slice(0, None)) for part in window) else x[tuple(window)]
    return ops.pad(x, widths) if any(width != (0, 0) for width in widths) else x


def per_axis(x: Any, axis: int, function: Callable[[Any], Any]) -> Any:
    """`function` of (lead, size, trail) -> (lead, size', trail), along one axis of `x`.

    TensorFlow pads and slices at most six dimensions: one axis at a time serves all ranks.
    """
    shape = list(ops.shape(x))
    before, after = shape[:axis], shape[axis + 1 :]
    trail = 1
    for extent in after:
        trail = trail * extent
    x = function(ops.reshape(x, (-1, shape[axis], trail)))
    return ops.reshape(x, (*before, ops.shape(x)[1], *after))
