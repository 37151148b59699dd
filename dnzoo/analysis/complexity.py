"""What a model costs: parameters, multiply-accumulates, activations, memory of a training step."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras

from dnzoo.analysis.graph import Node, trace
from dnzoo.analysis.memory import size_in_bytes, training_memory
from dnzoo.analysis.op_kinds import (
    CROPPINGS,
    OPERATIONS_MOVE,
    OPERATIONS_ROW_BY_ROW,
    OPERATIONS_SEE_ALL,
    PADDINGS,
    POOLINGS,
    ROW_BY_ROW,
    SEES_ALL,
    TRANSPOSED,
    UPSAMPLINGS,
)
from dnzoo.layers import geometry
from dnzoo.layers.rules import Rules, Shape

K = keras.layers


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """Cost of one layer of the model, with all that lies inside it.

    Attributes:
        name: of the layer.
        kind: its class.
        output_shape: of its last operation, batch included.
        parameters: numbers in its weights.
        macs: multiply-accumulates of one forward pass, of all uses together.
        activation_bytes: of all that it computes in one forward pass.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    macs: int
    activation_bytes: int


@dataclasses.dataclass(frozen=True)
class Complexity:
    """What a model costs for one image, and for a training step.

    Attributes:
        layers: a `LayerCost` for each layer of the model, in order.
        parameters: numbers in all weights; `trainable_parameters`: in those that are trained.
        macs: multiply-accumulates of one forward pass.
        activation_bytes: of everything that one forward pass computes.
        training_bytes: the most that is held at once in a training step: weights, gradients,
            optimiser, and activations.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    trainable_parameters: int
    macs: int
    activation_bytes: int
    training_bytes: int


def complexity(
    model: keras.Layer,
    input_shape: Shape | list[Shape] | None = None,
    batch_size: int = 1,
    optimizer_slots: int = 2,
) -> Complexity:
    """Count parameters, multiply-accumulates and bytes, layer by layer.

    Multiply-accumulates are those of convolutions, products of matrices and interpolations, as
    papers count them: a convolution has `H' W' k² C_in C_out / groups`, a transposed convolution the
    same with its input's H W, padding counts as image. Additions, activations and normalisation
    count nothing. Two floating point operations make one.

    Args:
        model: a model or layer.
        input_shape: without batch (or a list of shapes); None: the model's own, 256 for open sizes.
        batch_size: images in a training step, for `training_bytes`; the rest is for one image.
        optimizer_slots: numbers that the optimiser keeps for each weight: 2 for Adam, 1 for
            momentum, 0 for plain gradient descent.

    Raises:
        ValueError: for an operation whose cost is not known, or a shape that the model refuses.

    Example:
        >>> import keras
        >>> complexity(keras.layers.Conv2D(16, 3, padding="same"), (8, 8, 4)).macs
        36864
    """
    graph = trace(model, input_shape)
    rows = {}
    for node in graph.nodes:
        name, kind, parameters = _row(model, node)
        if kind is None:
            continue
        *_, before, held = rows.get(name, (0, 0))
        rows[name] = (
            kind,
            node.outputs[0].shape,
            parameters,
            before + macs(node),
            held + (0 if _is_view(node) else sum(map(size_in_bytes, node.outputs))),
        )
    listed = tuple(LayerCost(name, *row) for name, row in rows.items())
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    batch = trace(model, input_shape, batch=batch_size) if batch_size > 1 else graph
    return Complexity(
        listed,
        model.count_params(),
        trainable,
        sum(row.macs for row in listed),
        sum(row.activation_bytes for row in listed),
        training_memory(model, batch, optimizer_slots),
    )


def _row(model: keras.Layer, node: Node) -> tuple[str, str | None, int]:
    """(name, kind, parameters) of the model's own layer that a node lies in; kind None: no row."""
    inside = node.path[1:] if len(node.path) > 1 and node.path[0] == model.name else node.path
    own = {
        layer.name: layer
        for layer in (*vars(model).values(), *getattr(model, "layers", []))
        if isinstance(layer, K.Layer)
    }
    owner = model if inside[0] == model.name else own.get(inside[0])
    if owner is not None:
        return inside[0], type(owner).__name__, owner.count_params()
    return inside[0], None if _is_view(node) else type(node.operation).__name__, 0


def _is_view(node: Node) -> bool:
    name = type(node.operation).__name__.lower()
    return name in ("reshape", "getitem", "converttotensor", "identity", "dropout")


def macs(node: Node) -> int:
    """Multiply-accumulates of one operation; ValueError where they are not known."""
    operation = node.operation
    given, made = [x.shape for x in node.inputs], node.outputs[0].shape
    if isinstance(operation, Rules):
        return operation.macs(given, made)
    for kinds, rule in RULES:
        if isinstance(operation, kinds):
            return rule(operation, given[0], made)
    kind = type(operation).__name__.lower()
    if kind == "matmul":
        return math.prod(made) * given[0][-1]
    if isinstance(operation, FREE) or kind in OPERATIONS_FREE:
        return 0
    name = "/".join(node.path)
    raise ValueError(f"complexity: no cost is known for {name} ({type(operation).__name__}).")


def _convolution(layer: keras.Layer, given: Shape, made: Shape) -> int:
    depth = geometry.channels(given, layer.data_format)
    return math.prod(made) * math.prod(layer.kernel_size) * depth // layer.groups


def _depthwise(layer: keras.Layer, given: Shape, made: Shape) -> int:
    return math.prod(made) * math.prod(layer.kernel_size)


def _separable(layer: keras.Layer, given: Shape, made: Shape) -> int:
    depth = geometry.channels(given, layer.data_format) * layer.depth_multiplier
    pixels = math.prod(made) // layer.filters
    return pixels * depth * (math.prod(layer.kernel_size) + layer.filters)


def _transposed(layer: keras.Layer, given: Shape, made: Shape) -> int:
    return math.prod(given) * math.prod(layer.kernel_size) * layer.filters


def _dense(layer: keras.Layer, given: Shape, made: Shape) -> int:
    return math.prod(made) * given[-1]


def _dot(layer: keras.Layer, given: Shape, made: Shape) -> int:
    return math.prod(given)


def _upsampling(layer: keras.Layer, given: Shape, made: Shape) -> int:
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return 0
    if layer.interpolation != "bilinear":
        raise ValueError(f"complexity: no cost is known for {layer.interpolation} in {layer.name}.")
    return 2 * (math.prod(given) * layer.size[0] + math.prod(made))


FREE: tuple[type[Any], ...] = (
    *CROPPINGS,
    *PADDINGS,
    *POOLINGS,
    *ROW_BY_ROW,
    *SEES_ALL,
    K.InputLayer,
)
OPERATIONS_FREE: set[str] = OPERATIONS_ROW_BY_ROW | OPERATIONS_SEE_ALL | OPERATIONS_MOVE
RULES: tuple[tuple[Any, Callable[[keras.Layer, Shape, Shape], int]], ...] = (
    (UPSAMPLINGS, _upsampling),
    ((K.SeparableConv1D, K.SeparableConv2D), _separable),
    ((K.DepthwiseConv1D, K.DepthwiseConv2D), _depthwise),
    ((K.Conv1D, K.Conv2D, K.Conv3D), _convolution),
    (TRANSPOSED, _transposed),
    (K.Dense, _dense),
    (K.Dot, _dot),
)
