"""What the numbers and colours in masks mean: counted, and refused where it would be guessed."""

import collections
import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from dnzoo.data.check import Look, named
from dnzoo.imaging import reading
from dnzoo.metrics.labels import IGNORE

Colour = tuple[int, int, int]
IGNORED: str = "ignore"  # name in a classes.txt of colours that count for no class
THIN: int = 4  # so many values that never fill 3 x 3 pixels, and most do not: edges, no classes
MANY: int = 8  # values in a sentence
LINE: re.Pattern[str] = re.compile(r"(.*\S)[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})")


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a person says of the classes.

    Attributes:
        names: one per class; (): none are given.
        values: the number in masks of each class; (): 0, 1, 2 and so on.
        colours: of each class in masks of colours; (): masks hold numbers.
        ignored: colours that count for no class.
    """

    names: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    ignored: tuple[Colour, ...] = ()

    @property
    def keys(self) -> tuple[int, ...]:
        """What `reading.read_mask` gives for each class, where it is said; else ()."""
        return tuple(map(_code, self.colours)) or self.values

    @property
    def ignored_keys(self) -> set[int]:
        """What it gives for pixels that count for no class."""
        return set(map(_code, self.ignored)) if self.colours else {IGNORE} - set(self.values)

    def word(self, key: int) -> str:
        """A number, or a colour."""
        return f"({key >> 16}, {key >> 8 & 255}, {key & 255})" if self.colours else str(key)


def read_classes(file: Path, values: Sequence[int] | None = None) -> Classes:
    """The classes that a classes.txt names, a line each, perhaps with colours; none without a file.

    Raises:
        ValueError: for a text that is not UTF-8, a name or colour twice, colours on some lines alone,
            or another number of `values`.
    """
    names, colours, ignored = [], [], []
    for line in _text(file).splitlines() if file.is_file() else ():
        found = LINE.fullmatch(line.strip())
        if found and found[1].casefold() == IGNORED:
            ignored.append(tuple(map(int, found.groups()[1:])))
        elif line.strip():
            names.append(found[1] if found else line.strip())
            colours += [tuple(map(int, found.groups()[1:]))] if found else []
    for what, all_of_them in (("name", names), ("colour", [*colours, *ignored])):
        twice = [x for x, count in collections.Counter(all_of_them).items() if count > 1]
        if twice:
            raise ValueError(f"{file} has the {what} {twice[0]} twice: each class needs its own.")
    if colours and (len(colours) < len(names) or max(map(max, [*colours, *ignored])) > 255):
        raise ValueError(
            f"{file}: either every line ends with a colour, such as road 128 64 128, or none does; "
            "numbers are from 0 to 255."
        )
    values = tuple(values or ())
    if values and (
        colours or len(set(values)) < len(values) or len(names or values) != len(values)
    ):
        raise ValueError(
            f"mask_values={values} must be different numbers, one for each class: "
            + (f"{file} has colours." if colours else f"{file} has {len(names)} classes.")
        )
    return Classes(tuple(names), values, tuple(colours), tuple(ignored))


def _text(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{file} is not UTF-8 (line {line}): save it as UTF-8.") from error


class Counts:
    """The numbers in the masks of a split.

    Attributes:
        pixels: how many have each.
        first: the first mask that holds it.
        solid: those that fill 3 x 3 pixels somewhere.
        kinds: the different sets of numbers that masks hold, with one of them.
    """

    def __init__(self) -> None:
        self.pixels: collections.Counter[int] = collections.Counter()
        self.first: dict[int, Path] = {}
        self.solid: set[int] = set()
        self.kinds: dict[frozenset[int], Path] = {}

    def add(self, path: Path, mask: np.ndarray) -> None:
        """Count a mask."""
        numbers, counts = np.unique(mask, return_counts=True)
        self.pixels.update(dict(zip(numbers.tolist(), counts.tolist())))
        for number in numbers.tolist():
            self.first.setdefault(number, path)
        self.kinds.setdefault(frozenset(numbers.tolist()), path)
        inner = mask[1:-1, 1:-1]
        same = np.ones(inner.shape, bool)
        for row in range(3):
            for column in range(3):
                shifted = mask[row : row + len(inner), column : column + inner.shape[1]]
                same &= shifted == inner
        self.solid.update(np.unique(inner[same]).tolist())


def look_at(look: Look, root: Path, masks: Mapping[str, Sequence[Path]], classes: Classes) -> None:
    """Add to a look what masks hold, what of it is refused, and how it is to be read."""
    counts = {split: Counts() for split in masks}
    for split, paths in masks.items():
        for path in paths:
            try:
                counts[split].add(path, reading.read_mask(path, bool(classes.colours)))
            except (ValueError, ImportError) as error:
                look.refusals.append(str(error))
    seen = {key for count in counts.values() for key in count.pixels}
    valid = sorted(seen - classes.ignored_keys)
    keys = classes.keys or tuple(range(max(len(classes.names), max(valid, default=0) + 1, 2)))
    names = classes.names or tuple(f"class {i}" for i in range(len(keys)))
    look.facts |= {
        "classes": list(names),
        "keys": list(keys),
        "palette": [list(colour) for colour in classes.colours] or None,
    }
    if look.refusals:
        return
    wrong = _wrong_numbers(root, counts, valid, seen, classes)
    if not wrong:
        wrong = _without_pixels(look, counts, dict(zip(keys, names)), classes)
    look.refusals += wrong
    shown = [*keys, *sorted(set(valid) - set(keys))] if not wrong else valid[: 2 * MANY]
    known = dict(zip(keys, names))
    for key in shown:
        word = f"{known[key]} ({classes.word(key)})" if key in known else classes.word(key)
        look.rows.append([f"masks: {word}", *(_share(c, {key}) for c in counts.values())])
    look.rows.append(
        ["masks: ignored", *(_share(c, classes.ignored_keys) for c in counts.values())]
    )


def numbers(mask: np.ndarray, keys: Sequence[int]) -> np.ndarray:
    """Class numbers, uint8, of a mask as `reading.read_mask` gives it; `IGNORE` where it has no key."""
    order = np.argsort(keys)
    ordered = np.asarray(keys)[order]
    where = np.searchsorted(ordered, mask).clip(max=len(keys) - 1)
    return np.where(ordered[where] == mask, order[where], IGNORE).astype("uint8")


def _code(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _share(counts: Counts, keys: Collection[int]) -> str:
    total, part = sum(counts.pixels.values()), sum(counts.pixels[key] for key in keys)
    if not part:
        return "none"
    return "< 0.1 %" if part < total / 1000 else f"{100 * part / total:.1f} %"


def _wrong_numbers(
    root: Path, counts: Mapping[str, Counts], valid: Sequence[int], seen: set[int], classes: Classes
) -> list[str]:
    """Why the numbers in masks can't be class numbers; []: they can."""
    first = {key: path for c in reversed(counts.values()) for key, path in c.first.items()}
    words = ", ".join(map(classes.word, valid[:MANY])) + (" ..." if len(valid) > MANY else "")
    if max(len(classes.keys), len(classes.names)) > IGNORE:
        return [f"there are more than {IGNORE} classes: a class number has 8 bits."]
    if classes.keys:
        others = [key for key in valid if key not in classes.keys]
        if not others:
            return []
        some = "; ".join(f"{classes.word(k)} in {named(root, [first[k]])}" for k in others[:MANY])
        whose = (
            "classes.txt has not" if classes.colours else f"mask_values={classes.values} has not"
        )
        way = (
            'give each a line, "ignore" for those without a class'
            if classes.colours
            else "name them too"
        )
        return [
            f"the masks hold {len(others)} values that {whose}: {some}. If they are edges made by "
            f"resizing or JPEG, save the masks anew without interpolation; else {way}."
        ]
    if not valid:
        return [f"every pixel of every mask is {IGNORE}, which means ignored: no class is left."]
    if valid == [0] and IGNORE in seen:
        return [
            f"the masks hold 0 and {IGNORE} alone, and {IGNORE} means ignored: if it is your class 1, "
            f"say mask_values=(0, {IGNORE})."
        ]
    if valid == [0]:
        return ["every pixel of every mask is 0: there is no second class to tell it from."]
    solid = {key for c in counts.values() for key in c.solid}
    thin = [key for key in valid if key not in solid]
    if len(thin) >= THIN and 2 * len(thin) > len(valid):
        return [
            f"the masks hold {len(valid)} values ({words}), of which {len(thin)} are seen in thin lines "
            f"only, such as {thin[0]} in {named(root, [first[thin[0]]])}: edges made by resizing or JPEG, "
            "no class numbers. Save the masks anew without interpolation (nearest neighbour)."
        ]
    if classes.names and valid[-1] >= len(classes.names):
        hint = f" If these are they, say mask_values={tuple(valid)}." * (
            len(valid) == len(classes.names)
        )
        return [
            f"{root / 'classes.txt'} names {len(classes.names)} classes, but a mask holds class "
            f"{valid[-1]} ({named(root, [first[valid[-1]]])}); the masks hold {words}.{hint}"
        ]
    gaps = valid[0] < 0 or (len(valid) <= valid[-1] and not classes.names)
    if gaps:
        also = f" ({IGNORE} is ignored, unless named)" if IGNORE in seen else ""
        return [
            f"the masks hold {words}: numbers of classes are 0, 1, 2 and so on, without gaps. If these "
            f"are your classes, say mask_values={tuple(valid)}{also}; or name all classes, one per line, "
            "in a classes.txt."
        ]
    return _mixed(root, counts)


