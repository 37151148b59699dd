"""Fading a new branch in while training goes on."""

from collections.abc import Iterable
from typing import Any

import keras

from dnzoo.layers import geometry
from dnzoo.layers.base import Shape, Tensor
from dnzoo.layers.rules import RowByRow


@keras.saving.register_keras_serializable("dnzoo")
class FadeIn(RowByRow, keras.layers.Layer):
    """`[old, new]` of one shape gives `(1 - alpha) old + alpha new` (Karras et al. 2018, arXiv:1710.10196).

    `alpha` is a weight that is not trained: it is saved and restored with the model, and
    `FadeInSchedule` moves it.

    Args:
        alpha: where it starts, 0 to 1.

    Raises:
        ValueError: for an alpha outside 0 to 1, or inputs of different shapes.

    Example:
        >>> FadeIn(0.25)([keras.ops.zeros((1, 2, 2, 1)), keras.ops.ones((1, 2, 2, 1))])[0, 0, 0].numpy()
        array([0.25], dtype=float32)
    """

    def __init__(self, alpha: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(alpha, (int, float)) or not 0 <= alpha <= 1:
            raise ValueError(f"FadeIn: alpha must be a number from 0 to 1; got alpha={alpha!r}.")
        self.start: float = alpha
        self.alpha: keras.Variable = self.add_weight(
            name="alpha",
            shape=(),
            initializer=keras.initializers.Constant(alpha),
            trainable=False,
        )

    def call(self, inputs: list[Tensor]) -> Tensor:
        old, new = inputs
        self.compute_output_shape([old.shape, new.shape])
        return old + self.alpha * (new - old)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        old, new = input_shape
        if any(a != b for a, b in zip(old, new) if None not in (a, b)) or len(old) != len(new):
            raise ValueError(
                f"FadeIn: both inputs must have the same shape; got {tuple(old)} and {tuple(new)}."
            )
        return tuple(new)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.start}


class FadeInSchedule(keras.callbacks.Callback):
    """Move the `alpha` of `FadeIn` layers from 0 to 1, a little before each batch.

    The step is the optimiser's, so that a training that was interrupted goes on where it was.

    Args:
        layers: the `FadeIn` layers.
        steps: the step at which `alpha` is 1.
        begin: the step until which it is 0.

    Raises:
        ValueError: for a negative begin, or steps that are not above begin.
    """

    def __init__(self, layers: Iterable[FadeIn], steps: int, begin: int = 0) -> None:
        super().__init__()
        self.layers: list[FadeIn] = list(layers)
        self.begin: int = geometry.as_tuple(begin, 1, "begin", 0, "FadeInSchedule")[0]
        self.steps: int = geometry.as_tuple(steps, 1, "steps", self.begin + 1, "FadeInSchedule")[0]

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set alpha for the step that comes."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # the step's variables live outside the model until asked for
        step = int(
            keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(self.model.optimizer.iterations))
        )
        alpha = (step - self.begin) / (self.steps - self.begin)
        for layer in self.layers:
            layer.alpha.assign(min(max(alpha, 0.0), 1.0))
