"""A model applied to one image of any size, tile by tile: exactly what the whole image would give."""

from collections.abc import Callable, Iterable
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
) -> np.ndarray:
    """`finish(output, part of the image)` of each tile, put together.

    `prepare` makes of a part of the image what the model reads, of one channel; None: it reads the part.
    """
    image = _array(image)
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
        if len(parts) == 1 and out is None:
            return made
        ends = tuple(last.place.stop or n for last, n in zip(parts[-1], made.shape))
        shape = (*ends, *made.shape[len(ends) :])
        if out is None:
            out = np.empty(shape, made.dtype)
        if tuple(out.shape) != shape:
            raise ValueError(f"out must have the shape {shape}; got {tuple(out.shape)}.")
        kept = made[tuple(axis.kept for axis in axes)]
        out[tuple(axis.place for axis in axes)] = kept
    return out


def _array(image: Any) -> Any:
    """The image, left where it is if it has a shape: a file that is mapped to memory stays one."""
    return image if hasattr(image, "shape") else np.asarray(image)


def _progress(parts: list[tiling.Tile]) -> Iterable[tiling.Tile]:
    from rich import console, progress

    terminal = console.Console(stderr=True)
    silent = len(parts) == 1 or not terminal.is_terminal
    return progress.track(parts, "Tiles", console=terminal, transient=True, disable=silent)
