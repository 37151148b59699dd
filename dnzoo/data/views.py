"""A view of an image: which of its rows and columns are seen, how large, mirrored or turned.

All that augmentation and data preparation do to the geometry of an example is a `View`; the kinds of
arrays in `dnzoo.data.targets` know what it makes of them. Lengths are pixels; a pixel's centre lies
half a pixel from its edges.
"""

import dataclasses
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """The rows, or the columns, of a view.

    Attributes:
        count: how many come out.
        zoom: how many come out for each that goes in.
        start: the edge in the image where the first begins.
        mirrored: whether the last comes out first.
    """

    count: int
    zoom: float = 1.0
    start: float = 0.0
    mirrored: bool = False

    @property
    def sign(self) -> int:
        """-1 where it is mirrored, else 1."""
        return -1 if self.mirrored else 1

    def positions(self, size: int) -> np.ndarray:
        """Where each centre lies among the `size` of the image, (count,), inside [0, size - 1]."""
        where = (np.arange(self.count) + 0.5) / self.zoom - 0.5 + self.start
        where = np.clip(where, 0, size - 1)
        return where[::-1] if self.mirrored else where

    def nearest(self, size: int) -> np.ndarray:
        """The number of the row or column that is nearest to each, (count,)."""
        return np.floor(self.positions(size) + 0.5).astype(int)

    def edges(self, where: np.ndarray) -> np.ndarray:
        """Where edges of the image lie in the view, inside [0, count]."""
        found = np.clip((where - self.start) * self.zoom, 0, self.count)
        return self.count - found if self.mirrored else found


@dataclasses.dataclass(frozen=True)
class View:
    """Rows and columns, then quarter turns.

    Attributes:
        rows, columns: what is seen.
        turns: how often it is turned by 90 degrees, counterclockwise, as `numpy.rot90` does.
        nearer: whether a zoom is seen as the same camera would see it from nearer by: depths divide
            by it then (Eigen et al. 2014, arXiv:1406.2283). False: the image has more or fewer pixels.
        before: of a volume: what is seen along the axes that come before its rows.
    """

    rows: Axis
    columns: Axis
    turns: int = 0
    nearer: bool = False
    before: tuple[Axis, ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """All of them, in the order of the array."""
        return (*self.before, self.rows, self.columns)

    @classmethod
    def crop(cls, top: int, left: int, height: int, width: int) -> Self:
        """The rectangle of `height` x `width` whose corner is at (top, left)."""
        return cls(Axis(height, start=top), Axis(width, start=left))

    @classmethod
    def flip(cls, height: int, width: int, axis: int = 1) -> Self:
        """The whole image of this size, upside down (axis 0) or left to right (axis 1)."""
        return cls(Axis(height, mirrored=axis == 0), Axis(width, mirrored=axis == 1))

    @classmethod
    def turn(cls, height: int, width: int, turns: int) -> Self:
        """The whole image of this size, turned counterclockwise by so many quarters."""
        return cls(Axis(height), Axis(width), turns % 4)

    @classmethod
    def resize(cls, old: tuple[int, int], new: tuple[int, int]) -> Self:
        """The whole image, from so many rows and columns to so many."""
        return cls(*(Axis(count, count / size) for size, count in zip(old, new)))

    @property
    def zoom(self) -> float:
        """Of a view that keeps shapes.

        Raises:
            ValueError: when rows and columns are zoomed differently.
        """
        if self.rows.zoom != self.columns.zoom:
            raise ValueError(
                f"rows are zoomed by {self.rows.zoom}, columns by {self.columns.zoom}: a camera that "
                "comes nearer zooms both alike."
            )
        return self.rows.zoom

    def matrix(self, scaled: bool = True) -> np.ndarray:
        """(2, 2): what an arrow (x, y) on the image, in pixels, becomes; not `scaled`: its direction."""
        sizes = (self.columns.zoom, self.rows.zoom) if scaled else (1.0, 1.0)
        quarter = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), self.turns)
        return quarter @ np.diag([self.columns.sign * sizes[0], self.rows.sign * sizes[1]])
