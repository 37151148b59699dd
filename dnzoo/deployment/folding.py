"""A trained model made ready to predict: batch normalisation folded away, weights in few bytes."""

import collections
import itertools
from typing import Any, Literal, get_args

import keras
import numpy as np

from dnzoo import layers
from dnzoo.analysis.graph import Node, trace_tensors
from dnzoo.layers.base import Shape
from dnzoo.layers.transposed import ConvTranspose

K = keras.layers
Dtype = Literal["bfloat16", "float16", "float32"]
DTYPES: tuple[str, ...] = get_args(Dtype)
PRODUCTS = (
    *(K.Conv1D, K.Conv2D, K.Conv3D, K.DepthwiseConv1D, K.DepthwiseConv2D),
    *(K.SeparableConv1D, K.SeparableConv2D, K.Dense),
    *(K.Conv1DTranspose, K.Conv2DTranspose, K.Conv3DTranspose, ConvTranspose),
)
TRANSPOSED = PRODUCTS[-4:]
DEPTHWISE = (K.DepthwiseConv1D, K.DepthwiseConv2D)
ONLY_IN_TRAINING = (
    *(K.ActivityRegularization, K.AlphaDropout, K.Dropout, K.GaussianDropout, K.GaussianNoise),
    *(K.SpatialDropout1D, K.SpatialDropout2D, K.SpatialDropout3D),
    layers.DifferentiableAugmentation,
)


