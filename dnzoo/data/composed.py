"""Composed scenes as data to train on: which kind, size and number, and in which order."""

import collections
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dnzoo.data import garments
from dnzoo.data.cutouts import Cutouts
from dnzoo.data.scenes import Split

# see `order`: bytes of a file there at least, of a scene of `size` x `size`, and how the files were read
FILE_BYTES: int = 64 << 20
SCENE_BYTES: Callable[[int], float] = np.polynomial.Polynomial((-217.8, 51.26, 1.6359))
CYCLE: int = 16


@dataclasses.dataclass(frozen=True)
class Composed:
    """Scenes of one kind, composed as they are asked for; nothing is stored.

    Args:
        data: "fashion_scenes" (`garments`) or "cutout_scenes" (`cutouts`).
        size: height and width of a scene.
        counts: {split: how many scenes}.
        seed: of the scenes, and of the split of cut-outs and backgrounds.
        without: names of classes that do not appear.
        folders: of cut-outs and backgrounds; see `cutouts.Cutouts`.

    Raises:
        ValueError: when `without` names what is no class, or all classes; and as `Cutouts`.
    """

    data: Literal["fashion_scenes", "cutout_scenes"]
    size: int
    counts: Mapping[Split, int]
    seed: int = 0
    without: Sequence[str] = ()
    folders: tuple[str | Path | None, str | Path | None] = (None, None)

    def __post_init__(self) -> None:
        known = [*self._classes[1:]]
        unknown = [name for name in self.without if name not in known]
        if unknown or {*known} == {*self.without}:
            raise ValueError(
                f"without={tuple(self.without)!r}: name some, but not all, of {', '.join(known)}."
            )

    @functools.cached_property
    def _cutouts(self) -> Cutouts | None:
        return Cutouts(*self.folders, self.seed) if self.data == "cutout_scenes" else None

    @property
    def _classes(self) -> Sequence[str]:
        return self._cutouts.class_names if self._cutouts else garments.CLASS_NAMES

    @property
    def class_names(self) -> tuple[str, ...]:
        """ "background", then the classes that appear."""
        return tuple(name for name in self._classes if name not in self.without)

    @property
    def detail(self) -> str:
        """What names the scenes: size, counts, seed, what is left out, the user's files."""
        counts = "_".join(map(str, self.counts.values()))
        without = "".join(f"_without_{name.replace(' ', '-')}" for name in self.without)
        files = f"_{self._cutouts.fingerprint}" if self._cutouts else ""
        return f"{self.size}px_{counts}_seed{self.seed}{without}{files}"

    def scenes(self, split: Split) -> Iterator[dict[str, Any]]:
        """The scenes of a split, in order; keys as of `scenes.assemble`.

        Class numbers have no gaps where classes are left out; boxes and labels are of all that is seen.
        """
        compose = self._cutouts.compose if self._cutouts else garments.compose
        names = self.class_names
        number = np.array([names.index(n) if n in names else 0 for n in self._classes], "uint8")
        for index in order(split, self.counts[split], self.size):
            scene = compose(self.seed, split, index, self.size, self.without)
            labels = [int(number[label]) for label in scene["labels"]]
            mask = number[scene["segmentation_mask"]]
            yield {**scene, "segmentation_mask": mask, "labels": labels}


def order(split: Split, count: int, size: int) -> list[int]:
    """The numbers of a split's scenes in the order in which they are stored.

    It is that of TensorFlow Datasets, which stored them until 2026-11 and shuffles by a digest of the number:
    published models were trained in it, and a run goes on with the same batches where its data is made anew.
    Splits of 128 MiB and more were several files there, read in turns. How many is told from the number and
    size of the scenes, within 1 % of garments' (4,032 scenes of 128 x 128 begin a second file).
    """
    by_digest = sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())
    most = int(count * SCENE_BYTES(size)) // FILE_BYTES
    files = min(1 << max(most, 1).bit_length() - 1, 1024)
    ends = [round(count * i / files) for i in range(files + 1)]
    return list(in_turns([by_digest[a:b] for a, b in itertools.pairwise(ends)]))


def in_turns(files: Sequence[Sequence[int]]) -> Iterator[int]:
    """16 of a file, 16 of the next, of 16 files at a time, as `tf.data.Dataset.interleave` goes."""
    waiting = collections.deque(map(iter, files))
    places: list[Iterator[int] | None] = [None] * min(CYCLE, len(files))
    while waiting or any(places):
        for i, file in enumerate(places):
            if file is None and waiting:
                file = waiting.popleft()
            taken = list(itertools.islice(file or (), CYCLE))
            yield from taken
            places[i] = file if len(taken) == CYCLE else None  # it has ended
