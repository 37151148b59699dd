"""A model applied to one image of any size, tile by tile: exactly what the whole image would give."""

from collections.abc import Callable
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
    given = (*image.shape[:2], 1) if prepare else tuple(image.shape)
    if len(given) != 3 or any(w not in (None, n) for w, n in zip(wanted, given)):
        raise ValueError(f"{model.name} reads images of shape {wanted} (None: any); got {given}.")
    parts = tiling.tiles(model, given, tile)
    for rows, columns in _progress(parts):
        pixels = np.asarray(image[rows.given, columns.given])
        output = model.predict_on_batch((prepare or np.asarray)(pixels)[None].astype("float32"))
        output = keras.ops.convert_to_numpy(output)[0].astype("float32", copy=False)
        made = finish(output, pixels)
        if len(parts) == 1 and out is None:
            return made
        shape = (*(last.place.stop or n for last, n in zip(parts[-1], made.shape)), *made.shape[2:])
        if out is None:
            out = np.empty(shape, made.dtype)
        if tuple(out.shape) != shape:
            raise ValueError(f"out must have the shape {shape}; got {tuple(out.shape)}.")
        out[rows.place, columns.place] = made[rows.kept, columns.kept]
    return out


def _array(image):
    """The image, left where it is if it has a shape: a file that is mapped to memory stays one."""
    return image if hasattr(image, "shape") else np.asarray(image)


def _progress(parts):
    from rich import console, progress

    terminal = console.Console(stderr=True)
    silent = len(parts) == 1 or not terminal.is_terminal
    return progress.track(parts, "Tiles", console=terminal, transient=True, disable=silent)