def deploy(
    model: keras.Model, dtype: Dtype = "bfloat16", input_shape: Shape | None = None
) -> keras.Model:
    """The same function for prediction alone: fewer operations, smaller weights.

    * Batch normalisation behind a convolution, transposed or depthwise convolution or dense layer
      becomes part of its kernel and bias. One that stands elsewhere stays.
    * What acts in training alone (dropout, noise, augmentation) is left out.
    * Kernels are kept and multiplied in `dtype`. Float32 stay what comes before the first
      of them, as preprocessing, and the last of them with what follows: a class decided by a small
      difference, or a pixel of 256 values, needs more than the 8 bits of bfloat16.

    Args:
        model: a functional model, as every builder of dnzoo makes; of a `VAE` or a `GAN` a part,
            as `vae.decoder`. It is left as it is.
        dtype: "bfloat16" (fast on CPUs with AMX or AVX512-BF16), "float16" (for GPUs and for small
            files), or "float32" (folding alone: outputs agree to rounding).
        input_shape: (H, W, C) to fix sizes that the model leaves open, which makes cutting to
            size unnecessary; None: as they are.

    Returns:
        `keras.Model`, flat, float32 in and out, for `predict` and `export`. `save` takes it too, and
        writes float32, as always: deploy after loading.

    Raises:
        ValueError: for another dtype, a model that is not functional, or an input shape that the
            model does not take.

    Example:
        >>> from dnzoo import unet
        >>> model = unet((None, None, 3), filters=(4, 8))
        >>> [deploy(model, "float32").count_params(), model.count_params()]
        [1722, 1850]
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype!r}.")
    if not isinstance(model, keras.models.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            f"deploy takes a functional model; got {type(model).__name__}. Of a VAE or a GAN, "
            "deploy a part, such as its decoder or generator."
        )
    return _Rebuild(model, dtype, input_shape).model()


class _Rebuild:
    """A new functional model from the operations of an old one."""

    def __init__(self, model: keras.Model, dtype: Dtype, input_shape: Shape | None) -> None:
        self.old, self.dtype = model, dtype
        shapes = _shapes(model, input_shape)
        self.inputs = [
            keras.Input(batch_shape=shape, dtype=x.dtype, name=x.name)
            for x, shape in zip(model.inputs, shapes)
        ]
        given = keras.tree.pack_sequence_as(model.input, self.inputs)
        self.graph = trace_tensors(model, given, (K.Wrapper,), others=False)
        self.calls = collections.Counter(id(node.operation) for node in self.graph.nodes)
        self.norms = self._foldable()
        self.low = self._computed_low()
        self.layers, self.names = {}, {x.name for x in self.inputs}

    def _foldable(self) -> dict[int, Node]:
        """{id of a node: the batch normalisation that alone reads its output}."""
        users = collections.defaultdict(list)
        for node in self.graph.nodes:
            for x in node.inputs:
                users[x.number].append(node)
        outputs = {x.number for x in self.graph.outputs}
        found = {}
        for node in self.graph.nodes:
            made = node.outputs[0].number
            behind = users[made]
            if len(behind) == 1 and made not in outputs and self._folds(node, behind[0]):
                found[id(node)] = behind[0]
        return found

    def _folds(self, node: Node, behind: Node) -> bool:
        layer, norm = node.operation, behind.operation
        if not isinstance(layer, PRODUCTS) or not isinstance(norm, K.BatchNormalization):
            return False
        once = self.calls[id(layer)] == self.calls[id(norm)] == 1
        linear = layer.activation in (None, keras.activations.linear)
        rank = len(node.outputs[0].shape)
        last = getattr(layer, "data_format", "channels_last") == "channels_last"
        return once and linear and norm.axis % rank == (rank - 1 if last else 1)

    def _computed_low(self) -> set[int]:
        """ids of the nodes that compute in `dtype`: from the first weights on, before the last."""
        folded = {id(norm) for norm in self.norms.values()}
        weighted = [
            id(node) not in folded and bool(getattr(node.operation, "weights", ()))
            for node in self.graph.nodes
        ]
        behind, low, ahead = set(), set(), set()
        for node, has in zip(self.graph.nodes, weighted):
            if has or any(x.number in behind for x in node.inputs):
                behind |= {x.number for x in node.outputs}
        for node, has in zip(reversed(self.graph.nodes), reversed(weighted)):
            comes = any(x.number in ahead for x in node.outputs)
            if comes and any(x.number in behind for x in node.outputs):
                low.add(id(node))
            if has or comes:
                ahead |= {x.number for x in node.inputs}
        return low if self.dtype != "float32" else set()

    def model(self) -> keras.Model:
        """The new model."""
        values = {x.number: value for x, value in zip(self.graph.inputs, self.inputs)}
        folded = {id(norm) for norm in self.norms.values()}
        for node in self.graph.nodes:
            if id(node) in folded or is_nothing(node):
                values[node.outputs[0].number] = values[node.inputs[0].number]
                continue
            given = iter([values[x.number] for x in node.inputs])
            arguments, keywords = keras.tree.map_structure(
                lambda x, given=given: next(given) if isinstance(x, keras.KerasTensor) else x,
                (node.arguments, node.keywords),
            )
            made = self._renewed(node)(*arguments, **keywords)
            self._fill(node)
            values.update(zip([x.number for x in node.outputs], keras.tree.flatten(made)))
        outputs = [
            keras.ops.cast(values[x.number], old.dtype)
            if values[x.number].dtype != old.dtype
            else values[x.number]
            for x, old in zip(self.graph.outputs, self.old.outputs)
        ]
        return keras.Model(
            keras.tree.pack_sequence_as(self.old.input, self.inputs),
            keras.tree.pack_sequence_as(self.old.output, outputs),
            name=self.old.name,
        )

    def _renewed(self, node: Node) -> keras.Operation:
        """The node's operation, made anew in its precision; one that is called twice stays one."""
        old = node.operation
        if id(old) in self.layers:
            return self.layers[id(old)]
        config = {**old.get_config(), "name": self._name(node)}
        if not isinstance(old, K.Layer):
            if type(old).__name__ == "Cast" and "float" in config["dtype"]:
                config["dtype"] = self.dtype if id(node) in self.low else "float32"
            new = type(old).from_config(config)
        elif isinstance(old, layers.PerRoI):
            # what it holds ends in float32, as any model
            new = layers.PerRoI(deploy(old.layer, self.dtype), name=config["name"])
        else:
            policy = "float32"
            if id(node) in self.low:
                policy = self.dtype if isinstance(old, PRODUCTS) else f"mixed_{self.dtype}"
            new = _new_layer(old, config, policy, id(node) in self.norms)
        self.layers[id(old)] = new
        return new

    def _name(self, node: Node) -> str:
        """Its place in the old model, as `encoder_encoder_1_conv_1`."""
        name = stem = "_".join(node.path[1:]) or node.operation.name
        for number in itertools.count(1):
            if name not in self.names:
                self.names.add(name)
                return name
            name = f"{stem}_{number}"

    def _fill(self, node: Node) -> None:
        """Weights for the new layer, in which those of a batch normalisation went up."""
        old, norm = node.operation, self.norms.get(id(node))
        if isinstance(old, K.Layer) and old.weights and not isinstance(old, layers.PerRoI):
            values = old.get_weights() if norm is None else _folded(old, norm.operation)
            self.layers[id(old)].set_weights(values)


