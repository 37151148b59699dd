"""Losses by name, and sums of them."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.losses.base import ImageLoss
from dnzoo.losses.segmentation import CrossEntropy, Dice, Focal, Lovasz, SegmentationLoss, Tversky


@keras.saving.register_keras_serializable("dnzoo")
class Sum(ImageLoss):
    """A weighted sum of losses: `Sum([CrossEntropy(), Dice()])`.

    Args:
        losses: `keras.losses.Loss` objects, or Keras's names such as "mae".
        weights: one per loss; None: all 1.

    Example:
        >>> loss = Sum([CrossEntropy(), Dice()], weights=[1.0, 0.5])
        >>> float(loss(keras.ops.ones((1, 2, 2)), keras.ops.zeros((1, 2, 2, 1))))
        0.859...
    """

    def __init__(
        self,
        losses: Sequence[keras.losses.Loss | str],
        weights: Sequence[float] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "sum",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.losses: list[Any] = [keras.losses.get(loss) for loss in losses]
        self.weights: list[float] = [1.0] * len(self.losses) if weights is None else list(weights)
        if len(self.weights) != len(self.losses):
            raise ValueError(
                f"Sum: as many weights as losses; got {len(self.weights)} and {len(self.losses)}."
            )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return sum(
            weight * _each_image(getattr(loss, "call", loss)(y_true, y_pred))
            for weight, loss in zip(self.weights, self.losses)
        )

    def get_config(self) -> dict[str, Any]:
        losses = [keras.losses.serialize(loss) for loss in self.losses]
        config = {"losses": losses, "weights": self.weights}
        return {"name": self.name, "reduction": self.reduction, **config}


def _each_image(values: Any) -> Any:
    """(N,): Keras's own losses give a number per pixel."""
    axes = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=axes) if axes else values


NAMES: dict[str, type[SegmentationLoss]] = {
    "cross_entropy": CrossEntropy,
    "focal": Focal,
    "dice": Dice,
    "tversky": Tversky,
    "lovasz": Lovasz,
}


def get(
    names: str, class_weights: Sequence[float] | None = None, **kwargs: Any
) -> keras.losses.Loss:
    """The loss for names joined by "+": `get("cross_entropy+dice")`.

    Args:
        names: of "cross_entropy", "focal", "dice", "tversky", "lovasz".
        class_weights: for cross-entropy and focal.
        **kwargs: `ignore_index`, `from_logits`, for all.

    Raises:
        ValueError: for another name, or class weights that no loss takes.

    Example:
        >>> get("cross_entropy+dice").losses[1].name
        'dice'
    """
    parts = [part.strip() for part in names.split("+")]
    unknown = [part for part in parts if part not in NAMES]
    if unknown:
        raise ValueError(f'loss must be {", ".join(NAMES)}, joined by "+"; got {names!r}.')
    weighted = [issubclass(NAMES[part], Focal) for part in parts]
    if class_weights is not None and not any(weighted):
        raise ValueError(f"class weights go with cross_entropy or focal; got the loss {names!r}.")
    losses = [
        NAMES[part](**kwargs, **({"class_weights": class_weights} if takes else {}))
        for part, takes in zip(parts, weighted)
    ]
    return losses[0] if len(losses) == 1 else Sum(losses)
