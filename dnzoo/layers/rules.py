"""What a layer says of itself: how far its rows reach, what it multiplies, what it keeps.

`dnzoo.analysis` asks a layer that has the three methods of `Rules`, a user's own as well, and does not look
inside. A layer made of other layers needs none of them: it is taken apart, and its parts are asked.
For Keras's layers and operations `dnzoo.analysis` has tables of its own.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from dnzoo.layers.base import Shape

WHOLE: Literal["whole"] = "whole"  # every row
NOTHING: None = None  # no row

Rows = tuple[int, int] | str | None


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a layer holds for its backward pass. Numbers are counted, not bytes.

    Attributes:
        inputs: whether it needs its inputs again.
        outputs: whether it needs its outputs again.
        inside: numbers computed on the way, held from the forward to the backward pass.
        briefly: numbers held beyond that only while its own backward pass runs.
        in_place: whether its output can be written over its input.
    """

    inputs: bool = False
    outputs: bool = False
    inside: int = 0
    briefly: int = 0
    in_place: bool = False


@runtime_checkable
class Rules(Protocol):
    """The methods by which a layer answers `dnzoo.analysis`: a layer that has all three is not taken apart.

    Shapes have batch and channels, and no open size; of several outputs the first counts.

    Example:
        >>> import keras
        >>> from dnzoo.analysis import complexity, receptive_field
        >>> class Shift(keras.layers.Layer):
        ...     def call(self, x):
        ...         return keras.ops.roll(x, 1, axis=1)
        ...     def rows_seen(self, axis, low, high, rows_in, rows_out):
        ...         return (low - 1, high - 1) if axis == 0 else (low, high)
        ...     def macs(self, shapes_in, shape_out):
        ...         return 0
        ...     def kept(self, shapes_in, shape_out):
        ...         return Kept()
        >>> receptive_field(Shift(), (8, 8, 3)).offset
        (-1, 0)
    """

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows | list[Rows]:
        """What output rows `low` to `high` of spatial `axis` depend on.

        Args:
            axis: 0 for the first spatial axis.
            low, high: the first and the last output row.
            rows_in: rows of each input along the axis; None for an input without it.
            rows_out: rows of the output along the axis.

        Returns:
            (first, last) input row, where rows beyond the border stand for padding; `WHOLE` for all
            of them, `NOTHING` for none. A list says it for each input, one answer for all.
        """

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Multiply-accumulates of a forward pass: of convolutions, products of matrices, interpolation."""

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """What is held for the backward pass."""


class Moves:
    """Two of the rules for a layer that only moves or chooses numbers: no products, nothing kept."""

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """None."""
        return 0

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Nothing."""
        return Kept()


class RowByRow(Moves):
    """All three for a layer whose output rows depend on the same row of each input, without products."""

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The same rows."""
        return low, high
