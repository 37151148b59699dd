"""What decoders are built of: convolution blocks. Channels are last."""

import random
from collections.abc import Callable
from typing import Any, Literal, get_args

import keras

from dnzoo.layers.base import CONVOLUTIONS, Activation, Initializer, Shape, SpatialLayer, Tensor
from dnzoo.layers.normalization import NORMALIZATIONS, Normalization, normalize
from dnzoo.layers.upsampling import Upsampling, upsample


class Block(SpatialLayer):
    """Convolutions, normalisations and one activation, made from the same arguments everywhere.

    A subclass makes its parts when it is built: only then is the rank known.
    """

    rank: int | None = None

    def __init__(
        self,
        filters: int,
        normalization: Normalization | None,
        activation: Activation,
        kernel_initializer: Initializer,
        normalization_momentum: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters: int = self._integer("filters", filters)
        self.normalization: Normalization | None = self._one_of(
            "normalization", normalization, NORMALIZATIONS
        )
        if not 0 <= normalization_momentum < 1:
            raise ValueError(
                f"normalization_momentum must be from 0 to below 1; got {normalization_momentum!r}."
            )
        self.normalization_momentum: float = normalization_momentum
        self.activation: Callable[[Tensor], Tensor] = keras.activations.get(activation)
        self.kernel_initializer: keras.initializers.Initializer = keras.initializers.get(
            kernel_initializer
        )

    def _initializer(self) -> keras.initializers.Initializer:
        """A copy: one initialiser object used twice would give two kernels the same numbers."""
        return keras.initializers.deserialize(keras.initializers.serialize(self.kernel_initializer))

    def _conv(self, kernel_size: int, name: str, padding: str = "same") -> keras.layers.Layer:
        return CONVOLUTIONS[self.rank](
            self.filters,
            kernel_size,
            padding=padding,
            data_format="channels_last",
            kernel_initializer=self._initializer(),
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, filters: int, name: str) -> keras.layers.Layer | None:
        return normalize(
            self.normalization,
            filters,
            self.normalization_momentum,
            dtype=self.dtype_policy,
            name=name,
        )

    def _normalised(
        self, norm: keras.layers.Layer | None, x: Tensor, training: bool | None
    ) -> Tensor:
        if norm is None:
            return x
        # Keras's GroupNormalization and LayerNormalization know no training mode.
        return norm(x, training=training) if self.normalization == "batch" else norm(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "normalization": self.normalization,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "normalization_momentum": self.normalization_momentum,
        }


@keras.saving.register_keras_serializable("dnzoo")
class ConvBlock(Block):
    """Convolution, normalisation, activation, `depth` times; with a shortcut if `residual`.

    The U-Net's double convolution (Ronneberger et al. 2015); with `residual=True` the residual
    decoder block (He et al. 2016, post-activation: the sum comes before the last activation).
    (N, H, W, C) -> (N, H', W', filters); H' = H, or H - depth (kernel_size - 1) for "valid".
    Signals (N, H, C) and volumes (N, D, H, W, C) likewise.

    Args:
        filters: channels out.
        kernel_size: of every convolution.
        depth: number of convolutions.
        padding: "same" or "valid".
        normalization: "batch", "instance", "group", "layer" or None.
        activation: after every convolution, as in Keras.
        residual: add the input, centre-cropped for "valid", through a convolution with a kernel of
            1 where the channels differ.
        kernel_initializer: "he_normal" is the U-Net paper's.
        normalization_momentum: how much of the moving statistics of "batch" a step keeps; a short
            training needs less than 0.99, of which 100 steps keep 37 %.

    Raises:
        ValueError: for filters, kernel_size or depth below 1, an unknown padding or normalization,
            a normalization_momentum outside 0 (included) to 1 (excluded), or an input of which
            "valid" leaves no row.

    Example:
        >>> ConvBlock(16, residual=True)(keras.ops.ones((1, 8, 8, 3))).shape
        TensorShape([1, 8, 8, 16])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        depth: int = 2,
        padding: Literal["same", "valid"] = "same",
        normalization: Normalization | None = "batch",
        activation: Activation = "relu",
        residual: bool = False,
        kernel_initializer: Initializer = "he_normal",
        normalization_momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            normalization,
            activation,
            kernel_initializer,
            normalization_momentum,
            **kwargs,
        )
        self.kernel_size: int = self._integer("kernel_size", kernel_size)
        self.depth: int = self._integer("depth", depth)
        self.padding: Literal["same", "valid"] = self._one_of("padding", padding, ("same", "valid"))
        self.residual: bool = residual
        self.projection: keras.layers.Layer | None = None

    def build(self, input_shape: Shape) -> None:
        self.rank = len(input_shape) - 2
        numbers = range(1, self.depth + 1)
        self.convs = [self._conv(self.kernel_size, f"conv_{i}", self.padding) for i in numbers]
        self.norms = [self._norm(self.filters, f"norm_{i}") for i in numbers]
        if self.residual and input_shape[-1] != self.filters:
            self.projection = self._conv(1, "projection")
            self.projection.build(input_shape)
        shape = input_shape
        for conv, norm in zip(self.convs, self.norms):
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
            if norm is not None:
                norm.build(shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        x = inputs
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = self._normalised(norm, conv(x), training)
            if self.residual and i == self.depth - 1:
                x = x + self._shortcut(inputs)
            x = self.activation(x)
        return x

    def _lost(self) -> int:
        """Rows that the convolutions take from every axis."""
        return 0 if self.padding == "same" else self.depth * (self.kernel_size - 1)

    def _shortcut(self, inputs: Tensor) -> Tensor:
        lost = self._lost()
        if lost:
            kept = slice(lost // 2, -(lost - lost // 2))
            inputs = inputs[(slice(None), *[kept] * self.rank)]
        return inputs if self.projection is None else self.projection(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(size and size - self._lost() for size in input_shape[1:-1])
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f'{type(self).__name__}: padding="valid" takes {self._lost()} rows of every axis; '
                f"got the shape {tuple(input_shape)}."
            )
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "depth": self.depth,
            "padding": self.padding,
            "residual": self.residual,
        }


@keras.saving.register_keras_serializable("dnzoo")
class ResidualUpBlock(Block):
    """Upsample inside a residual block: (N, H, W, C) -> (N, scale H, scale W, filters).

    Signals (N, H, C) and volumes (N, D, H, W, C) likewise.

    The branch, post-activation (He et al. 2016a, arXiv:1512.03385): upsample, norm, activation,
    conv, norm; then the sum, then the activation. Pre-activation (He et al. 2016b,
    arXiv:1603.05027; the generator of Miyato et al. 2018): norm, activation, upsample, norm,
    activation, conv; then the sum. The shortcut goes through an upsampling of the same kind with
    weights of its own.

    Args:
        filters: channels out.
        scale: upsampling factor, an integer of at least 1.
        upsampling: one of the names of `upsample` for the rank of the input.
        normalization, activation, kernel_initializer, normalization_momentum: as in `ConvBlock`.
        preactivation: which of the two orders.

    Raises:
        ValueError: for filters or scale below 1, an unknown upsampling or normalization, a
            normalization_momentum outside 0 (included) to 1 (excluded); when it is built, for an
            upsampling that the rank of the input does not know.

    Example:
        >>> ResidualUpBlock(16, upsampling="subpixel")(keras.ops.ones((1, 4, 5, 8))).shape
        TensorShape([1, 8, 10, 16])
    """

    def __init__(
        self,
        filters: int,
        scale: int = 2,
        upsampling: Upsampling = "nearest",
        normalization: Normalization | None = "batch",
        activation: Activation = "relu",
        preactivation: bool = False,
        kernel_initializer: Initializer = "he_normal",
        normalization_momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            normalization,
            activation,
            kernel_initializer,
            normalization_momentum,
            **kwargs,
        )
        self.scale: int = self._integer("scale", scale)
        self.upsampling: Upsampling = self._one_of("upsampling", upsampling, get_args(Upsampling))
        self.preactivation: bool = preactivation

    def _upsample(self, name: str) -> keras.layers.Layer:
        return upsample(
            self.upsampling,
            self.filters,
            self.scale,
            rank=self.rank,
            kernel_initializer=self._initializer(),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Shape) -> None:
        self.rank = len(input_shape) - 2
        shape = self.compute_output_shape(input_shape)
        first = input_shape if self.preactivation else shape
        self.up = self._upsample("up")
        self.shortcut = self._upsample("shortcut")
        self.conv = self._conv(3, "conv")
        self.norm_2 = self._norm(self.filters, "norm_2")
        self.norm_1 = self._norm(first[-1], "norm_1")
        for norm, seen in ((self.norm_1, first), (self.norm_2, shape)):
            if norm is not None:
                norm.build(seen)
        self.up.build(input_shape)
        self.shortcut.build(input_shape)
        self.conv.build(shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        x = inputs
        if self.preactivation:
            x = self.up(self.activation(self._normalised(self.norm_1, x, training)))
            x = self.conv(self.activation(self._normalised(self.norm_2, x, training)))
            return x + self.shortcut(inputs)
        x = self.activation(self._normalised(self.norm_1, self.up(x), training))
        x = self._normalised(self.norm_2, self.conv(x), training)
        return self.activation(x + self.shortcut(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(size and size * self.scale for size in input_shape[1:-1])
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "upsampling": self.upsampling,
            "preactivation": self.preactivation,
        }


def seeded_dropout(rate: float, name: str) -> keras.layers.Dropout:
    """`keras.layers.Dropout` whose masks come from a variable, on PyTorch too: a checkpoint has it."""
    return keras.layers.Dropout(rate, seed=random.randrange(2**31), name=name)
