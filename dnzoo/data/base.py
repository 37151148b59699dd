"""What every data set is: a name, and the arrays of its splits."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dnzoo.data.arrays import cached
from dnzoo.data.check import Look
from dnzoo.data.targets import ClassMask, Image, Target

# what folders of splits are called
NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set ready to train on.

    Attributes:
        name: what it was loaded as, short.
        detail: which variant of it: size, counts, seed; of a folder also a digest of its contents.
        splits: {"train" | "validation" | "test": (array, ...)}, rows of the same number belonging
            together; in memory or memory-mapped.
        targets: what the arrays are, one for each.
        look: what a look at a folder found, of data of the user's own.

    Raises:
        ValueError: when a split has another number of arrays than there are targets.
    """

    name: str
    detail: str
    splits: Mapping[str, tuple[np.ndarray, ...]]
    look: Look | None = dataclasses.field(default=None, kw_only=True)
    targets: ClassVar[tuple[Target, ...]] = ()

    @property
    def identity(self) -> str:
        """What names the data: other contents have another."""
        return f"{self.name}-{self.detail}"

    @property
    def pixels(self) -> tuple[float, float] | None:
        """The values that have become 0 and 255, of files that are not of 8 bits."""
        found = self.look.facts.get("pixels") if self.look else None
        return (found[0], found[1]) if found else None

    def called(self, split: str, number: int) -> str:
        """The name of an example's file, as far as files are known, or which of its split it is."""
        files = self.look.facts.get("files", {}) if self.look else {}
        return files[split][number] if split in files else f"{split} image {number + 1}"

    def __post_init__(self) -> None:
        for split, arrays in self.splits.items():
            if len(arrays) != len(self.targets):
                raise ValueError(
                    f"{self.name}: the {split} split has {len(arrays)} arrays, "
                    f"{type(self).__name__} needs {len(self.targets)}."
                )


def fitted(
    name: str,
    sources: Mapping[str, tuple[int | None, Iterable[tuple[np.ndarray, ...]]]],
    data_dir: str | Path,
    size: int,
    targets: Sequence[Target] = (Image(), ClassMask()),
    beside: Mapping[str, Any] | None = None,
) -> dict[str, tuple[np.ndarray, ...]]:
    """`arrays.cached`, of examples of any size that are fitted into a square.

    Args:
        name, sources, data_dir, beside: as for `cached`; sources yield an example's arrays.
        size: rows and columns of what comes out.
        targets: what the arrays are.
    """

    def square(examples: Iterable[tuple[np.ndarray, ...]]) -> Iterator[tuple[np.ndarray, ...]]:
        for example in examples:
            yield tuple(t.fitted(array, size)[None] for t, array in zip(targets, example))

    squares = {split: (count, square(found)) for split, (count, found) in sources.items()}
    return cached(name, squares, data_dir, beside=beside)


def parts_of(folder: Path, complete: bool = True) -> dict[str, Path]:
    """{split: its sub-folder}, of those that are there.

    Args:
        folder: of the user's own.
        complete: refuse a folder of a split without one of training images.

    Raises:
        ValueError: for two folders of one split; for others without train/.
    """
    found = {}
    for split, names in NAMES.items():
        there = [folder / name for name in names if (folder / name).is_dir()]
        if len(there) > 1:
            raise ValueError(
                f"{folder} has {' and '.join(f'{p.name}/' for p in there)}: which is the {split} split?"
            )
        if there:
            found[split] = there[0]
    if complete and found and "train" not in found:
        raise ValueError(
            f"{folder} has {', '.join(f'{path.name}/' for path in found.values())} but no train/: "
            "training images are missing. Splits are called train/, validation/ and test/."
        )
    return found
