"""Transposed convolution of each channel by itself, and separable transposed convolution."""

from typing import Any

import keras

from dnzoo.layers import geometry
from dnzoo.layers.base import (
    Activation,
    DataFormat,
    Initializer,
    Integers,
    Padding,
    Shape,
    SpatialLayer,
    Tensor,
)
from dnzoo.layers.transposed import Conv2DTranspose


@keras.saving.register_keras_serializable("dnzoo")
class DepthwiseConv2DTranspose(Conv2DTranspose):
    """`Conv2DTranspose` with a group for each channel: (N, H, W, C) -> (N, H', W', multiplier C).

    The kernel is (k, k, multiplier, C).

    Args:
        kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
            use_bias and the initialisers, regularisers and constraints: as in `Conv2DTranspose`.
        depth_multiplier: channels out for each channel in; they lie beside each other.

    Raises:
        ValueError: for sizes, strides or a multiplier below 1, an unknown padding, output_padding
            that is not below the larger of strides and dilation_rate, or an input of which the
            padding leaves no row.

    Example:
        >>> DepthwiseConv2DTranspose(4, strides=2, padding=1)(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 10, 10, 3])
    """

    def __init__(
        self,
        kernel_size: Integers,
        strides: Integers = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(1, kernel_size, strides, padding, **kwargs)
        self.depth_multiplier: int = self._integer("depth_multiplier", depth_multiplier)

    def build(self, input_shape: Shape) -> None:
        self.groups = geometry.channels(input_shape, self.data_format)
        self.filters = self.depth_multiplier * self.groups
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch = input_shape[0]
        depth = self.depth_multiplier * geometry.channels(input_shape, self.data_format)
        shape = super().compute_output_shape(input_shape)
        spatial = geometry.spatial_shape(shape, self.data_format)
        return geometry.batch_shape(batch, spatial, depth, self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "depth_multiplier": self.depth_multiplier}
        return {key: config[key] for key in config if key not in ("filters", "groups")}


@keras.saving.register_keras_serializable("dnzoo")
class SeparableConv2DTranspose(SpatialLayer):
    """`DepthwiseConv2DTranspose`, then a 1x1 convolution: (N, H, W, C) -> (N, H', W', filters).

    k² C m + C m filters weights (m the multiplier) and the biases, instead of k² C filters.

    Args:
        filters: channels out.
        kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            depth_multiplier: of the transposed convolution, which has no bias.
        activation, use_bias: of the 1x1 convolution.
        depthwise_initializer, pointwise_initializer: as in Keras.

    Raises:
        ValueError: as `DepthwiseConv2DTranspose`, and for filters below 1.

    Example:
        >>> SeparableConv2DTranspose(8, 4, strides=2, padding=1)(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 10, 10, 8])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Integers,
        strides: Integers = 1,
        padding: Padding = "valid",
        output_padding: Integers | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: Integers = 1,
        depth_multiplier: int = 1,
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer = "glorot_uniform",
        pointwise_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data_format: DataFormat = self._data_format(data_format)
        self.depthwise: DepthwiseConv2DTranspose = DepthwiseConv2DTranspose(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            output_padding=output_padding,
            data_format=self.data_format,
            dilation_rate=dilation_rate,
            use_bias=False,
            kernel_initializer=depthwise_initializer,
            dtype=self.dtype_policy,
            name="depthwise",
        )
        self.pointwise: keras.layers.Conv2D = keras.layers.Conv2D(
            self._integer("filters", filters),
            1,
            data_format=self.data_format,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=pointwise_initializer,
            dtype=self.dtype_policy,
            name="pointwise",
        )

    def build(self, input_shape: Shape) -> None:
        self.depthwise.build(input_shape)
        self.pointwise.build(self.depthwise.compute_output_shape(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.pointwise.compute_output_shape(self.depthwise.compute_output_shape(input_shape))

    def get_config(self) -> dict[str, Any]:
        inner = self.depthwise.get_config()
        shared = (
            "kernel_size",
            "strides",
            "padding",
            "output_padding",
            "data_format",
            "dilation_rate",
            "depth_multiplier",
        )
        return {
            **super().get_config(),
            **{key: inner[key] for key in shared},
            "filters": self.pointwise.filters,
            "activation": keras.activations.serialize(self.pointwise.activation),
            "use_bias": self.pointwise.use_bias,
            "depthwise_initializer": inner["kernel_initializer"],
            "pointwise_initializer": keras.initializers.serialize(
                self.pointwise.kernel_initializer
            ),
        }
