"""One look at a folder's images before training: what they are, and what is wrong with them.

A `Look` is made once, kept with the prepared data, printed before training and shown in the report.
What may train another thing than was meant is in `refusals`, and nothing is trained then.
"""

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnzoo import storage
from dnzoo.imaging import reading
from dnzoo.imaging.reading import Facts, Pixels

NAMED: int = 5  # files in a sentence; of the rest only the number
LOOKED_INTO: int = 200  # training images at most from which the range of pixels is taken
PERCENTILES: tuple[float, float] = (0.1, 99.9)  # of their values: what becomes 0 and 255
KEPT: str = "look.json"


@dataclasses.dataclass
class Look:
    """What a look at a data set has found.

    Attributes:
        splits: their names: the columns of the table.
        rows: of the table: what is counted, then a cell per split.
        notes: sentences of what a person should know.
        refusals: sentences of what is wrong; with one, nothing is trained.
        facts: what reading needs: "pixels", the values that become 0 and 255, or None; "channels";
            of masks "classes", "keys" and "colours". Of loaded data also "files": the images' names,
            in each split's order.
    """

    splits: list[str]
    rows: list[list[str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    refusals: list[str] = dataclasses.field(default_factory=list)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def refuse(self) -> None:
        """Raise ValueError where something is wrong."""
        if self.refusals:
            more = len(self.refusals) - NAMED
            said = [*self.refusals[:NAMED], *([f"And {more} more."] if more > 0 else [])]
            raise ValueError(" ".join(said))

    def print(self) -> None:
        """The table and the notes, for the terminal."""
        import rich
        from rich import box, markup, table

        shown = table.Table("data", *self.splits, box=box.SIMPLE)
        for row in self.rows:
            shown.add_row(*map(markup.escape, row))
        rich.print(shown)
        for note in self.notes:
            print(f"* {note}")

    def as_json(self) -> dict[str, Any]:
        """What is kept with the prepared data."""
        return dataclasses.asdict(self)


def kept(folder: Path, look: Callable[[], Look]) -> Look:
    """The look that is kept with prepared data, or a new one, which raises what it refuses."""
    if (folder / KEPT).is_file():
        return Look(**json.loads((folder / KEPT).read_text("utf-8")))
    found = look()
    found.refuse()
    return found


def digests(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of files."""
    paths = list(paths)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(paths, pool.map(storage.sha256, paths)))


def identity(
    root: Path, files: Mapping[str, Sequence[Path]], settings: Any
) -> tuple[str, dict[Path, str]]:
    """What names a data set: (a digest of names, contents, splits and settings, `digests`)."""
    found = digests({path: None for paths in files.values() for path in paths})
    state = hashlib.sha256(repr(settings).encode())
    for split, paths in files.items():
        for path in paths:
            state.update(f"\n{split} {path.relative_to(root).as_posix()} {found[path]}".encode())
    return state.hexdigest()[:12], found


def images(
    root: Path,
    splits: Mapping[str, Sequence[Path]],
    contents: Mapping[Path, str],
    *,
    channels: int | None = None,
    usual: int | None = 3,
    pixels: tuple[float | None, float | None] = (None, None),
    thorough: bool = False,
) -> Look:
    """A look at the images of each split.

    Args:
        root: the folder that names are said from.
        splits: paths of each.
        contents: what `digests` gives.
        channels: how many are wanted; None: `usual`, or as many bands as the images have, if they have
            more than colour and transparency.
        usual: None: 1 where all are grey, else 3.
        pixels: the values that become black and white, as far as a person has said them.
        thorough: decode every image, to find the damaged ones.
    """
    look, facts = Look(list(splits)), {}
    for path in {path: None for paths in splits.values() for path in paths}:
        try:
            facts[path] = reading.described(path)
            if thorough:
                reading.values(path)
        except (ValueError, ImportError) as error:
            look.refusals.append(str(error))
    parts = {split: [facts[p] for p in paths if p in facts] for split, paths in splits.items()}
    look.rows += [
        ["images", *(f"{len(paths):,}" for paths in splits.values())],
        ["rows x columns: smallest, median, largest", *map(_sizes, parts.values())],
        ["depth", *(_counted(map(_depth, part)) for part in parts.values())],
        ["bands", *(_counted(f.bands for f in part) for part in parts.values())],
        ["duplicates (same bytes)", *map(str, _duplicates(look, root, splits, contents))],
    ]
    look.facts["channels"] = channels or _channels(look, root, facts, usual)
    look.facts["pixels"] = None
    deep = [p for p in next(iter(splits.values()), ()) if p in facts and facts[p].dtype != "uint8"]
    deep = deep or [path for path, found in facts.items() if found.dtype != "uint8"]
    if deep and not look.refusals:
        look.facts["pixels"] = _pixels(look, deep, *pixels)
    elif pixels[1] is not None:
        look.notes.append(f"white={pixels[1]:g} counts for no image: all are of 8 bits.")
    return look


def named(root: Path, paths: Iterable[Path]) -> str:
    """Files for a sentence: the first ones by name, the rest by number."""
    found = [path.relative_to(root).as_posix() for path in paths]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def left_out(look: Look, root: Path, used: Iterable[Path]) -> None:
    """Note the files in a folder that are not used: hidden, foreign, of no pair."""
    used = set(used)
    rest = [path for path in sorted(root.rglob("*")) if path not in used and not path.is_dir()]
    hidden = [p for p in rest if any(part.startswith(".") for part in p.relative_to(root).parts)]
    for kind, paths in (("hidden ", hidden), ("", [p for p in rest if p not in set(hidden)])):
        if paths:
            look.notes.append(f"{len(paths)} {kind}files are left out: {named(root, paths)}.")


def _sizes(part: Sequence[Facts]) -> str:
    sizes = sorted(((f.height, f.width) for f in part), key=lambda size: (np.prod(size), size))
    if not sizes:
        return ""
    chosen = dict.fromkeys((sizes[0], sizes[len(sizes) // 2], sizes[-1]))
    return ", ".join(f"{height} x {width}" for height, width in chosen)


def _depth(facts: Facts) -> str:
    bits = 8 * np.dtype(facts.dtype).itemsize
    return f"{bits}-bit float" if facts.dtype.startswith("float") else f"{bits} bits"


def _counted(values: Iterable[Any]) -> str:
    counts = collections.Counter(values)
    if len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{value} ({count:,})" for value, count in counts.most_common())


def _duplicates(
    look: Look, root: Path, splits: Mapping[str, Sequence[Path]], contents: Mapping[Path, str]
) -> list[int]:
    """How many images of each split are there already; across splits they are noted."""
    where = collections.defaultdict(list)
    for split, paths in splits.items():
        for path in paths:
            where[contents[path]].append((split, path))
    across = [found for found in where.values() if len({split for split, _ in found}) > 1]
    if across:
        look.notes.append(
            f"{len(across)} images are in several splits, so the scores are better than on new images: "
            f"{named(root, (path for found in across for _, path in found))}."
        )
    return [len(paths) - len({contents[path] for path in paths}) for paths in splits.values()]


def _channels(look: Look, root: Path, facts: Mapping[Path, Facts], usual: int | None) -> int:
    special = {p: f for p, f in facts.items() if f.bands not in (1, 3) and not f.plain}
    if not special:
        grey = all(found.bands == 1 and found.raw != "P" for found in facts.values())
        return usual or (1 if grey else 3)
    first = next(iter(special))
    other = [path for path, found in facts.items() if found.bands != special[first].bands]
    if other:
        look.refusals.append(
            f"{named(root, [first])} has {special[first].bands} bands, but {named(root, other)} "
            f"{facts[other[0]].bands}: all images need the same bands."
        )
    return special[first].bands


def _pixels(look: Look, paths: Sequence[Path], black: float | None, white: float | None) -> Pixels:
    """The values that become 0 and 255; how they were found is noted."""
    if white is not None:
        found, how = (black or 0.0, white), "as `white` says"
    else:
        chosen = [
            paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, LOOKED_INTO).astype(int))
        ]
        parts = [reading.values(path).ravel() for path in chosen]
        parts = [part[:: len(part) // 2**16 + 1] for part in parts]
        values = np.concatenate(parts).astype("float64")
        values = values[np.isfinite(values)]
        if not values.size:
            raise ValueError(
                f"{named(paths[0].parent, chosen)}: there is no number in these images."
            )
        low, high = np.percentile(values, PERCENTILES)
        # no more digits than a person would type
        found = float(f"{low:.5g}"), float(f"{high if high > low else low + 1:.5g}")
        how = f"percentiles {PERCENTILES[0]} and {PERCENTILES[1]} of the training images"
    if not found[1] > found[0]:
        raise ValueError(f"white={white} must be above black={black or 0}.")
    look.notes.append(
        f"{len(paths)} images are not of 8 bits: {found[0]:g} becomes 0 and {found[1]:g} becomes 255, "
        f"in prediction too ({how}). `white` and `black` say other values."
    )
    return found
