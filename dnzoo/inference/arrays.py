"""Use a trained model on images of one's own."""

from collections.abc import Callable, Iterable

import keras
import numpy as np

from dnzoo.inference import tiling
from dnzoo.metrics import similarity

PROBE = 64  # a size that every model takes


def predict(
    model: keras.Model,
    image: np.ndarray,
    tile: int | str | None = "auto",
    out: np.ndarray | None = None,
    finish: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """What a model puts out for one image of any size: logits of each pixel, or a larger picture.

    Volumes (D, H, W, C) and signals (H, C) are images too, with another number of axes. Large images
    are computed in tiles. Each brings the pixels around it that the model's receptive
    field takes in, so that the result is that of the whole image, to float precision. With `image`
    and `out` memory-mapped, memory does not grow with the image. A progress bar shows
    on a terminal. The model reads raw values, 0 to 255, if it was saved by a recipe.

    Args:
        model: a `keras.Model` for images of any size, (N, H, W, C) -> (N, S H, S W, channels); S is
            1 for segmentation, the scale for super-resolution.
        image: (H, W, C), any number type; anything with a shape that can be sliced.
        tile: the most rows of the image, along each axis, that are computed at once; "auto": as many
            as have 0.5 GB of activations; None: all.
        out: an array to write to, as a `numpy.memmap`; None: a new one in memory.
        finish: what to do with each tile's output, (h, w, channels) -> (h, w, ...), as
            `dnzoo.inference.classes`, which makes 1 byte of all logits of a pixel.

    Returns:
        `out`: (S H, S W, channels) float32, or what `finish` makes of it.

    Raises:
        ValueError: for an image of another shape than the model reads, a model that does not put
            out an image, an `out` of another shape; or where tiles are needed, for a model that
            looks at the whole image, with the name of the layer that does.

    Example:
        >>> from dnzoo import unet
        >>> predict(unet((None, None, 3), filters=(4, 8)), np.zeros((33, 47, 3))).shape
        (33, 47, 2)
    """
    scale(model)
    return _tiled(
        model, image, tile, out, None, lambda output, _: finish(output) if finish else output
    )


def upscale(
    model: keras.Model,
    image: np.ndarray,
    tile: int | str | None = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A picture enlarged by a model for super-resolution, in tiles as `predict`.

    Args:
        model: reads and writes RGB, or Y alone: colour is enlarged bicubically then.
        image: (H, W, 3) uint8.
        tile, out: as for `predict`.

    Returns:
        (scale H, scale W, 3) uint8.

    Raises:
        ValueError: for a model or an image of another kind.
    """
    from PIL import Image

    factor, image = scale(model), _array(image)
    if image.dtype != "uint8" or image.ndim != 3 or image.shape[-1] != 3 or factor == 1:
        raise ValueError(
            f"upscale takes a model that enlarges and an (H, W, 3) uint8 image; got {model.name}, "
            f"which enlarges by {factor}, and {image.shape} {image.dtype}."
        )

    def in_colour(y, given):
        if y.shape[-1] == 3:
            return y.round().clip(0, 255).astype("uint8")
        large = np.array(Image.fromarray(given).resize(y.shape[1::-1], Image.BICUBIC))
        # what Y gains over the bicubic one's, all three colours gain: Cb and Cr stay
        gain = y - similarity.luma(large)
        return (large + gain * 255 / 219).round().clip(0, 255).astype("uint8")

    prepare = similarity.luma if model.input_shape[-1] == 1 else None
    return _tiled(model, image, tile, out, prepare, in_colour)


def _tiled(
    model: keras.Model,
    image: np.ndarray,
    tile: int | str | None,
    out: np.ndarray | None,
    prepare: Callable[[np.ndarray], np.ndarray] | None,
    finish: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """`finish(output, part of the image)` of each tile, put together."""
    image = _array(image)
    wanted = model.input_shape[1:]
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


def _array(image: np.ndarray) -> np.ndarray:
    """The image, left where it is if it has a shape: a file that is mapped to memory stays one."""
    return image if hasattr(image, "shape") else np.asarray(image)


def _progress(parts: list[tiling.Tile]) -> Iterable[tiling.Tile]:
    from rich import console, progress

    terminal = console.Console(stderr=True)
    silent = len(parts) == 1 or not terminal.is_terminal
    return progress.track(parts, "Tiles", console=terminal, transient=True, disable=silent)


def scale(model: keras.Model) -> int:
    """How much larger than its image a model's output is: 1 for segmentation.

    Raises:
        ValueError: for a model that does not put out an image.
    """
    one = len(getattr(model, "inputs", None) or ()) == 1 == len(model.outputs)
    if one and 2 < len(model.input_shape) == len(model.output_shape):
        sizes = [size or PROBE for size in model.input_shape[1:-1]]
        out = model.compute_output_shape((1, *sizes, model.input_shape[-1]))[1:-1]
        factor = max(out[0] // sizes[0], 1)
        if factor == 1 or out == tuple(factor * size for size in sizes):
            return factor
    raise ValueError(f"{model.name} does not put out an image for an image.")


def predict_masks(
    model: keras.Model, image: np.ndarray, boxes: np.ndarray, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The mask of the object in each box, for `dnzoo.mask_branch`.

    Args:
        model: [image, boxes] -> logits (N, R, h, w, classes).
        image: (H, W, 3), 0 to 255.
        boxes: (R, 4), (left, top, right, bottom) in pixels.
        classes: (R,), the objects' classes; None: of each box the one whose mask is the fullest.

    Returns:
        (masks (R, H, W) boolean, classes (R,)).

    Raises:
        ValueError: for boxes of another shape, or without an area.
    """
    boxes = np.asarray(boxes, "float32")
    if boxes.ndim != 2 or boxes.shape[1] != 4 or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            "boxes must be (R, 4), left top right bottom in pixels, each with an area; got "
            f"{boxes.tolist()}."
        )
    logits = model.predict_on_batch([np.asarray(image, "float32")[None], boxes[None]])[0]
    shares = keras.ops.convert_to_numpy(keras.ops.sigmoid(logits))
    if classes is None:
        classes = shares.mean(axis=(1, 2)).argmax(axis=-1)
    chosen = np.asarray(classes)[:, None, None, None]
    small = np.take_along_axis(shares, chosen, axis=-1)[..., 0]
    return paste_masks(small, boxes, image.shape[:2]), np.asarray(classes)


def paste_masks(
    masks: np.ndarray, boxes: np.ndarray, shape: tuple[int, int], threshold: float = 0.5
) -> np.ndarray:
    """Masks of boxes, brought back into the image: bilinear, nothing outside the box.

    Args:
        masks: (R, h, w) probabilities.
        boxes: (R, 4), (left, top, right, bottom) in pixels of the image.
        shape: (height, width) of the image.
        threshold: above it a pixel is the object's.

    Returns:
        (R, height, width), boolean.

    Raises:
        ValueError: when the shapes do not fit.

    Example:
        >>> paste_masks(np.ones((1, 28, 28)), [[1, 1, 3, 4]], (5, 5)).sum()
        np.int64(6)
    """
    masks, boxes = np.asarray(masks, "float32"), np.asarray(boxes, "float32")
    if masks.ndim != 3 or boxes.shape != (len(masks), 4):
        raise ValueError(
            f"paste_masks takes (R, h, w) masks and (R, 4) boxes; got {masks.shape}, {boxes.shape}."
        )
    rows = _weights(boxes[:, 1], boxes[:, 3], masks.shape[1], shape[0])
    columns = _weights(boxes[:, 0], boxes[:, 2], masks.shape[2], shape[1])
    return rows @ masks @ columns.transpose(0, 2, 1) > threshold


def _weights(start, end, taps, size):
    """Bilinear weights (R, size, taps) of a mask's rows for the image's rows; none outside."""
    scale = taps / np.maximum(end - start, 1e-6)
    where = (np.arange(size) + 0.5 - start[:, None]) * scale[:, None] - 0.5
    return np.maximum(1 - np.abs(where[..., None] - np.arange(taps)), 0)


def classes(logits, threshold=0.0):
    """Class numbers, uint8 (..., H, W), of (..., H, W, C); C = 1: class 1 above the threshold."""
    if logits.shape[-1] == 1:
        return (logits[..., 0] > threshold).astype("uint8")
    return np.argmax(logits, axis=-1).astype("uint8")
