"""Attention in decoders. Channels are last."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import CONVOLUTIONS, Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import WHOLE, Kept, Rows


def pointwise(layer: Any, filters: int, name: str, **kwargs: Any) -> keras.layers.Layer:
    """A convolution with a kernel of 1 inside `layer`, whose rank is known."""
    return CONVOLUTIONS[layer.rank](
        filters, 1, data_format="channels_last", dtype=layer.dtype_policy, name=name, **kwargs
    )


@keras.saving.register_keras_serializable("dnzoo")
class AttentionGate(SpatialLayer):
    """Weigh a skip connection by what the decoder looks for (Oktay et al. 2018, arXiv:1804.03999).

    `[x, skip]`, both (N, H, W, ·), gives `skip * sigmoid(w · relu(W_x x + W_s skip + b) + c)`, one
    weight per pixel. Signals (N, H, ·) and volumes (N, D, H, W, ·) likewise.

    Args:
        filters: width of the comparison; None: half the skip's channels.

    Example:
        >>> AttentionGate()([keras.ops.ones((1, 4, 4, 6)), keras.ops.ones((1, 4, 4, 8))]).shape
        TensorShape([1, 4, 4, 8])
    """

    rank: int | None = None

    def __init__(self, filters: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters: int | None = None if filters is None else self._integer("filters", filters)

    def build(self, input_shape: list[Shape]) -> None:
        x, skip = input_shape
        self.rank = len(x) - 2
        filters = self.filters or max(skip[-1] // 2, 1)
        self.look = pointwise(self, filters, "look")
        self.offer = pointwise(self, filters, "offer", use_bias=False)
        self.weight = pointwise(self, 1, "weight")
        self.look.build(x)
        self.offer.build(skip)
        self.weight.build((*skip[:-1], filters))

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, skip = inputs
        return skip * ops.sigmoid(self.weight(ops.relu(self.look(x) + self.offer(skip))))

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        return tuple(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("dnzoo")
class SqueezeExcite(SpatialLayer):
    """Weigh the channels by what the whole image holds (Hu et al. 2018, arXiv:1709.01507).

    `x * sigmoid(W_2 relu(W_1 mean(x)))`, (N, H, W, C) -> (N, H, W, C); of signals (N, H, C) and
    volumes (N, D, H, W, C) likewise.

    Args:
        ratio: W_1 puts out C / ratio channels, at least one.

    Raises:
        ValueError: for a ratio below 1.

    Example:
        >>> SqueezeExcite()(keras.ops.ones((1, 4, 4, 32))).shape
        TensorShape([1, 4, 4, 32])
    """

    rank: int | None = None

    def __init__(self, ratio: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio: int = self._integer("ratio", ratio)

    def build(self, input_shape: Shape) -> None:
        self.rank, depth = len(input_shape) - 2, input_shape[-1]
        self.squeeze = pointwise(self, max(depth // self.ratio, 1), "squeeze", activation="relu")
        self.excite = pointwise(self, depth, "excite", activation="sigmoid")
        self.squeeze.build(input_shape)
        self.excite.build((*input_shape[:-1], self.squeeze.filters))

    def call(self, inputs: Tensor) -> Tensor:
        axes = geometry.spatial_axes(self.rank, self.data_format)
        return inputs * self.excite(self.squeeze(ops.mean(inputs, axis=axes, keepdims=True)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable("dnzoo")
class SelfAttention2D(SpatialLayer):
    """Every pixel looks at every other (SAGAN; Zhang et al. 2019, arXiv:1805.08318).

    `x + gamma W_o softmax(q k^T) v` with 1x1 convolutions q, k, v, W_o; gamma is learned and starts
    at 0, so that the layer starts as the identity. (N, H, W, C) -> (N, H, W, C).

    Args:
        ratio: q and k have C / ratio channels, at least one; v has C / 2.
        chunk: None: all pixels at once, which takes memory for (H W)² weights. An integer: so many
            pixels at a time look at all others, and the weights are computed again in the
            backward pass: memory for chunk * H W weights, with the same result.

    Raises:
        ValueError: for a ratio or chunk below 1.

    Example:
        >>> SelfAttention2D(chunk=8)(keras.ops.ones((1, 4, 4, 32))).shape
        TensorShape([1, 4, 4, 32])
    """

    def __init__(self, ratio: int = 8, chunk: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio: int = self._integer("ratio", ratio)
        self.chunk: int | None = None if chunk is None else self._integer("chunk", chunk)

    def build(self, input_shape: Shape) -> None:
        depth = input_shape[-1]
        self.query = pointwise(self, max(depth // self.ratio, 1), "query")
        self.key = pointwise(self, max(depth // self.ratio, 1), "key")
        self.value = pointwise(self, max(depth // 2, 1), "value")
        self.out = pointwise(self, depth, "out")
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.out.build((*input_shape[:-1], self.value.filters))
        self.gamma: keras.Variable = self.add_weight(name="gamma", shape=(), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        batch, height, width, _ = ops.shape(inputs)
        query, key, value = (
            ops.reshape(layer(inputs), (batch, height * width, layer.filters))
            for layer in (self.query, self.key, self.value)
        )
        if self.chunk is None:
            found = attend(query, key, value)
        else:
            found = attend_in_chunks(query, key, value, self.chunk)
        found = ops.reshape(found, (batch, height, width, self.value.filters))
        return inputs + self.gamma * self.out(found)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """All."""
        return WHOLE

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Of the four convolutions, and of both products of pixels with pixels."""
        batch, height, width, depth = shapes_in[0]
        pixels, query, value = height * width, self.query.filters, self.value.filters
        return batch * pixels * (depth * (2 * query + 2 * value) + pixels * (query + value))

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Not counted: queries, keys, values and, without `chunk`, the weights of all pairs."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio, "chunk": self.chunk}


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k^T) v of (N, P, ·); the softmax in float32."""
    scores = ops.cast(ops.matmul(query, ops.transpose(key, (0, 2, 1))), "float32")
    return ops.matmul(ops.cast(ops.softmax(scores, axis=-1), value.dtype), value)


def attend_in_chunks(query: Tensor, key: Tensor, value: Tensor, chunk: int) -> Tensor:
    """`attend`, for `chunk` rows of `query` at a time, recomputed in the backward pass."""
    batch, pixels, depth = ops.shape(query)
    query = ops.pad(query, [(0, 0), (0, (-pixels) % chunk), (0, 0)])
    query = ops.reshape(query, (batch, -1, chunk, depth))
    recomputed = keras.remat(attend)
    found = ops.map(lambda part: recomputed(part, key, value), ops.moveaxis(query, 1, 0))
    found = ops.reshape(ops.moveaxis(found, 0, 1), (batch, -1, value.shape[-1]))
    return found[:, :pixels]
