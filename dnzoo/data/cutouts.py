"""Scenes of photographs: cut-outs of the user's own, pasted on photographs of the user's own.

The splits share neither a cut-out nor a background. Debian's packages of cut-outs (Tux Paint's
stamps) and of photographs are found by themselves and sorted by the tables below.
"""

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dnzoo.data import check
from dnzoo.data.photographs import find
from dnzoo.data.scenes import SPLITS, Split, assemble
from dnzoo.imaging import reading

CUTOUTS: Path = Path("/usr/share/tuxpaint/stamps")  # Debian's tuxpaint-stamps-default
# share of each class's cut-outs, and of the backgrounds, that validates and tests
HELD_OUT: float = 0.2
# what is kept of larger images, in pixels
LONGEST_CUTOUT: int = 256
SHORTEST_BACKGROUND: int = 512

# Tux Paint's folders as classes, the first that matches; the rest is "other"
STAMPS: dict[str, str] = {
    "mammal": r"animals/(mammals|marsupials)/",
    "bird": r"animals/birds/",
    "other animal": r"animals/",
    "food": r"food/",
    "plant": r"plants/",
    "vehicle": r"(vehicles|military/vehicles)/",
    "household": r"household/",
    "other": "",
}
# stamps that are no photographs, or show what their folder does not say
DRAWN: re.Pattern[str] = re.compile(
    "cartoon|symbols/|_mirror|roadsigns|flags|hedgehog|clothes/(button|hats)|food/pizza|body_parts|"
    "christmas/(Santa|santahat|tree)|seasonal/easter|jackolantern|party-hat"
)
# of Debian's photographs those that are abstract, or show an animal, flower, food or thing
NO_BACKGROUND: re.Pattern[str] = re.compile(
    "mate/(abstract|desktop)/|umang|Picture_|Wine|friends|free_|greentock|seeding|Flower|Garden|"
    "LadyBird|TwoWings"
)


class Cutouts:
    """The cut-outs and backgrounds of two folders, and the scenes made of them.

    Args:
        cutouts: folder with a sub-folder of images with transparency for each class; None: Tux
            Paint's, 8 classes.
        backgrounds: folder of photographs, sub-folders included; None: Debian's.
        seed: of the split.

    Attributes:
        class_names: "background", then a name for each sub-folder.
        fingerprint: 12 hexadecimal digits that change with the contents of the files and the seed.

    Raises:
        FileNotFoundError: when a folder is missing; the message says what to install or pass.
        ValueError: when a folder holds too few files, or a file that can't be used.
    """

    def __init__(
        self,
        cutouts: str | Path | None = None,
        backgrounds: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        classes = _stamps() if cutouts is None else _sub_folders(cutouts)
        photographs = find(backgrounds, NO_BACKGROUND, "backgrounds")
        self.class_names: tuple[str, ...] = ("background", *classes)
        state = hashlib.sha256(repr((seed, HELD_OUT)).encode())
        for name, paths in {
            **classes,
            "": photographs,
        }.items():  # in order: it decides what is drawn
            contents = check.digests(paths)
            state.update("".join(f"\n{name} {contents[path]}" for path in paths).encode())
        self.fingerprint: str = state.hexdigest()[:12]
        self._cutouts = {name: _split(paths, seed, name) for name, paths in classes.items()}
        self._backgrounds = _split(photographs, seed, "backgrounds")

    def files(self, split: Split) -> tuple[dict[str, list[Path]], list[Path]]:
        """What a split draws from: ({class name: [paths]}, [paths of backgrounds])."""
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}.")
        cutouts = {name: parts[split] for name, parts in self._cutouts.items()}
        return cutouts, self._backgrounds[split]

    def compose(
        self, seed: int, split: Split, index: int, size: int = 128, without: Sequence[str] = ()
    ) -> dict[str, Any]:
        """One scene, as `scenes.assemble` returns it; arguments as for `garments.compose`."""
        rng = np.random.default_rng([seed, SPLITS.index(split), index])
        cutouts, backgrounds = self.files(split)
        names = [name for name in cutouts if name not in without]
        canvas = _crop(rng, _background(backgrounds[rng.integers(len(backgrounds))]), size)
        objects = []
        for _ in range(rng.integers(1, 5)):
            name = names[rng.integers(len(names))]  # classes are as frequent as each other
            cutout = _cutout(cutouts[name][rng.integers(len(cutouts[name]))])
            objects.append((*_place(rng, cutout, size), self.class_names.index(name)))
        return assemble(canvas, objects, rng)


