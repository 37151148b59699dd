"""A data set as arrays on disk, written once and memory-mapped: as large as the disk allows."""

import os
from pathlib import Path

import numpy as np

from dnzoo import files

IGNORE = 255


def cached(name, sources, data_dir, size):
    """Arrays of every split on disk, made on the first call: {split: (images, masks)}.

    Raises:
        OSError: when the disk is full or read-only.
    """
    folder = Path(data_dir) / "arrays" / name
    if not folder.is_dir():
        with files.owned(data_dir, wait=True):
            if not folder.is_dir():  # another process has made it meanwhile
                with files.new_folder(folder) as partial:
                    for split, (count, source) in sources.items():
                        _write_arrays(partial, split, count, source, size)
    return {
        split: tuple(np.load(folder / f"{split}_{kind}.npy", "r") for kind in ("images", "masks"))
        for split in sources
    }


def _write_arrays(folder, split, count, source, size):
    from rich import get_console, progress

    images = _new_array(folder / f"{split}_images.npy", (count, size, size, 3))
    masks = _new_array(folder / f"{split}_masks.npy", (count, size, size))
    quiet = not get_console().is_terminal
    pairs = progress.track(source, f"preparing {split}", count, transient=True, disable=quiet)
    for i, pair in enumerate(pairs):
        images[i], masks[i] = _fit(*pair, size)
    images.flush()
    masks.flush()


def _new_array(file, shape):
    array = np.lib.format.open_memmap(file, "w+", "uint8", shape)
    if hasattr(os, "posix_fallocate"):  # writing to a mapped file on a full disk kills the process
        with open(file, "r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, file.stat().st_size)
    return array


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
