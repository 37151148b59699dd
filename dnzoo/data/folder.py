"""A folder of images and masks of the user's own."""

import collections
import hashlib
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dnzoo.data.base import fitted
from dnzoo.data.scenes import SPLITS
from dnzoo.imaging import reading
from dnzoo.metrics.labels import IGNORE


def load(
    folder: str | Path, data_dir: str | Path, size: int, seed: int
) -> tuple[str, str, dict[str, tuple[np.ndarray, ...]], tuple[str, ...]]:
    """The arrays of a folder: (name, detail, {split: (images, masks)}, class names).

    See `dnzoo.data.segmentation.load` for what a folder holds and what is raised.
    """
    folder = Path(folder)
    pairs = _split(folder, seed)
    state = hashlib.sha256(repr(size).encode())
    for split in SPLITS:
        for path in (path for pair in pairs[split] for path in pair):
            stat = path.stat()
            state.update(f"{split}{path}{stat.st_size}{stat.st_mtime_ns}".encode())
    name, detail = folder.resolve().name, f"{size}px-{state.hexdigest()[:12]}"
    sources = {
        split: (len(found), itertools.starmap(reading.read_pair, found))
        for split, found in pairs.items()
    }
    splits = fitted(f"{name}-{detail}", sources, data_dir, size)
    return name, detail, splits, _class_names(folder, splits)


def _split(folder: Path, seed: int) -> dict[str, list[tuple[Path, Path]]]:
    """Pairs of each split: as the folder has them, or 80, 10 and 10 percent by the seed."""
    parts = {split: folder / split for split in SPLITS}
    if all((part / "images").is_dir() for part in parts.values()):
        return {split: _pairs(part) for split, part in parts.items()}
    found = _pairs(folder)
    if len(found) < 3:
        raise ValueError(f"{folder} has {len(found)} images with masks; at least 3 are needed.")
    order = np.random.default_rng(seed).permutation(len(found))
    held = max(len(found) // 10, 1)
    cuts = {"test": order[:held], "validation": order[held : 2 * held], "train": order[2 * held :]}
    return {split: [found[i] for i in sorted(cuts[split])] for split in SPLITS}


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        raise FileNotFoundError(f"{folder} must hold images/ and masks/.")
    images, masks = (reading.listed(folder / part) for part in ("images", "masks"))
    for part, paths in (("images", images), ("masks", masks)):
        twice = [name for name, n in collections.Counter(p.stem for p in paths).items() if n > 1]
        if twice:
            raise ValueError(
                f"{folder}/{part} has two {part} of the same name, but for the ending: {twice[0]}.*"
            )
    masks = {path.stem: path for path in masks}
    lonely = [path.name for path in images if path.stem not in masks]
    if lonely:
        raise ValueError(
            f"{folder}/masks has no PNG for {len(lonely)} of {len(images)} images, the first is "
            f"{lonely[0]}: a mask needs its image's name (JPEG would blur class numbers)."
        )
    return [(path, masks[path.stem]) for path in images]


def _class_names(folder: Path, splits: Mapping[str, tuple[np.ndarray, ...]]) -> tuple[str, ...]:
    highest = max(
        int(np.max(masks, where=masks != IGNORE, initial=0)) for _, masks in splits.values()
    )
    file = folder / "classes.txt"
    if not file.is_file():
        return tuple(f"class {i}" for i in range(max(highest, 1) + 1))
    names = tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    if len(names) <= highest:
        raise ValueError(f"{file} names {len(names)} classes, but a mask holds class {highest}.")
    return names