def _stamps() -> dict[str, list[Path]]:
    if not CUTOUTS.is_dir():
        raise FileNotFoundError(
            "cutout_scenes needs cut-outs: pass cutouts=<folder> (a sub-folder of transparent PNGs "
            "for each class), or on Debian: apt install tuxpaint-stamps-default."
        )
    classes: dict[str, list[Path]] = {name: [] for name in STAMPS}
    for path in reading.listed(CUTOUTS, recursive=True):
        relative = str(path.relative_to(CUTOUTS))
        if not DRAWN.search(relative) and _is_photograph(path):
            name = next(name for name, pattern in STAMPS.items() if re.match(pattern, relative))
            classes[name].append(path)
    return classes


def _is_photograph(path: Path) -> bool:
    image = reading.read_rgba(path)
    opaque = image[..., 3] > 127
    colours = (image[opaque, :3] >> 3).astype(int) @ (1024, 32, 1)
    return 0.02 < opaque.mean() < 0.97 and len(np.unique(colours)) >= 100


def _sub_folders(folder: str | Path) -> dict[str, list[Path]]:
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"cutouts={str(folder)!r} is no folder.")
    folders = [p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    classes = {p.name: reading.listed(p, recursive=True) for p in folders}
    classes = {name: paths for name, paths in classes.items() if paths}
    if not classes:
        raise ValueError(
            f"cutouts={str(folder)!r} has no sub-folder of images; it needs one per class."
        )
    return classes


def _split(paths: Sequence[Path], seed: int, what: str) -> dict[str, list[Path]]:
    """At random, but each split gets one at least."""
    if len(paths) < len(SPLITS):
        raise ValueError(f"{what}: {len(paths)} images; training, validation and test need 3.")
    order = [paths[i] for i in np.random.default_rng(seed).permutation(len(paths))]
    held = max(round(HELD_OUT * len(paths)), 1)
    return {
        "train": order[2 * held :],
        "validation": order[held : 2 * held],
        "test": order[:held],
    }


@functools.lru_cache(maxsize=1024)
def _cutout(path: Path) -> Image.Image:
    """RGBA, without empty border, at most LONGEST_CUTOUT on its longer side."""
    image = Image.fromarray(reading.read_rgba(path))
    if image.getchannel("A").getextrema()[0] == 255:
        raise ValueError(f"{path} has no transparency; a cut-out needs it.")
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox()
    if box is None:
        raise ValueError(f"{path} is transparent everywhere.")
    image = image.crop(box)
    image.thumbnail((LONGEST_CUTOUT,) * 2, Image.LANCZOS)
    return image


@functools.lru_cache(maxsize=64)
def _background(path: Path) -> Image.Image:
    """RGB, shrunk to SHORTEST_BACKGROUND on its shorter side: JPEG's noise goes too."""
    image = Image.fromarray(reading.read(path, at_least=2 * SHORTEST_BACKGROUND))
    scale = min(SHORTEST_BACKGROUND / min(image.size), 1)
    return image.resize([round(scale * side) for side in image.size], Image.LANCZOS)


def _crop(rng: np.random.Generator, photograph: Image.Image, size: int) -> np.ndarray:
    """A square of it, float32."""
    side = rng.uniform(0.4, 1) * min(photograph.size)
    left, top = (rng.uniform(0, length - side) for length in photograph.size)
    box = (left, top, left + side, top + side)
    crop = photograph.resize((size, size), Image.BICUBIC, box, reducing_gap=2)
    if rng.random() < 0.5:
        crop = crop.transpose(Image.FLIP_LEFT_RIGHT)
    return np.array(crop, "float32")


def _place(
    rng: np.random.Generator, cutout: Image.Image, size: int
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """A cut-out scaled, turned and lit: (colour (h, w, 3), alpha (h, w), corner)."""
    scale = rng.uniform(0.3, 0.75) * size / max(cutout.size)
    cutout = cutout.resize([max(round(scale * side), 1) for side in cutout.size], Image.BICUBIC)
    if rng.random() < 0.5:
        cutout = cutout.transpose(Image.FLIP_LEFT_RIGHT)
    cutout = cutout.rotate(rng.uniform(-25, 25), Image.BICUBIC, expand=True)
    pixels = np.array(cutout, "float32")[:size, :size]
    colour = pixels[..., :3] * rng.uniform(0.8, 1.2) + rng.uniform(-15, 15)
    room = size - pixels.shape[0], size - pixels.shape[1]
    corner = tuple(int(rng.integers(0, space + 1)) for space in room)
    return np.clip(colour, 0, 255), pixels[..., 3], corner
