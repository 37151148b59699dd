"""Masks of class numbers: what a label means, by one rule for every loss and metric.

A label is a class, 0 to `classes` - 1, or `ignore_index`, whose pixels do not count. Anything else (a
larger number, a negative one, 0.5, NaN) is a `ValueError`, and in a compiled graph of TensorFlow, as `fit`
makes it, an `InvalidArgumentError` of the same words. XLA and JAX can't raise: there its pixel does not
count either, in every loss and metric.

Labels may be of any type, booleans and whole floating point numbers included: Keras's losses get masks
as float32.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

IGNORE: int = 255  # the label of pixels that do not count
# can't be compared with every class number
NARROW: tuple[str, ...] = ("bool", "int8", "uint8", "int16", "uint16")


def squeeze(owner: str, y_true: Any, shape: tuple[int | None, ...]) -> Any:
    """Masks, (N, ...) or (N, ..., 1), as (N, ...) of a shape: that of predictions, without channels.

    Args:
        owner: the class that was given them, for the error.
        y_true: a tensor, of any number of spatial dimensions.
        shape: (N, ...); None where a size is not known.

    Raises:
        ValueError: for another shape, such as that of one-hot masks.
    """
    labels = y_true
    if len(labels.shape) == len(shape) + 1 and labels.shape[-1] in (1, None):
        labels = labels[..., 0]
    if not fits(labels.shape, shape):
        raise ValueError(
            f"{owner}: masks must be (N, ...) or (N, ..., 1), a class number for each pixel of the "
            f"predictions, (N, ..., C); one-hot masks need argmax. Got masks {tuple(y_true.shape)} "
            f"for predictions {tuple(shape)}."
        )
    return labels


def fits(shape: Any, other: Any) -> bool:
    """Whether two shapes are or may be the same; None is any size."""
    pairs = zip(shape, other)
    return len(shape) == len(other) and all(a == b or None in (a, b) for a, b in pairs)


def class_numbers(
    owner: str, labels: Any, classes: int, ignore_index: int | None = IGNORE
) -> tuple[Any, Any]:
    """(class numbers, int32, 0 where a pixel does not count; whether it counts, boolean).

    Args:
        owner: the class that was given the labels, for the error.
        labels: a tensor of any shape and type.
        classes: how many there are.
        ignore_index: the label of pixels that do not count; None: there is none.

    Raises:
        ValueError: for a label that is neither, where values can be seen.
        tf.errors.InvalidArgumentError: for one, when a compiled graph of TensorFlow runs.

    Example:
        >>> class_numbers("Dice", ops.convert_to_tensor([0.0, 255.0, 1.0]), 2)[1].numpy().tolist()
        [True, False, True]
    """
    dtype = keras.backend.standardize_dtype(labels.dtype)
    floating = "float" in dtype
    if floating or dtype in NARROW:
        labels = ops.cast(labels, "float32" if floating else "int32")
    known = (labels >= 0) & (labels < classes)
    if floating:
        known = known & (ops.floor(labels) == labels)
    ignored = ops.zeros_like(known) if ignore_index is None else labels == ignore_index
    beyond = ops.logical_not(known | ignored)
    ignoring = "" if ignore_index is None else f", {ignore_index} is ignored"
    rule = f"{owner}: labels must be class numbers, 0 to {classes - 1}{ignoring}; got"
    if not seen(beyond):
        labels = _checked_in_graph(labels, beyond, rule)
    elif bool(ops.any(beyond)):
        found = np.unique(ops.convert_to_numpy(labels)[ops.convert_to_numpy(beyond)])[:5]
        raise ValueError(f"{rule} {', '.join(f'{value:g}' for value in found.tolist())}.")
    counts = known & ops.logical_not(ignored)
    return ops.cast(ops.where(counts, labels, ops.zeros_like(labels)), "int32"), counts


def _checked_in_graph(labels: Any, beyond: Any, rule: str) -> Any:
    """The labels, which a compiled graph of TensorFlow looks at when it runs."""
    if keras.backend.backend() != "tensorflow" or isinstance(labels, keras.KerasTensor):
        return labels
    import tensorflow as tf

    said = [rule, "numbers from", tf.reduce_min(labels), "to", tf.reduce_max(labels)]
    with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(beyond), said)]):
        return tf.identity(labels)


def seen(x: Any) -> bool:
    """Whether a tensor's values can be looked at: it is neither symbolic nor in a compiled graph."""
    if isinstance(x, (keras.KerasTensor, np.ndarray)):
        return isinstance(x, np.ndarray)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return hasattr(x, "numpy")
    if backend == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    import torch

    return x.device.type != "meta" and not torch.compiler.is_compiling()
