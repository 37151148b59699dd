"""Metrics for segmentation, read off one confusion matrix that is accumulated over the data set.

Keras's `MeanIoU` wants an argmax made by hand, counts an absent class as 1.0 and fails on JAX with
`ignore_class` (keras#19524, #18441, #21907).
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.metrics import outputs
from dnzoo.metrics.direction import Directed
from dnzoo.metrics.labels import IGNORE, class_numbers, squeeze
from dnzoo.metrics.matrix import (
    class_dice,
    class_iou,
    mean_of_present,
    pixel_accuracy,
    ratio,
    unlike,
)

WHOLE: float = 2.0**23  # float32 counts exactly up to twice this


class _Counts(Directed, keras.metrics.Metric):
    """An array of counts of pixels, exact as long as a batch adds at most 2^23 to one of them."""

    def __init__(self, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rest: Any = self.add_variable(shape, initializer="zeros", name="rest")
        self.wholes: Any = self.add_variable(shape, initializer="zeros", name="wholes")

    def _add(self, counts: Any) -> None:
        total = self.rest + counts
        wholes = ops.floor(total / WHOLE)
        self.wholes.assign(self.wholes + wholes)
        self.rest.assign(total - wholes * WHOLE)

    def _counts(self) -> Any:
        """So far, float32; exact below 2^24, to 6e-8 above."""
        return self.wholes * WHOLE + self.rest

    def reset_state(self) -> None:
        for variable in (self.rest, self.wholes):
            variable.assign(ops.zeros(variable.shape))


@keras.saving.register_keras_serializable("dnzoo")
class ConfusionMatrix(_Counts):
    """Pixels of true class i (row) that were predicted as class j (column), (classes, classes).

    Exact for any number of pixels, as long as one batch has at most 2^23 in one cell.

    Args:
        classes: number of classes; 2 for a model with one logit.
        ignore_index: true label of pixels that do not count; None: all count.
        from_logits: True: `y_pred` is (N, H, W, C); the largest logit wins, and one logit alone
            is class 1 where it exceeds `threshold`. False: `y_pred` holds probabilities, of the same
            shape, or labels, as `y_true`. None: True, but one channel whose values all lie in
            [0, 1] is refused where they can be seen: a sigmoid's would be all class 1.
        threshold: None: 0 for a logit, 0.5 for a probability.

    `update_state(y_true, y_pred)`: y_true (N, H, W) or (N, H, W, 1), class numbers.

    Raises:
        ValueError: when the number of logits is not that of the classes; for a label, true or
            predicted, that is no class (see `dnzoo.metrics.labels`).

    Example:
        >>> metric = MeanIoU(classes=3, from_logits=False)
        >>> metric.update_state([[0, 0, 1, 255]], [[0, 1, 1, 2]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        classes: int,
        ignore_index: int | None = IGNORE,
        from_logits: bool | None = None,
        threshold: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(self._shape(classes), name=name or self.default_name, **kwargs)
        self.classes: int = classes
        self.ignore_index: int | None = ignore_index
        self.from_logits: bool | None = from_logits
        self.threshold: float = outputs.threshold(from_logits) if threshold is None else threshold

    default_name: str = "confusion_matrix"

    @staticmethod
    def _shape(classes: int) -> tuple[int, int]:
        return classes, classes

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        labels, predicted, counts = self._read(y_true, y_pred)
        weight = ops.cast(counts, "float32")
        if sample_weight is not None:
            weight = weight * self._weight(sample_weight, labels)
        cell = ops.reshape(labels * self.classes + predicted, (-1,))
        added = ops.segment_sum(ops.reshape(weight, (-1,)), cell, num_segments=self.classes**2)
        self._add(ops.reshape(added, (self.classes, self.classes)))

    def _read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """True and predicted class numbers, and whether the pixel counts, each (N, ...)."""
        owner = type(self).__name__
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        predicted = outputs.labels(
            owner, y_true, y_pred, self.classes, self.from_logits, self.threshold
        )
        y_true = squeeze(owner, y_true, tuple(predicted.shape))
        labels, counts = class_numbers(owner, y_true, self.classes, self.ignore_index)
        predicted = ops.where(counts, predicted, ops.zeros_like(predicted))
        predicted, known = class_numbers(owner, predicted, self.classes, None)
        return labels, predicted, counts & known

    @staticmethod
    def _weight(sample_weight: Any, labels: Any) -> Any:
        """Weights of images or of pixels, (N, ...)."""
        weight = ops.convert_to_tensor(sample_weight, "float32")
        if len(weight.shape) == len(labels.shape) + 1:
            weight = weight[..., 0]
        missing = len(labels.shape) - len(weight.shape)
        weight = ops.reshape(weight, (*ops.shape(weight), *[1] * missing))
        return ops.broadcast_to(weight, ops.shape(labels))

    def matrix(self) -> Any:
        """The matrix so far, float32; exact below 2^24, to 6e-8 above."""
        return self._counts()

    def result(self) -> Any:
        return self.matrix()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "classes": self.classes,
            "ignore_index": self.ignore_index,
            "from_logits": self.from_logits,
            "threshold": self.threshold,
        }


@keras.saving.register_keras_serializable("dnzoo")
class MeanIoU(ConfusionMatrix):
    """Mean of the classes' IoU, TP / (TP + FP + FN): 0 to 1, higher is better.

    Arguments and errors as for `ConfusionMatrix`. A class that is neither true nor predicted does
    not count; NaN where no class counts.
    """

    default_name: str = "mean_iou"
    higher_is_better: bool = True

    def result(self) -> Any:
        return mean_of_present(class_iou(self.matrix()))


@keras.saving.register_keras_serializable("dnzoo")
class ClassIoU(ConfusionMatrix):
    """IoU of each class as a dict; arguments as for `ConfusionMatrix`. NaN for an absent class.

    Args:
        class_names: keys of the result; None: "class_0" and so on.
            The second of two classes of one name is "name (2)".
    """

    default_name: str = "class_iou"
    higher_is_better: bool = True

    def __init__(
        self, classes: int, class_names: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(classes, **kwargs)
        self.class_names: list[str] = list(class_names or (f"class_{i}" for i in range(classes)))

    def result(self) -> Any:
        values = class_iou(self.matrix())
        return {f"iou_{name}": values[i] for i, name in enumerate(unlike(self.class_names))}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_names": self.class_names}


@keras.saving.register_keras_serializable("dnzoo")
class MeanDice(ConfusionMatrix):
    """Mean of the classes' Dice score, 2 TP / (2 TP + FP + FN): 0 to 1, higher is better.

    Arguments and errors as for `ConfusionMatrix`. A class that is neither true nor predicted does
    not count; NaN where no class counts.
    """

    default_name: str = "mean_dice"
    higher_is_better: bool = True

    def result(self) -> Any:
        return mean_of_present(class_dice(self.matrix()))


@keras.saving.register_keras_serializable("dnzoo")
class PixelAccuracy(ConfusionMatrix):
    """Share of the valid pixels that are right: 0 to 1, higher is better; NaN without any.

    Arguments and errors as for `ConfusionMatrix`.
    """

    default_name: str = "pixel_accuracy"
    higher_is_better: bool = True

    def result(self) -> Any:
        return pixel_accuracy(self.matrix())


@keras.saving.register_keras_serializable("dnzoo")
class BoundaryIoU(ConfusionMatrix):
    """Mean boundary IoU of the classes (Cheng et al. 2021, arXiv:2103.16562); absent ones left out.

    IoU of the pixels (or voxels) of a class that lie within a distance of its contour, which a small
    slip of the contour changes as much for a large object as for a small one. An object that the
    image cuts off has a contour there. Ignored pixels make no contour and do not count.

    Arguments as for `ConfusionMatrix`, and

    Args:
        dilation_ratio: the distance, as a share of the image's diagonal; at least one pixel.

    Raises:
        ValueError: when the height or width of the masks is not known where a graph is built.

    Example:
        >>> metric = BoundaryIoU(classes=2, from_logits=False)
        >>> metric.update_state(keras.ops.ones((1, 8, 8)), keras.ops.ones((1, 8, 8)))
        >>> float(metric.result())
        1.0
    """

    default_name: str = "boundary_iou"
    higher_is_better: bool = True

    def __init__(self, classes: int, dilation_ratio: float = 0.02, **kwargs: Any) -> None:
        super().__init__(classes, **kwargs)
        self.dilation_ratio: float = dilation_ratio

    @staticmethod
    def _shape(classes: int) -> tuple[int, int]:
        return classes, 2

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if sample_weight is not None:
            raise ValueError("BoundaryIoU: weights of pixels have no meaning for contours.")
        labels, predicted, inside = self._read(y_true, y_pred)
        shape = tuple(labels.shape[1:])
        if None in shape:
            raise ValueError(f"BoundaryIoU: masks need a known height and width; got {shape}.")
        distance = max(round(self.dilation_ratio * math.hypot(*shape)), 1)
        valid = ops.cast(inside, "float32")[..., None]
        truth, guess = (
            self._boundary(ops.where(inside, mask, -1), valid, distance)
            for mask in (labels, predicted)
        )
        axes = tuple(range(len(shape) + 1))
        both = ops.sum(truth * guess, axis=axes)
        either = ops.sum(truth + guess, axis=axes) - both
        self._add(ops.stack([both, either], axis=-1))

    def _boundary(self, labels: Any, valid: Any, distance: int) -> Any:
        """(N, H, W, classes), 1 where a pixel is of a class and near its contour."""
        masks = ops.cast(labels[..., None] == ops.arange(self.classes), "float32")
        outside = (1.0 - masks) * valid
        padding = ((0, 0), *[(distance, distance)] * (len(labels.shape) - 1), (0, 0))
        outside = ops.pad(outside, padding, constant_values=1.0)
        near = ops.max_pool(outside, 2 * distance + 1, 1, "valid", data_format="channels_last")
        return masks * near

    def result(self) -> Any:
        both, either = ops.unstack(self._counts(), 2, axis=-1)
        return mean_of_present(ratio(both, either))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dilation_ratio": self.dilation_ratio}
