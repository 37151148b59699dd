"""A folder of images and masks of the user's own."""

import collections
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dnzoo.data import arrays, check, masks
from dnzoo.data.base import fitted, parts_of
from dnzoo.data.check import Look
from dnzoo.data.scenes import SPLITS
from dnzoo.imaging import reading

Pairs = dict[str, list[tuple[Path, Path]]]
SUFFIX: str = "_mask"  # of the masks of images in one folder
CLASSES: str = "classes.txt"


def load(
    folder: str | Path,
    data_dir: str | Path,
    size: int,
    seed: int,
    mask_values: Sequence[int] | None = None,
    channels: int | None = None,
    pixels: tuple[float | None, float | None] = (None, None),
) -> tuple[str, str, dict[str, tuple[np.ndarray, ...]], Look]:
    """The arrays of a folder: (name, detail, {split: (images, masks)}, what a look at it found).

    See `dnzoo.data.segmentation.load` for what a folder holds and what is raised.
    """
    folder = Path(folder)
    pairs = _split(folder, seed)
    settings = (size, mask_values and tuple(mask_values), channels, pixels)
    digest, contents = _identity(folder, pairs, settings)
    name, detail = folder.resolve().name, f"{size}px-{digest}"
    place = arrays.place(f"{name}-{detail}", data_dir)
    found = check.kept(
        place,
        lambda: look(folder, seed, mask_values, channels, pixels, known=(pairs, contents)),
    )
    facts = found.facts

    def read(split: str) -> Iterator[tuple[np.ndarray, ...]]:
        for image_path, mask_path in pairs[split]:
            image, mask = reading.read_pair(
                image_path,
                mask_path,
                facts["channels"],
                facts["pixels"] and tuple(facts["pixels"]),
                colours=facts["palette"] is not None,
            )
            yield image, masks.numbers(mask, facts["keys"])

    sources = {split: (len(pairs[split]), read(split)) for split in SPLITS}
    beside = {check.KEPT: found.as_json()}
    splits = fitted(f"{name}-{detail}", sources, data_dir, size, beside=beside)
    facts["files"] = {
        split: [image.relative_to(folder).as_posix() for image, _ in part]
        for split, part in pairs.items()
    }
    return name, detail, splits, found


def look(
    folder: Path,
    seed: int = 0,
    mask_values: Sequence[int] | None = None,
    channels: int | None = None,
    pixels: tuple[float | None, float | None] = (None, None),
    thorough: bool = False,
    known: tuple[Pairs, dict[Path, str]] | None = None,
) -> Look:
    """What a look at a folder finds; arguments as of `load` and `check.images`.

    `known`: (pairs, digests of contents), where they are.

    Raises:
        FileNotFoundError: when it holds no images with masks.
        ValueError: for a folder that can't be split, or a classes.txt that can't be read.
    """
    classes = masks.read_classes(folder / CLASSES, mask_values)
    pairs = known[0] if known else _split(folder, seed)
    parts = {split: [image for image, _ in found] for split, found in pairs.items()}
    contents = known[1] if known else check.digests(itertools.chain(*parts.values()))
    found = check.images(
        folder, parts, contents, channels=channels, pixels=pixels, thorough=thorough
    )
    masks.look_at(
        found, folder, {split: [mask for _, mask in part] for split, part in pairs.items()}, classes
    )
    used = [path for part in pairs.values() for pair in part for path in pair]
    check.left_out(found, folder, [*used, folder / CLASSES])
    there = parts_of(folder) or _inside(folder)
    found.notes += [
        f"There is no folder {split}/: a tenth of the training images takes its place."
        for split in SPLITS
        if there and split not in there
    ]
    if thorough and not found.refusals:
        for pair in itertools.chain(*pairs.values()):
            try:
                limits = found.facts["pixels"] and tuple(found.facts["pixels"])
                reading.read_pair(*pair, found.facts["channels"], limits, bool(classes.colours))
            except ValueError as error:
                found.refusals.append(str(error))
    return found


