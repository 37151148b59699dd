"""Bytes that a training step holds at once: forward, then backward, value by value."""

import math
from typing import Any

import keras

from dnzoo.analysis.graph import Graph, Node, Tensor
from dnzoo.layers.rules import Kept, Rules

K = keras.layers
BYTES: dict[str, int] = {
    "float64": 8,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "bool": 1,
    "uint8": 1,
    "int8": 1,
}

# What the backward pass needs of an operation: its inputs, or its outputs. Else neither.
NEEDS_INPUT: tuple[type[Any], ...] = (
    *(K.Conv1D, K.Conv2D, K.Conv3D, K.DepthwiseConv1D, K.DepthwiseConv2D),
    *(K.SeparableConv1D, K.SeparableConv2D, K.Dense, K.Multiply),
    *(K.BatchNormalization, K.LayerNormalization, K.GroupNormalization),
    *(K.MaxPooling1D, K.MaxPooling2D, K.MaxPooling3D),
    *(K.ReLU, K.LeakyReLU, K.ELU, K.PReLU),
    *(K.Conv1DTranspose, K.Conv2DTranspose, K.Conv3DTranspose),
)
NEEDS_OUTPUT: tuple[type[Any], ...] = (K.Softmax,)
OPERATIONS_NEED_INPUT: set[str] = set(
    "matmul multiply divide relu relu6 leakyrelu gelu silu elu sigmoid tanh square power".split()
)
OPERATIONS_NEED_OUTPUT: set[str] = {"softmax", "exp", "sqrt"}
# Copies that automatic differentiation keeps beyond that, of what is computed on the way.
COPIES: dict[str, int] = {"layernormalization": 3, "gelu": 2, "silu": 1}
# What a compiler writes over its input, or does not write at all.
IN_PLACE: tuple[type[Any], ...] = (
    K.ReLU,
    K.Activation,
    K.LeakyReLU,
    K.Dropout,
    K.BatchNormalization,
    K.Rescaling,
)
OPERATIONS_IN_PLACE: set[str] = OPERATIONS_NEED_OUTPUT | set(
    """add subtract multiply divide negative cast relu relu6 leakyrelu gelu silu elu sigmoid tanh square
    reshape identity converttotensor""".split()
)


def size_in_bytes(tensor: Tensor) -> int:
    """Bytes of a `graph.Tensor`."""
    return math.prod(tensor.shape) * BYTES.get(tensor.dtype, 4)


def training_memory(model: keras.Layer, graph: Graph, optimizer_slots: int) -> int:
    """The most bytes a training step holds: weights, optimiser, gradients, batch, activations.

    Activations are kept from the operation that makes them to the last that needs them, forward or
    backward; gradients of activations likewise. Elementwise operations write over their inputs,
    as XLA has them do.
    """
    trained = sum(4 * math.prod(weight.shape) for weight in model.trainable_weights)
    weights = sum(4 * math.prod(weight.shape) for weight in model.weights)
    batch = sum(map(size_in_bytes, [*graph.inputs, *graph.outputs]))
    return weights + trained * (1 + optimizer_slots) + batch + _most_held(graph)


def prediction_memory(graph: Graph) -> int:
    """The most bytes of activations that are held at once when a model only predicts."""
    last_read = {x.number: place for place, node in enumerate(graph.nodes) for x in node.inputs}
    live = most = sum(map(size_in_bytes, graph.inputs))
    for place, node in enumerate(graph.nodes):
        live += sum(map(size_in_bytes, node.outputs))
        most = max(most, live)
        done = {x.number: x for x in node.inputs if last_read[x.number] == place}
        live -= sum(map(size_in_bytes, done.values()))
    return most


def _most_held(graph: Graph) -> int:
    numbers = {x.number for x in graph.inputs}
    rules = [_kept(node) for node in graph.nodes]
    last_read, kept = {}, {}
    for place, (node, rule) in enumerate(zip(graph.nodes, rules)):
        for tensor in node.inputs:
            last_read[tensor.number] = place
        needed = (node.inputs if rule.inputs else []) + (node.outputs if rule.outputs else [])
        for tensor in needed:
            # the first user in the forward pass is the last in the backward pass
            kept.setdefault(tensor.number, place)
    sizes = {x.number: size_in_bytes(x) for node in graph.nodes for x in node.outputs}
    inside = [_in_bytes(rule.inside, node) for rule, node in zip(rules, graph.nodes)]
    live, most = 0, 0

    for place, node in enumerate(graph.nodes):
        made = sum(sizes[x.number] for x in node.outputs)
        dead = {
            x.number
            for x in node.inputs
            if last_read[x.number] == place and x.number not in kept and x.number not in numbers
        }
        freed = sum(sizes[number] for number in dead)
        live += inside[place]
        if rules[place].in_place:
            live -= freed
            freed = 0
        live += made
        most = max(most, live)
        live -= freed

    gradients = {x.number for x in graph.outputs}
    live += sum(size_in_bytes(x) for x in graph.outputs)
    for place, node in reversed(list(enumerate(graph.nodes))):
        outputs = [x for x in node.outputs if x.number in gradients]
        if not outputs:
            continue
        fresh = {x.number for x in node.inputs} - gradients - numbers
        made, done = (
            sum(sizes[number] for number in group) for group in (fresh, {x.number for x in outputs})
        )
        gradients = (gradients | fresh) - {x.number for x in outputs}
        if rules[place].in_place:
            live -= done
            done = 0
        live += made
        most = max(most, live + _in_bytes(rules[place].briefly, node))
        live -= done + inside[place]
        live -= sum(sizes[n] for n, first in kept.items() if first == place and n not in numbers)
    return most


def _kept(node: Node) -> Kept:
    """What a layer says that it keeps; for Keras's layers and operations what the tables say."""
    operation, kind, shape = node.operation, _kind(node), node.outputs[0].shape
    if isinstance(operation, Rules):
        return operation.kept([x.shape for x in node.inputs], shape)
    has_products = isinstance(operation, NEEDS_INPUT)
    function = getattr(operation, "activation", None)
    copies = COPIES.get(kind, 0)
    if has_products and kind not in COPIES and function not in (None, keras.activations.linear):
        copies = 1  # what comes before the layer's own activation
    return Kept(
        inputs=has_products or kind in OPERATIONS_NEED_INPUT,
        outputs=isinstance(operation, NEEDS_OUTPUT) or kind in OPERATIONS_NEED_OUTPUT,
        inside=copies * math.prod(shape),
        in_place=isinstance(operation, IN_PLACE) or kind in OPERATIONS_IN_PLACE,
    )


def _in_bytes(numbers: int, node: Node) -> int:
    return numbers * BYTES.get(node.outputs[0].dtype, 4)


def _kind(node: Node) -> str:
    """The operation's name, for a layer that is nothing but an activation the activation's."""
    if isinstance(node.operation, K.Activation):
        return getattr(node.operation.activation, "__name__", "")
    return type(node.operation).__name__.lower()
