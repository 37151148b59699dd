"""The joining of levels: sizes matched, skips fused, several scales made one. Channels are last."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, get_args

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.attention import AttentionGate, pointwise
from dnzoo.layers.base import Activation, Initializer, Shape, SpatialLayer, Tensor
from dnzoo.layers.blocks import Block
from dnzoo.layers.interpolation import INTERPOLATIONS, METHODS, products, resize, rows_read
from dnzoo.layers.normalization import Normalization
from dnzoo.layers.rules import NOTHING, WHOLE, Kept, Moves, Rows

Skip = Literal["concat", "add", "attention"]
SKIPS: tuple[Skip, ...] = get_args(Skip)


@keras.saving.register_keras_serializable("dnzoo")
class MatchSize(Moves, SpatialLayer):
    """Bring `x` to the height and width of `reference`: `[x, reference]` -> (N, H_ref, W_ref, C_x).

    Signals (N, H, C) and volumes (N, D, H, W, C) likewise.

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

    rank: int | None = None

    def __init__(
        self, anchor: Literal["start", "center"] = "start", missing: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.anchor: Literal["start", "center"] = self._one_of(
            "anchor", anchor, ("start", "center")
        )
        self.missing: int = self._integer("missing", missing, 0)

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, reference = inputs
        self._check(x.shape, reference.shape)
        given, wanted = ops.shape(x)[1:-1], ops.shape(reference)[1:-1]
        if self.anchor == "center":
            before = [(has - want) // 2 for has, want in zip(given, wanted)]
            return geometry.crop(x, before, wanted, "channels_last")
        for axis, (has, want) in enumerate(zip(given, wanted), start=1):
            known = isinstance(has, int) and isinstance(want, int)
            missing = max(want - has, 0) if known else self.missing
            if missing:
                last = x[(*[slice(None)] * axis, slice(-1, None))]
                x = ops.concatenate([x, ops.repeat(last, missing, axis=axis)], axis=axis)
        return geometry.crop(x, [0] * len(wanted), wanted, "channels_last")

    def _check(self, given: Shape, wanted: Shape) -> None:
        for has, want in zip(given[1:-1], wanted[1:-1]):
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

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        x, reference = input_shape
        self._check(x, reference)
        return (x[0], *reference[1:-1], x[-1])

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> list[Rows]:
        """The same rows of x, from where the crop begins; of the reference only the size."""
        shift = (rows_in[0] - rows_in[1]) // 2 if self.anchor == "center" else 0
        return [(low + shift, high + shift), NOTHING]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "anchor": self.anchor, "missing": self.missing}


@keras.saving.register_keras_serializable("dnzoo")
class SkipFusion(SpatialLayer):
    """Join the decoder's `x` with the encoder's `skip`, both (N, H, W, ·), (N, H, ·) or (N, D, H, W, ·).

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

    rank: int | None = None

    def __init__(self, mode: Skip = "concat", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode: Skip = self._one_of("mode", mode, SKIPS)
        self.gate: AttentionGate | None = None
        self.projection: keras.layers.Layer | None = None
        if mode == "attention":
            self.gate = AttentionGate(dtype=self.dtype_policy, name="gate")

    def build(self, input_shape: list[Shape]) -> None:
        x, skip = input_shape
        self.rank = len(x) - 2
        if self.gate is not None:
            self.gate.build(input_shape)
        if self.mode == "add" and x[-1] != skip[-1]:
            self.projection = pointwise(self, x[-1], "projection")
            self.projection.build(skip)

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, skip = inputs
        if self.gate is not None:
            skip = self.gate([x, skip])
        if self.projection is not None:
            skip = self.projection(skip)
        return x + skip if self.mode == "add" else ops.concatenate([skip, x], axis=-1)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        x, skip = input_shape
        return tuple(x) if self.mode == "add" else (*x[:-1], x[-1] + skip[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("dnzoo")
class MultiScaleFusion(Block):
    """Make several levels one: `[finest, ..., coarsest]`, each (N, H_i, W_i, C_i) -> (N, H_1, W_1, ·).

    A 1x1 convolution brings each level to `filters` channels, normalisation and activation follow,
    it is resized to the finest's height and width, and all are added or laid side by side.

    Args:
        filters: channels of each level.
        mode: "add" (filters channels out) or "concat" (filters channels per level out).
        interpolation: "nearest", "bilinear" or "bicubic".
        normalization, activation, kernel_initializer, normalization_momentum: as in `ConvBlock`,
            here none at first.

    Raises:
        ValueError: for filters below 1, an unknown mode, interpolation or normalization, or a
            normalization_momentum outside 0 (included) to 1 (excluded).

    Source: Kirillov et al. 2019 (arXiv:1901.02446); Sun et al. 2019 (arXiv:1904.04514).

    Example:
        >>> levels = [keras.ops.ones((1, 8, 8, 4)), keras.ops.ones((1, 4, 4, 6))]
        >>> MultiScaleFusion(5)(levels).shape
        TensorShape([1, 8, 8, 5])
    """

    rank: int | None = 2

    def __init__(
        self,
        filters: int,
        mode: Literal["add", "concat"] = "add",
        interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
        normalization: Normalization | None = None,
        activation: Activation = None,
        kernel_initializer: Initializer = "glorot_uniform",
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
        self.mode: Literal["add", "concat"] = self._one_of("mode", mode, ("add", "concat"))
        legal = tuple(INTERPOLATIONS[2])
        self.interpolation: Literal["nearest", "bilinear", "bicubic"] = self._one_of(
            "interpolation", interpolation, legal
        )

    def build(self, input_shape: list[Shape]) -> None:
        numbers = range(1, len(input_shape) + 1)
        self.projections = [self._conv(1, f"level_{i}") for i in numbers]
        self.norms = [self._norm(self.filters, f"norm_{i}") for i in numbers]
        for projection, norm, shape in zip(self.projections, self.norms, input_shape):
            projection.build(shape)
            if norm is not None:
                norm.build((*shape[:-1], self.filters))

    def call(self, inputs: list[Tensor], training: bool | None = None) -> Tensor:
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

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        depth = self.filters * (len(input_shape) if self.mode == "concat" else 1)
        return (*input_shape[0][:-1], depth)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows | list[Rows]:
        """What resizing reads of each level; all where a normalisation looks at the whole image."""
        if self.normalization in ("instance", "group"):
            return WHOLE
        method = METHODS[self.interpolation]
        return [rows_read(method, Fraction(rows, rows_out), False, low, high) for rows in rows_in]

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Of the 1x1 convolutions, and of resizing all but the finest."""
        method = METHODS[self.interpolation]
        total = sum(math.prod(shape) for shape in shapes_in) * self.filters
        for shape in shapes_in[1:]:
            shape = (*shape[:-1], self.filters)
            total += products(method, shape, shape_out[1:-1], "channels_last")
        return total

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Not counted: what the 1x1 convolutions and the normalisations keep."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        config = {"mode": self.mode, "interpolation": self.interpolation}
        return {**super().get_config(), **config}
