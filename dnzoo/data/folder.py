"""A folder of images and masks of the user's own."""

import hashlib
from pathlib import Path

import numpy as np

from dnzoo.data.arrays import IGNORE
from dnzoo.data.base import fitted

SPLITS = ("train", "validation", "test")
IMAGE_TYPES = (".png", ".jpg", ".jpeg")
MASK_TYPES = (".png",)


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
    sources = {split: (len(found), map(_read_pair, found)) for split, found in pairs.items()}
    splits = fitted(f"{name}-{detail}", sources, data_dir, size)
    return name, detail, splits, _class_names(folder, splits)


def _split(folder, seed):
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


def _pairs(folder):
    if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        raise FileNotFoundError(f"{folder} must hold images/ and masks/.")
    masks = {p.stem: p for p in (folder / "masks").iterdir() if p.suffix.lower() in MASK_TYPES}
    images = sorted(p for p in (folder / "images").iterdir() if p.suffix.lower() in IMAGE_TYPES)
    lonely = [path.name for path in images if path.stem not in masks]
    if lonely:
        raise ValueError(
            f"{folder}/masks has no PNG for {len(lonely)} of {len(images)} images, the first is "
            f"{lonely[0]}: a mask needs its image's name (JPEG would blur class numbers)."
        )
    if len({path.stem for path in images}) < len(images):
        raise ValueError(f"{folder}/images has two images of the same name, but for the ending.")
    return [(path, masks[path.stem]) for path in images]


def _read_pair(pair):
    from PIL import Image, ImageOps

    path, mask_path = pair
    try:
        with Image.open(path) as file:
            image = np.array(ImageOps.exif_transpose(file).convert("RGB"))
        with Image.open(mask_path) as file:
            if file.mode not in ("P", "L", "1"):
                raise ValueError(
                    f"{mask_path} is a {file.mode} image; a mask must be a palette or grey PNG "
                    "whose values are class numbers."
                )
            mask = np.array(file, "uint8")
    except OSError as error:
        raise ValueError(
            f"{path} or its mask can't be read ({error}): remove or mend it."
        ) from error
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"{mask_path} is {mask.shape}, its image {image.shape[:2]} (rows, columns)."
        )
    return image, mask


def _class_names(folder, splits):
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
