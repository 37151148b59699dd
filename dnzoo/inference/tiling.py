"""Tiles of an image whose outputs, put side by side, are the output of the whole image.

An image has any number of spatial axes: rows and columns, or depth, rows and columns.
"""

import dataclasses
import itertools
import math
import weakref
from collections.abc import Callable, Sequence

import keras

from dnzoo.analysis.graph import Graph, trace
from dnzoo.analysis.memory import prediction_memory
from dnzoo.analysis.receptive_field import alignment, receptive_field, seen

MEMORY = 2**29  # bytes of activations that a tile may hold; runtimes need up to twice as much
PROBE = 256  # a size at which to see what a pixel costs; PROBE**2 pixels or voxels need no tiles
KEPT = 1 / 20  # of a tile's pixels: with less, most of the work would be thrown away
_PLANS = weakref.WeakKeyDictionary()  # a model's, for the shapes of images it was given


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows of one tile: `given` of the image, `kept` of the tile's output, which lie at `place`."""

    given: slice
    kept: slice
    place: slice


WHOLE = Part(slice(None), slice(None), slice(None))
Tile = tuple[Part, ...]  # one part for each spatial axis


def tiles(
    model: keras.Model, image_shape: tuple[int, ...], size: int | str | None = "auto"
) -> list[Tile]:
    """How to compute an image tile by tile: exactly, because each tile brings the rows it needs.

    A tile's outer rows, which see padding where the whole image has pixels, are not kept: as many
    as the receptive field says. Tiles begin where every stride begins anew.

    Args:
        model: one image in, one out.
        image_shape: (H, W, C), (D, H, W, C) or (H, C).
        size: the most rows of the image in a tile, along each axis, with what is not kept; "auto":
            as many as 0.5 GB of activations allow, or twice as many as a pixel sees where a tile
            would keep less than a twentieth of itself; None: one tile.

    Returns:
        A list of tiles, each a tuple with a `Part` for each spatial axis.

    Raises:
        ValueError: for a model that looks at the whole image, or a tile smaller than its field.
    """
    if size not in ("auto", None) and (not isinstance(size, int) or size < 1):
        raise ValueError(f'tile must be "auto", None or a number of rows; got {size!r}.')
    sizes = image_shape[:-1]
    fixed = None not in model.input_shape[1:-1]
    if fixed or size is None or (size == "auto" and math.prod(sizes) <= PROBE**2):
        return [(WHOLE,) * len(sizes)]
    plans = _PLANS.setdefault(model, {})
    key = (*image_shape, size)
    if key not in plans:
        plans[key] = _plan(model, tuple(image_shape), size)
    return plans[key]


def margin(model: keras.Model) -> tuple[int, ...]:
    """How many rows beyond the edges of an image a pixel sees, along each axis, in whole strides.

    0 for a model of one size, and one that looks at the whole image.
    """
    sizes = model.input_shape[1:-1]
    plans = _PLANS.setdefault(model, {})
    if "margin" not in plans:
        field, periods = receptive_field(model), [None]
        if None in sizes and not field.whole_image:
            probe = trace(model, (*(size or PROBE for size in sizes), model.input_shape[-1]))
            periods = [alignment(probe, axis) for axis in range(len(sizes))]
        plans["margin"] = (0,) * len(sizes)
        if None not in periods:
            rows = [max(-offset, size + offset) for size, offset in zip(field.size, field.offset)]
            plans["margin"] = tuple(math.ceil(n / p) * p for n, (p, _) in zip(rows, periods))
    return plans["margin"]


def _plan(model: keras.Model, image_shape: tuple[int, ...], size: int | str) -> list[Tile]:
    *given, channels = image_shape
    sizes = _sizes(model, image_shape, size)
    if given == sizes:
        return [(WHOLE,) * len(given)]
    whole = trace(model, image_shape)
    periods = [_period(model, whole, axis, image_shape) for axis in range(len(given))]

    def axes(sizes: Sequence[int]) -> list[list[Part]]:
        # where a stride falls depends on what is left over at the end: the same in every tile
        sizes = [
            n if tile >= n else max(tile - (tile - n) % period, n % period or period)
            for n, tile, (period, _) in zip(given, sizes, periods)
        ]
        part = trace(model, (*sizes, channels))
        return [_parts(model, whole, part, axis, *period) for axis, period in enumerate(periods)]

    found = axes(sizes)
    even = axes([_even(parts, n, p) for parts, n, (p, _) in zip(found, given, periods)])
    if all(len(few) <= len(parts) for few, parts in zip(even, found)):
        found = even
    return list(itertools.product(*found))


