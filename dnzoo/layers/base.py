"""What every spatial layer checks before it computes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import keras

from dnzoo.layers import geometry

Shape = tuple[int | None, ...]  # of a batch; None: known at run time
Tensor = Any  # the backend's, or a keras.KerasTensor
DataFormat = Literal["channels_last", "channels_first"]
Integers = int | Sequence[int]  # one for all axes, or one per axis
Padding = Integers | Literal["valid", "same"]
Activation = str | Callable[[Tensor], Tensor] | None
Initializer = str | keras.initializers.Initializer
Regularizer = str | keras.regularizers.Regularizer | None
Constraint = str | keras.constraints.Constraint | None
CONVOLUTIONS: dict[int, type[Any]] = {
    1: keras.layers.Conv1D,
    2: keras.layers.Conv2D,
    3: keras.layers.Conv3D,
}


class SpatialLayer(keras.layers.Layer):
    """A layer over `rank` spatial dimensions, whose errors name layer, argument, given and legal.

    Inputs must have a batch, `rank` spatial dimensions of at least one row, a known number of
    channels, and floating point numbers (where `floating` says so). A class with rank None takes 1
    to 3 spatial dimensions; `build` fixes the number for a layer that has parts.
    """

    rank: int | None = 2
    floating: bool = True
    data_format: DataFormat = "channels_last"

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        for x in keras.tree.flatten(inputs):
            self._check_input(x)
        if self.rank is None:
            self._check_ranks(keras.tree.flatten(inputs))
        # Keras asks for the shape of symbolic inputs only; sizes that do not fit are found here
        self.compute_output_shape(keras.tree.map_structure(lambda x: tuple(x.shape), inputs))
        return super().__call__(inputs, *args, **kwargs)

    def _check_input(self, x: Tensor) -> None:
        shape = tuple(getattr(x, "shape", ()))
        if len(shape) - 2 not in (CONVOLUTIONS if self.rank is None else (self.rank,)):
            count, spatial = (
                ("3 to 5", "1 to 3") if self.rank is None else (self.rank + 2, self.rank)
            )
            raise ValueError(
                f"{type(self).__name__}: the input must have {count} dimensions (batch, "
                f"{spatial} spatial, channels); got the shape {shape}."
            )
        if geometry.channels(shape, self.data_format) is None:
            raise ValueError(
                f"{type(self).__name__}: the number of input channels must be known; got the "
                f"shape {shape} with data_format={self.data_format!r}."
            )
        if any(size == 0 for size in shape[1:]):
            raise ValueError(
                f"{type(self).__name__}: every dimension must have at least 1 row; "
                f"got the shape {shape}."
            )
        dtype = keras.backend.standardize_dtype(x.dtype)
        if self.floating and "float" not in dtype:
            raise ValueError(
                f"{type(self).__name__}: the input must be floating point; got {dtype}. "
                'Convert it first: keras.ops.cast(x, "float32").'
            )

    def _check_ranks(self, inputs: list[Tensor]) -> None:
        if len({len(x.shape) for x in inputs}) > 1:
            raise ValueError(
                f"{type(self).__name__}: the inputs must have the same number of dimensions; got "
                f"the shapes {', '.join(str(tuple(x.shape)) for x in inputs)}."
            )

    def _integers(
        self, argument: str, value: Any, minimum: int = 1, rank: int | None = None
    ) -> tuple[int, ...]:
        """`value` as a tuple of `rank` integers (None: one per spatial dimension)."""
        rank = self.rank if rank is None else rank
        return geometry.as_tuple(value, rank, argument, minimum, type(self).__name__)

    def _integer(self, argument: str, value: Any, minimum: int = 1) -> int:
        return self._integers(argument, value, minimum, rank=1)[0]

    def _one_of(self, argument: str, value: Any, legal: Iterable[Any]) -> Any:
        return geometry.one_of(value, legal, argument, type(self).__name__)

    def _data_format(self, value: DataFormat | None) -> DataFormat:
        value = keras.config.image_data_format() if value is None else value
        return self._one_of("data_format", value, geometry.DATA_FORMATS)


class UpsamplingConv(SpatialLayer):
    """A layer that upsamples before or after one "same" padded convolution, `self.conv`."""

    conv: keras.layers.Layer

    def _same_conv(
        self,
        filters: int,
        kernel_size: Integers,
        data_format: DataFormat | None,
        kernel_initializer: Initializer,
        **kwargs: Any,
    ) -> keras.layers.Layer:
        self.data_format: DataFormat = self._data_format(data_format)
        return CONVOLUTIONS[self.rank](
            filters,
            self._integers("kernel_size", kernel_size),
            padding="same",
            data_format=self.data_format,
            kernel_initializer=kernel_initializer,
            dtype=self.dtype_policy,
            name="conv",
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.conv.kernel_size,
            "data_format": self.data_format,
            "activation": keras.activations.serialize(self.conv.activation),
            "use_bias": self.conv.use_bias,
        }
