"""Augmentation of all arrays of an example together, in numpy: the same on every backend."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dnzoo.data.targets import Target
from dnzoo.data.views import Axis, View

ZOOM: float = 1.5  # at most


class Augmentation:
    """Flip, zoom in by up to 1.5, and change brightness, contrast and tint, image by image.

    Args:
        targets: what the arrays are, one for each; the first is an image.

    Calling it with arrays (n, ...), of images or volumes, and a `numpy.random.Generator` gives the
    arrays of what is seen: images as float32, 0 to 255, the others in their own dtype.

    Example:
        >>> from dnzoo.data.targets import ClassMask, Image
        >>> images, masks = np.zeros((2, 8, 8, 3), "uint8"), np.zeros((2, 8, 8), "uint8")
        >>> Augmentation([Image(), ClassMask()])(images, masks, np.random.default_rng(0))[1].shape
        (2, 8, 8)
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets: Sequence[Target] = targets

    def __call__(self, *arrays_and_rng: Any) -> tuple[np.ndarray, ...]:
        *arrays, rng = arrays_and_rng
        count, *sizes, channels = arrays[0].shape
        each = (count, *[1] * len(sizes))
        zoom = rng.uniform(1, ZOOM, count)
        flip = rng.random(count) < 0.5
        shift = rng.random((len(sizes), count))
        gain = rng.uniform(0.8, 1.2, (*each, channels)) * rng.uniform(0.8, 1.2, (*each, 1))
        lift = rng.uniform(-20, 20, (*each, 1))
        views = [_view(sizes, zoom[i], shift[:, i], bool(flip[i])) for i in range(count)]
        return tuple(
            _light(target, _seen(target, array, views), gain, lift)
            for target, array in zip(self.targets, arrays, strict=True)
        )


def _view(sizes: Sequence[int], zoom: float, shift: np.ndarray, flip: bool) -> View:
    """A part of the image as large as the whole; it is columns that are flipped."""
    axes = [Axis(size, zoom, part * (size - size / zoom)) for size, part in zip(sizes, shift)]
    *before, rows, columns = axes
    columns = dataclasses.replace(columns, mirrored=flip)
    return View(rows, columns, nearer=True, before=tuple(before))


def _seen(target: Target, array: np.ndarray, views: Sequence[View]) -> np.ndarray:
    # one example stays in the cache; the whole batch at once is slower
    return np.stack([target.seen(example, view) for example, view in zip(array, views)])


def _light(target: Target, array: np.ndarray, gain: np.ndarray, lift: np.ndarray) -> np.ndarray:
    if not target.lit:
        return array
    return np.clip(array * gain.astype("float32") + lift.astype("float32"), 0, 255, out=array)
