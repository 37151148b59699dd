"""What a confusion matrix says: IoU, Dice, precision, recall, accuracy; of classes, and of all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """What `ConfusionMatrix` counts, of a few images' class numbers, in numpy: (classes, classes) int64.

    Args:
        labels: true class numbers, of any shape; others, such as 255, do not count.
        predicted: class numbers of the same shape.
        classes: their number.
    """
    counts = np.asarray(labels) < classes
    cells = np.asarray(labels)[counts].astype("int64") * classes + np.asarray(predicted)[counts]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def ratio(numerator: Any, denominator: Any) -> Any:
    """Class by class; NaN where there is nothing to divide by: the class is absent."""
    absent = denominator <= 0
    return ops.where(absent, float("nan"), numerator / ops.where(absent, 1.0, denominator))


def mean_of_present(values: Any) -> Any:
    """The mean of the numbers, without those that are NaN; NaN without any."""
    present = ops.logical_not(ops.isnan(values))
    total = ops.sum(ops.where(present, values, 0.0))
    return ratio(total, ops.sum(ops.cast(present, "float32")))


def class_iou(matrix: Any) -> Any:
    """TP / (TP + FP + FN) of each class, (classes,); NaN for one neither true nor predicted."""
    hit = ops.diagonal(matrix)
    return ratio(hit, ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hit)


def class_dice(matrix: Any) -> Any:
    """2 TP / (2 TP + FP + FN) of each class, (classes,); NaN for an absent one."""
    return ratio(2.0 * ops.diagonal(matrix), ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1))


def class_precision(matrix: Any) -> Any:
    """TP / (TP + FP) of each class, (classes,); NaN for one that was never predicted."""
    return ratio(ops.diagonal(matrix), ops.sum(matrix, axis=0))


def class_recall(matrix: Any) -> Any:
    """TP / (TP + FN) of each class, (classes,); NaN for one that is never true."""
    return ratio(ops.diagonal(matrix), ops.sum(matrix, axis=1))


def pixel_accuracy(matrix: Any) -> Any:
    """Share of the pixels that are right; NaN without any."""
    return ratio(ops.sum(ops.diagonal(matrix)), ops.sum(matrix))


def scores(matrix: Any, class_names: Sequence[str]) -> dict[str, Any]:
    """The numbers of a data set from one confusion matrix, as plain floats; NaN is None.

    Args:
        matrix: (classes, classes), true class by row, as of `ConfusionMatrix`.
        class_names: one per class.

    Returns:
        {"mean_iou", "mean_dice", "pixel_accuracy", "pixels", "class_iou": {name: IoU}}.
        The second of two classes of one name is "name (2)".
    """
    matrix = ops.convert_to_tensor(matrix, "float32")
    found = {
        "mean_iou": mean_of_present(class_iou(matrix)),
        "mean_dice": mean_of_present(class_dice(matrix)),
        "pixel_accuracy": pixel_accuracy(matrix),
    }
    found = {name: _plain(value) for name, value in found.items()}
    found["pixels"] = int(ops.sum(matrix))
    per_class = map(_plain, ops.convert_to_numpy(class_iou(matrix)))
    return {**found, "class_iou": dict(zip(unlike(class_names), per_class, strict=True))}


def by_class(matrix: Any, class_names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """The numbers of each class: {name: {"iou", "precision", "recall", "f1"}}; NaN is None.

    F1 is the Dice score. Arguments and names as for `scores`.
    """
    matrix = ops.convert_to_tensor(matrix, "float32")
    measures = {
        "iou": class_iou,
        "precision": class_precision,
        "recall": class_recall,
        "f1": class_dice,
    }
    columns = {name: ops.convert_to_numpy(of(matrix)) for name, of in measures.items()}
    return {
        name: {measure: _plain(values[i]) for measure, values in columns.items()}
        for i, name in enumerate(unlike(class_names))
    }


def unlike(names: Sequence[str]) -> list[str]:
    """The names; the second of the same is "car (2)", so that no table by name loses a row."""
    before = [list(names[:i]).count(name) for i, name in enumerate(names)]
    return [f"{name} ({count + 1})" if count else name for name, count in zip(names, before)]


def _plain(value: Any) -> float | None:
    value = float(ops.convert_to_numpy(value))
    return None if np.isnan(value) else value
