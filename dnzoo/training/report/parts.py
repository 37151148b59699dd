"""What a report is made of. A task hands out such parts; the page knows how each is drawn."""

import base64
import dataclasses
import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

LOSSLESS = 100_000  # bytes of PNG; a photograph above it is embedded as JPEG
NAMED = 40  # classes of a confusion matrix that is drawn as one
EACH = 4  # examples shown of the worst, and of the best
LISTED = 1000  # scores that are listed
LARGER, WIDE, HIGH = 3, 1040, 700  # times at most, and pixels, that a small image is enlarged to

Colour = Sequence[int]


def embedded(image: Image.Image) -> str:
    """An image as a `data:` address: PNG, or JPEG where that would be large."""
    data = io.BytesIO()
    image.save(data, "png")
    kind = "png"
    if image.mode == "RGB" and data.tell() > LOSSLESS:
        data, kind = io.BytesIO(), "jpeg"
        image.save(data, "jpeg", quality=92)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


@dataclasses.dataclass
class Picture:
    """An image with what it shows.

    Attributes:
        title: a heading.
        image: a Pillow image.
        caption: a sentence below it.
    """

    macro: ClassVar[str] = "picture"
    words: ClassVar[Sequence[str]] = ()  # labels of the numbers in it
    title: str
    image: Image.Image
    caption: str = ""

    @functools.cached_property
    def address(self) -> str:
        """The image, embedded."""
        return embedded(self.image)

    @property
    def width(self) -> int:
        """In the page: small images are drawn larger, by a whole number."""
        factor = min(LARGER, WIDE // self.image.width, HIGH // self.image.height)
        return max(factor, 1) * self.image.width


@dataclasses.dataclass
class Table:
    """Numbers of classes, or of anything else that has names.

    Attributes:
        title: a heading.
        columns: words for the numbers.
        rows: {name: a number per column}; None is "absent".
        colours: of the rows, (red, green, blue).
        caption: a sentence below it.
    """

    macro: ClassVar[str] = "table"
    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | int | None]]
    colours: Sequence[Colour] = ()
    caption: str = ""

    @property
    def words(self) -> Sequence[str]:
        """Labels of the numbers in it."""
        return self.columns

    def shares(self, row: str) -> list[float]:
        """How full the cells are drawn: each number as a share of 1, or of its column's largest."""
        columns = list(zip(*self.rows.values()))
        largest = [max([1.0, *(value or 0 for value in column)]) for column in columns]
        return [max(value or 0, 0) / most for value, most in zip(self.rows[row], largest)]


@dataclasses.dataclass
class Matrix:
    """A confusion matrix.

    Attributes:
        title: a heading.
        names: of the classes.
        counts: (classes, classes): of the true class i (row), how often class j was said.
        unit: what is counted.
        caption: a sentence below it.
    """

    macro: ClassVar[str] = "matrix"
    words: ClassVar[Sequence[str]] = ()
    title: str
    names: Sequence[str]
    counts: np.ndarray
    unit: str = "pixels"
    caption: str = ""

    @functools.cached_property
    def shares(self) -> list[list[float | None]]:
        """Of each true class; None for a class that is not there."""
        totals = self.counts.sum(axis=1)
        return [
            [float(n / total) if total else None for n in row]
            for row, total in zip(self.counts, totals)
        ]

    @property
    def small(self) -> bool:
        """Whether there are few enough classes for a matrix."""
        return len(self.names) <= NAMED

    def mistakes(self, count: int = 20) -> list[tuple[str, str, float, int]]:
        """The most frequent ones: (true class, class said, share of the true class, count)."""
        wrong = np.array(self.counts, "float64")
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        return [
            (self.names[i], self.names[j], self.shares[i][j] or 0.0, int(wrong[i, j]))
            for i, j in (divmod(int(place), len(self.names)) for place in order)
            if wrong[i, j] > 0
        ]


@dataclasses.dataclass
class Example:
    """A held-out example.

    Attributes:
        name: of its file, or which of the split it is.
        score: its own.
        images: {what it is: Pillow image}, all of one size.
        note: a few words more.
    """

    name: str
    score: float | None
    images: Mapping[str, Image.Image]
    note: str = ""

    @functools.cached_property
    def addresses(self) -> dict[str, str]:
        """The images, embedded."""
        return {what: embedded(image) for what, image in self.images.items()}


@dataclasses.dataclass
class Examples:
    """The worst and the best of a split, by a score for each example.

    Attributes:
        title: a heading.
        score: words for the score.
        worst, best: examples of which pictures are shown.
        each: (name, score) of all, worst first.
        compare: how the first image of an example is laid over another: "fade" or "wipe"; None: not.
        caption: a sentence below the heading.
    """

    macro: ClassVar[str] = "examples"
    title: str
    score: str
    worst: Sequence[Example]
    best: Sequence[Example]
    each: Sequence[tuple[str, float]]
    compare: str | None = None
    caption: str = ""

    @classmethod
    def of(
        cls,
        title: str,
        score: str,
        scores: Sequence[float | None],
        names: Sequence[str],
        example: Callable[[int], Example],
        higher_is_better: bool = True,
        **more: Any,
    ) -> Self:
        """The examples of which `example(i)` gives the pictures, by scores; NaN and None are none.

        Args:
            title, score: see above.
            scores, names: of each example.
            example: function i -> `Example`.
            higher_is_better: which way the score goes.
            more: `compare` and `caption`.
        """
        order = ordered(scores, higher_is_better)
        worst, best = (list(map(example, part)) for part in extremes(order))
        each = [(names[i], float(scores[i])) for i in order]
        return cls(title, score, worst, best, each, **more)

    @property
    def words(self) -> Sequence[str]:
        """Labels of the numbers in it."""
        return [self.score]

    @property
    def listed(self) -> list[tuple[str, float]]:
        """The worst scores; all, if they are not too many."""
        return list(self.each[:LISTED])

    @property
    def median(self) -> float:
        """Of all scores."""
        return float(np.median([score for _, score in self.each])) if self.each else math.nan


def ordered(scores: Sequence[float | None], higher_is_better: bool = True) -> list[int]:
    """Numbers of the examples that have a score, worst first; of equal ones the first comes first."""
    sign = 1 if higher_is_better else -1
    found = [i for i, score in enumerate(scores) if score is not None and np.isfinite(score)]
    return sorted(found, key=lambda i: sign * scores[i])


def extremes(order: Sequence[int], count: int = EACH) -> tuple[list[int], list[int]]:
    """(the worst, worst first; the best, best first) of what `ordered` gives; none is in both."""
    count = min(count, (len(order) + 1) // 2)
    return list(order[:count]), list(order[::-1][: min(count, len(order) - count)])


Part = Picture | Table | Matrix | Examples


def reduced(images: Any, size: int = 128) -> np.ndarray:
    """Images or masks, (N, H, W, ...), of at most so many rows and columns.

    Every k-th pixel is taken, so that class numbers stay class numbers.
    """
    step = -(-max(images.shape[1:3]) // size)
    return np.asarray(images)[:, ::step, ::step]
