"""A data set as arrays on disk, written once and memory-mapped: as large as the disk allows."""

from pathlib import Path

import numpy as np

from dnzoo import files

IGNORE = 255


def cached(name, sources, data_dir, size):
    """Arrays of every split on disk, made on the first call: {split: (images, masks)}."""
    folder = Path(data_dir) / "arrays" / name
    if not folder.is_dir():
        with files.new_folder(folder) as partial:
            for split, (count, source) in sources.items():
                _write_arrays(partial, split, count, source, size)
    return {
        split: tuple(np.load(folder / f"{split}_{kind}.npy", "r") for kind in ("images", "masks"))
        for split in sources
    }


def _write_arrays(folder, split, count, source, size):
    from rich import get_console, progress

    def array(kind, shape):
        file = folder / f"{split}_{kind}.npy"
        return np.lib.format.open_memmap(file, "w+", "uint8", (count, size, size, *shape))

    images, masks = array("images", (3,)), array("masks", ())
    quiet = not get_console().is_terminal
    pairs = progress.track(source, f"preparing {split}", count, transient=True, disable=quiet)
    for i, pair in enumerate(pairs):
        images[i], masks[i] = _fit(*pair, size)
    images.flush()
    masks.flush()


def _fit(image, mask, size):
    """Shrink or enlarge to fit a square, keeping the aspect; the rest is black and ignored."""
    from PIL import Image

    height, width = mask.shape
    if (height, width) == (size, size):
        return image, mask
    scale = size / max(height, width)
    new = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.zeros((size, size, 3), "uint8")
    ignored = np.full((size, size), IGNORE, "uint8")
    canvas[: new[1], : new[0]] = Image.fromarray(image).resize(new, Image.BICUBIC)
    ignored[: new[1], : new[0]] = Image.fromarray(mask).resize(new, Image.NEAREST)
    return canvas, ignored
