"""Losses for segmentation. All take integer masks and logits, and leave out ignored pixels.

Shapes: `y_true` (N, H, W) or (N, H, W, 1), class numbers; `y_pred` (N, H, W, C), logits, or
probabilities with `from_logits=False`. C = 1 is one sigmoid logit for class 1 against class 0.
Pixels of class `ignore_index` count in no way; `dnzoo.metrics.labels` says what other labels that are
no class mean. Each loss is one number per image, so that a batch's mean does not depend on how the
batch is spread over devices; an image without a valid pixel is 0.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.losses.base import ImageLoss
from dnzoo.metrics import outputs
from dnzoo.metrics.labels import IGNORE, class_numbers, squeeze
from dnzoo.metrics.outputs import EPSILON


class SegmentationLoss(ImageLoss):
    """What the losses here share: the reading of masks, logits and ignored pixels.

    A subclass defines `image_loss(labels, logits, valid)`: (N, P) class numbers, (N, P, C) logits
    and (N, P) 0 or 1 -> (N,).
    """

    def __init__(
        self,
        ignore_index: int | None = IGNORE,
        from_logits: bool = True,
        reduction: str | None = "sum_over_batch_size",
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction=reduction, **{"name": type(self).__name__.lower(), **kwargs})
        self.ignore_index: int | None = ignore_index
        self.from_logits: bool = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each image, (N,)."""
        owner, (*shape, channels) = type(self).__name__, y_pred.shape
        count = ops.shape(y_pred)[0]
        labels = ops.reshape(squeeze(owner, y_true, tuple(shape)), (count, -1))
        scores = ops.reshape(y_pred, (count, -1, channels))
        labels, valid = class_numbers(owner, labels, max(channels, 2), self.ignore_index)
        logits = outputs.logits(owner, scores, self.from_logits)
        return self.image_loss(labels, logits, ops.cast(valid, "float32"))

    def get_config(self) -> dict[str, Any]:
        """What Keras saves of it."""
        config = {"ignore_index": self.ignore_index, "from_logits": self.from_logits}
        return {"name": self.name, "reduction": self.reduction, **config}


def _one_hot(labels: Any, logits: Any) -> Any:
    if logits.shape[-1] == 1:
        return ops.cast(labels == 1, "float32")[..., None]
    return ops.one_hot(labels, logits.shape[-1], dtype="float32")


def _probabilities(logits: Any) -> Any:
    return ops.sigmoid(logits) if logits.shape[-1] == 1 else ops.softmax(logits, axis=-1)


def _cross_entropy(labels: Any, logits: Any) -> Any:
    if logits.shape[-1] == 1:
        target = ops.cast(labels == 1, "float32")
        return ops.binary_crossentropy(target, logits[..., 0], from_logits=True)
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def _present_mean(values: Any, target: Any) -> Any:
    """The mean of (N, C) over the classes that occur in (N, P, C) `target`, image by image."""
    present = ops.cast(ops.sum(target, axis=1) > 0, "float32")
    return ops.sum(values * present, axis=1) / ops.maximum(ops.sum(present, axis=1), 1.0)


@keras.saving.register_keras_serializable("dnzoo")
class Focal(SegmentationLoss):
    """Focal loss (Lin et al. 2017, arXiv:1708.02002): `-w_t (1 - p_t)^gamma log p_t`.

    Args:
        gamma: how much less an easy pixel counts; 0 is cross-entropy.
        class_weights: w, one per class (two for one logit); None: all 1. An image's loss is the
            weighted mean of its valid pixels, as in PyTorch's `cross_entropy`.
        ignore_index, from_logits: see the module.

    Example:
        >>> float(Focal()(keras.ops.zeros((1, 2, 2)), keras.ops.zeros((1, 2, 2, 1)))) # log(2) / 4
        0.173...
    """

    def __init__(
        self, gamma: float = 2.0, class_weights: Sequence[float] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.gamma: float = gamma
        self.class_weights: list[float] | None = (
            None if class_weights is None else [float(w) for w in class_weights]
        )
        if self.class_weights and not (
            all(0 <= w < float("inf") for w in self.class_weights) and any(self.class_weights)
        ):
            raise ValueError(
                f"{type(self).__name__}: class_weights must be at least 0 and finite, one of them above 0; "
                f"got class_weights={tuple(self.class_weights)}."
            )

    def image_loss(self, labels: Any, logits: Any, valid: Any) -> Any:
        loss = _cross_entropy(labels, logits)
        if self.gamma:
            loss = loss * (1.0 - ops.exp(-loss)) ** self.gamma
        if self.class_weights is not None:
            classes = max(logits.shape[-1], 2)
            if len(self.class_weights) != classes:
                raise ValueError(
                    f"{type(self).__name__}: class_weights must be {classes} numbers, one a class; "
                    f"got {len(self.class_weights)}."
                )
            valid = valid * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), labels)
        return ops.sum(loss * valid, axis=1) / ops.maximum(ops.sum(valid, axis=1), EPSILON)

    def get_config(self) -> dict[str, Any]:
        config = {"gamma": self.gamma, "class_weights": self.class_weights}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("dnzoo")
