"""What a model costs: parameters, multiply-accumulates, activations, memory of a training step."""

import dataclasses
import math

import keras

from dnzoo import layers
from dnzoo.analysis.graph import trace
from dnzoo.analysis.memory import size_in_bytes, training_memory
from dnzoo.analysis.op_kinds import (
    ATOMS,
    CROPPINGS,
    OPERATIONS_MOVE,
    OPERATIONS_ROW_BY_ROW,
    OPERATIONS_SEE_ALL,
    PADDINGS,
    POOLINGS,
    RESIZES,
    ROW_BY_ROW,
    SEES_ALL,
    TRANSPOSED,
    UPSAMPLINGS,
)
from dnzoo.layers import geometry
from dnzoo.layers.interpolation import INTERPOLATIONS, REACH
from dnzoo.layers.transposed import ConvTranspose, FractionalConv2D

K = keras.layers


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One layer of the model, with all that lies inside it."""

    name: str
    kind: str
    output_shape: tuple
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

    layers: tuple
    parameters: int
    trainable_parameters: int
    macs: int
    activation_bytes: int
    training_bytes: int


def complexity(
    model, input_shape=None, batch_size: int = 1, optimizer_slots: int = 2
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
    graph = trace(model, input_shape, ATOMS)
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
    batch = trace(model, input_shape, ATOMS, batch_size) if batch_size > 1 else graph
    return Complexity(
        listed,
        model.count_params(),
        trainable,
        sum(row.macs for row in listed),
        sum(row.activation_bytes for row in listed),
        training_memory(model, batch, optimizer_slots),
    )


def _row(model, node):
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


def _is_view(node):
    name = type(node.operation).__name__.lower()
    return name in ("reshape", "getitem", "converttotensor", "identity", "dropout")


def macs(node) -> int:
    """Multiply-accumulates of one operation; ValueError where they are not known."""
    operation = node.operation
    given, made = (math.prod(tensors[0].shape) for tensors in (node.inputs, node.outputs))
    for kinds, rule in RULES:
        if isinstance(operation, kinds):
            return rule(operation, node, given, made)
    kind = type(operation).__name__.lower()
    if kind == "matmul":
        return made * node.inputs[0].shape[-1]
    if isinstance(operation, FREE) or kind in OPERATIONS_FREE:
        return 0
    name = "/".join(node.path)
    raise ValueError(f"complexity: no cost is known for {name} ({type(operation).__name__}).")


def _convolution(layer, node, given, made):
    depth = geometry.channels(node.inputs[0].shape, layer.data_format)
    return made * math.prod(layer.kernel_size) * depth // layer.groups


def _depthwise(layer, node, given, made):
    return made * math.prod(layer.kernel_size)


def _separable(layer, node, given, made):
    depth = geometry.channels(node.inputs[0].shape, layer.data_format) * layer.depth_multiplier
    pixels = made // layer.filters
    return pixels * depth * (math.prod(layer.kernel_size) + layer.filters)


def _transposed(layer, node, given, made):
    groups = getattr(layer, "groups", 1)
    filters = geometry.channels(node.outputs[0].shape, layer.data_format)
    return given * math.prod(layer.kernel_size) * filters // groups


def _fractional(layer, node, given, made):
    depth = geometry.channels(node.inputs[0].shape, layer.data_format)
    return made * math.prod(layer.kernel_size) * depth // layer.groups


def _dense(layer, node, given, made):
    return made * node.inputs[0].shape[-1]


def _resize(layer, node, given, made):
    """Taps along one axis after the other, of a kernel that is stretched for antialiasing."""
    method = INTERPOLATIONS[layer.rank][layer.interpolation]
    if method == "nearest":
        return 0
    taps = int(2 * REACH[method])
    total = 0
    shape = list(node.inputs[0].shape)
    for axis in geometry.spatial_axes(layer.rank, layer.data_format):
        wanted = node.outputs[0].shape[axis]
        stretch = max(shape[axis] / wanted, 1) if layer.antialias else 1
        shape[axis] = wanted
        total += math.prod(shape) * math.ceil(taps * stretch)
    return total


def _blur(layer, node, given, made):
    return made * layer.kernel_size**2


def _carafe(layer, node, given, made):
    pixels = given // node.inputs[0].shape[-1]
    weights = layer.compress.filters * (
        node.inputs[0].shape[-1] + math.prod(layer.encode.kernel_size) * layer.encode.filters
    )
    return pixels * weights + made * layer.kernel_size**2


def _dysample(layer, node, given, made):
    return given * layer.offset.filters + 4 * made


def _roi_align(layer, node, given, made):
    return 4 * layer.sampling_ratio**2 * made


def _self_attention(layer, node, given, made):
    *_, height, width, depth = node.inputs[0].shape
    batch, pixels = node.inputs[0].shape[0], height * width
    query, value = layer.query.filters, layer.value.filters
    return batch * pixels * (depth * (2 * query + 2 * value) + pixels * (query + value))


def _multi_scale(layer, node, given, made):
    method = INTERPOLATIONS[2][layer.interpolation]
    taps = 0 if method == "nearest" else int(2 * REACH[method])
    batch, height, width, _ = node.outputs[0].shape
    products = sum(math.prod(tensor.shape) for tensor in node.inputs) * layer.filters
    for tensor in node.inputs[1:]:
        resized = height * tensor.shape[2] + height * width
        products += batch * layer.filters * taps * resized
    return products


def _upsampling(layer, node, given, made):
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return 0
    if layer.interpolation != "bilinear":
        raise ValueError(f"complexity: no cost is known for {layer.interpolation} in {layer.name}.")
    return 2 * (given * layer.size[0] + made)


FREE = (*CROPPINGS, *PADDINGS, *POOLINGS, *ROW_BY_ROW, *SEES_ALL, *ATOMS, K.InputLayer)
OPERATIONS_FREE = OPERATIONS_ROW_BY_ROW | OPERATIONS_SEE_ALL | OPERATIONS_MOVE
RULES = (
    (UPSAMPLINGS, _upsampling),
    ((K.SeparableConv1D, K.SeparableConv2D), _separable),
    ((K.DepthwiseConv1D, K.DepthwiseConv2D), _depthwise),
    ((K.Conv1D, K.Conv2D, K.Conv3D), _convolution),
    (FractionalConv2D, _fractional),
    ((ConvTranspose, *TRANSPOSED), _transposed),
    (K.Dense, _dense),
    (RESIZES, _resize),
    (layers.Blur, _blur),
    (layers.CARAFE, _carafe),
    (layers.DySample, _dysample),
    (layers.RoIAlign, _roi_align),
    (layers.SelfAttention2D, _self_attention),
    (K.Dot, lambda layer, node, given, made: given),
    (layers.MultiScaleFusion, _multi_scale),
)
