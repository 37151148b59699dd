"""Upsampling that looks at what it upsamples: CARAFE and DySample. Channels are last."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers.base import Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import WHOLE, Kept, Rows
from dnzoo.layers.subpixel import depth_to_space


@keras.saving.register_keras_serializable("dnzoo")
class CARAFE(SpatialLayer):
    """Content-aware reassembly of features (Wang et al. 2019, arXiv:1905.02188).

    (N, H, W, C) -> (N, s H, s W, C). Each output pixel is a weighted mean of the k x k pixels around
    its source, zeros beyond the border; a small network reads the weights from the input: 1x1 to
    `compressed` channels, a k_e x k_e convolution to s² k² of them, pixel shuffle, softmax.

    Args:
        scale: s, an integer of at least 1.
        kernel_size: k, odd.
        encoder_kernel_size: k_e, odd. The paper: k - 2.
        compressed: channels that the weights are read from.

    Raises:
        ValueError: for a scale or compressed below 1, or an even kernel_size or
            encoder_kernel_size.

    Example:
        >>> CARAFE()(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 10, 14, 4])
    """

    def __init__(
        self,
        scale: int = 2,
        kernel_size: int = 5,
        encoder_kernel_size: int = 3,
        compressed: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scale: int = self._integer("scale", scale)
        self.kernel_size: int = self._odd("kernel_size", kernel_size)
        self.compress: keras.layers.Conv2D = self._conv(
            self._integer("compressed", compressed), 1, "compress"
        )
        self.encode: keras.layers.Conv2D = self._conv(
            self.scale**2 * self.kernel_size**2,
            self._odd("encoder_kernel_size", encoder_kernel_size),
            "encode",
        )

    def _odd(self, argument: str, value: Any) -> int:
        value = self._integer(argument, value)
        if value % 2 == 0:
            raise ValueError(
                f"{type(self).__name__}: {argument} must be odd; got {argument}={value}."
            )
        return value

    def _conv(self, filters: int, kernel_size: int, name: str) -> keras.layers.Conv2D:
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format="channels_last",
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Shape) -> None:
        self.compress.build(input_shape)
        self.encode.build(self.compress.compute_output_shape(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        batch, height, width, depth = ops.shape(inputs)
        k, s = self.kernel_size, self.scale
        weights = self.encode(self.compress(inputs))
        # a pixel shuffle's channels lie as (s, s, k k): the weights of each sub-pixel together
        weights = ops.reshape(weights, (-1, s * s, k * k))
        weights = ops.softmax(weights, axis=-1)
        gather = _tensorflow_around if keras.backend.backend() == "tensorflow" else _around
        around = ops.reshape(gather(inputs, k), (-1, k * k, depth))
        y = ops.reshape(ops.matmul(weights, around), (batch, height, width, s * s * depth))
        return depth_to_space(y, s, "channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(size and size * self.scale for size in input_shape[1:3])
        return (input_shape[0], *sizes, input_shape[-1])

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The pixels that are weighed, and those that the weights are read from."""
        reach = max(self.kernel_size // 2, self.encode.kernel_size[0] // 2)
        return low // self.scale - reach, high // self.scale + reach

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Of both convolutions, and of the weighing."""
        depth = shapes_in[0][-1]
        taps = math.prod(self.encode.kernel_size)
        weights = self.compress.filters * (depth + taps * self.encode.filters)
        pixels = math.prod(shapes_in[0]) // depth
        return pixels * weights + math.prod(shape_out) * self.kernel_size**2

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """What the convolutions put out, and the neighbourhood of each pixel: its gradient too."""
        pixels = math.prod(shapes_in[0]) // shapes_in[0][-1]
        gathered = math.prod(shapes_in[0]) * self.kernel_size**2
        weights = pixels * (self.compress.filters + self.encode.filters)
        return Kept(inside=weights + gathered, briefly=gathered)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "kernel_size": self.kernel_size,
            "encoder_kernel_size": self.encode.kernel_size[0],
            "compressed": self.compress.filters,
        }


def _around(x: Tensor, k: int) -> Tensor:
    """(N, H, W, C) -> (N, H, W, k k, C): the k x k pixels around each, zeros beyond the border."""
    _, height, width, _ = ops.shape(x)
    reach = (k // 2, k // 2)
    x = ops.pad(x, [(0, 0), reach, reach, (0, 0)])
    return ops.stack(
        [x[:, i : i + height, j : j + width] for i in range(k) for j in range(k)], axis=3
    )


def _tensorflow_around(x: Tensor, k: int) -> Tensor:
    """`_around` with a gradient that sums windows: TensorFlow's own pads each of k k slices instead."""
    import tensorflow as tf

    @tf.custom_gradient
    def around(x):
        def gradient(dy):
            _, height, width, _ = ops.shape(x)
            reach = (k // 2, k // 2)
            dy = tf.pad(dy, [(0, 0), reach, reach, (0, 0), (0, 0)])
            # what a pixel gave to its neighbour up and left comes back from there, at the other end
            windows = [
                dy[:, k - 1 - i : k - 1 - i + height, k - 1 - j : k - 1 - j + width, i * k + j]
                for i in range(k)
                for j in range(k)
            ]
            return tf.add_n(windows)

        return _around(x, k), gradient

    return around(x)


@keras.saving.register_keras_serializable("dnzoo")
class DySample(SpatialLayer):
    """Upsampling by learned sampling points (Liu et al. 2023, arXiv:2308.15085).

    (N, H, W, C) -> (N, s H, s W, C). A 1x1 convolution reads an offset for each output pixel and
    group of channels; the input is sampled there, bilinearly, its border repeated. With offset 0,
    where a training begins but for noise of 0.001, that is bilinear upsampling. The paper's
    variant with the static scope factor of 0.25 ("lp", linear then pixel shuffle).

    Args:
        scale: s, an integer of at least 1.
        groups: of channels, which share their sampling points.

    Raises:
        ValueError: for a scale or groups below 1, or channels that `groups` does not divide.

    Example:
        >>> DySample()(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 10, 14, 4])
    """

    def __init__(self, scale: int = 2, groups: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale: int = self._integer("scale", scale)
        self.groups: int = self._integer("groups", groups)
        self.offset: keras.layers.Conv2D = keras.layers.Conv2D(
            2 * self.groups * self.scale**2,
            1,
            data_format="channels_last",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            dtype=self.dtype_policy,
            name="offset",
        )

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] % self.groups:
            raise ValueError(
                f"{type(self).__name__}: the channels must be a multiple of groups; "
                f"got {input_shape[-1]} channels, groups={self.groups}."
            )
        self.offset.build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        batch, height, width, depth = ops.shape(inputs)
        s, groups = self.scale, self.groups
        offset = depth_to_space(0.25 * self.offset(inputs), s, "channels_last")
        # sampling points need more than bfloat16's 8 bits
        offset = ops.reshape(ops.cast(offset, "float32"), (batch, height * s, width * s, groups, 2))
        rows = self._points(offset[..., 0], height, axis=1)
        columns = self._points(offset[..., 1], width, axis=2)
        x = ops.reshape(inputs, (-1, depth // groups))
        top, left = ops.floor(rows), ops.floor(columns)
        y = 0.0
        for i, down in ((top, rows - top), (top + 1.0, top + 1.0 - rows)):
            for j, right in ((left, columns - left), (left + 1.0, left + 1.0 - columns)):
                share = (1.0 - ops.abs(down)) * (1.0 - ops.abs(right))
                y = y + self._pick(x, i, j, height, width) * ops.cast(share, x.dtype)[..., None]
        return ops.reshape(y, (batch, height * s, width * s, depth))

    def _points(self, offset: Tensor, size: int | Tensor, axis: int) -> Tensor:
        """Where along an axis of `size` rows each output pixel samples; the border is repeated."""
        rows = (ops.arange(size * self.scale, dtype="float32") + 0.5) / self.scale - 0.5
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        last = ops.cast(size - 1, "float32")
        return ops.minimum(ops.maximum(offset + ops.reshape(rows, shape), 0.0), last)

    def _pick(
        self, x: Tensor, rows: Tensor, columns: Tensor, height: int | Tensor, width: int | Tensor
    ) -> Tensor:
        """x (N H W groups, C / groups) at whole rows and columns (N, s H, s W, groups)."""
        last = ops.cast(height - 1, "float32"), ops.cast(width - 1, "float32")
        rows, columns = ops.minimum(rows, last[0]), ops.minimum(columns, last[1])
        index = ops.cast(rows, "int32") * width + ops.cast(columns, "int32")
        # where a training has diverged, to NaN: its loss shall say so, not a gather's error
        index = ops.minimum(ops.maximum(index, 0), height * width - 1)
        image = ops.arange(ops.shape(index)[0], dtype="int32")[:, None, None, None]
        index = (image * (height * width) + index) * self.groups
        return ops.take(x, index + ops.arange(self.groups, dtype="int32"), axis=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(size and size * self.scale for size in input_shape[1:3])
        return (input_shape[0], *sizes, input_shape[-1])

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """All: sampling points may move anywhere."""
        return WHOLE

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Of the convolution, and of four neighbours for each number."""
        return math.prod(shapes_in[0]) * self.offset.filters + 4 * math.prod(shape_out)

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Four neighbours, and the share of each."""
        return Kept(inside=8 * math.prod(shape_out))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "groups": self.groups}