class CrossEntropy(Focal):
    """Cross-entropy of a softmax, or of a sigmoid for one logit: the focal loss with gamma = 0.

    Args:
        class_weights: one per class (two for one logit); None: all 1. An image's loss is the
            weighted mean of its valid pixels, as in PyTorch's `cross_entropy`.
        ignore_index, from_logits: see the module.

    Example:
        >>> float(CrossEntropy()(keras.ops.zeros((1, 2, 2)), keras.ops.zeros((1, 2, 2, 4)))) # log(4)
        1.386...
    """

    def __init__(self, class_weights: Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(gamma=0.0, class_weights=class_weights, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["gamma"]
        return config


@keras.saving.register_keras_serializable("dnzoo")
class Tversky(SegmentationLoss):
    """Tversky loss (Salehi et al. 2017, arXiv:1706.05721): `1 - TP / (TP + alpha FP + beta FN)`.

    The mean over the classes that occur in the image's mask: a class it lacks is left out.

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives.
        ignore_index, from_logits: see the module.

    Example:
        >>> float(Tversky()(keras.ops.ones((1, 2, 2)), keras.ops.full((1, 2, 2, 1), 20.0)))
        0.0...
    """

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha: float = alpha
        self.beta: float = beta

    def image_loss(self, labels: Any, logits: Any, valid: Any) -> Any:
        target = _one_hot(labels, logits) * valid[..., None]
        p = _probabilities(logits) * valid[..., None]
        hit = ops.sum(p * target, axis=1)
        wrong, missed = ops.sum(p, axis=1) - hit, ops.sum(target, axis=1) - hit
        score = hit / ops.maximum(hit + self.alpha * wrong + self.beta * missed, EPSILON)
        return _present_mean(1.0 - score, target)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("dnzoo")
class Dice(Tversky):
    """Soft Dice loss (Milletari et al. 2016, arXiv:1606.04797): `1 - 2 TP / (2 TP + FP + FN)`.

    The Tversky loss with alpha = beta = 1/2.

    Args:
        ignore_index, from_logits: see the module.

    Example:
        >>> float(Dice()(keras.ops.ones((1, 2, 2)), keras.ops.zeros((1, 2, 2, 1))))
        0.333...
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(alpha=0.5, beta=0.5, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["alpha"], config["beta"]
        return config


@keras.saving.register_keras_serializable("dnzoo")
class Lovasz(SegmentationLoss):
    """Lovasz-softmax, or the Lovasz hinge for one logit (Berman et al. 2018, arXiv:1705.08790).

    The convex extension of 1 - IoU, image by image; the mean over the classes in its mask.

    Args:
        ignore_index, from_logits: see the module.

    Example:
        >>> float(Lovasz()(keras.ops.ones((1, 2, 2)), keras.ops.zeros((1, 2, 2, 1))))
        1.0
    """

    def image_loss(self, labels: Any, logits: Any, valid: Any) -> Any:
        target = _one_hot(labels, logits) * valid[..., None]
        if logits.shape[-1] == 1:
            errors = ops.relu(1.0 - logits * (2.0 * target - 1.0))
        else:
            errors = ops.abs(target - ops.softmax(logits, axis=-1))
        errors = errors * valid[..., None]  # ignored pixels come last and cost nothing
        order = ops.argsort(-ops.stop_gradient(errors), axis=1)
        errors = ops.take_along_axis(errors, order, axis=1)
        sorted_target = ops.take_along_axis(target, order, axis=1)
        total = ops.sum(target, axis=1, keepdims=True)
        intersection = total - ops.cumsum(sorted_target, axis=1)
        union = total + ops.cumsum(1.0 - sorted_target, axis=1)
        jaccard = 1.0 - intersection / union
        steps = ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=1)
        loss = ops.sum(errors * steps, axis=1)
        return loss[:, 0] if logits.shape[-1] == 1 else _present_mean(loss, target)


@keras.saving.register_keras_serializable("dnzoo")
class MaskLoss(ImageLoss):
    """Mask R-CNN's (He et al. 2017): sigmoid cross-entropy on the mask of the true class alone.

    `y_true` (N, R, H, W, 2), integers: the mask, 0 or 1 (255: ignored), and the class of the
    region's object (255: there is none). `y_pred` (N, R, H, W, classes), logits. An image's loss is
    the mean over the valid pixels of its regions; one without any is 0.

    Example:
        >>> truth = ops.zeros((1, 1, 2, 2, 2), "int32")
        >>> float(MaskLoss()(truth, ops.zeros((1, 1, 2, 2, 3))))  # log(2)
        0.693...
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mask_loss"
    ) -> None:
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        truth, classes = ops.unstack(ops.convert_to_tensor(y_true), 2, axis=-1)
        truth, inside = class_numbers("MaskLoss", truth, 2)
        classes, there = class_numbers("MaskLoss", classes, y_pred.shape[-1])
        valid = ops.cast(inside & there, "float32")
        logits = ops.cast(y_pred, "float32")
        logits = ops.take_along_axis(logits, classes[..., None], axis=-1)[..., 0]
        truth = ops.cast(truth == 1, "float32")
        loss = ops.binary_crossentropy(truth, logits, from_logits=True) * valid
        axes = (1, 2, 3)
        return ops.sum(loss, axis=axes) / ops.maximum(ops.sum(valid, axis=axes), EPSILON)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}