def _even(parts: Sequence[Part], size: int, period: int) -> int:
    """Rows of a tile when as many, each as small as the others, cover the image."""
    if len(parts) == 1:
        return size
    twice = parts[0].given.stop - parts[1].given.start
    return math.ceil((size + (len(parts) - 1) * twice) / len(parts)) + period - 1


def _sizes(model: keras.Model, image_shape: tuple[int, ...], size: int | str) -> list[int]:
    """Rows of a tile along each axis: the image's where it needs no tiles."""
    given = list(image_shape[:-1])
    sizes = [min(n, size) for n in given] if size != "auto" else _auto(model, image_shape)
    if given == sizes:
        return given
    fields = _fields(model)
    cut = [(field, tile) for field, n, tile in zip(fields, given, sizes) if tile < n]
    if size == "auto" and math.prod(1 - min(field / tile, 1) for field, tile in cut) < KEPT:
        return [min(n, max(tile, 2 * field)) for field, n, tile in zip(fields, given, sizes)]
    return sizes


def _auto(model: keras.Model, image_shape: tuple[int, ...]) -> list[int]:
    """Rows along each axis that the memory allows; a narrow image has long tiles."""
    *given, channels = image_shape
    probe = trace(model, (*[PROBE] * len(given), channels))
    left = MEMORY / prediction_memory(probe) * PROBE ** len(given)
    sizes = {}
    for done, axis in enumerate(sorted(range(len(given)), key=given.__getitem__)):
        # as long as the axes that follow, which are no shorter
        side = max(int(left ** (1 / (len(given) - done))), 1)
        sizes[axis] = min(given[axis], side)
        left /= sizes[axis]
    return [sizes[axis] for axis in range(len(given))]


def _fields(model: keras.Model) -> tuple[int, ...]:
    """Rows that a pixel sees along each axis."""
    field = receptive_field(model)
    if field.whole_image:
        raise ValueError(
            f"{model.name} can't be computed in tiles: {', '.join(field.whole_image)} looks at the "
            "whole image. tile=None computes it whole, if there is memory; or make the image smaller."
        )
    return field.size


def _period(
    model: keras.Model, whole: Graph, axis: int, image_shape: tuple[int, ...]
) -> tuple[int, int]:
    found = alignment(whole, axis)
    if found is None:
        raise ValueError(
            f"{model.name} can't be computed in tiles at {image_shape}: sizes inside are no fixed "
            "fractions of the image's. Pad the image to a multiple of the deepest stride."
        )
    return found


def _parts(
    model: keras.Model, whole: Graph, part: Graph, axis: int, period: int, made: int
) -> list[Part]:
    """The parts of one axis, from the first row to the last."""
    size, tile = whole.inputs[0].shape[1 + axis], part.inputs[0].shape[1 + axis]
    rows, end = part.outputs[0].shape[1 + axis], whole.outputs[0].shape[1 + axis]
    before = after = 0
    if tile < size:
        middle = rows // 2
        if seen(part, axis, middle, middle)[1]:  # in so few rows each depends on all
            raise _too_small(model, tile, axis, period)
        before = _first(middle, lambda row: seen(part, axis, row, middle)[0][0] >= 0)
        after = _first(middle, lambda row: seen(part, axis, middle, rows - 1 - row)[0][1] < tile)
    parts, start, done = [], 0, 0
    while True:
        origin = start // period * made
        stop = rows if start + tile == size else rows - after
        parts.append(
            Part(
                slice(start, start + tile),
                slice(done - origin, stop),
                slice(done, origin + stop),
            )
        )
        done = origin + stop
        if start + tile == size:
            break
        following = min((done - before) // made * period, size - tile)
        if following <= start:
            raise _too_small(model, tile, axis, period)
        start = following
    if done != end or not all(_same(whole, part, axis, p) for p in parts):
        raise ValueError(
            f"{model.name} can't be computed in tiles at this size: what its pixels see depends "
            "on the image's size. Pad the image to a multiple of the deepest stride."
        )
    return parts


def _too_small(model: keras.Model, tile: int, axis: int, period: int) -> ValueError:
    field = _fields(model)[axis]
    return ValueError(
        f"tiles of {tile} rows are too small for {model.name}: a pixel of its output sees {field}. "
        f"Take {field + 2 * period} or more, or tile='auto'."
    )


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The smallest row of `count` for which `holds`, which stays true from there on; else `count`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _same(whole: Graph, part: Graph, axis: int, rows: Part) -> bool:
    """Whether the kept rows see in the tile what they see in the whole image."""
    there, _ = seen(whole, axis, rows.place.start, rows.place.stop - 1)
    here, _ = seen(part, axis, rows.kept.start, rows.kept.stop - 1)
    return there == tuple(row + rows.given.start for row in here)
