"""Scenes of garments: several Fashion-MNIST cut-outs on a textured background, with exact masks.

The splits share no garment: "train" and "validation" draw from different parts of the sample's
training images, "test" from its test images.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from dnzoo.data.scenes import SPLITS, Split, assemble

SAMPLE: Path = Path(__file__).with_name("fashion_mnist_sample.npz")
VALIDATION_GARMENTS: int = 1000  # the last ones of the sample's 6,000 training images
CLASS_NAMES: tuple[str, ...] = (
    "background",
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


@functools.cache
def garments(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The cut-outs of a split: (images (n, 28, 28) uint8 on black, class numbers 1 to 10)."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}.")
    with np.load(SAMPLE) as sample:
        source = "test" if split == "test" else "train"
        images, labels = sample[f"{source}_images"], sample[f"{source}_labels"]
    part = slice(None)
    if split == "train":
        part = slice(None, -VALIDATION_GARMENTS)
    elif split == "validation":
        part = slice(-VALIDATION_GARMENTS, None)
    return images[part], labels[part].astype("uint8") + 1


def compose(
    seed: int, split: Split, index: int, size: int = 128, without: Sequence[str] = ()
) -> dict[str, Any]:
    """One scene, as `scenes.assemble` returns it.

    Args:
        seed, index: integers; with `split` they fix every random choice.
        split: "train", "validation" or "test".
        size: height and width in pixels.
        without: names of classes whose garments do not appear.

    Example:
        >>> compose(0, "test", 7)["image"].shape
        (128, 128, 3)
    """
    images, labels = garments(split)
    if without:
        kept = ~np.isin(labels, [CLASS_NAMES.index(name) for name in without])
        images, labels = images[kept], labels[kept]
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    canvas = _background(rng, size)
    objects = []
    for _ in range(rng.integers(2, 6)):
        which = rng.integers(len(images))
        objects.append((*_place(rng, images[which], size), labels[which]))
    return assemble(canvas, objects, rng)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Smooth colour noise, with stripes or checks in half of the scenes."""
    coarse = rng.integers(20, 236, (rng.integers(2, 9),) * 2 + (3,)).astype("uint8")
    canvas = np.array(Image.fromarray(coarse).resize((size, size), Image.BICUBIC), "float32")
    if rng.random() < 0.5:
        y, x = np.mgrid[:size, :size]
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 24) * size / 128
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
        if rng.random() < 0.5:
            wave *= np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period)
        canvas += wave[..., None] * rng.uniform(-60, 60, 3)
    return canvas


def _place(
    rng: np.random.Generator, garment: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """A garment tinted, scaled and turned: (colour (h, w, 3), alpha (h, w), corner)."""
    target = int(size * rng.uniform(0.3, 0.65))
    grey = Image.fromarray(garment)
    # garments are lit on black: what is not black, with its dark holes closed, is the cut-out
    cut = Image.fromarray(((garment > 12) * 255).astype("uint8"))
    cut = cut.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3))
    pair = Image.merge("LA", (grey, cut)).resize((target, target), Image.BICUBIC)
    if rng.random() < 0.5:
        pair = pair.transpose(Image.FLIP_LEFT_RIGHT)
    pair = pair.rotate(rng.uniform(-60, 60), Image.BICUBIC, expand=True)
    pair = pair.crop(pair.getchannel("A").getbbox())
    light, alpha = (np.array(channel, "float32") for channel in pair.split())
    shade, tint = rng.uniform(0.2, 0.6), rng.uniform(40, 256, 3)
    colour = (shade + (1 - shade) * light[..., None] / 255) * tint
    alpha, colour = alpha[:size, :size], colour[:size, :size]
    room = size - alpha.shape[0], size - alpha.shape[1]
    return colour, alpha, tuple(int(rng.integers(0, space + 1)) for space in room)
