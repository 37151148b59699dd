"""Pixel shuffle and sub-pixel convolution."""

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.initializers import ICNR


def depth_to_space(x, block_size, data_format):
    """Move blocks of channels to spatial blocks, in any rank; channel order (block, block, channel)."""
    rank = len(x.shape) - 2
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


class PixelShuffle(keras.layers.Layer):
    """Pixel shuffle of any rank; the public subclasses fix the rank."""

    rank = None

    def __init__(self, block_size=2, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.block_size = geometry.as_tuple(block_size, 1, "block_size", 1)[0]
        self.data_format = geometry.checked_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def call(self, inputs):
        return depth_to_space(inputs, self.block_size, self.data_format)

    def compute_output_shape(self, input_shape):
        depth = geometry.channels(input_shape, self.data_format)
        if depth is None or depth % self.block_size**self.rank:
            raise ValueError(
                f"{type(self).__name__}: channels must be a multiple of block_size ** {self.rank} "
                f"= {self.block_size**self.rank}; got the input shape {tuple(input_shape)}."
            )
        spatial = geometry.spatial_shape(input_shape, self.data_format)
        sizes = tuple(size and size * self.block_size for size in spatial)
        depth //= self.block_size**self.rank
        return geometry.batch_shape(input_shape[0], sizes, depth, self.data_format)

    def get_config(self):
        config = super().get_config()
        return {**config, "block_size": self.block_size, "data_format": self.data_format}


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

    rank = 2


class SubpixelConv(keras.layers.Layer):
    """Sub-pixel convolution of any rank; the public subclasses fix the rank and the convolution."""

    rank = None
    convolution = None

    def __init__(
        self,
        filters,
        kernel_size=3,
        scale=2,
        data_format=None,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = geometry.as_tuple(filters, 1, "filters", 1)[0]
        self.scale = geometry.as_tuple(scale, 1, "scale", 1)[0]
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.conv = self.convolution(
            self.filters * self.scale**self.rank,
            geometry.as_tuple(kernel_size, self.rank, "kernel_size", 1),
            padding="same",
            data_format=geometry.checked_data_format(data_format),
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=ICNR(self.kernel_initializer, self.scale),
            dtype=self.dtype_policy,
            name="conv",
        )
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, inputs):
        return depth_to_space(self.conv(inputs), self.scale, self.conv.data_format)

    def compute_output_shape(self, input_shape):
        data_format = self.conv.data_format
        spatial = geometry.spatial_shape(input_shape, data_format)
        sizes = tuple(size and size * self.scale for size in spatial)
        return geometry.batch_shape(input_shape[0], sizes, self.filters, data_format)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.conv.kernel_size,
            "scale": self.scale,
            "data_format": self.conv.data_format,
            "activation": keras.activations.serialize(self.conv.activation),
            "use_bias": self.conv.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


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

    Raises:
        ValueError: for an illegal argument.

    Example:
        >>> SubpixelConv2D(8, scale=3)(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 15, 21, 8])
    """

    rank = 2
    convolution = keras.layers.Conv2D
