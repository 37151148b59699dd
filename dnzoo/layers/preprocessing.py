"""Normalisation of raw images, inside the graph."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers.base import Shape, Tensor
from dnzoo.layers.rules import RowByRow


@keras.saving.register_keras_serializable("dnzoo")
class Preprocessing(RowByRow, keras.layers.Layer):
    """Raw images (0 to 255) to what a network was trained on: `scale * image + offset`.

    Args:
        scale, offset: a number, or one per channel (in the order after `reverse`).
        reverse: reverse the channels first (RGB to BGR), as Caffe's networks want it.

    Example:
        >>> Preprocessing(1 / 127.5, -1.0)(keras.ops.full((1, 1, 1, 1), 255.0)).numpy().item()
        1.0
    """

    def __init__(
        self,
        scale: float | Sequence[float] = 1 / 127.5,
        offset: float | Sequence[float] = -1.0,
        reverse: bool = False,
        **kwargs: Any,
    ) -> None:
        # 8 bits of bfloat16 do not hold a pixel and a mean's fraction: compute in float32
        super().__init__(autocast=False, **kwargs)
        self.scale: float | Sequence[float] = scale
        self.offset: float | Sequence[float] = offset
        self.reverse: bool = reverse

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.cast(inputs, "float32")
        x = ops.flip(x, axis=-1) if self.reverse else x
        x = x * ops.convert_to_tensor(self.scale, "float32")
        x = x + ops.convert_to_tensor(self.offset, "float32")
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        config = {"scale": self.scale, "offset": self.offset, "reverse": self.reverse}
        return {**super().get_config(), **config}
