"""Resizing to the size of another tensor."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, get_args

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import DataFormat, Shape, SpatialLayer, Tensor
from dnzoo.layers.interpolation import (
    INTERPOLATIONS,
    METHODS,
    Interpolation,
    check_corners,
    products,
    resize,
    rows_read,
)
from dnzoo.layers.rules import NOTHING, WHOLE, Kept, Rows


@keras.saving.register_keras_serializable("dnzoo")
class ResizeLike(SpatialLayer):
    """Resize `x` to the spatial size of `reference`: `[x, reference]` -> (N, H_ref, W_ref, C_x).

    Signals (N, H, C) and volumes (N, D, H, W, C) likewise. The size is read at run time: pyramids
    and skips of any image size meet.

    Args:
        interpolation: "nearest"; "linear" for signals, "bilinear" or "bicubic" for images,
            "trilinear" for volumes. As in `Resize2D`.
        align_corners: False: half-pixel centres. True: the first and the last rows of input and
            output lie on each other, as in PyTorch's `align_corners=True`; not for "nearest".
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Raises:
        ValueError: for an unknown interpolation or one of another rank, align_corners with
            "nearest", or an unknown data_format.

    Example:
        >>> x, skip = keras.ops.ones((1, 4, 4, 2)), keras.ops.ones((1, 7, 9, 5))
        >>> ResizeLike("bilinear")([x, skip]).shape
        TensorShape([1, 7, 9, 2])
    """

    rank: int | None = None

    def __init__(
        self,
        interpolation: Interpolation = "nearest",
        align_corners: bool = False,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.interpolation: Interpolation = self._one_of(
            "interpolation", interpolation, get_args(Interpolation)
        )
        self.align_corners: bool = align_corners
        self.data_format: DataFormat = self._data_format(data_format)
        check_corners(type(self).__name__, interpolation, False, align_corners)

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, reference = inputs
        size = geometry.spatial_shape(ops.shape(reference), self.data_format)
        return resize(
            x,
            self.interpolation,
            self.data_format,
            size=size,
            align_corners=self.align_corners,
        )

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        x, reference = input_shape
        self._one_of("interpolation", self.interpolation, tuple(INTERPOLATIONS[len(x) - 2]))
        sizes = geometry.spatial_shape(reference, self.data_format)
        depth = geometry.channels(x, self.data_format)
        return geometry.batch_shape(x[0], sizes, depth, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> list[Rows]:
        """The rows of x that the kernel weighs; of the reference only the size."""
        if self.align_corners:  # where a row lies depends on how many there are
            return [WHOLE, NOTHING]
        method = METHODS[self.interpolation]
        return [rows_read(method, Fraction(rows_in[0], rows_out), False, low, high), NOTHING]

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Taps along one axis after the other."""
        sizes = geometry.spatial_shape(shape_out, self.data_format)
        return products(METHODS[self.interpolation], shapes_in[0], sizes, self.data_format)

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Nothing: the matrix is a constant."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        names = ("interpolation", "align_corners", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
