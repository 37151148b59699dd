"""Pixel shuffle, its inverse, and sub-pixel convolution."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import (
    Activation,
    DataFormat,
    Initializer,
    Integers,
    Shape,
    SpatialLayer,
    Tensor,
    UpsamplingConv,
)
from dnzoo.layers.initializers import ICNR
from dnzoo.layers.rules import Moves, Rows


def depth_to_space(x: Tensor, block_size: int, data_format: str) -> Tensor:
    """Move blocks of channels to spatial blocks, in any rank; channel order (block, block, channel)."""
    rank = len(x.shape) - 2
    if block_size == 1:
        return x
    if rank == 2 and data_format == "channels_last":  # TensorFlow has a kernel for this one
        return ops.depth_to_space(x, block_size, data_format=data_format)
    shape = ops.shape(x)
    spatial = geometry.spatial_shape(shape, data_format)
    depth = geometry.channels(x.shape, data_format) // block_size**rank
    blocks = (block_size,) * rank
    if data_format == "channels_last":
        x = ops.reshape(x, (shape[0], *spatial, *blocks, depth))
        space, block, tail = 1, 1 + rank, [1 + 2 * rank]
    else:
        x = ops.reshape(x, (shape[0], *blocks, depth, *spatial))
        space, block, tail = 2 + rank, 1, []
    interleaved = [axis for i in range(rank) for axis in (space + i, block + i)]
    head = [0] if data_format == "channels_last" else [0, 1 + rank]
    x = ops.transpose(x, head + interleaved + tail)
    sizes = tuple(size * block_size for size in spatial)
    return ops.reshape(x, geometry.batch_shape(shape[0], sizes, depth, data_format))


def space_to_depth(x: Tensor, block_size: int, data_format: str) -> Tensor:
    """The inverse of `depth_to_space`."""
    rank = len(x.shape) - 2
    if block_size == 1:
        return x
    if rank == 2 and data_format == "channels_last":
        return ops.space_to_depth(x, block_size, data_format=data_format)
    shape = ops.shape(x)
    sizes = [size // block_size for size in geometry.spatial_shape(shape, data_format)]
    depth = geometry.channels(x.shape, data_format)
    split = [part for size in sizes for part in (size, block_size)]
    first = 1 if data_format == "channels_last" else 2
    space = [first + 2 * i for i in range(rank)]
    block = [axis + 1 for axis in space]
    x = ops.reshape(x, geometry.batch_shape(shape[0], split, depth, data_format))
    if data_format == "channels_last":
        x = ops.transpose(x, [0, *space, *block, 1 + 2 * rank])
    else:
        x = ops.transpose(x, [0, *block, 1, *space])
    depth *= block_size**rank
    return ops.reshape(x, geometry.batch_shape(shape[0], sizes, depth, data_format))


class PixelShuffle(Moves, SpatialLayer):
    """Pixel shuffle of any rank; the public subclasses fix the rank."""

    floating: bool = False

    def __init__(
        self, block_size: int = 2, data_format: DataFormat | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.block_size: int = self._integer("block_size", block_size)
        self.data_format: DataFormat = self._data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return depth_to_space(inputs, self.block_size, self.data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        depth = geometry.channels(input_shape, self.data_format)
        if depth % self.block_size**self.rank:
            raise ValueError(
                f"{type(self).__name__}: channels must be a multiple of block_size ** {self.rank} "
                f"= {self.block_size**self.rank}; got the input shape {tuple(input_shape)}."
            )
        spatial = geometry.spatial_shape(input_shape, self.data_format)
        sizes = tuple(size and size * self.block_size for size in spatial)
        depth //= self.block_size**self.rank
        return geometry.batch_shape(input_shape[0], sizes, depth, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The pixel whose channels the block is."""
        return low // self.block_size, high // self.block_size

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "block_size": self.block_size, "data_format": self.data_format}


