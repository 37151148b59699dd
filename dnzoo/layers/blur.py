"""Binomial blur."""

from collections.abc import Sequence
from math import comb, prod
from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import DataFormat, Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import Kept, Rows


@keras.saving.register_keras_serializable("dnzoo")
class Blur(SpatialLayer):
    """Blur with a binomial kernel, without weights: (N, H, W, C) -> (N, H, W, C).

    Every tap pair halves the highest frequency's share: behind an upsampling layer it removes the
    checkerboard of stride 2 (whose frequency is the one the kernel is zero at), at the price of
    sharpness. The border is mirrored, so a constant stays what it is.

    Args:
        kernel_size: number of taps, of the row of Pascal's triangle that is used: 3 is
            (1, 2, 1) / 4. At least 2; an even one looks one pixel further up and left.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Raises:
        ValueError: for a kernel_size below 2, an unknown data_format, or an input with fewer than
            kernel_size // 2 rows or columns.

    Source: Zhang 2019 (arXiv:1904.11486); Karras et al. 2019 (arXiv:1812.04948).

    Example:
        >>> Blur()(keras.ops.ones((1, 2, 2, 1)))[0, ..., 0].numpy()
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(
        self, kernel_size: int = 3, data_format: DataFormat | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size: int = self._integer("kernel_size", kernel_size, 2)
        self.data_format: DataFormat = self._data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs
        for axis in geometry.spatial_axes(2, self.data_format):
            x = self._mirrored(x, axis)
        row = np.array([comb(self.kernel_size - 1, tap) for tap in range(self.kernel_size)])
        kernel = np.outer(row, row)[:, :, None, None] / 4.0 ** (self.kernel_size - 1)
        depth = geometry.channels(inputs.shape, self.data_format)
        kernel = ops.convert_to_tensor(np.repeat(kernel, depth, axis=2), x.dtype)
        return ops.depthwise_conv(x, kernel, 1, "valid", self.data_format)

    def _mirrored(self, x: Tensor, axis: int) -> Tensor:
        """Rows put at both ends; Keras's own symmetric padding is another one on PyTorch."""
        before = self.kernel_size // 2
        after = self.kernel_size - 1 - before
        window = [slice(None)] * 4
        window[axis] = slice(None, before)
        parts = [ops.flip(x[tuple(window)], axis), x]
        if after:
            window[axis] = slice(-after, None)
            parts.append(ops.flip(x[tuple(window)], axis))
        return ops.concatenate(parts, axis=axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = geometry.spatial_shape(input_shape, self.data_format)
        if any(size is not None and size < self.kernel_size // 2 for size in sizes):
            raise ValueError(
                f"{type(self).__name__}: the input must have at least kernel_size // 2 = "
                f"{self.kernel_size // 2} rows and columns; got the shape {tuple(input_shape)}."
            )
        return tuple(input_shape)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The taps around each row."""
        before = self.kernel_size // 2
        return low - before, high + self.kernel_size - 1 - before

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Every pixel times the kernel."""
        return prod(shape_out) * self.kernel_size**2

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Nothing: the kernel is a constant."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "kernel_size": self.kernel_size, "data_format": self.data_format}
