"""Augmentation of images and masks together, in numpy: the same on every backend."""

from collections.abc import Sequence

import numpy as np


def augment(
    images: np.ndarray, masks: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Flip, zoom in by up to 1.5, and change brightness, contrast and tint, image by image.

    Args:
        images: (n, H, W, C) uint8, or volumes (n, D, H, W, C); it is columns that are flipped.
        masks: (n, H, W) uint8, or (n, D, H, W).
        rng: the source of the random numbers.

    Returns:
        float32 images, 0 to 255, and uint8 masks, moved alike; masks only by index.
    """
    count, *sizes = masks.shape
    each = (count, *[1] * len(sizes))
    zoom = rng.uniform(1, 1.5, count)
    flip = rng.random(count) < 0.5
    shift = rng.random((len(sizes), count))
    gain = rng.uniform(0.8, 1.2, (*each, images.shape[-1])) * rng.uniform(0.8, 1.2, (*each, 1))
    lift = rng.uniform(-20, 20, (*each, 1))
    moved = np.empty(images.shape, "float32")
    moved_masks = np.empty_like(masks)
    for i in range(count):  # one image stays in the cache; the whole batch at once is slower
        places = [_window(size, zoom[i], shift[axis, i]) for axis, size in enumerate(sizes)]
        places[-1] = places[-1][::-1] if flip[i] else places[-1]
        moved[i] = _interpolate(images[i], places)
        nearest = [np.floor(where + 0.5).astype(int) for where in places]
        moved_masks[i] = masks[i][np.ix_(*nearest)]
    np.clip(moved * gain.astype("float32") + lift.astype("float32"), 0, 255, out=moved)
    return moved, moved_masks


def _window(size: int, zoom: float, shift: float) -> np.ndarray:
    """Where the rows of a zoomed window lie in the image: half-pixel centres, inside [0, size)."""
    where = (np.arange(size) + 0.5) / zoom - 0.5 + shift * (size - size / zoom)
    return np.clip(where, 0, size - 1)


def _interpolate(image: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Linear, one axis after the other."""
    for axis, where in enumerate(places):
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        weight = (where - low).astype("float32")
        weight = weight.reshape([-1, *[1] * (image.ndim - 1 - axis)])
        a, b = np.take(image, low, axis).astype("float32"), np.take(image, high, axis)
        image = a + (b - a) * weight
    return image
