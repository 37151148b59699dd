"""Augmentation of images and masks together, in numpy: the same on every backend."""

import numpy as np


def augment(images, masks, rng):
    """Flip, zoom in by up to 1.5, and change brightness, contrast and tint, image by image.

    Args:
        images: (n, H, W, C) uint8; masks: (n, H, W) uint8; rng: `numpy.random.Generator`.

    Returns:
        float32 images, 0 to 255, and uint8 masks, moved alike; masks only by index.
    """
    count, height, width = masks.shape
    zoom = rng.uniform(1, 1.5, count)
    flip = rng.random(count) < 0.5
    shift = rng.random((2, count))
    gain = rng.uniform(0.8, 1.2, (count, 1, 1, images.shape[-1])) * rng.uniform(
        0.8, 1.2, (count, 1, 1, 1)
    )
    lift = rng.uniform(-20, 20, (count, 1, 1, 1))
    moved = np.empty(images.shape, "float32")
    moved_masks = np.empty_like(masks)
    for i in range(count):  # one image stays in the cache; the whole batch at once is slower
        rows = _window(height, zoom[i], shift[0, i])
        columns = _window(width, zoom[i], shift[1, i])
        columns = columns[::-1] if flip[i] else columns
        moved[i] = _interpolate(images[i], rows, columns)
        nearest = [np.floor(where + 0.5).astype(int) for where in (rows, columns)]
        moved_masks[i] = masks[i][np.ix_(*nearest)]
    np.clip(moved * gain.astype("float32") + lift.astype("float32"), 0, 255, out=moved)
    return moved, moved_masks


def _window(size, zoom, shift):
    """Where the rows of a zoomed window lie in the image: half-pixel centres, inside [0, size)."""
    where = (np.arange(size) + 0.5) / zoom - 0.5 + shift * (size - size / zoom)
    return np.clip(where, 0, size - 1)


def _interpolate(image, rows, columns):
    """Bilinear, one axis after the other."""
    for axis, where in enumerate((rows, columns)):
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        weight = (where - low).astype("float32")
        weight = weight[:, None, None] if axis == 0 else weight[None, :, None]
        a, b = np.take(image, low, axis).astype("float32"), np.take(image, high, axis)
        image = a + (b - a) * weight
    return image