def _mixed(root: Path, counts: Mapping[str, Counts]) -> list[str]:
    """Some masks of 0 and 255 among masks of 0 and 1."""
    kinds = {kind: path for c in counts.values() for kind, path in c.kinds.items()}
    white = [path for kind, path in kinds.items() if kind == {0, IGNORE}]
    both = [kind for kind in kinds if IGNORE in kind and not kind <= {0, IGNORE}]
    valid = {number for kind in kinds for number in kind} - {IGNORE}
    if white and not both and valid == {0, 1}:
        return [
            f"some masks hold 0 and {IGNORE} alone ({named(root, white[:1])}), others 0 and 1: if 255 "
            "is class 1 there, save them with 1; if it is ignored, say mask_values=(0, 1)."
        ]
    return []


def _without_pixels(
    look: Look, counts: Mapping[str, Counts], names: Mapping[int, str], classes: Classes
) -> list[str]:
    """Splits without a valid pixel, and classes without one in training masks."""
    empty = [s for s, c in counts.items() if not sum(c.pixels[key] for key in names)]
    if empty:
        return [
            f"the masks of the {' and the '.join(empty)} split have no valid pixel: all are ignored, so "
            "that nothing could be measured there."
        ]
    lacking = [key for key in names if not counts["train"].pixels[key]]
    if not lacking:
        return []
    said = ", ".join(f"{classes.word(key)} ({names[key]})" for key in lacking)
    if classes.values:
        look.notes.append(f"No training mask has {said}: nothing is learned of it.")
        return []
    way = (
        "take its line out of classes.txt"
        if classes.colours
        else f"say mask_values={tuple(names)} to train all the same"
    )
    return [f"no training mask has {said}: it can't be learned. Add images that show it, or {way}."]
