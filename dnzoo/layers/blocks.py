"""What decoders are built of: convolution blocks, and the joining of levels. Channels are last."""

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.attention import AttentionGate
from dnzoo.layers.normalization import normalize

SKIPS = ("concat", "add", "attention")


@keras.saving.register_keras_serializable("dnzoo")
class ConvBlock(keras.layers.Layer):
    """Convolution, normalisation, activation, `depth` times; with a shortcut if `residual`.

    The U-Net's double convolution (Ronneberger et al. 2015); with `residual=True` the residual
    decoder block (He et al. 2016, post-activation: the sum comes before the last activation).
    (N, H, W, C) -> (N, H', W', filters); H' = H, or H - depth (kernel_size - 1) for "valid".

    Args:
        filters: channels out.
        kernel_size: of every convolution.
        depth: number of convolutions.
        padding: "same" or "valid".
        normalization: "batch", "instance", "group", "layer" or None.
        activation: after every convolution, as in Keras.
        residual: add the input, centre-cropped for "valid", through a 1x1 convolution where the
            channels differ.
        kernel_initializer: "he_normal" is the U-Net paper's.
        normalization_momentum: how much of the moving statistics of "batch" a step keeps; a short
            training needs less than 0.99, of which 100 steps keep 37 %.

    Raises:
        ValueError: for an illegal argument.

    Example:
        >>> ConvBlock(16, residual=True)(keras.ops.ones((1, 8, 8, 3))).shape
        TensorShape([1, 8, 8, 16])
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        depth=2,
        padding="same",
        normalization="batch",
        activation="relu",
        residual=False,
        kernel_initializer="he_normal",
        normalization_momentum=0.99,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = geometry.as_tuple(filters, 1, "filters", 1)[0]
        self.kernel_size = geometry.as_tuple(kernel_size, 1, "kernel_size", 1)[0]
        self.depth = geometry.as_tuple(depth, 1, "depth", 1)[0]
        if padding not in ("same", "valid"):
            raise ValueError(f'padding must be "same" or "valid"; got padding={padding!r}.')
        self.padding = padding
        self.normalization = normalization
        self.normalization_momentum = normalization_momentum
        self.activation = keras.activations.get(activation)
        self.residual = residual
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.convs = [self._conv(self.kernel_size, f"conv_{i + 1}") for i in range(self.depth)]
        self.norms = [
            normalize(
                normalization,
                self.filters,
                normalization_momentum,
                dtype=self.dtype_policy,
                name=f"norm_{i + 1}",
            )
            for i in range(self.depth)
        ]
        self.projection = None

    def _conv(self, kernel_size, name):
        config = keras.initializers.serialize(self.kernel_initializer)
        return keras.layers.Conv2D(
            self.filters,
            kernel_size,
            padding=self.padding,
            data_format="channels_last",
            kernel_initializer=keras.initializers.deserialize(config),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape):
        if self.residual and input_shape[-1] != self.filters:
            self.projection = self._conv(1, "projection")
            self.projection.build(input_shape)
        shape = input_shape
        for conv, norm in zip(self.convs, self.norms):
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
            if norm is not None:
                norm.build(shape)

    def call(self, inputs, training=None):
        x = inputs
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = conv(x)
            if norm is not None:
                # Keras's GroupNormalization and LayerNormalization know no training mode.
                x = norm(x, training=training) if self.normalization == "batch" else norm(x)
            if self.residual and i == self.depth - 1:
                x = x + self._shortcut(inputs)
            x = self.activation(x)
        return x

    def _shortcut(self, inputs):
        lost = 0 if self.padding == "same" else self.depth * (self.kernel_size - 1)
        if lost:
            kept = slice(lost // 2, -(lost - lost // 2))
            inputs = inputs[:, kept, kept]
        return inputs if self.projection is None else self.projection(inputs)

    def compute_output_shape(self, input_shape):
        for conv in self.convs:
            input_shape = conv.compute_output_shape(input_shape)
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "depth": self.depth,
            "padding": self.padding,
            "normalization": self.normalization,
            "activation": keras.activations.serialize(self.activation),
            "residual": self.residual,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "normalization_momentum": self.normalization_momentum,
        }


@keras.saving.register_keras_serializable("dnzoo")
class MatchSize(keras.layers.Layer):
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
        if anchor not in ("start", "center"):
            raise ValueError(f'anchor must be "start" or "center"; got anchor={anchor!r}.')
        self.anchor = anchor
        self.missing = geometry.as_tuple(missing, 1, "missing")[0]

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
class SkipFusion(keras.layers.Layer):
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
        if mode not in SKIPS:
            raise ValueError(f"skip must be one of {', '.join(SKIPS)}; got {mode!r}.")
        self.mode = mode
        self.gate = self.projection = None
        if mode == "attention":
            self.gate = AttentionGate(dtype=self.dtype_policy, name="gate")

    def build(self, input_shape):
        x, skip = input_shape
        if self.gate is not None:
            self.gate.build(input_shape)
        if self.mode == "add" and x[-1] != skip[-1]:
            self.projection = keras.layers.Conv2D(
                x[-1],
                1,
                data_format="channels_last",
                dtype=self.dtype_policy,
                name="projection",
            )
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
