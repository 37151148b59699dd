"""Average pooling to a size that is given."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import DataFormat, Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import Kept, Rows


def bins(size: int | Tensor, target: int) -> np.ndarray | Tensor:
    """The matrix (target, size) that averages `size` rows in `target` bins; float32.

    Bin i holds rows floor(i H / H') to ceil((i + 1) H / H') - 1: neighbouring bins overlap where the
    one is no multiple of the other, and repeat rows where there are fewer of them than bins.
    """
    xp = np if isinstance(size, int) else ops
    number, row = xp.arange(target, dtype="int32")[:, None], xp.arange(size, dtype="int32")[None, :]
    first = number * size // target
    last = ((number + 1) * size - 1) // target
    inside = (row >= first) & (row <= last)
    if xp is np:
        return inside / np.float32(1 + last - first)
    return ops.cast(inside, "float32") / ops.cast(1 + last - first, "float32")


class AdaptiveAveragePooling(SpatialLayer):
    """Adaptive average pooling of any rank; the public subclasses fix the rank."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_size: tuple[int, ...] = self._integers("output_size", output_size)
        self.data_format: DataFormat = self._data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs
        for axis, target in zip(
            geometry.spatial_axes(self.rank, self.data_format), self.output_size
        ):
            matrix = ops.cast(bins(ops.shape(x)[axis], target), x.dtype)
            x = geometry.per_axis(x, axis, lambda rows, matrix=matrix: ops.matmul(matrix, rows))
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        depth = geometry.channels(input_shape, self.data_format)
        return geometry.batch_shape(input_shape[0], self.output_size, depth, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The rows of the bins."""
        return low * rows_in[0] // rows_out, ((high + 1) * rows_in[0] - 1) // rows_out

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """None: sums only, as of every pooling."""
        return 0

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Nothing: the bins are constants."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        config = {"output_size": self.output_size, "data_format": self.data_format}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("dnzoo")
class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """Average (N, H, C) in a given number of bins: `AdaptiveAveragePooling2D` for one dimension."""

    rank: int | None = 1


@keras.saving.register_keras_serializable("dnzoo")
class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """Average (N, H, W, C) in a given number of bins: -> (N, H', W', C), for any H and W.

    Bin i is the mean of rows floor(i H / H') to ceil((i + 1) H / H') - 1, as PyTorch's
    `AdaptiveAvgPool2d` has it. Sizes may be known only at run time, where Keras's layer of that name
    needs them when the model is built.

    Args:
        output_size: H', W': an integer, or one for rows and one for columns.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Raises:
        ValueError: for an output_size below 1 or of another number of axes, or an unknown
            data_format.

    Source: He et al. 2014 (arXiv:1406.4729); Zhao et al. 2017 (PSPNet, arXiv:1612.01105).

    Example:
        >>> AdaptiveAveragePooling2D((3, 2))(keras.ops.ones((1, 7, 5, 4))).shape
        TensorShape([1, 3, 2, 4])
    """

    rank: int | None = 2


@keras.saving.register_keras_serializable("dnzoo")
class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """Average (N, D, H, W, C) in a given number of bins: `AdaptiveAveragePooling2D` in 3-D."""

    rank: int | None = 3
