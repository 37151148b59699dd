"""Scenes: objects pasted on a background, with exact semantic and instance masks and boxes.

A scene is a function of (seed, split, index, size) alone; the splits share neither objects nor
backgrounds. Pure numpy and Pillow: no TensorFlow.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
NOISE: float = 4.0  # standard deviation of the sensor's noise, of 255


def assemble(
    canvas: np.ndarray,
    objects: Sequence[tuple[np.ndarray, np.ndarray, tuple[int, ...], int]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Paste objects on a canvas, the last one in front.

    Args:
        canvas: (size, size, 3) float32, 0 to 255; it is painted on.
        objects: of (colour (h, w, 3), alpha (h, w), (top, left), class number); alpha is 0 to 255,
            soft when blended; a pixel is the object's where it is above 127.
        rng: `numpy.random.Generator`, for the noise.

    Returns:
        dict: `image` (size, size, 3) uint8; `segmentation_mask` (size, size) uint8, 0 background
        or a class number; `instance_mask` (size, size) uint8, 0 or 1 + the object's number;
        `labels` [int] and `boxes` [(top, left, bottom, right)] in pixels, of what is visible.
    """
    owner = np.zeros(canvas.shape[:2], "uint8")
    for number, (colour, alpha, (top, left), _) in enumerate(objects, start=1):
        rows, columns = slice(top, top + len(alpha)), slice(left, left + alpha.shape[1])
        weight = alpha[..., None] / 255.0
        canvas[rows, columns] = canvas[rows, columns] * (1 - weight) + colour * weight
        owner[rows, columns][alpha > 127] = number
    canvas += rng.normal(0, NOISE, canvas.shape)

    instances, kept, boxes = np.zeros_like(owner), [], []
    for number, (*_, label) in enumerate(objects, start=1):
        rows, columns = np.nonzero(owner == number)
        if not len(rows):  # hidden behind others
            continue
        kept.append(int(label))
        instances[rows, columns] = len(kept)
        box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        boxes.append(tuple(map(int, box)))
    return {
        "image": np.clip(canvas, 0, 255).round().astype("uint8"),
        "segmentation_mask": np.array([0, *kept], "uint8")[instances],
        "instance_mask": instances,
        "labels": kept,
        "boxes": boxes,
    }
