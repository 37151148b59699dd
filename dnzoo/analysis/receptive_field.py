"""Which part of the input an output pixel sees."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import keras

from dnzoo.analysis.graph import Graph, trace
from dnzoo.analysis.reach_rules import rows
from dnzoo.layers.base import Shape
from dnzoo.layers.rules import NOTHING, WHOLE, Rows

PERIODS: int = 512  # the longest distance looked for at which a network repeats itself


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """Output row i sees input rows `stride * i + offset` to at most `+ size - 1`, for each axis.

    Attributes:
        size: rows that an output row sees at most; None where it sees all of them.
        stride: input rows between the fields of neighbouring output rows, as fractions.
        offset: of the first row seen, the smallest over the phases of upsampling.
        whole_image: names of the layers that look at the whole image; empty without such.
    """

    size: tuple[int, ...] | None
    stride: tuple[Fraction, ...] | None
    offset: tuple[float, ...] | None
    whole_image: tuple[str, ...] = ()


def receptive_field(model: keras.Layer, input_shape: Shape | None = None) -> ReceptiveField:
    """The part of the input that an output pixel can depend on, through skips and upsampling.

    Goes backwards from an output row through every operation, with exact intervals; rows beyond the
    border count, as if padding were image. It is what the weights allow: the gradient is zero outside.

    Args:
        model: a model or layer with one image in and one out.
        input_shape: (height, width, channels), or None: the model's own, 256 for an open size.

    Returns:
        `ReceptiveField`, with one number for each spatial axis.

    Raises:
        ValueError: for an operation that no rule is known for, or a shape that the model refuses.

    Example:
        >>> import keras
        >>> field = receptive_field(keras.layers.Conv2D(4, 3, strides=2), (32, 32, 3))
        >>> field.size, field.stride, field.offset
        ((3, 3), (Fraction(2, 1), Fraction(2, 1)), (0, 0))
    """
    graph = trace(model, input_shape)
    if len(graph.inputs) != 1:
        raise ValueError(
            f"receptive_field: the model must have one input; got {len(graph.inputs)}."
        )
    output = graph.outputs[0]
    axes = max(len(output.shape) - 2, 1)  # a vector sees what it sees at no place
    found = [_along(graph, axis) for axis in range(axes)]
    blocked = sorted({name for _, names in found for name in names})
    if blocked:
        return ReceptiveField(None, None, None, tuple(blocked))
    sizes, strides, offsets = zip(*(numbers for numbers, _ in found))
    return ReceptiveField(sizes, strides, offsets)


def seen(graph: Graph, axis: int, low: int, high: int) -> tuple[Rows, list[str]]:
    """The input rows that output rows `low` to `high` see, and the layers that see all of them."""
    wanted, blocked = needed(graph, axis, low, high)
    return wanted.get(graph.inputs[0].number, NOTHING), blocked


def needed(graph: Graph, axis: int, low: int, high: int) -> tuple[dict[int, Rows], list[str]]:
    """What output rows `low` to `high` need: {tensor's number: rows}, and the layers that need all."""
    wanted = {graph.outputs[0].number: (low, high)}
    blocked = []
    for node in reversed(graph.nodes):
        intervals = [wanted[x.number] for x in node.outputs if x.number in wanted]
        if not intervals:
            continue
        whole = WHOLE in intervals
        begin, end = (0, 0) if whole else _hull(intervals)
        for tensor, interval in zip(node.inputs, rows(node, axis, begin, end)):
            if interval is NOTHING:
                continue
            if interval == WHOLE:
                blocked.append(node.path[-1] if node.path else node.operation.name)
            if whole or interval == WHOLE:
                wanted[tensor.number] = WHOLE
            elif wanted.get(tensor.number) != WHOLE:
                known = [wanted[tensor.number]] if tensor.number in wanted else []
                wanted[tensor.number] = _hull([interval, *known])
    return wanted, blocked


def alignment(graph: Graph, axis: int) -> tuple[int, int] | None:
    """(rows in, rows out): the least shift of both under which every layer does the same again.

    That is the product of the strides, or None where a layer sees all, or sizes inside are no
    fixed fractions of the image's.
    """
    found = []
    for period in range(1, PERIODS + 1):
        for row in range(len(found), max(3 * period, 64)):
            wanted, blocked = needed(graph, axis, row, row)
            if blocked:
                return None
            found.append({number: ends for number, ends in wanted.items() if ends is not NOTHING})
        shift = {number: found[period][number][0] - low for number, (low, _) in found[0].items()}
        if all(
            later
            == {
                number: (low + shift[number], high + shift[number])
                for number, (low, high) in first.items()
            }
            for first, later in zip(found, found[period:])
        ):
            return shift[graph.inputs[0].number], period
    return None


def _hull(intervals: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _along(graph: Graph, axis: int) -> tuple[tuple[int, Fraction, float] | None, list[str]]:
    """((size, stride, offset), names of layers that see all) for one axis."""
    fields = []
    for row in range(3 * PERIODS):
        interval, blocked = seen(graph, axis, row, row)
        if interval == WHOLE:
            return None, blocked
        fields.append(interval)
        period = _period(fields) if len(fields) >= 64 else 0
        if period:
            break
    else:
        raise ValueError(
            "receptive_field: the model does not repeat itself; is it a network of images?"
        )
    lows = [low for low, _ in fields]
    stride = Fraction(lows[period] - lows[0], period)
    extent = max(high - low + 1 for low, high in fields)
    offset = min(low - stride * i for i, low in enumerate(lows[:period]))
    return (extent, stride, int(offset) if offset == int(offset) else float(offset)), []


def _period(fields: Sequence[tuple[int, int]]) -> int:
    """After how many output rows the fields repeat, moved by whole rows; 0 when not yet known."""
    count = len(fields) // 3
    for period in range(1, count + 1):
        shift = fields[period][0] - fields[0][0]
        if all(
            later == (low + shift, high + shift)
            for (low, high), later in zip(fields, fields[period:])
        ):
            return period
    return 0
