"""Resizing by an integer factor, followed by a convolution."""

import keras
from keras import ops

from dnzoo.layers import geometry

KERNELS = {  # interpolation: (half width, weight as a function of the distance)
    "bilinear": (1.0, lambda d: 1.0 - d),
    # Keys 1981 with a = -0.5, as Pillow, TensorFlow and JAX have it; PyTorch's is a = -0.75.
    "bicubic": (
        2.0,
        lambda d: ops.where(
            d < 1.0,
            (1.5 * d - 2.5) * d * d + 1.0,
            ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
        ),
    ),
}
INTERPOLATIONS = ("nearest", *KERNELS)


def interpolation_matrix(size, scale, interpolation):
    """The matrix (scale * size, size) that enlarges one axis, with half-pixel centres.

    Weights of pixels beyond the border are dropped and each row is normalised to 1.
    """
    width, weight = KERNELS[interpolation]
    target = (ops.arange(size * scale, dtype="float32") + 0.5) / scale - 0.5
    source = ops.arange(size, dtype="float32")
    distance = ops.abs(target[:, None] - source[None, :])
    matrix = ops.where(distance < width, weight(distance), 0.0)
    return matrix / ops.sum(matrix, axis=1, keepdims=True)


def resize(x, scale, interpolation, data_format):
    """Enlarge every spatial axis of `x` by the integer `scale`.

    Nearest is a broadcast, the others are one matrix product an axis: both have gradients that
    XLA compiles, which TensorFlow's own resizing has not (tf#57575).
    """
    for axis in geometry.spatial_axes(len(x.shape) - 2, data_format):
        shape = list(ops.shape(x))
        before, after = shape[:axis], shape[axis + 1 :]
        size, inner = shape[axis], 1
        for extent in after:
            inner = inner * extent
        if interpolation == "nearest":
            x = ops.reshape(x, (-1, 1, inner))
            x = ops.broadcast_to(x, (ops.shape(x)[0], scale, inner))
        else:
            matrix = interpolation_matrix(size, scale, interpolation)
            x = ops.matmul(ops.cast(matrix, x.dtype), ops.reshape(x, (-1, size, inner)))
        x = ops.reshape(x, (*before, size * scale, *after))
    return x


class ResizeConv(keras.layers.Layer):
    """Resize-convolution of any rank; the public subclasses fix the rank and the convolution."""

    rank = None
    convolution = None

    def __init__(
        self,
        filters,
        kernel_size=3,
        scale=2,
        interpolation="nearest",
        data_format=None,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"{type(self).__name__}: interpolation must be one of {', '.join(INTERPOLATIONS)}; "
                f"got interpolation={interpolation!r}."
            )
        self.scale = geometry.as_tuple(scale, 1, "scale", 1)[0]
        self.interpolation = interpolation
        self.conv = self.convolution(
            geometry.as_tuple(filters, 1, "filters", 1)[0],
            geometry.as_tuple(kernel_size, self.rank, "kernel_size", 1),
            padding="same",
            data_format=geometry.checked_data_format(data_format),
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            dtype=self.dtype_policy,
            name="conv",
        )
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, inputs):
        return self.conv(resize(inputs, self.scale, self.interpolation, self.conv.data_format))

    def compute_output_shape(self, input_shape):
        data_format = self.conv.data_format
        spatial = geometry.spatial_shape(input_shape, data_format)
        sizes = tuple(size and size * self.scale for size in spatial)
        return geometry.batch_shape(input_shape[0], sizes, self.conv.filters, data_format)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.conv.filters,
            "kernel_size": self.conv.kernel_size,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "data_format": self.conv.data_format,
            "activation": keras.activations.serialize(self.conv.activation),
            "use_bias": self.conv.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.conv.kernel_initializer),
        }


@keras.saving.register_keras_serializable("dnzoo")
class ResizeConv2D(ResizeConv):
    """Resize, then convolve: (N, H, W, C) -> (N, scale H, scale W, filters) (Odena et al. 2016).

    Half-pixel centres for every interpolation.

    Args:
        filters: channels out.
        kernel_size: of the convolution, "same" padded.
        scale: upsampling factor, an integer of at least 1.
        interpolation: "nearest", "bilinear" or "bicubic" (Keys with a = -0.5).
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        activation, use_bias, kernel_initializer: as in Keras.

    Raises:
        ValueError: for an illegal argument.

    Source: distill.pub/2016/deconv-checkerboard.

    Example:
        >>> ResizeConv2D(8, interpolation="bilinear")(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 10, 14, 8])
    """

    rank = 2
    convolution = keras.layers.Conv2D
