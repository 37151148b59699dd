"""Transposed convolution, and the same by fractional strides."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import (
    Activation,
    Constraint,
    DataFormat,
    Initializer,
    Integers,
    Padding,
    Regularizer,
    Shape,
    SpatialLayer,
    Tensor,
)
from dnzoo.layers.convolution import conv_transpose, fractional_conv, needs_zeros
from dnzoo.layers.rules import Kept, Rows


class ConvTranspose(SpatialLayer):
    """Transposed convolution of any rank; the public subclasses fix the rank.

    Each input pixel is multiplied by the kernel and the products are added up where they overlap:
    `y(i, j) = sum_{m, n} x(m, n) w(i - S m, j - S n)`.
    """

    rank: int | None = None
    padding: tuple[int, ...] | Literal["valid", "same"]
    output_padding: tuple[int, ...] | None
    kernel: keras.Variable
    bias: keras.Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Integers,
        strides: Integers = 1,
        padding: Padding = "valid",
        output_padding: Integers | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: Integers = 1,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        *,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters: int = self._integer("filters", filters)
        self.kernel_size: tuple[int, ...] = self._integers("kernel_size", kernel_size)
        self.strides: tuple[int, ...] = self._integers("strides", strides)
        self.dilation_rate: tuple[int, ...] = self._integers("dilation_rate", dilation_rate)
        self.groups: int = self._integer("groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters must be a multiple of groups; "
                f"got filters={self.filters}, groups={self.groups}."
            )
        if isinstance(padding, str):
            self.padding = self._one_of("padding", padding.lower(), ("valid", "same"))
        else:
            self.padding = self._integers("padding", padding, 0)
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = self._integers("output_padding", output_padding, 0)
            self._check_output_padding()
        self.data_format: DataFormat = self._data_format(data_format)
        self.activation: Callable[[Tensor], Tensor] = keras.activations.get(activation)
        self.use_bias: bool = use_bias
        self.kernel_initializer: keras.initializers.Initializer = keras.initializers.get(
            kernel_initializer
        )
        self.bias_initializer: keras.initializers.Initializer = keras.initializers.get(
            bias_initializer
        )
        self.kernel_regularizer: keras.regularizers.Regularizer | None = keras.regularizers.get(
            kernel_regularizer
        )
        self.bias_regularizer: keras.regularizers.Regularizer | None = keras.regularizers.get(
            bias_regularizer
        )
        self.kernel_constraint: keras.constraints.Constraint | None = keras.constraints.get(
            kernel_constraint
        )
        self.bias_constraint: keras.constraints.Constraint | None = keras.constraints.get(
            bias_constraint
        )

    def _check_output_padding(self) -> None:
        limits = [max(pair) for pair in zip(self.strides, self.dilation_rate)]
        if any(extra >= limit for extra, limit in zip(self.output_padding, limits)):
            raise ValueError(
                f"{type(self).__name__}: output_padding must be smaller than strides or "
                f"dilation_rate, whichever is larger; got output_padding={self.output_padding}, "
                f"strides={self.strides}, dilation_rate={self.dilation_rate}."
            )

    def build(self, input_shape: Shape) -> None:
        depth = geometry.channels(input_shape, self.data_format)
        if depth % self.groups:
            raise ValueError(
                f"{type(self).__name__}: the input channels must be a multiple of groups; "
                f"got {depth} channels, groups={self.groups}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(depth),
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

    def _kernel_shape(self, depth: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters // self.groups, depth)

    def _axes(self) -> tuple[tuple[Any, ...], ...]:
        """What `geometry` wants to know of each axis."""
        paddings = (self.padding,) * self.rank if isinstance(self.padding, str) else self.padding
        extras = self.output_padding or (None,) * self.rank
        return tuple(zip(self.kernel_size, self.strides, paddings, extras, self.dilation_rate))

    def windows(self) -> tuple[tuple[int, int], ...]:
        """(first, extra) of each axis, as `geometry.conv_transpose_window` has it."""
        return tuple(geometry.conv_transpose_window(*axis) for axis in self._axes())

    def _convolve(self, inputs: Tensor) -> Tensor:
        return conv_transpose(
            inputs,
            ops.convert_to_tensor(self.kernel),
            self.strides,
            self.windows(),
            self.dilation_rate,
            self.groups,
            self.data_format,
        )

    def call(self, inputs: Tensor) -> Tensor:
        x = self._convolve(inputs)
        if self.use_bias:
            ones = (1,) * self.rank
            x = x + ops.reshape(
                self.bias, geometry.batch_shape(1, ones, self.filters, self.data_format)
            )
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        given = geometry.spatial_shape(input_shape, self.data_format)
        sizes = tuple(
            geometry.conv_transpose_size(size, *axis) for size, axis in zip(given, self._axes())
        )
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"{type(self).__name__}: the input {tuple(input_shape)} is too small for "
                f"padding={self.padding}: it leaves {sizes} rows. Lower the padding."
            )
        return geometry.batch_shape(input_shape[0], sizes, self.filters, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The pixels whose kernels reach there."""
        return geometry.conv_transpose_rows(low, high, *self._axes()[axis])

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Every input pixel times the kernel."""
        filters = geometry.channels(shape_out, self.data_format)
        return math.prod(shapes_in[0]) * math.prod(self.kernel_size) * filters // self.groups

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """The input; the pixels with zeros between them, or what comes before the activation."""
        inside = 0
        if self._puts_zeros_between():
            inside = math.prod(shapes_in[0]) * math.prod(self.strides)
        elif self.activation is not keras.activations.linear:
            inside = math.prod(shape_out)
        return Kept(inputs=True, inside=inside)

    def _puts_zeros_between(self) -> bool:
        zeros = needs_zeros(self.groups, self.dilation_rate)
        return zeros and keras.backend.backend() != "tensorflow"

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
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
class Conv1DTranspose(ConvTranspose):
    """1-D transposed convolution: `Conv2DTranspose` for (N, H, C).

    Example:
        >>> Conv1DTranspose(8, 4, strides=2, padding=1)(keras.ops.ones((1, 5, 3))).shape
        TensorShape([1, 10, 8])
    """

    rank: int | None = 1


@keras.saving.register_keras_serializable("dnzoo")
class Conv2DTranspose(ConvTranspose):
    """2-D transposed convolution with Keras's string paddings and with integer padding.

    Takes `keras.layers.Conv2DTranspose`'s arguments, in its order, with the same weights
    (kernel (k, k, filters, channels)) and, for string padding, the same sizes. With integer
    padding, arguments and sizes are PyTorch's. With K = D (k - 1) + 1 rows under the kernel:

    Args:
        filters: channels out.
        kernel_size, strides: k and S: an integer, or one for rows and one for columns.
        padding: "valid" (H S + max(K - S, 0) rows), "same" (H S rows), or an integer P, or one a
            dimension: S (H - 1) + K - 2 P + O_P rows, as in PyTorch and in the papers.
        output_padding: O_P, rows added at the end, below the larger of `strides` and
            `dilation_rate`. None: 0 for integer padding, Keras's own choice for string padding.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        dilation_rate: D, the distance of the kernel's taps in the output; goes with any stride.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint: as in Keras.
        groups: channels are divided into that many groups, each with filters of its own; the
            kernel is (k, k, filters / groups, channels).

    Raises:
        ValueError: for filters, kernel_size, strides, dilation_rate or groups below 1, negative or
            unknown padding, output_padding outside its range, filters or channels that `groups`
            does not divide, or an input of which the padding leaves no row.

    Source: Zeiler et al. 2010; Dumoulin and Visin 2016 (arXiv:1603.07285), section 4.

    Example:
        >>> Conv2DTranspose(8, 4, strides=2, padding=1)(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 10, 10, 8])
    """

    rank: int | None = 2


@keras.saving.register_keras_serializable("dnzoo")
class Conv3DTranspose(ConvTranspose):
    """3-D transposed convolution: `Conv2DTranspose` for (N, D, H, W, C).

    Example:
        >>> Conv3DTranspose(8, 2, strides=2)(keras.ops.ones((1, 2, 3, 4, 3))).shape
        TensorShape([1, 4, 6, 8, 8])
    """

    rank: int | None = 3


@keras.saving.register_keras_serializable("dnzoo")
class FractionalConv2D(ConvTranspose):
    """Fractionally strided convolution: S - 1 zeros between the pixels, then a convolution.

    Takes `Conv2DTranspose`'s arguments and gives its sizes, with a convolution's kernel
    (k, k, channels / groups, filters): it equals `Conv2DTranspose` with that kernel mirrored, and
    multiplies S² times as much, most of it zeros.

    Source: Dumoulin and Visin 2016 (arXiv:1603.07285), section 4.5.

    Example:
        >>> FractionalConv2D(8, 4, strides=2, padding=1)(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 10, 10, 8])
    """

    rank: int | None = 2

    def _kernel_shape(self, depth: int) -> tuple[int, ...]:
        return (*self.kernel_size, depth // self.groups, self.filters)

    def _convolve(self, inputs: Tensor) -> Tensor:
        return fractional_conv(
            inputs,
            self.kernel,
            self.strides,
            self.windows(),
            self.dilation_rate,
            self.data_format,
        )

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Every output pixel times the kernel."""
        depth = geometry.channels(shapes_in[0], self.data_format)
        return math.prod(shape_out) * math.prod(self.kernel_size) * depth // self.groups

    def _puts_zeros_between(self) -> bool:
        return True