class PixelUnshuffle(PixelShuffle):
    """The inverse of pixel shuffle, of any rank; the public subclasses fix the rank."""

    def call(self, inputs: Tensor) -> Tensor:
        return space_to_depth(inputs, self.block_size, self.data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        spatial = geometry.spatial_shape(input_shape, self.data_format)
        if any(size is not None and size % self.block_size for size in spatial):
            raise ValueError(
                f"{type(self).__name__}: sizes must be multiples of block_size "
                f"= {self.block_size}; got the input shape {tuple(input_shape)}."
            )
        sizes = tuple(size and size // self.block_size for size in spatial)
        depth = geometry.channels(input_shape, self.data_format) * self.block_size**self.rank
        return geometry.batch_shape(input_shape[0], sizes, depth, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The block."""
        return low * self.block_size, high * self.block_size + self.block_size - 1


@keras.saving.register_keras_serializable("dnzoo")
class PixelShuffle1D(PixelShuffle):
    """Rearrange (N, H, b C) into (N, b H, C): `PixelShuffle2D` for one dimension."""

    rank: int | None = 1


@keras.saving.register_keras_serializable("dnzoo")
class PixelShuffle2D(PixelShuffle):
    """Rearrange (N, H, W, b b C) into (N, b H, b W, C) (Shi et al. 2016, arXiv:1609.05158).

    Channel `(i b + j) C + c` becomes channel `c` at row `i`, column `j` of each block: the order
    of TensorFlow's and Keras's `depth_to_space`. PyTorch's `PixelShuffle` reads channel
    `c b b + i b + j` instead; permute the channels when porting weights.

    Args:
        block_size: b, at least 1.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Raises:
        ValueError: when the channels are no multiple of b b.

    Example:
        >>> PixelShuffle2D(2)(keras.ops.reshape(keras.ops.arange(4), (1, 1, 1, 4)))[0, ..., 0].numpy()
        array([[0, 1],
               [2, 3]], dtype=int32)
    """

    rank: int | None = 2


@keras.saving.register_keras_serializable("dnzoo")
class PixelShuffle3D(PixelShuffle):
    """Rearrange (N, D, H, W, b b b C) into (N, b D, b H, b W, C): `PixelShuffle2D` in 3-D."""

    rank: int | None = 3


@keras.saving.register_keras_serializable("dnzoo")
class PixelUnshuffle1D(PixelUnshuffle):
    """Rearrange (N, b H, C) into (N, H, b C): undoes `PixelShuffle1D`."""

    rank: int | None = 1


@keras.saving.register_keras_serializable("dnzoo")
class PixelUnshuffle2D(PixelUnshuffle):
    """Rearrange (N, b H, b W, C) into (N, H, W, b b C): undoes `PixelShuffle2D`, to the bit.

    Args:
        block_size: b, at least 1.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.

    Raises:
        ValueError: when a size is no multiple of b.

    Example:
        >>> PixelUnshuffle2D(2)(keras.ops.ones((1, 6, 4, 3))).shape
        TensorShape([1, 3, 2, 12])
    """

    rank: int | None = 2


@keras.saving.register_keras_serializable("dnzoo")
class PixelUnshuffle3D(PixelUnshuffle):
    """Rearrange (N, b D, b H, b W, C) into (N, D, H, W, b b b C): undoes `PixelShuffle3D`."""

    rank: int | None = 3


class SubpixelConv(UpsamplingConv):
    """Sub-pixel convolution of any rank; the public subclasses fix the rank and the shuffle."""

    shuffling: type[PixelShuffle] | None = None

    def __init__(
        self,
        filters: int,
        kernel_size: Integers = 3,
        scale: int = 2,
        data_format: DataFormat | None = None,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        icnr: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters: int = self._integer("filters", filters)
        self.scale: int = self._integer("scale", scale)
        self.kernel_initializer: keras.initializers.Initializer = keras.initializers.get(
            kernel_initializer
        )
        self.icnr: bool = icnr
        self.conv: keras.layers.Layer = self._same_conv(
            self.filters * self.scale**self.rank,
            kernel_size,
            data_format,
            ICNR(self.kernel_initializer, self.scale) if icnr else self.kernel_initializer,
            activation=activation,
            use_bias=use_bias,
        )
        self.shuffle: PixelShuffle = self.shuffling(
            self.scale, self.data_format, dtype=self.dtype_policy, name="shuffle"
        )

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        return self.shuffle(self.conv(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.shuffle.compute_output_shape(self.conv.compute_output_shape(input_shape))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "icnr": self.icnr,
        }


@keras.saving.register_keras_serializable("dnzoo")
class SubpixelConv1D(SubpixelConv):
    """(N, H, C) -> (N, scale H, filters): `SubpixelConv2D` for one dimension."""

    rank: int | None = 1
    shuffling: type[PixelShuffle] | None = PixelShuffle1D


@keras.saving.register_keras_serializable("dnzoo")
class SubpixelConv2D(SubpixelConv):
    """Convolution to `filters * scale²` channels, then pixel shuffle (Shi et al. 2016).

    (N, H, W, C) -> (N, scale H, scale W, filters). The kernel starts with `ICNR`: at
    initialisation the output is that of nearest-neighbour resizing, exactly.

    Args:
        filters: channels out.
        kernel_size: of the convolution, "same" padded.
        scale: upsampling factor, an integer of at least 1.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        activation, use_bias: as in Keras.
        kernel_initializer: the initialiser that ICNR repeats.
        icnr: False: every sub-pixel starts with a kernel of its own, as in the paper.

    Raises:
        ValueError: for filters, kernel_size or scale below 1, or an unknown data_format.

    Example:
        >>> SubpixelConv2D(8, scale=3)(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 15, 21, 8])
    """

    rank: int | None = 2
    shuffling: type[PixelShuffle] | None = PixelShuffle2D


@keras.saving.register_keras_serializable("dnzoo")
class SubpixelConv3D(SubpixelConv):
    """(N, D, H, W, C) -> (N, scale D, scale H, scale W, filters): `SubpixelConv2D` in 3-D."""

    rank: int | None = 3
    shuffling: type[PixelShuffle] | None = PixelShuffle3D
