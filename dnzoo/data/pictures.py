"""Small images with labels: MNIST and its kin from TFDS or from their raw files, or a folder.

Images come out as uint8 (n, H, W, C), labels as uint8 (n,), written once to `data_dir` and
memory-mapped from there.
"""

import dataclasses
import functools
import gzip
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dnzoo.data import check, tfds_offline
from dnzoo.data.arrays import cached, place
from dnzoo.data.base import Data, parts_of
from dnzoo.data.check import Look
from dnzoo.data.photographs import find, read
from dnzoo.data.scenes import SPLITS
from dnzoo.data.targets import Image, Labels, Target
from dnzoo.imaging import reading

NAMES: tuple[str, ...] = ("mnist", "fashion_mnist", "cifar10", "celeb_a")
KINDS: tuple[str, ...] = ("pictures", "labels")
VALIDATION: int = 12  # one in so many of "train" validates: 5,000 of MNIST's 60,000
# raw files: MNIST's format, and CIFAR-10 as PNGs in which each row is an image
IDX: dict[str, str] = {"train": "train", "test": "t10k"}
CIFAR_ROWS: dict[str, list[str]] = {
    "train": [f"data_batch_{i}" for i in range(1, 6)],
    "test": ["test_batch"],
}
CIFAR_LABELS: dict[str, str] = {"train": "train_lables.json", "test": "test_lables.json"}
FASHION: Path = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist


@dataclasses.dataclass(frozen=True)
class Pictures(Data):
    """Small images and their labels, (n, H, W, C) and (n,); attributes as of `Data`."""

    targets: ClassVar[tuple[Target, ...]] = (Image(), Labels())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of an image."""
        return self.splits["train"][0].shape[1:]

    @property
    def classes(self) -> int:
        """How many classes the labels tell apart; 1 for a folder of pictures."""
        return int(np.max(self.splits["train"][1])) + 1


def load(
    data: str,
    data_dir: str | Path = "data",
    size: int | None = None,
    seed: int = 0,
    channels: int | None = None,
    white: float | None = None,
    black: float | None = None,
) -> Pictures:
    """The images that `data` names.

    Args:
        data: "mnist", "fashion_mnist", "cifar10" or "celeb_a", fetched by TFDS (Debian's
            dataset-fashion-mnist is used where it is installed); a folder with the raw files of
            MNIST's kind (`train-images-idx3-ubyte` and so on, gzipped or not) or CIFAR-10's PNGs
            (`data_batch_1.png`, each row an image); or a folder of images, whose
            sub-folders are classes, in train/, validation/ and test/ or without. Where there is no test
            split, a tenth of the images is it.
        data_dir: where prepared data goes.
        size: rows and columns of the images that come out: small grey ones are padded with black,
            others cropped to a square and resized; None: as they are.
        seed: of the split.
        channels: 1 (grey) or 3 of a folder of images; None: 1 where all are grey, else 3.
        white, black: values of 16-bit and float images that become 255 and 0; None: the percentiles
            99.9 and 0.1 of the training images.

    Raises:
        FileNotFoundError: for a path that is not there, a name that is not known.
        ValueError: for a folder without images, a damaged file, images of several sizes, or of
            other channels.
        ConnectionError: when data must be fetched and there is no network.
    """
    folder, look, pixels = Path(data), None, (black, white)
    if data == "fashion_mnist" and FASHION.is_dir():
        folder = FASHION
    if folder.is_dir():
        raw = _raw(folder)
        paths = raw or find(folder)
        settings = (size, seed, channels, pixels, *parts_of(folder))
        digest, contents = check.identity(folder, {"all": paths}, settings)
        name = data if data in NAMES else (folder.resolve().name or "pictures")
        detail = f"{size or 'own'}px-seed{seed}-{digest}"
        if raw:
            parts = _raw_parts(folder, seed)
        else:
            _check_folder(folder, paths, size)
            splits = _split(folder, paths, seed)
            look = check.kept(
                place(f"{name}-{detail}", data_dir),
                lambda: _look(folder, splits, contents, channels, pixels),
            )
            parts = _parts(folder, splits, look.facts)
    elif data in NAMES:
        return _of_channels(_fetched(data, data_dir, size), channels)
    else:
        raise FileNotFoundError(
            f"data={data!r} is neither a folder nor one of {', '.join(NAMES)}. A folder needs "
            "MNIST's raw files, CIFAR-10's PNGs, or pictures."
        )
    sources = {split: (None, _prepared(parts, split, size)) for split in SPLITS}
    beside = {check.KEPT: look.as_json()} if look else None
    splits = cached(f"{name}-{detail}", sources, data_dir, KINDS, beside)
    return _of_channels(Pictures(name, detail, splits, look=look), channels)


def _of_channels(data: Pictures, channels: int | None) -> Pictures:
    """The data; raises where its channels are others."""
    if channels not in (None, data.shape[-1]):
        raise ValueError(f"channels={channels}, but images of {data.name} have {data.shape[-1]}.")
    return data


def _prepared(
    parts: Callable[[str], tuple[Any, Any]], split: str, size: int | None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Arrays of one split, chunk by chunk; `parts` gives its images and labels."""
    pictures, labels = parts(split)
    for i in range(0, len(pictures), 1000):
        chunk = np.stack([_resized(picture, size) for picture in pictures[i : i + 1000]])
        yield chunk, np.asarray(labels[i : i + 1000], "uint8")


