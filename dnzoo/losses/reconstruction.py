"""Losses between images: pixels, structure, features, smoothness.

Shapes: `y_true` and `y_pred` (N, H, W, C). Each loss is one number per image, so that a batch's mean
does not depend on how the batch is spread over devices. L1 and MSE are Keras's: "mae" and "mse".
"""

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from dnzoo.losses.base import ImageLoss
from dnzoo.metrics import similarity


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    return ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")


@keras.saving.register_keras_serializable("dnzoo")
class Charbonnier(ImageLoss):
    """Charbonnier loss (Lai et al. 2017, arXiv:1704.03915): `sqrt(error^2 + epsilon^2)`.

    L1, but smooth at 0.

    Args:
        epsilon: where L1 becomes quadratic, in the images' unit.

    Example:
        >>> float(Charbonnier(1e-3)(ops.zeros((1, 2, 2, 1)), ops.ones((1, 2, 2, 1))))
        1.0...
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        reduction: str | None = "sum_over_batch_size",
        name: str = "charbonnier",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.epsilon: float = epsilon

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = _pair(y_true, y_pred)
        return ops.mean(ops.sqrt((y_true - y_pred) ** 2 + self.epsilon**2), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("dnzoo")
class StructuralSimilarity(ImageLoss):
    """`1 - SSIM`, or `1 - MS-SSIM` (Zhao et al. 2017, arXiv:1511.08861).

    Args:
        max_value: of a pixel; the least is 0.
        multi_scale: five scales; images need at least 161 rows and columns then, else 11.

    Raises:
        ValueError: for smaller images.

    Example:
        >>> float(StructuralSimilarity(1.0)(ops.ones((1, 16, 16, 1)), ops.ones((1, 16, 16, 1))))
        0.0
    """

    def __init__(
        self,
        max_value: float = 255.0,
        multi_scale: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "ssim",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.max_value: float = max_value
        self.multi_scale: bool = multi_scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        measure = similarity.ms_ssim if self.multi_scale else similarity.ssim
        return 1.0 - measure(y_true, y_pred, self.max_value)

    def get_config(self) -> dict[str, Any]:
        config = {"max_value": self.max_value, "multi_scale": self.multi_scale}
        return {"name": self.name, "reduction": self.reduction, **config}


@keras.saving.register_keras_serializable("dnzoo")
class TotalVariation(ImageLoss):
    """Anisotropic total variation of the prediction (Rudin et al. 1992): how rough it is.

    The mean difference of neighbours, down and across; `y_true` does not count. To be added to
    another loss with a small weight: `Sum([..., TotalVariation()], weights=[1, 1e-3])`.

    Example:
        >>> float(TotalVariation()(ops.zeros((1, 2, 2, 1)), ops.reshape([0.0, 1, 0, 1], (1, 2, 2, 1))))
        1.0
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "total_variation"
    ) -> None:
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = ops.cast(y_pred, "float32")
        down = ops.abs(y_pred[:, 1:] - y_pred[:, :-1])
        across = ops.abs(y_pred[:, :, 1:] - y_pred[:, :, :-1])
        return ops.mean(down, axis=(1, 2, 3)) + ops.mean(across, axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable("dnzoo")
class Perceptual(ImageLoss):
    """Perceptual loss (Johnson et al. 2016, arXiv:1603.08155): distance between features.

    The mean squared difference of each feature map, divided by the true one's mean square so that
    no layer drowns the others, summed over the maps.

    Args:
        encoder: `keras.Model`, images -> one feature map or a list; it is used as it is and must
            take the images' range. `dnzoo.models.features("efficientnet_lite0", "imagenet")`
            makes one for images from 0 to 255.
        weights: one per feature map; None: all 1.

    Raises:
        ValueError: when the weights are not as many as the feature maps.

    Example:
        >>> image = keras.Input((None, None, 3))
        >>> encoder = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
        >>> float(Perceptual(encoder)(ops.ones((1, 8, 8, 3)), ops.ones((1, 8, 8, 3))))
        0.0
    """

    def __init__(
        self,
        encoder: keras.Model,
        weights: Sequence[float] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "perceptual",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.encoder: keras.Model = encoder
        self.weights: list[float] = (
            [1.0] * len(encoder.outputs) if weights is None else list(weights)
        )
        if len(self.weights) != len(encoder.outputs):
            raise ValueError(
                f"Perceptual: as many weights as feature maps; got {len(self.weights)} and "
                f"{len(encoder.outputs)}."
            )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        pairs = [
            keras.tree.flatten(self.encoder(images, training=False))
            for images in _pair(y_true, y_pred)
        ]
        total = 0.0
        for weight, truth, guess in zip(self.weights, *pairs):
            truth, guess = _pair(ops.stop_gradient(truth), guess)
            axes = tuple(range(1, len(truth.shape)))
            error = ops.mean((truth - guess) ** 2, axis=axes)
            total = total + weight * error / (ops.mean(truth**2, axis=axes) + 1e-8)
        return total

    def get_config(self) -> dict[str, Any]:
        encoder = keras.saving.serialize_keras_object(self.encoder)  # without its weights
        return {
            "encoder": encoder,
            "weights": self.weights,
            "name": self.name,
            "reduction": self.reduction,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
