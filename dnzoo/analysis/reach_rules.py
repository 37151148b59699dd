"""Which rows of its inputs an operation's output rows depend on: one rule for each of Keras's kinds."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import keras

from dnzoo.analysis.graph import Node, Tensor
from dnzoo.analysis.op_kinds import (
    CONVOLUTIONS,
    CROPPINGS,
    OPERATIONS_ROW_BY_ROW,
    OPERATIONS_SEE_ALL,
    PADDINGS,
    POOLINGS,
    ROW_BY_ROW,
    SEES_ALL,
    TRANSPOSED,
    UPSAMPLINGS,
)
from dnzoo.layers import geometry
from dnzoo.layers.rules import NOTHING, WHOLE, Rows, Rules


def rows(node: Node, axis: int, low: int, high: int) -> list[Rows]:
    """What output rows `low` to `high` of spatial `axis` depend on, for each input.

    Answers are those of `dnzoo.layers.rules.Rules.rows_seen`.

    Raises:
        ValueError: for an operation that no rule is known for.
    """
    operation = node.operation
    given = [_size(tensor, operation, axis) for tensor in node.inputs]
    made = _size(node.outputs[0], operation, axis)
    if isinstance(operation, Rules):
        found = operation.rows_seen(axis, low, high, given, made)
    else:
        rules = (rule for kinds, rule in RULES if isinstance(operation, kinds))
        rule = next(rules, None)
        found = (
            _operation(node, axis, low, high)
            if rule is None
            else rule(operation, axis, low, high, given, made)
        )
    found = found if isinstance(found, list) else [found] * len(node.inputs)
    # an input of one row that is spread over many is not a matter of place
    return [
        WHOLE if interval not in (WHOLE, NOTHING) and size == 1 != made else interval
        for interval, size in zip(found, given)
    ]


def _size(tensor: Tensor, operation: keras.Operation, axis: int) -> int | None:
    data_format = getattr(operation, "data_format", "channels_last")
    spatial = geometry.spatial_shape(tensor.shape, data_format)
    return spatial[axis] if axis < len(spatial) else None


def _at(value: Any, axis: int) -> Any:
    return value[axis] if isinstance(value, (tuple, list)) else value


def _convolution(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    span = geometry.reach(_at(layer.kernel_size, axis), _at(layer.dilation_rate, axis))
    return _window(low, high, given[0], made, span, _at(layer.strides, axis), layer.padding)


def _pooling(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    strides = _at(layer.strides, axis)
    return _window(low, high, given[0], made, _at(layer.pool_size, axis), strides, layer.padding)


def _window(
    low: int, high: int, size: int, made: int, span: int, stride: int, padding: str
) -> tuple[int, int]:
    before = {"valid": 0, "causal": span - 1}.get(padding)
    if before is None:
        before = max((made - 1) * stride + span - size, 0) // 2
    return low * stride - before, high * stride - before + span - 1


def _transposed(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    extra = None if layer.output_padding is None else _at(layer.output_padding, axis)
    kernel, stride = _at(layer.kernel_size, axis), _at(layer.strides, axis)
    dilation = _at(layer.dilation_rate, axis)
    return geometry.conv_transpose_rows(low, high, kernel, stride, layer.padding, extra, dilation)


def _upsampling(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    if getattr(layer, "interpolation", "nearest") not in ("nearest", "bilinear"):
        raise ValueError(f"no rule for {layer.name} with interpolation={layer.interpolation!r}.")
    size = _at(layer.size, axis)
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return low // size, high // size
    begin, end = ((Fraction(2 * row + 1, 2 * size) - Fraction(1, 2)) for row in (low, high))
    return math.ceil(begin) - (begin.denominator != 1), math.floor(end) + (end.denominator != 1)


def _padded(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    before = _at(_at(layer.padding, axis), 0)
    return low - before, high - before


def _cropped(
    layer: keras.Layer, axis: int, low: int, high: int, given: Sequence[int | None], made: int
) -> tuple[int, int]:
    before = _at(_at(layer.cropping, axis), 0)
    return low + before, high + before


RULES: tuple[tuple[tuple[type[Any], ...], Callable[..., Rows]], ...] = (
    (CONVOLUTIONS, _convolution),
    (TRANSPOSED, _transposed),
    (POOLINGS, _pooling),
    (UPSAMPLINGS, _upsampling),
    (PADDINGS, _padded),
    (CROPPINGS, _cropped),
    (ROW_BY_ROW, lambda layer, axis, low, high, given, made: (low, high)),
    (SEES_ALL, lambda *_: WHOLE),
)


def _operation(node: Node, axis: int, low: int, high: int) -> Rows:
    """Rules for what `keras.ops` does inside layers."""
    kind = type(node.operation).__name__.lower()
    if kind in OPERATIONS_ROW_BY_ROW:
        return low, high
    if kind in OPERATIONS_SEE_ALL:
        return WHOLE
    if kind == "getitem":
        window = (*node.arguments, *node.keywords.values())[1]
        window = window if isinstance(window, tuple) else (window,)
        part = window[axis + 1] if axis + 1 < len(window) else slice(None)
        if isinstance(part, slice) and part.step in (None, 1):
            start = (part.start or 0) % (node.inputs[0].shape[axis + 1] + 1)
            return low + start, high + start
    name = "/".join(node.path)
    raise ValueError(
        f"receptive_field: no rule is known for {name} ({type(node.operation).__name__})."
    )
