"""Transposed convolution."""

import keras
from keras import ops

from dnzoo.layers import geometry


class ConvTranspose(keras.layers.Layer):
    """Transposed convolution of any rank; the public subclasses fix the rank.

    Each input pixel is multiplied by the kernel and the products are added up where they overlap:
    `y(i, j) = sum_{m, n} x(m, n) w(i - S m, j - S n)`.
    """

    rank = None

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        output_padding=None,
        data_format=None,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = geometry.as_tuple(filters, 1, "filters", 1)[0]
        self.kernel_size = geometry.as_tuple(kernel_size, self.rank, "kernel_size", 1)
        self.strides = geometry.as_tuple(strides, self.rank, "strides", 1)
        if isinstance(padding, str) and padding.lower() in ("valid", "same"):
            self.padding = padding.lower()
        else:
            self.padding = self._integer_padding(padding)
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = geometry.as_tuple(output_padding, self.rank, "output_padding")
            self._check_output_padding()
        self.data_format = geometry.checked_data_format(data_format)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _integer_padding(self, padding):
        if isinstance(padding, str):
            raise ValueError(
                f'{type(self).__name__}: padding must be "valid", "same" or an integer; '
                f"got padding={padding!r}."
            )
        return geometry.as_tuple(padding, self.rank, "padding")

    def _check_output_padding(self):
        if any(extra >= stride for extra, stride in zip(self.output_padding, self.strides)):
            raise ValueError(
                f"{type(self).__name__}: output_padding must be smaller than strides; "
                f"got output_padding={self.output_padding}, strides={self.strides}."
            )

    def build(self, input_shape):
        depth = geometry.channels(input_shape, self.data_format)
        if depth is None:
            raise ValueError(
                f"{type(self).__name__}: the number of input channels must be known; "
                f"got the input shape {tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters, depth),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs):
        explicit = not isinstance(self.padding, str)
        x = ops.conv_transpose(
            inputs,
            self.kernel,
            strides=self.strides,
            padding="valid" if explicit else self.padding,
            output_padding=None if explicit else self.output_padding,
            data_format=self.data_format,
        )
        if explicit:
            extras = self.output_padding or (0,) * self.rank
            axes = zip(self.kernel_size, self.strides, self.padding, extras)
            missing = [geometry.conv_transpose_missing(*axis) for axis in axes]
            x = geometry.pad_end(x, missing, self.data_format)
            given = geometry.spatial_shape(ops.shape(inputs), self.data_format)
            x = geometry.crop(x, self.padding, self._sizes(given), self.data_format)
        if self.use_bias:
            ones = (1,) * self.rank
            x = x + ops.reshape(
                self.bias, geometry.batch_shape(1, ones, self.filters, self.data_format)
            )
        return x if self.activation is None else self.activation(x)

    def _sizes(self, sizes):
        paddings = (self.padding,) * self.rank if isinstance(self.padding, str) else self.padding
        extras = self.output_padding or (None,) * self.rank
        return tuple(
            geometry.conv_transpose_size(*axis)
            for axis in zip(sizes, self.kernel_size, self.strides, paddings, extras)
        )

    def compute_output_shape(self, input_shape):
        sizes = self._sizes(geometry.spatial_shape(input_shape, self.data_format))
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"{type(self).__name__}: the input {tuple(input_shape)} is too small for "
                f"padding={self.padding}: it leaves {sizes} rows. Lower the padding."
            )
        return geometry.batch_shape(input_shape[0], sizes, self.filters, self.data_format)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "data_format": self.data_format,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable("dnzoo")
class Conv2DTranspose(ConvTranspose):
    """2-D transposed convolution with Keras's string paddings and with integer padding.

    Takes `keras.layers.Conv2DTranspose`'s arguments, in its order, with the same weights
    (kernel (k, k, filters, channels)) and, for string padding, the same sizes.

    Args:
        filters: channels out.
        kernel_size, strides: an integer, or one for rows and one for columns.
        padding: "valid" (H S + max(K - S, 0) rows), "same" (H S rows), or an integer P, or one a
            dimension: S (H - 1) + K - 2 P + O_P rows, as in PyTorch and in the papers.
        output_padding: O_P, rows added at the end, below `strides`; they see no input beyond the
            kernel's reach. None: 0 for integer padding, Keras's own choice for string padding.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint: as in Keras.

    Raises:
        ValueError: for an illegal argument, or an input that the padding leaves no row of.

    Source: Zeiler et al. 2010; Dumoulin and Visin 2016 (arXiv:1603.07285), section 4.

    Example:
        >>> Conv2DTranspose(8, 4, strides=2, padding=1)(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 10, 10, 8])
    """

    rank = 2
