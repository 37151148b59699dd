"""Tiles of an image whose outputs, put side by side, are the output of the whole image."""

import dataclasses
import math
import weakref

from dnzoo.analysis.graph import trace
from dnzoo.analysis.memory import prediction_memory
from dnzoo.analysis.receptive_field import alignment, receptive_field, seen

MEMORY = 2**29  # bytes of activations that a tile may hold; runtimes need up to twice as much
PROBE = 256  # a size at which to see what a pixel costs, and that needs no tiles
_PLANS = weakref.WeakKeyDictionary()  # a model's, for the shapes of images it was given


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows of one tile: `given` of the image, `kept` of the tile's output, which lie at `place`."""

    given: slice
    kept: slice
    place: slice


WHOLE = [(Part(slice(None), slice(None), slice(None)),) * 2]


def tiles(model, image_shape, size="auto"):
    """How to compute an image tile by tile: exactly, because each tile brings the rows it needs.

    A tile's outer rows, which see padding where the whole image has pixels, are not kept: as many
    as the receptive field says. Tiles begin where every stride begins anew.

    Args:
        model: one image in, one out.
        image_shape: (H, W, C).
        size: the most rows and columns of the image in a tile, with what is not kept; "auto": as
            many as 0.5 GB of activations allow; None: one tile.

    Returns:
        A list of pairs of `Part`: rows and columns.

    Raises:
        ValueError: for a model that looks at the whole image, or a tile smaller than its field.
    """
    if size not in ("auto", None) and (not isinstance(size, int) or size < 1):
        raise ValueError(f'tile must be "auto", None or a number of rows; got {size!r}.')
    fixed = None not in model.input_shape[1:3]
    if fixed or size is None or (size == "auto" and math.prod(image_shape[:2]) <= PROBE**2):
        return WHOLE
    plans = _PLANS.setdefault(model, {})
    key = (*image_shape, size)
    if key not in plans:
        plans[key] = _plan(model, tuple(image_shape), size)
    return plans[key]


def _plan(model, image_shape, size):
    sizes = [min(n, size) for n in image_shape[:2]] if size != "auto" else _auto(model, image_shape)
    if list(image_shape[:2]) == sizes:
        return WHOLE
    _check(model)
    whole = trace(model, image_shape)
    periods = [_period(model, whole, axis, image_shape) for axis in range(2)]

    def axes(sizes):
        # where a stride falls depends on what is left over at the end: the same in every tile
        sizes = [
            n if tile >= n else max(tile - (tile - n) % period, n % period)
            for n, tile, (period, _) in zip(image_shape, sizes, periods)
        ]
        part = trace(model, (*sizes, image_shape[2]))
        return [_parts(model, whole, part, axis, *periods[axis]) for axis in range(2)]

    rows, columns = found = axes(sizes)
    even = axes([_even(parts, n, p) for parts, n, (p, _) in zip(found, image_shape, periods)])
    if all(len(few) <= len(parts) for few, parts in zip(even, found)):
        rows, columns = even
    return [(row, column) for row in rows for column in columns]


def _even(parts, size, period):
    """Rows of a tile when as many, each as small as the others, cover the image."""
    if len(parts) == 1:
        return size
    twice = parts[0].given.stop - parts[1].given.start
    return math.ceil((size + (len(parts) - 1) * twice) / len(parts)) + period - 1


def _auto(model, image_shape):
    """Rows and columns that the memory allows; a narrow image has long tiles."""
    height, width, channels = image_shape
    probe = trace(model, (PROBE, PROBE, channels))
    area = MEMORY / prediction_memory(probe) * PROBE**2
    if height * width <= area:
        return [height, width]
    side = math.isqrt(int(area))
    return [min(height, max(side, int(area / width))), min(width, max(side, int(area / height)))]


def _check(model):
    names = receptive_field(model).whole_image
    if names:
        raise ValueError(
            f"{model.name} can't be computed in tiles: {', '.join(names)} looks at the whole image. "
            "tile=None computes it whole, if there is memory; or make the image smaller."
        )


def _period(model, whole, axis, image_shape):
    found = alignment(whole, axis)
    if found is None:
        raise ValueError(
            f"{model.name} can't be computed in tiles at {image_shape}: sizes inside are no fixed "
            "fractions of the image's. Pad the image to a multiple of the deepest stride."
        )
    return found


def _parts(model, whole, part, axis, period, made):
    """The parts of one axis, from the first row to the last."""
    size, tile = whole.inputs[0].shape[1 + axis], part.inputs[0].shape[1 + axis]
    rows, end = part.outputs[0].shape[1 + axis], whole.outputs[0].shape[1 + axis]
    before = after = 0
    if tile < size:
        middle = rows // 2
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
            raise ValueError(
                f"tiles of {tile} rows are too small for {model.name}: {before} and {after} rows "
                f"of the output see the tile's ends. Take twice as many."
            )
        start = following
    if done != end or not all(_same(whole, part, axis, p) for p in parts):
        raise ValueError(
            f"{model.name} can't be computed in tiles at this size: what its pixels see depends "
            "on the image's size. Pad the image to a multiple of the deepest stride."
        )
    return parts


def _first(count, holds):
    """The smallest row of `count` for which `holds`, which stays true from there on; else `count`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _same(whole, part, axis, rows):
    """Whether the kept rows see in the tile what they see in the whole image."""
    there, _ = seen(whole, axis, rows.place.start, rows.place.stop - 1)
    here, _ = seen(part, axis, rows.kept.start, rows.kept.stop - 1)
    return there == tuple(row + rows.given.start for row in here)