def _rows(count: int, split: str, seed: int) -> np.ndarray:
    """Which of so many images are of a split; "train" and "validation" share theirs."""
    if split == "test":
        return np.arange(count)
    order = np.random.default_rng(seed).permutation(count)
    held = max(count // VALIDATION, 1)
    return np.sort(order[:held] if split == "validation" else order[held:])


def _resized(picture: np.ndarray | Callable[[], np.ndarray], size: int | None) -> np.ndarray:
    if callable(picture):
        picture = picture()
    height, width, channels = picture.shape
    if size is None or (height, width) == (size, size):
        return picture
    if channels == 1 and max(height, width) < size:
        before = (size - height) // 2, (size - width) // 2
        after = size - height - before[0], size - width - before[1]
        return np.pad(picture, ((before[0], after[0]), (before[1], after[1]), (0, 0)))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return Image().resized(picture[top : top + side, left : left + side], size, size)


def _raw(folder: Path) -> list[Path]:
    """MNIST's or CIFAR-10's files in a folder, if it holds them."""
    if any(folder.glob("*-images-idx3-ubyte*")):
        return [p for part in IDX.values() for p in sorted(folder.glob(f"{part}-*-ubyte*"))]
    if (folder / "data_batch_1.png").is_file():
        return sorted([*folder.glob("*_batch*.png"), *folder.glob("*_lables.json")])
    return []


def _raw_parts(folder: Path, seed: int) -> Callable[[str], tuple[Any, Any]]:
    """Function: split -> (images, labels) of raw files."""
    of_mnist = any(folder.glob("*-images-idx3-ubyte*"))

    def parts(split: str) -> tuple[np.ndarray, np.ndarray]:
        file = "test" if split == "test" else "train"
        pictures, labels = _idx(folder, IDX[file]) if of_mnist else _cifar(folder, file)
        rows = _rows(len(pictures), split, seed)
        return pictures[rows], labels[rows]

    return parts


def _check_folder(folder: Path, paths: Sequence[Path], size: int | None) -> None:
    """Raise ValueError where a folder's images are too few, or of too many classes."""
    if len(paths) < 3:
        raise ValueError(f"{folder} holds {len(paths)} pictures; at least 3 are needed.")
    if size is None:
        raise ValueError(f"{folder} holds images of any size: say size=<pixels>.")
    if len(_names(folder, paths)) > 255:
        raise ValueError(
            f"{folder} has {len(_names(folder, paths))} sub-folders of images; 255 at most."
        )


def _class_of(folder: Path, path: Path) -> Path:
    """The sub-folder that is an image's class, without that of its split."""
    place = path.parent.relative_to(folder)
    splits = [part.name for part in parts_of(folder).values()]
    return Path(*place.parts[1:]) if place.parts[:1] and place.parts[0] in splits else place


def _names(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """The sub-folders that are classes."""
    return sorted({_class_of(folder, path) for path in paths})


def _split(folder: Path, paths: Sequence[Path], seed: int) -> dict[str, list[Path]]:
    """The images of each split: as sub-folders have them; what lacks one is a part of the others."""
    folders = parts_of(folder)
    found = {split: find(path) for split, path in folders.items()}
    rest = found.get("train", paths)
    if "test" not in found:
        found["test"], rest = _held(rest, "test"), _held(rest, "train")
    if "validation" not in found:
        rows = {split: _rows(len(rest), split, seed) for split in ("validation", "train")}
        found |= {split: [rest[row] for row in chosen] for split, chosen in rows.items()}
    else:
        found["train"] = list(rest)
    for split, part in found.items():
        if not part:
            raise ValueError(f"{folder}: there is no picture in the {split} split.")
    return {split: found[split] for split in SPLITS}


def _held(paths: Sequence[Path], split: str) -> list[Path]:
    """Of "test" each class's every tenth image; else the others."""
    chosen = [path for i, path in enumerate(paths) if (i % 10 == 9) == (split == "test")]
    return chosen or [*paths[-1:]]


def _look(
    folder: Path,
    splits: Mapping[str, Sequence[Path]],
    contents: Mapping[Path, str],
    channels: int | None,
    pixels: tuple[float | None, float | None],
) -> Look:
    look = check.images(folder, splits, contents, channels=channels, usual=None, pixels=pixels)
    paths = [path for part in splits.values() for path in part]
    names = _names(folder, paths)
    for name in names if len(names) > 1 else ():
        counts = (sum(_class_of(folder, path) == name for path in part) for part in splits.values())
        look.rows.append([f"images of {name}", *(f"{n:,}" for n in counts)])
    check.left_out(look, folder, paths)
    return look


def _parts(
    folder: Path, splits: Mapping[str, Sequence[Path]], facts: Mapping[str, Any]
) -> Callable[[str], tuple[Any, Any]]:
    """Function: split -> (images, labels) of a folder of images."""
    names = _names(folder, itertools.chain(*splits.values()))
    options = {"channels": facts["channels"], "pixels": facts["pixels"] and tuple(facts["pixels"])}

    def parts(split: str) -> tuple[Sequence[Callable[[], np.ndarray]], list[int]]:
        readers = [functools.partial(read, path, **options) for path in splits[split]]
        return readers, [names.index(_class_of(folder, path)) for path in splits[split]]

    return parts


def _idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's format: two integers that say what follows, sizes, then bytes."""

    def array(kind: str, header: int) -> np.ndarray:
        for ending in ("", ".gz"):
            path = folder / f"{part}-{kind}-ubyte{ending}"
            if path.is_file():
                content = path.read_bytes()
                content = gzip.decompress(content) if ending else content
                sizes = np.frombuffer(content[4:header], ">i4")
                if len(content) - header != np.prod(sizes):
                    raise ValueError(f"{path} is damaged: get it again.")
                return np.frombuffer(content, "uint8", offset=header).reshape(sizes)
        raise FileNotFoundError(f"{folder} has no {part}-{kind}-ubyte, gzipped or not.")

    return array("images-idx3", 16)[..., None], array("labels-idx1", 8)


def _cifar(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 as PNGs of 1024 columns, one image per row, and JSON lists of labels."""
    names = CIFAR_ROWS[split]
    rows = [reading.read(folder / f"{name}.png").reshape(-1, 32, 32, 3) for name in names]
    labels = json.loads((folder / CIFAR_LABELS[split]).read_text("utf-8"))
    return np.concatenate(rows), np.array(labels, "uint8")


def _fetched(name: str, data_dir: str | Path, size: int | None) -> Pictures:
    """From TFDS, one image after the other; without a validation split, a part of "train" is it."""
    builder = tfds_offline.reachable(name, data_dir, "its raw files or pictures")
    splits = {split: split for split in SPLITS}
    if "validation" not in builder.info.splits:
        held = builder.info.splits["train"].num_examples // VALIDATION
        splits |= {"train": f"train[{held}:]", "validation": f"train[:{held}]"}

    def rows(split: str) -> Iterator[tuple[np.ndarray, ...]]:
        for example in tfds_offline.examples(builder, split):
            label = np.array([example.get("label", 0)], "uint8")
            yield _resized(example["image"], size)[None], label

    sources = {
        split: (builder.info.splits[part].num_examples, rows(part))
        for split, part in splits.items()
    }
    detail = f"{size or 'own'}px"
    return Pictures(name, detail, cached(f"{name}-{detail}", sources, data_dir, KINDS))
