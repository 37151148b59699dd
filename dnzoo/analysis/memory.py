"""Bytes that a training step holds at once: forward, then backward, value by value."""

import math

import keras

from dnzoo.layers.convolution import needs_zeros
from dnzoo.layers.learned import CARAFE, DySample
from dnzoo.layers.transposed import ConvTranspose, FractionalConv2D

K = keras.layers
BYTES = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "bool": 1, "uint8": 1, "int8": 1}

# What the backward pass needs of an operation: its inputs, or its outputs. Else neither.
NEEDS_INPUT = (
    *(K.Conv1D, K.Conv2D, K.Conv3D, K.DepthwiseConv1D, K.DepthwiseConv2D),
    *(K.SeparableConv1D, K.SeparableConv2D, K.Dense, K.Multiply),
    *(K.BatchNormalization, K.LayerNormalization, K.GroupNormalization),
    *(K.MaxPooling1D, K.MaxPooling2D, K.MaxPooling3D),
    *(K.ReLU, K.LeakyReLU, K.ELU, K.PReLU),
    *(K.Conv1DTranspose, K.Conv2DTranspose, K.Conv3DTranspose, ConvTranspose),
)
NEEDS_OUTPUT = (K.Softmax,)
OPERATIONS_NEED_INPUT = set(
    "matmul multiply divide relu relu6 leakyrelu gelu silu elu sigmoid tanh square power".split()
)
OPERATIONS_NEED_OUTPUT = {"softmax", "exp", "sqrt"}
# Copies that automatic differentiation keeps beyond that, of what is computed on the way.
COPIES = {"layernormalization": 3, "gelu": 2, "silu": 1}
# What a compiler writes over its input, or does not write at all.
IN_PLACE = (K.ReLU, K.Activation, K.LeakyReLU, K.Dropout, K.BatchNormalization, K.Rescaling)
OPERATIONS_IN_PLACE = OPERATIONS_NEED_OUTPUT | set(
    """add subtract multiply divide negative cast relu relu6 leakyrelu gelu silu elu sigmoid tanh square
    reshape identity converttotensor""".split()
)


def size_in_bytes(tensor) -> int:
    """Bytes of a `graph.Tensor`."""
    return math.prod(tensor.shape) * BYTES.get(tensor.dtype, 4)


def training_memory(model, graph, optimizer_slots) -> int:
    """The most bytes a training step holds: weights, optimiser, gradients, batch, activations.

    Activations are kept from the operation that makes them to the last that needs them, forward or
    backward; gradients of activations likewise. Elementwise operations write over their inputs,
    as XLA has them do. Of what an operation needs only while it runs, what CARAFE gathers counts alone.
    """
    trained = sum(4 * math.prod(weight.shape) for weight in model.trainable_weights)
    weights = sum(4 * math.prod(weight.shape) for weight in model.weights)
    batch = sum(map(size_in_bytes, [*graph.inputs, *graph.outputs]))
    return weights + trained * (1 + optimizer_slots) + batch + _most_held(graph)


def prediction_memory(graph) -> int:
    """The most bytes of activations that are held at once when a model only predicts."""
    last_read = {x.number: place for place, node in enumerate(graph.nodes) for x in node.inputs}
    live = most = sum(map(size_in_bytes, graph.inputs))
    for place, node in enumerate(graph.nodes):
        live += sum(map(size_in_bytes, node.outputs))
        most = max(most, live)
        done = {x.number: x for x in node.inputs if last_read[x.number] == place}
        live -= sum(map(size_in_bytes, done.values()))
    return most


def _most_held(graph):
    numbers = {x.number for x in graph.inputs}
    last_read, kept = {}, {}
    for place, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            last_read[tensor.number] = place
        for tensor in _needed(node):
            # the first user in the forward pass is the last in the backward pass
            kept.setdefault(tensor.number, place)
    sizes = {x.number: size_in_bytes(x) for node in graph.nodes for x in node.outputs}
    on_the_way = [_on_the_way(node) for node in graph.nodes]
    live, most = 0, 0

    for place, node in enumerate(graph.nodes):
        made = sum(sizes[x.number] for x in node.outputs)
        dead = {
            x.number
            for x in node.inputs
            if last_read[x.number] == place and x.number not in kept and x.number not in numbers
        }
        freed = sum(sizes[number] for number in dead)
        live += on_the_way[place]
        if _in_place(node):
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
        if _in_place(node):
            live -= done
            done = 0
        live += made
        most = max(most, live + _while_it_runs(node))
        live -= done + on_the_way[place]
        live -= sum(sizes[n] for n, first in kept.items() if first == place and n not in numbers)
    return most


def _needed(node):
    operation, kind = node.operation, _kind(node)
    if isinstance(operation, NEEDS_INPUT) or kind in OPERATIONS_NEED_INPUT:
        return node.inputs
    if isinstance(operation, NEEDS_OUTPUT) or kind in OPERATIONS_NEED_OUTPUT:
        return node.outputs
    return []


def _on_the_way(node):
    """Bytes kept of what is computed on the way: before a layer's own activation, above all."""
    size = size_in_bytes(node.outputs[0])
    if isinstance(node.operation, CARAFE):
        pixels = size_in_bytes(node.inputs[0]) // node.inputs[0].shape[-1]
        layer = node.operation
        return pixels * (layer.compress.filters + layer.encode.filters) + _gathered(node)
    if isinstance(node.operation, DySample):  # four neighbours, and the share of each
        return 8 * size
    if _spreads(node.operation):
        return size_in_bytes(node.inputs[0]) * math.prod(node.operation.strides)
    if _kind(node) in COPIES:
        return COPIES[_kind(node)] * size
    function = getattr(node.operation, "activation", None)
    if not isinstance(node.operation, NEEDS_INPUT) or function in (None, keras.activations.linear):
        return 0
    return size


def _spreads(operation):
    """Whether a transposed convolution is computed here with zeros between its pixels."""
    if not isinstance(operation, ConvTranspose):
        return False
    portable = keras.backend.backend() != "tensorflow"
    needed = needs_zeros(operation.groups, operation.dilation_rate)
    return isinstance(operation, FractionalConv2D) or (portable and needed)


def _while_it_runs(node):
    """Bytes that the backward pass of one operation holds beyond what is kept: a gradient."""
    return _gathered(node) if isinstance(node.operation, CARAFE) else 0


def _gathered(node):
    """The neighbourhood of each pixel that CARAFE weighs."""
    return size_in_bytes(node.inputs[0]) * node.operation.kernel_size**2


def _in_place(node):
    return isinstance(node.operation, IN_PLACE) or _kind(node) in OPERATIONS_IN_PLACE


def _kind(node):
    """The operation's name, for a layer that is nothing but an activation the activation's."""
    if isinstance(node.operation, K.Activation):
        return getattr(node.operation.activation, "__name__", "")
    return type(node.operation).__name__.lower()
