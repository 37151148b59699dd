"""The optimiser of the recipes: Adam, whose update is one operation where there is one for it."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("dnzoo")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` on TensorFlow's fused kernel; with `weight_decay`, AdamW.

    Arguments, variables and results are Keras's, and so is the computation where the kernel can't
    go: other backends, more than one replica, `amsgrad`, variables that are not float32. Keras reads
    and writes every weight and both moments ten times a step, the kernel once.

    Args:
        weight_decay: decoupled (Loshchilov and Hutter 2019, arXiv:1711.05101); 0 or None: none,
            and no time spent on it.
        no_decay: weights with one of these words in their name are left out of it; it is a part of
            the configuration, which `exclude_from_weight_decay` isn't.
        others: as `keras.optimizers.Adam`.

    Source: Kingma and Ba 2015, arXiv:1412.6980.

    Example:
        >>> Adam(1e-3, weight_decay=0.0).weight_decay is None
        True
    """

    def __init__(
        self,
        *args: Any,
        weight_decay: float | None = None,
        no_decay: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, weight_decay=weight_decay or None, **kwargs)
        self.no_decay = tuple(no_decay)
        if no_decay:
            self.exclude_from_weight_decay(var_names=list(no_decay))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "no_decay": list(self.no_decay)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one weight by its gradient."""
        if self._fits_fused(gradient, variable):
            self._fused(gradient, variable, learning_rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def _fits_fused(self, gradient: Any, variable: Any) -> bool:
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return False
        import tensorflow as tf

        return (
            isinstance(gradient, tf.Tensor)  # not the sparse one of an embedding
            and variable.dtype == tf.float32
            and tf.distribute.get_strategy().num_replicas_in_sync == 1
        )

    def _fused(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """`variable` is TensorFlow's own here, not Keras's."""
        import tensorflow as tf

        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.constant(self.beta_1) ** step,
            beta2_power=tf.constant(self.beta_2) ** step,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
