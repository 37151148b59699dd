"""A model applied to one image of any size, tile by tile: exactly what the whole image would give."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.inference import tiling


def tiled(
    model: keras.Model,
    image: Any,
    tile: int | str | None = "auto",
    out: np.ndarray | None = None,
    finish: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """The model's output for one image, put together of tiles; see `dnzoo.predict`."""
    return apart(model, image, tile, out, None, lambda y, _: finish(y) if finish else y)


def apart(
    model: keras.Model,
    image: Any,
    tile: int | str | None,
    out: np.ndarray | None,
    prepare: Callable[[np.ndarray], np.ndarray] | None,
    finish: Callable[[np.ndarray, np.ndarray], np.ndarray],
    margin: Sequence[int] = (),
) -> np.ndarray:
    """`finish(output, part of the image)` of each tile, put together.

    `prepare` makes of a part of the image what the model reads, of one channel; None: it reads the part.
    `margin`: by how many rows along each axis the image goes on beyond its edges, mirrored; what the
    model makes of these is cut off.
    """
    image = _array(image)
    if any(margin):
        image = _Mirrored(image, margin)
    wanted = model.inputs[0].shape[1:]
    given = (*image.shape[:-1], 1) if prepare else tuple(image.shape)
    if len(given) != len(wanted) or any(w not in (None, n) for w, n in zip(wanted, given)):
        raise ValueError(f"{model.name} reads images of shape {wanted} (None: any); got {given}.")
    parts = tiling.tiles(model, given, tile)
    for axes in _progress(parts):
        pixels = np.asarray(image[tuple(axis.given for axis in axes)])
        output = model.predict_on_batch((prepare or np.asarray)(pixels)[None].astype("float32"))
        output = keras.ops.convert_to_numpy(output)[0].astype("float32", copy=False)
        made = finish(output, pixels)
        if len(parts) == 1 and out is None and not any(margin):
            return made
        ends = tuple(last.place.stop or n for last, n in zip(parts[-1], made.shape))
        cut = [0] * len(ends)
        if any(margin):  # rows of output for each of the image
            cut = [m * end // n for m, end, n in zip(margin, ends, image.shape)]
        shape = (*(n - 2 * c for n, c in zip(ends, cut)), *made.shape[len(ends) :])
        if out is None:
            out = np.empty(shape, made.dtype)
        if tuple(out.shape) != shape:
            raise ValueError(f"out must have the shape {shape}; got {tuple(out.shape)}.")
        kept = made[tuple(axis.kept for axis in axes)]
        _put(out, kept, [(axis.place.start or 0) - c for axis, c in zip(axes, cut)])
    return out


def _put(out: np.ndarray, part: np.ndarray, starts: Sequence[int]) -> None:
    """Write a part to where it begins; what lies outside is left out."""
    there, here = [], []
    for start, size, n in zip(starts, part.shape, out.shape):
        first, last = max(start, 0), min(start + size, n)
        if first >= last:
            return
        there.append(slice(first, last))
        here.append(slice(first - start, last - start))
    out[tuple(there)] = part[tuple(here)]


class _Mirrored:
    """An image that goes on beyond its edges, mirrored, as `numpy.pad` in mode "symmetric" has it.

    Only the rows that are asked for are read: it may lie on disk.
    """

    def __init__(self, image: Any, margin: Sequence[int]) -> None:
        self.image, self.margin = image, margin
        sizes = (n + 2 * m for n, m in zip(image.shape, margin))
        self.shape = (*sizes, *image.shape[len(margin) :])

    def __getitem__(self, axes: tuple[slice, ...]) -> np.ndarray:
        read, inside = [], []
        for axis, m, n, size in zip(axes, self.margin, self.image.shape, self.shape):
            rows = (np.arange(*axis.indices(size)) - m) % (2 * n)
            rows = np.minimum(rows, 2 * n - 1 - rows)
            read.append(slice(int(rows.min()), int(rows.max()) + 1))
            inside.append(rows - rows.min())
        return np.asarray(self.image[tuple(read)])[np.ix_(*inside)]


def _array(image: Any) -> Any:
    """The image, left where it is if it has a shape: a file that is mapped to memory stays one."""
    return image if hasattr(image, "shape") else np.asarray(image)


def _progress(parts: list[tiling.Tile]) -> Iterable[tiling.Tile]:
    from rich import console, progress

    terminal = console.Console(stderr=True)
    silent = len(parts) == 1 or not terminal.is_terminal
    return progress.track(parts, "Tiles", console=terminal, transient=True, disable=silent)
