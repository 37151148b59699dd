"""What a net for segmentation puts out: logits, probabilities or labels, told apart in one place.

Scores are (N, ..., C): a logit or a probability for each class, or with C = 1 for class 1 against class 0.
Labels are class numbers, (N, ...) or (N, ..., 1).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo.metrics.labels import fits, seen

EPSILON: float = 1e-7
SLACK: float = 1e-3  # by which rounding may take a probability out of [0, 1]


def threshold(from_logits: bool | None = True) -> float:
    """Above which one score alone is class 1: 0 for a logit, 0.5 for a probability."""
    return 0.5 if from_logits is False else 0.0


def classes(scores: Any, cut: float = 0.0) -> Any:
    """Class numbers, (N, ...), of scores (N, ..., C): the largest; with C = 1, class 1 above `cut`.

    A numpy array stays one.

    Example:
        >>> classes(np.array([[[0.2], [0.7]]]), threshold(from_logits=False)).tolist()
        [[0, 1]]
    """
    here = isinstance(scores, np.ndarray)
    if scores.shape[-1] == 1:
        found = scores[..., 0] > cut
        return found.astype("int32") if here else ops.cast(found, "int32")
    if here:
        return np.argmax(scores, axis=-1).astype("int32")
    return ops.cast(ops.argmax(scores, axis=-1), "int32")


def logits(owner: str, scores: Any, from_logits: bool = True) -> Any:
    """Scores as float32 logits; those of probabilities are their logarithms.

    Raises:
        ValueError: for probabilities outside [0, 1], where values can be seen.
    """
    scores = ops.cast(scores, "float32")
    if from_logits:
        return scores
    _check_probabilities(owner, scores)
    p = ops.clip(scores, EPSILON, 1.0 - EPSILON)
    return ops.log(p) - (ops.log(1.0 - p) if scores.shape[-1] == 1 else 0.0)


def labels(
    owner: str,
    y_true: Any,
    y_pred: Any,
    count: int,
    from_logits: bool | None = None,
    cut: float | None = None,
) -> Any:
    """Labels, (N, ...), of what a metric is given as a prediction.

    Args:
        owner: the metric, for the error.
        y_true: masks, for their shape: (N, ...) or (N, ..., 1).
        y_pred: scores; with `from_logits=False` probabilities, or labels: integers, or floating point
            numbers that have no axis of classes.
        count: of classes.
        from_logits: None: logits; but one channel whose values all lie in [0, 1] is refused where
            values can be seen, because they could be a sigmoid's.
        cut: see `classes`; None: the `threshold` for them.

    Raises:
        ValueError: for another number of scores than of classes; for integers as logits, and
            probabilities outside [0, 1].
    """
    floating = "float" in keras.backend.standardize_dtype(y_pred.dtype)
    shape, channels = tuple(y_pred.shape), y_pred.shape[-1]
    if from_logits is False and not (floating and _are_scores(tuple(y_true.shape), shape, count)):
        flat = len(shape) == len(y_true.shape) + 1 and channels == 1
        return y_pred[..., 0] if flat else y_pred
    if channels != count and (channels, count) != (1, 2):
        raise ValueError(
            f"{owner}: {count} classes need {count} logits (or 1 for 2 classes); got y_pred of "
            f"shape {shape}."
        )
    if not floating:
        raise ValueError(f"{owner}: y_pred holds integers; labels need from_logits=False.")
    if from_logits is False:
        _check_probabilities(owner, y_pred)
    elif from_logits is None and channels == 1 and not cut:
        _check_logits(owner, y_pred)
    return classes(y_pred, threshold(from_logits) if cut is None else cut)


def _are_scores(true: tuple[Any, ...], given: tuple[Any, ...], count: int) -> bool:
    """Whether the last axis is one of classes: the others are then the mask's."""
    if fits(given[:-1], true):
        return given[-1] > 1 or count == 2
    return true[-1] == 1 and fits(given[:-1], true[:-1]) and (given[-1] > 1 or count == 2)


def _check_probabilities(owner: str, scores: Any) -> None:
    inside = (scores >= -SLACK) & (scores <= 1 + SLACK)
    if seen(inside) and not bool(ops.all(inside)):
        raise ValueError(
            f"{owner}: with from_logits=False, y_pred must be probabilities, from 0 to 1; got "
            f"{float(ops.min(scores)):g} to {float(ops.max(scores)):g}."
        )


def _check_logits(owner: str, scores: Any) -> None:
    inside = (scores >= 0) & (scores <= 1)
    if seen(inside) and bool(ops.all(inside)) and bool(ops.any(scores > 0)):
        raise ValueError(
            f"{owner}: y_pred is from 0 to 1, as probabilities are: say from_logits=False, or "
            "from_logits=True if these are logits."
        )
