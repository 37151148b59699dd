"""Transposed convolutions as convolutions and a pixel shuffle: for runtimes without kernels for them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo import layers
from dnzoo.layers import geometry
from dnzoo.layers.base import Tensor
from dnzoo.layers.subpixel import depth_to_space


def without_transposed(model: keras.Model) -> keras.Model:
    """A flat functional model, as `deploy` makes, whose 2-D transposed convolutions are `Phases`.

    Those with groups, dilation or unequal strides stay. All other layers are shared with `model`.
    """

    def renewed(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, layers.PerRoI):
            return layers.PerRoI(without_transposed(layer.layer), name=layer.name)
        fits = type(layer) is layers.Conv2DTranspose and layer.data_format == "channels_last"
        if not fits or layer.groups > 1 or {*layer.dilation_rate} != {1}:
            return layer
        return layer if len({*layer.strides}) > 1 else Phases(layer, name=layer.name)

    return keras.models.clone_model(model, clone_function=renewed)


class Phases(keras.layers.Layer):
    """A transposed convolution of stride S: one convolution of ceil(k / S) taps for each of S S phases.

    Row S q + r of the scatter sum is `sum_m x(q - m) w(S m + r)`: for each r a convolution. It
    multiplies as often as the transposed one where S divides k.

    Args:
        layer: `Conv2DTranspose`, built, without groups and dilation.
    """

    stride: int
    activation: Callable[[Tensor], Tensor]
    before: list[int]
    after: list[int]
    head: list[int]
    tail: list[int]
    kernel: keras.Variable
    bias: keras.Variable | None

    def __init__(self, layer: layers.Conv2DTranspose, **kwargs: Any) -> None:
        super().__init__(dtype=layer.dtype_policy, **kwargs)
        self.stride, self.activation = layer.strides[0], layer.activation
        kernel, *bias = layer.get_weights()
        windows = [geometry.conv_transpose_window(*axis) for axis in layer._axes()]
        taps = [-(-size // self.stride) for size in kernel.shape[:2]]
        starts = [first // self.stride for first, _ in windows]
        ends = [(first + extra - 1) // self.stride for first, extra in windows]
        self.before = [count - 1 - start for count, start in zip(taps, starts)]
        self.after = ends
        self.head = [self.stride * start - first for start, (first, _) in zip(starts, windows)]
        self.tail = [
            first + extra - self.stride * (end + 1) for end, (first, extra) in zip(ends, windows)
        ]
        self.kernel = self._weight(_by_phase(kernel, self.stride, taps), "kernel")
        self.bias = self._weight(bias[0], "bias") if bias else None

    def _weight(self, value: np.ndarray, name: str) -> keras.Variable:
        start = keras.initializers.Constant(value)
        return self.add_weight(shape=value.shape, initializer=start, name=name)

    def call(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> the transposed convolution of it."""
        x = geometry.pad_or_crop(x, self.before, self.after, "channels_last")
        x = depth_to_space(ops.conv(x, self.kernel, 1, "valid"), self.stride, "channels_last")
        x = geometry.pad_or_crop(x, self.head, self.tail, "channels_last")
        return self.activation(x if self.bias is None else x + self.bias)


def _by_phase(kernel: np.ndarray, stride: int, taps: Sequence[int]) -> np.ndarray:
    """(k, k, out, in) as a convolution's (taps, taps, in, S S out), rows of a block first."""
    extra = [(0, count * stride - size) for count, size in zip(taps, kernel.shape)]
    out, depth = kernel.shape[2:]
    kernel = np.pad(kernel, [*extra, (0, 0), (0, 0)])
    kernel = kernel.reshape(taps[0], stride, taps[1], stride, out, depth)[::-1, :, ::-1]
    return kernel.transpose(0, 2, 5, 1, 3, 4).reshape(*taps, depth, stride * stride * out)