def has_masks(folder: Path) -> bool:
    """Whether a folder looks like one of images with masks."""
    roots = (folder, *parts_of(folder, complete=False).values())
    return any((root / "masks").is_dir() or _beside(root) for root in roots)


def _identity(folder: Path, pairs: Pairs, settings: object) -> tuple[str, dict[Path, str]]:
    files = {split: [path for pair in part for path in pair] for split, part in pairs.items()}
    files["classes"] = [path for path in [folder / CLASSES] if path.is_file()]
    return check.identity(folder, files, settings)


def _split(folder: Path, seed: int) -> Pairs:
    """Pairs of each split: as the folder has them, or 80, 10 and 10 percent by the seed."""
    found = {split: _pairs(path) for split, path in parts_of(folder).items()}
    found |= {split: _pairs(folder, path.name) for split, path in _inside(folder).items()}
    rest = found.get("train") or _pairs(folder)
    lacking = [split for split in ("test", "validation") if split not in found]
    if len(rest) < 1 + len(lacking):
        raise ValueError(
            f"{folder} has {len(rest)} images with masks; at least {1 + len(lacking)} are needed."
        )
    order, held = np.random.default_rng(seed).permutation(len(rest)), max(len(rest) // 10, 1)
    if lacking:
        for split in lacking:
            found[split], order = [rest[i] for i in sorted(order[:held])], order[held:]
        found["train"] = [rest[i] for i in sorted(order)]
    for split, pairs in found.items():
        if not pairs:
            raise ValueError(f"{folder}: there is no image in the {split} split.")
    return {split: found[split] for split in SPLITS}


def _inside(folder: Path) -> dict[str, Path]:
    """{split: the folder of its images} of images/train/ with masks/train/, and so on."""
    images, masks = folder / "images", folder / "masks"
    found = parts_of(images) if images.is_dir() and masks.is_dir() else {}
    for path in found.values():
        if not (masks / path.name).is_dir():
            raise ValueError(f"{folder} has images/{path.name}/ but no masks/{path.name}/.")
    return found


def _beside(folder: Path) -> bool:
    return any(path.stem.endswith(SUFFIX) for path in reading.listed(folder))


def _pairs(folder: Path, part: str = "") -> list[tuple[Path, Path]]:
    """Images and their masks in a folder; `part`: the sub-folder of images/ and of masks/."""
    if (folder / "images").is_dir() and (folder / "masks").is_dir():
        images, found = (reading.listed(folder / kind / part) for kind in ("images", "masks"))
        for kind, listed in (("images", images), ("masks", found)):
            if not listed and (others := [*(folder / kind / part).glob("*.*")]):
                raise ValueError(
                    f"{folder / kind / part} has {len(others)} files and none that is read, such as "
                    f"{min(others).name}; read are {', '.join(reading.TYPES)}."
                )
    elif folder.is_dir() and _beside(folder):
        both = reading.listed(folder)
        found = [path for path in both if path.stem.endswith(SUFFIX)]
        images = [path for path in both if not path.stem.endswith(SUFFIX)]
    else:
        raise FileNotFoundError(
            f"{folder} must hold images/ and masks/, or images with their masks beside them (x.jpg, "
            "x_mask.png), or train/, validation/ and test/ with these, or images/train/ and masks/train/, "
            "and so on."
        )
    stems = {path.stem for path in images}
    by_stem = collections.defaultdict(list)
    for path in found:
        by_stem[path.stem if path.stem in stems else path.stem.removesuffix(SUFFIX)].append(path)
    twice = [n for n, count in collections.Counter(p.stem for p in images).items() if count > 1]
    twice += [name for name, paths in by_stem.items() if len(paths) > 1]
    if twice:
        raise ValueError(
            f"{folder} has two images of the same name, but for the ending, or two masks of one image: "
            f"{twice[0]}.*"
        )
    lonely = [path.name for path in images if path.stem not in by_stem]
    if lonely:
        raise ValueError(
            f"{folder} has no mask for {len(lonely)} of {len(images)} images, the first is "
            f"{lonely[0]}: a mask is a PNG, TIFF or BMP with its image's name."
        )
    return [(path, by_stem[path.stem][0]) for path in images]