def _shapes(model: keras.Model, input_shape: Shape | None) -> list[Shape]:
    shapes = [tuple(x.shape) for x in model.inputs]
    if input_shape is None:
        return shapes
    known = shapes[0][1:]
    if len(input_shape) != len(known) or any(
        n not in (None, size) for n, size in zip(known, input_shape)
    ):
        raise ValueError(
            f"{model.name} takes inputs of shape {known} (None: any); got {input_shape}."
        )
    return [(shapes[0][0], *input_shape), *shapes[1:]]


def is_nothing(node: Node) -> bool:
    """Whether it leaves its first input as it is."""
    if isinstance(node.operation, layers.MatchSize):
        given, wanted = (x.shape[1:-1] for x in node.inputs)
        return given == wanted and None not in given
    conversion = type(node.operation).__name__ == "ConvertToTensor"
    return conversion or isinstance(node.operation, ONLY_IN_TRAINING)


def _new_layer(old: K.Layer, config: dict[str, Any], policy: str, bias: bool) -> K.Layer:
    # of others' layers, and of what a wrapper does, we can't know whether it bears the precision
    if type(old).__module__.startswith(("keras.", "dnzoo.")) and not isinstance(old, K.Wrapper):
        config["dtype"] = policy
    if bias:
        config["use_bias"] = True
    return type(old).from_config(config)


def _folded(layer: K.Layer, norm: K.BatchNormalization) -> list[np.ndarray]:
    """The weights of `layer` with those of the batch normalisation behind it."""
    *kernels, kernel = layer.get_weights() if not layer.use_bias else layer.get_weights()[:-1]
    bias = layer.get_weights()[-1].astype("float64") if layer.use_bias else 0
    mean, variance = (
        keras.ops.convert_to_numpy(x).astype("float64")
        for x in (norm.moving_mean, norm.moving_variance)
    )
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * keras.ops.convert_to_numpy(norm.gamma)
    shift = (bias - mean) * factor
    if norm.center:
        shift = shift + keras.ops.convert_to_numpy(norm.beta)
    return [
        *kernels,
        (kernel * _along_outputs(layer, kernel.shape, factor)).astype("float32"),
        shift,
    ]


def _along_outputs(layer: K.Layer, shape: tuple[int, ...], factor: np.ndarray) -> np.ndarray:
    """`factor`, one number a channel out, as it multiplies a kernel of this shape."""
    if isinstance(layer, DEPTHWISE):
        return factor.reshape(shape[-2:])
    if not isinstance(layer, TRANSPOSED) or isinstance(layer, layers.FractionalConv2D):
        return factor
    groups = getattr(layer, "groups", 1)
    return factor.reshape(groups, -1).T.repeat(shape[-1] // groups, axis=1)
