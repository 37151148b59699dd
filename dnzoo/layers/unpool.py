"""Max pooling that remembers where its maxima were, and unpooling that puts them back."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import NOTHING, Moves, Rows
from dnzoo.layers.subpixel import depth_to_space, space_to_depth


@keras.saving.register_keras_serializable("dnzoo")
class MaxPoolWithSwitches2D(Moves, SpatialLayer):
    """Max pooling without overlap: (N, H, W, C) -> pooled and switches, both (N, H // p, W // p, C).

    A switch says where in its p x p window the maximum was: row * p + column, int32. Of equal
    maxima the first counts, row by row, and it alone gets the gradient, as in PyTorch. Rows that
    fill no window are left out. PyTorch's index is
    `(p i + switch // p) W + p j + switch % p`. Channels are last.

    Args:
        pool_size: p, windows of p x p at a distance of p.

    Raises:
        ValueError: for a pool_size below 1, or an input smaller than a window.

    Source: Zeiler and Fergus 2014; Badrinarayanan et al. 2017 (SegNet, arXiv:1511.00561).

    Example:
        >>> pooled, switches = MaxPoolWithSwitches2D()(keras.ops.ones((1, 4, 6, 3)))
        >>> pooled.shape
        TensorShape([1, 2, 3, 3])
    """

    def __init__(self, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size: int = self._integer("pool_size", pool_size)

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        sizes = ops.shape(inputs)[1:3]
        whole = [size // self.pool_size * self.pool_size for size in sizes]
        x = geometry.crop(inputs, (0, 0), whole, "channels_last")
        x = space_to_depth(x, self.pool_size, "channels_last")
        best, *others = ops.split(x, self.pool_size**2, axis=-1)
        switches = ops.zeros_like(best, dtype="int32")
        for position, value in enumerate(others, 1):
            larger = value > best
            best = ops.where(larger, value, best)
            switches = ops.where(larger, position, switches)
        return best, switches

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        sizes = tuple(size and size // self.pool_size for size in input_shape[1:3])
        if 0 in sizes:
            raise ValueError(
                f"{type(self).__name__}: the input must have at least pool_size rows and columns; "
                f"got the shape {tuple(input_shape)}, pool_size={self.pool_size}."
            )
        shape = (input_shape[0], *sizes, input_shape[-1])
        return shape, shape

    def compute_output_spec(self, inputs: Tensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        pooled, switches = self.compute_output_shape(inputs.shape)
        return (
            keras.KerasTensor(pooled, self.compute_dtype),
            keras.KerasTensor(switches, "int32"),
        )

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The window."""
        return low * self.pool_size, high * self.pool_size + self.pool_size - 1

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable("dnzoo")
class MaxUnpool2D(Moves, SpatialLayer):
    """Put each value where the maximum was, zeros elsewhere: `[x, switches]` -> (N, p H, p W, C).

    With a third input, a tensor whose size is wanted, rows of zeros are added at the end, or cut off:
    for sizes that the pooling did not divide. Channels are last.

    Args:
        pool_size: p of the `MaxPoolWithSwitches2D` that gave the switches.

    Raises:
        ValueError: for a pool_size below 1, values and switches of different shapes, or a third
            input that is pool_size or more rows larger than the result.

    Source: Zeiler et al. 2011; Noh et al. 2015 (arXiv:1505.04366).

    Example:
        >>> pooled, switches = MaxPoolWithSwitches2D()(keras.ops.ones((1, 4, 6, 3)))
        >>> MaxUnpool2D()([pooled, switches]).shape
        TensorShape([1, 4, 6, 3])
    """

    floating: bool = False

    def __init__(self, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size: int = self._integer("pool_size", pool_size)

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, switches, *reference = inputs
        zeros = ops.zeros_like(x)
        parts = [
            ops.where(ops.equal(switches, position), x, zeros)
            for position in range(self.pool_size**2)
        ]
        y = depth_to_space(ops.concatenate(parts, axis=-1), self.pool_size, "channels_last")
        if not reference:
            return y
        wanted = ops.shape(reference[0])[1:3]
        last = [self.pool_size - 1] * 2  # what a pooling leaves out at most
        y = geometry.pad_or_crop(y, (0, 0), last, "channels_last")
        return geometry.crop(y, (0, 0), wanted, "channels_last")

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        x, switches, *reference = input_shape
        if tuple(x[1:]) != tuple(switches[1:]):
            raise ValueError(
                f"{type(self).__name__}: values and switches must have the same shape; "
                f"got {tuple(x)} and {tuple(switches)}."
            )
        sizes = tuple(size and size * self.pool_size for size in x[1:3])
        if reference:
            sizes = self._checked(sizes, tuple(reference[0][1:3]))
        return (x[0], *sizes, x[-1])

    def _checked(self, sizes: Shape, wanted: Shape) -> Shape:
        for size, want in zip(sizes, wanted):
            if size is not None and want is not None and want - size >= self.pool_size:
                raise ValueError(
                    f"{type(self).__name__}: {sizes} can't be unpooled to {wanted}: fewer than "
                    f"pool_size={self.pool_size} rows may be missing."
                )
        return wanted

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> list[Rows]:
        """The pooled pixel and its switch; of the reference only the size."""
        rows = low // self.pool_size, high // self.pool_size
        return [rows, rows, NOTHING][: len(rows_in)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pool_size": self.pool_size}
