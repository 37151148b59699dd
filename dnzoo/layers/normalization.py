"""Normalisation: a fast batch normalisation, and the one argument that chooses a layer."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from dnzoo.layers.base import Shape, Tensor
from dnzoo.layers.geometry import one_of
from dnzoo.layers.rules import Kept, RowByRow

Normalization = Literal["batch", "instance", "group", "layer"]
NORMALIZATIONS: tuple[Normalization | None, ...] = (*get_args(Normalization), None)


def normalize(
    normalization: Normalization | None, filters: int, momentum: float = 0.99, **kwargs: Any
) -> keras.layers.Layer | None:
    """The layer for `normalization=` in blocks and models; None for None. Any rank, channels last.

    Args:
        normalization: "batch", "instance" (per image and channel), "group" (the largest number of groups
            up to 32 that divides the channels; Wu and He 2018), "layer" (over the channels of
            each pixel) or None.
        filters: channels of the input.
        momentum: of the moving statistics of "batch": how much of them a step keeps.
        **kwargs: `name`, `dtype` and the like.

    Raises:
        ValueError: for another name.
    """
    one_of(normalization, NORMALIZATIONS, "normalization")
    if normalization == "batch":
        return BatchNormalization(momentum=momentum, **kwargs)
    if normalization == "instance":
        return keras.layers.GroupNormalization(groups=-1, **kwargs)
    if normalization == "group":
        groups = max(n for n in range(1, min(32, filters) + 1) if filters % n == 0)
        return keras.layers.GroupNormalization(groups=groups, **kwargs)
    if normalization == "layer":
        return keras.layers.LayerNormalization(**kwargs)
    return None


@keras.saving.register_keras_serializable("dnzoo")
class BatchNormalization(RowByRow, keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` on TensorFlow's fused kernel.

    Arguments, weights, outputs, gradients, moving statistics and freezing are Keras's; so is the
    computation wherever the fused kernel can't go: other backends, channels that are not last,
    masks, renormalisation, `epsilon` below 1.001e-5. With more than one replica the statistics
    are those of the global batch, without being asked.

    Keras computes unfused and in float32; the fused kernel reads bfloat16 as it is, keeps
    float32 statistics, and halves the time of a mixed-precision training step on a CPU.

    Source: Ioffe and Szegedy 2015 (arXiv:1502.03167).

    Example:
        >>> BatchNormalization()(keras.ops.ones((2, 4, 4, 3)), training=True).shape
        TensorShape([2, 4, 4, 3])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Makes several replicas share statistics on the portable path; only TensorFlow knows it.
        kwargs["synchronized"] = keras.backend.backend() == "tensorflow"
        super().__init__(*args, **kwargs)

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        if mask is None and self._fits_fused(inputs):
            return self._fused(inputs, bool(training and self.trainable))
        return super().call(inputs, training=training, mask=mask)

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """The input, which its output is written over by a compiler."""
        return Kept(inputs=True, in_place=True)

    def _fits_fused(self, inputs: Tensor) -> bool:
        if keras.backend.backend() != "tensorflow" or isinstance(inputs, keras.KerasTensor):
            return False
        import tensorflow as tf

        rank = len(inputs.shape)
        return (
            rank > 2
            and self.axis in (-1, rank - 1)
            and self.epsilon >= 1.001e-5  # the kernel silently uses this for anything smaller
            and not getattr(self, "renorm", False)
            and inputs.dtype in (tf.float32, tf.bfloat16, tf.float16)
            and tf.distribute.get_strategy().num_replicas_in_sync == 1
        )

    def _fused(self, inputs: Tensor, training: bool) -> Tensor:
        import tensorflow as tf

        shape = ops.shape(inputs)
        depth = inputs.shape[-1]
        x = inputs if len(shape) == 4 else ops.reshape(inputs, (shape[0], -1, 1, depth))
        gamma = self.gamma if self.scale else ops.ones((depth,))
        beta = self.beta if self.center else ops.zeros((depth,))
        x, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            ops.cast(gamma, "float32"),
            ops.cast(beta, "float32"),
            mean=None if training else ops.cast(self.moving_mean, "float32"),
            variance=None if training else ops.cast(self.moving_variance, "float32"),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            # The kernel returns the unbiased variance, Keras keeps the biased one.
            count = ops.cast(tf.size(inputs) // depth, "float32")
            variance = variance * ((count - 1.0) / count)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        x = x if len(shape) == 4 else ops.reshape(x, shape)
        return ops.cast(x, self.compute_dtype)

    def _move(self, statistic: keras.Variable, value: Tensor) -> None:
        value = ops.cast(value, statistic.dtype)
        statistic.assign(statistic * self.momentum + value * (1.0 - self.momentum))
