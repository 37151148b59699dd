"""The joining of levels: sizes matched, skips fused, several scales made one. Channels are last."""

from typing import Literal, get_args

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.attention import AttentionGate, pointwise
from dnzoo.layers.base import SpatialLayer
from dnzoo.layers.blocks import Block
from dnzoo.layers.interpolation import INTERPOLATIONS, resize

Skip = Literal["concat", "add", "attention"]


@keras.saving.register_keras_serializable("dnzoo")
class MatchSize(SpatialLayer):
    """Bring `x` to the height and width of `reference`: `[x, reference]` -> (N, H_ref, W_ref, C_x).

    Args:
        anchor: "start" keeps the upper left corner: surplus rows are cut off at the end, missing
            ones (what pooling an odd size loses) repeat the last. "center" crops the same number
            on both sides, as the U-Net paper does with its skips.
        missing: how many rows may be missing, for "start".

    Raises:
        ValueError: where the sizes are known: for "center" when the surplus is odd or negative,
            for "start" when more than `missing` rows are missing.

    Example:
        >>> MatchSize()([keras.ops.ones((1, 8, 8, 2)), keras.ops.ones((1, 7, 9, 5))]).shape
        TensorShape([1, 7, 9, 2])
    """

    def __init__(self, anchor="start", missing=1, **kwargs):
        super().__init__(**kwargs)
        self.anchor = self._one_of("anchor", anchor, ("start", "center"))
        self.missing = self._integer("missing", missing, 0)

    def call(self, inputs):
        x, reference = inputs
        self._check(x.shape, reference.shape)
        given, wanted = ops.shape(x)[1:3], ops.shape(reference)[1:3]
        if self.anchor == "center":
            before = [(has - want) // 2 for has, want in zip(given, wanted)]
            return geometry.crop(x, before, wanted, "channels_last")
        for axis, has, want in zip((1, 2), given, wanted):
            known = isinstance(has, int) and isinstance(want, int)
            missing = max(want - has, 0) if known else self.missing
            if missing:
                last = x[:, -1:] if axis == 1 else x[:, :, -1:]
                x = ops.concatenate([x, ops.repeat(last, missing, axis=axis)], axis=axis)
        return geometry.crop(x, (0, 0), wanted, "channels_last")

    def _check(self, given, wanted):
        for has, want in zip(given[1:3], wanted[1:3]):
            if not isinstance(has, int) or not isinstance(want, int):
                continue
            if self.anchor == "center" and (has < want or (has - want) % 2):
                raise ValueError(
                    f"MatchSize: {has} rows can't be centre-cropped to {want}: the surplus must be "
                    "even and not negative. Choose another input size."
                )
            if self.anchor == "start" and want - has > self.missing:
                raise ValueError(
                    f"MatchSize: {has} rows can't be matched to {want}: at most {self.missing} "
                    "may be missing."
                )

    def compute_output_shape(self, input_shape):
        x, reference = input_shape
        self._check(x, reference)
        return (x[0], *reference[1:3], x[-1])

    def get_config(self):
        return {**super().get_config(), "anchor": self.anchor, "missing": self.missing}


@keras.saving.register_keras_serializable("dnzoo")
class SkipFusion(SpatialLayer):
    """Join the decoder's `x` with the encoder's `skip`, both (N, H, W, ·).

    Args:
        mode: "concat" (Ronneberger et al. 2015: skip, then x), "add" (Long et al. 2015; a 1x1
            convolution brings the skip to x's channels where they differ), or "attention"
            (Oktay et al. 2018: the gated skip, then x).

    Raises:
        ValueError: for another mode.

    Example:
        >>> SkipFusion("add")([keras.ops.ones((1, 4, 4, 6)), keras.ops.ones((1, 4, 4, 8))]).shape
        TensorShape([1, 4, 4, 6])
    """

    def __init__(self, mode="concat", **kwargs):
        super().__init__(**kwargs)
        self.mode = self._one_of("mode", mode, get_args(Skip))
        self.gate = self.projection = None
        if mode == "attention":
            self.gate = AttentionGate(dtype=self.dtype_policy, name="gate")

    def build(self, input_shape):
        x, skip = input_shape
        if self.gate is not None:
            self.gate.build(input_shape)
        if self.mode == "add" and x[-1] != skip[-1]:
            self.projection = pointwise(self, x[-1], "projection")
            self.projection.build(skip)

    def call(self, inputs):
        x, skip = inputs
        if self.gate is not None:
            skip = self.gate([x, skip])
        if self.projection is not None:
            skip = self.projection(skip)
        return x + skip if self.mode == "add" else ops.concatenate([skip, x], axis=-1)

    def compute_output_shape(self, input_shape):
        x, skip = input_shape
        return tuple(x) if self.mode == "add" else (*x[:-1], x[-1] + skip[-1])

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("dnzoo")
class MultiScaleFusion(Block):
    """Make several levels one: `[finest, ..., coarsest]`, each (N, H_i, W_i, C_i) -> (N, H_1, W_1, ·).

    A 1x1 convolution brings each level to `filters` channels, normalisation and activation follow,
    it is resized to the finest's height and width, and all are added or laid side by side.

    Args:
        filters: channels of each level.
        mode: "add" (filters channels out) or "concat" (filters channels a level out).
        interpolation: "nearest", "bilinear" or "bicubic".
        normalization, activation, kernel_initializer, normalization_momentum: as in `ConvBlock`,
            here none at first.

    Raises:
        ValueError: for an illegal argument.

    Source: Kirillov et al. 2019 (arXiv:1901.02446); Sun et al. 2019 (arXiv:1904.04514).

    Example:
        >>> levels = [keras.ops.ones((1, 8, 8, 4)), keras.ops.ones((1, 4, 4, 6))]
        >>> MultiScaleFusion(5)(levels).shape
        TensorShape([1, 8, 8, 5])
    """

    def __init__(
        self,
        filters,
        mode="add",
        interpolation="bilinear",
        normalization=None,
        activation=None,
        kernel_initializer="glorot_uniform",
        normalization_momentum=0.99,
        **kwargs,
    ):
        super().__init__(
            filters,
            normalization,
            activation,
            kernel_initializer,
            normalization_momentum,
            **kwargs,
        )
        self._norm(self.filters, None)  # an unknown name is found now
        self.mode = self._one_of("mode", mode, ("add", "concat"))
        legal = tuple(INTERPOLATIONS[2])
        self.interpolation = self._one_of("interpolation", interpolation, legal)

    def build(self, input_shape):
        numbers = range(1, len(input_shape) + 1)
        self.projections = [self._conv(1, f"level_{i}") for i in numbers]
        self.norms = [self._norm(self.filters, f"norm_{i}") for i in numbers]
        for projection, norm, shape in zip(self.projections, self.norms, input_shape):
            projection.build(shape)
            if norm is not None:
                norm.build((*shape[:-1], self.filters))

    def call(self, inputs, training=None):
        size = ops.shape(inputs[0])[1:3]
        first, *others = (
            self.activation(self._normalised(norm, projection(x), training))
            for projection, norm, x in zip(self.projections, self.norms, inputs)
        )
        others = [resize(x, self.interpolation, "channels_last", size=size) for x in others]
        if self.mode == "concat":
            return ops.concatenate([first, *others], axis=-1)
        for x in others:
            first = first + x
        return first

    def compute_output_shape(self, input_shape):
        depth = self.filters * (len(input_shape) if self.mode == "concat" else 1)
        return (*input_shape[0][:-1], depth)

    def get_config(self):
        config = {"mode": self.mode, "interpolation": self.interpolation}
        return {**super().get_config(), **config}
