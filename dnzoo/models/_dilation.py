"""Strides replaced by dilation: the same weights see the same, at more places."""

from typing import Any, NamedTuple

import keras

from dnzoo.analysis.op_kinds import (
    CONVOLUTIONS,
    OPERATIONS_ROW_BY_ROW,
    PADDINGS,
    POOLINGS,
    ROW_BY_ROW,
    SEES_ALL,
)
from dnzoo.layers import Preprocessing

STRIDES = (8, 16, 32)
UNCHANGED = (Preprocessing, *ROW_BY_ROW, *SEES_ALL)


def dilate(model: keras.Model, output_stride: int) -> keras.Model:
    """The same network and weights, whose features are nowhere coarser than `output_stride`.

    Strides beyond it become 1, and every kernel behind one of them is dilated by it (the "à trous"
    algorithm; Chen et al. 2015, arXiv:1412.7062). Of the finer maps, each k-th row is a row of the
    network with its strides: from the first on where its padding is explicit (`ZeroPadding2D`) or
    the size is odd, from the k-th on for padding "same" and even sizes. That is exact for images that
    the strides divide, but for layers that look at the whole image (squeeze and excitation).

    Args:
        model: functional, of convolutions, poolings, zero padding, and layers that work row by row;
            each called once. A pooling can lose its stride, but can't be dilated.
        output_stride: 8, 16 or 32.

    Returns:
        A new `keras.Model`, weights in the same order.

    Raises:
        ValueError: for another stride, or a layer that has no dilated form.
    """
    if output_stride not in STRIDES:
        raise ValueError(
            f"output_stride must be one of {', '.join(map(str, STRIDES))}, or None; "
            f"got output_stride={output_stride!r}."
        )
    changes = _changes(model, output_stride)

    def clone(operation: keras.Operation) -> keras.Operation:
        config = {**operation.get_config(), **changes.get(operation.name, {})}
        return type(operation).from_config(config)

    made = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.weights:
            made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


class _Place(NamedTuple):
    """Where a tensor lies: the stride that it had, and the distance of what were neighbours."""

    stride: int = 1
    rate: int = 1


def _changes(model: keras.Model, output_stride: int) -> dict[str, dict[str, Any]]:
    """{layer's name: what is to change of its configuration}."""
    readers = _readers(model)
    places = {id(x): _Place() for x in model.inputs}
    changes, padded = {}, set()
    for operation in model.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        stride, rate = _before(operation, places)
        step = _stride(operation)
        lost = step if _loses(operation, stride, output_stride) else 1
        if isinstance(operation, PADDINGS):
            reader = _only(readers, operation)
            if reader is not None and not _loses(reader, stride, output_stride):
                reader = None
            changes[operation.name] = _padding(operation, rate, reader)
            padded.add(reader)
        else:
            changes[operation.name] = _strided(operation, rate, lost, operation in padded)
        for x in keras.tree.flatten(operation.output):
            places[id(x)] = _Place(stride * step, rate * lost)
    for x in model.outputs:
        _known(x, places)
    return changes


def _before(operation: keras.Operation, places: dict[int, _Place]) -> _Place:
    """Where what an operation reads lies: of several, the one that was coarsest."""
    found = [_known(x, places) for x in keras.tree.flatten(operation.input)]
    return _Place(max(place.stride for place in found), max(place.rate for place in found))


def _known(x: keras.KerasTensor, places: dict[int, _Place]) -> _Place:
    """Of a layer that is called twice, only the first call's output is known."""
    if id(x) not in places:
        raise _refusal(x._keras_history.operation, "it is called more than once")
    return places[id(x)]


def _loses(operation: keras.Operation, stride: int, output_stride: int) -> bool:
    """Whether the stride of what reads a map of `stride` is replaced."""
    step = _stride(operation)
    return step > 1 and stride * step > output_stride


def _readers(model: keras.Model) -> dict[int, list[keras.Operation]]:
    """{id of a tensor: the operations that read it}."""
    found = {}
    for operation in model.operations:
        for x in keras.tree.flatten(operation.input):
            found.setdefault(id(x), []).append(operation)
    return found


def _only(readers: dict[int, list[keras.Operation]], padding: keras.Layer) -> keras.Layer | None:
    """The unpadded convolution or pooling that alone reads what `padding` makes."""
    found = readers.get(id(padding.output), [])
    alone = len(found) == 1 and isinstance(found[0], (*CONVOLUTIONS, *POOLINGS))
    return found[0] if alone and found[0].padding == "valid" else None


def _stride(operation: keras.Operation) -> int:
    if not isinstance(operation, (*CONVOLUTIONS, *POOLINGS)):
        known = isinstance(operation, (*PADDINGS, *UNCHANGED))
        if not known and type(operation).__name__.lower() not in OPERATIONS_ROW_BY_ROW:
            raise _refusal(operation, "it has no dilated form")
        return 1
    if len({*operation.strides}) > 1:
        raise _refusal(operation, f"it has strides={operation.strides}")
    return operation.strides[0]


def _window(layer: keras.Layer) -> tuple[int, ...]:
    return layer.pool_size if isinstance(layer, POOLINGS) else layer.kernel_size


def _strided(operation: keras.Operation, rate: int, lost: int, padded: bool) -> dict[str, Any]:
    """What changes of a convolution or pooling; nothing of anything else."""
    changes = {}
    if not isinstance(operation, (*CONVOLUTIONS, *POOLINGS)):
        return changes
    wide = max(_window(operation)) > 1
    if lost > 1:
        changes["strides"] = (1, 1)
        if wide and not padded:
            changes["padding"] = "same"
    if isinstance(operation, POOLINGS):
        if wide and rate > 1:
            raise _refusal(operation, "a pooling can't be dilated")
    elif wide and rate > 1:
        changes["dilation_rate"] = tuple(rate * d for d in operation.dilation_rate)
    return changes


def _padding(padding: keras.Layer, rate: int, reader: keras.Layer | None) -> dict[str, Any]:
    """Zeros for as many rows as are between them now; where a stride is lost, as many as keep the size."""
    sides = [(rate * before, rate * after) for before, after in padding.padding]
    if reader is not None:
        spans = [rate * (taps - 1) for taps in _window(reader)]
        sides = [(first, max(last, span - first)) for (first, last), span in zip(sides, spans)]
    return {"padding": tuple(sides)}


def _refusal(operation: keras.Operation, why: str) -> ValueError:
    return ValueError(
        f"output_stride: the encoder's layer {operation.name} ({type(operation).__name__}) stands in "
        f"the way: {why}. Use a larger output_stride, or None."
    )
