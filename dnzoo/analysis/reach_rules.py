"""Which rows of its inputs an operation's output rows depend on: one rule for each kind."""

import math
from fractions import Fraction

from dnzoo import layers
from dnzoo.analysis.op_kinds import (
    CONVOLUTIONS,
    CROPPINGS,
    OPERATIONS_ROW_BY_ROW,
    OPERATIONS_SEE_ALL,
    PADDINGS,
    POOLINGS,
    RESIZES,
    ROW_BY_ROW,
    SEES_ALL,
    TRANSPOSED,
    UPSAMPLINGS,
)
from dnzoo.layers import geometry
from dnzoo.layers.interpolation import INTERPOLATIONS, REACH
from dnzoo.layers.subpixel import PixelShuffle, PixelUnshuffle
from dnzoo.layers.transposed import ConvTranspose

WHOLE = "whole"  # every row
NOTHING = None  # no row


def rows(node, axis, low, high):
    """What output rows `low` to `high` of spatial `axis` depend on: an interval for each input.

    Rows beyond an input's border stand for padding. `WHOLE` for an input that counts as a whole,
    `NOTHING` for one that does not count.

    Raises:
        ValueError: for an operation that no rule is known for.
    """
    operation = node.operation
    given = [_size(tensor, operation, axis) for tensor in node.inputs]
    made = _size(node.outputs[0], operation, axis)
    for kinds, rule in RULES:
        if isinstance(operation, kinds):
            found = rule(operation, axis, low, high, given, made)
            break
    else:
        found = _operation(node, axis, low, high)
    found = found if isinstance(found, list) else [found] * len(node.inputs)
    # an input of one row that is spread over many is not a matter of place
    return [
        WHOLE if interval not in (WHOLE, NOTHING) and size == 1 != made else interval
        for interval, size in zip(found, given)
    ]


def _size(tensor, operation, axis):
    data_format = getattr(operation, "data_format", "channels_last")
    spatial = geometry.spatial_shape(tensor.shape, data_format)
    return spatial[axis] if axis < len(spatial) else None


def _at(value, axis):
    return value[axis] if isinstance(value, (tuple, list)) else value


def _convolution(layer, axis, low, high, given, made):
    span = geometry.reach(_at(layer.kernel_size, axis), _at(layer.dilation_rate, axis))
    return _window(low, high, given[0], made, span, _at(layer.strides, axis), layer.padding)


def _pooling(layer, axis, low, high, given, made):
    strides = _at(layer.strides, axis)
    return _window(low, high, given[0], made, _at(layer.pool_size, axis), strides, layer.padding)


def _window(low, high, size, made, span, stride, padding):
    before = {"valid": 0, "causal": span - 1}.get(padding)
    if before is None:
        before = max((made - 1) * stride + span - size, 0) // 2
    return low * stride - before, high * stride - before + span - 1


def _transposed(layer, axis, low, high, given, made):
    dilation, stride = _at(layer.dilation_rate, axis), _at(layer.strides, axis)
    extra = None if layer.output_padding is None else _at(layer.output_padding, axis)
    kernel, padding = _at(layer.kernel_size, axis), _at(layer.padding, axis)
    padding = layer.padding if isinstance(layer.padding, str) else padding
    first, _ = geometry.conv_transpose_window(kernel, stride, padding, extra, dilation)
    taps = [dilation * tap for tap in range(kernel)]
    period = stride * dilation
    ends = {*range(low, min(high, low + period) + 1), *range(max(low, high - period), high + 1)}
    found = [
        (row + first - tap) // stride
        for row in ends
        for tap in taps
        if (row + first - tap) % stride == 0
    ]
    # a row that nothing is written to lies beside the pixel before it
    return (min(found), max(found)) if found else ((high + first) // stride,) * 2


def _resize(layer, axis, low, high, given, made):
    method = INTERPOLATIONS[layer.rank][layer.interpolation]
    return _resized(method, Fraction(given[0], made), layer.antialias, low, high)


def _resized(method, ratio, antialias, low, high):
    if method == "nearest":
        return math.floor((low + Fraction(1, 2)) * ratio), math.floor(
            (high + Fraction(1, 2)) * ratio
        )
    stretch = max(ratio, 1) if antialias else 1
    reach = Fraction(REACH[method]) * stretch
    begin, end = ((row + Fraction(1, 2)) * ratio - Fraction(1, 2) for row in (low, high))
    return math.floor(begin - reach) + 1, math.ceil(end + reach) - 1


def _upsampling(layer, axis, low, high, given, made):
    if getattr(layer, "interpolation", "nearest") not in ("nearest", "bilinear"):
        raise ValueError(f"no rule for {layer.name} with interpolation={layer.interpolation!r}.")
    size = _at(layer.size, axis)
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return low // size, high // size
    begin, end = ((Fraction(2 * row + 1, 2 * size) - Fraction(1, 2)) for row in (low, high))
    return math.ceil(begin) - (begin.denominator != 1), math.floor(end) + (end.denominator != 1)


def _shuffle(layer, axis, low, high, given, made):
    return low // layer.block_size, high // layer.block_size


def _unshuffle(layer, axis, low, high, given, made):
    return low * layer.block_size, high * layer.block_size + layer.block_size - 1


def _pool_with_switches(layer, axis, low, high, given, made):
    return low * layer.pool_size, high * layer.pool_size + layer.pool_size - 1


def _unpool(layer, axis, low, high, given, made):
    interval = low // layer.pool_size, high // layer.pool_size
    return [interval, interval, NOTHING][: len(given)]


def _padded(layer, axis, low, high, given, made):
    before = _at(_at(layer.padding, axis), 0)
    return low - before, high - before


def _cropped(layer, axis, low, high, given, made):
    before = _at(_at(layer.cropping, axis), 0)
    return low + before, high + before


def _blur(layer, axis, low, high, given, made):
    before = layer.kernel_size // 2
    return low - before, high + layer.kernel_size - 1 - before


def _carafe(layer, axis, low, high, given, made):
    reach = max(layer.kernel_size // 2, layer.encode.kernel_size[0] // 2)
    return low // layer.scale - reach, high // layer.scale + reach


def _match_size(layer, axis, low, high, given, made):
    size, wanted = given
    shift = (size - wanted) // 2 if layer.anchor == "center" else 0
    return [(low + shift, high + shift), NOTHING]


def _multi_scale(layer, axis, low, high, given, made):
    if layer.normalization in ("instance", "group"):
        return WHOLE
    method = INTERPOLATIONS[2][layer.interpolation]
    return [_resized(method, Fraction(size, made), False, low, high) for size in given]


RULES = (
    (CONVOLUTIONS, _convolution),
    ((ConvTranspose, *TRANSPOSED), _transposed),
    (POOLINGS, _pooling),
    (RESIZES, _resize),
    (UPSAMPLINGS, _upsampling),
    (PixelUnshuffle, _unshuffle),
    (PixelShuffle, _shuffle),
    (layers.MaxPoolWithSwitches2D, _pool_with_switches),
    (layers.MaxUnpool2D, _unpool),
    (PADDINGS, _padded),
    (CROPPINGS, _cropped),
    (layers.Blur, _blur),
    (layers.CARAFE, _carafe),
    (layers.MatchSize, _match_size),
    (layers.MultiScaleFusion, _multi_scale),
    (ROW_BY_ROW, lambda layer, axis, low, high, given, made: (low, high)),
    (SEES_ALL, lambda *_: WHOLE),
)


def _operation(node, axis, low, high):
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
