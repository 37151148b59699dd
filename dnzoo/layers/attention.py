"""Attention in decoders."""

import keras
from keras import ops

from dnzoo.layers import geometry


@keras.saving.register_keras_serializable("dnzoo")
class AttentionGate(keras.layers.Layer):
    """Weigh a skip connection by what the decoder looks for (Oktay et al. 2018, arXiv:1804.03999).

    `[x, skip]`, both (N, H, W, ·), gives `skip * sigmoid(w · relu(W_x x + W_s skip + b) + c)`, one
    weight a pixel. Channels are last.

    Args:
        filters: width of the comparison; None: half the skip's channels.

    Example:
        >>> AttentionGate()([keras.ops.ones((1, 4, 4, 6)), keras.ops.ones((1, 4, 4, 8))]).shape
        TensorShape([1, 4, 4, 8])
    """

    def __init__(self, filters=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters and geometry.as_tuple(filters, 1, "filters", 1)[0]

    def build(self, input_shape):
        x, skip = input_shape
        filters = self.filters or max(skip[-1] // 2, 1)
        self.look = self._pointwise(filters, "look", use_bias=True)
        self.offer = self._pointwise(filters, "offer", use_bias=False)
        self.weight = self._pointwise(1, "weight", use_bias=True)
        self.look.build(x)
        self.offer.build(skip)
        self.weight.build((*skip[:-1], filters))

    def _pointwise(self, filters, name, use_bias):
        return keras.layers.Conv2D(
            filters,
            1,
            data_format="channels_last",
            use_bias=use_bias,
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs):
        x, skip = inputs
        return skip * ops.sigmoid(self.weight(ops.relu(self.look(x) + self.offer(skip))))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[1])

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
