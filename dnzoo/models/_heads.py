"""The end of a model: which layers make its classes, and what they mean."""

from collections.abc import Collection, Mapping
from typing import Any

import keras


def head(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that put out a model's classes, from the output back; [] where there are none.

    The last convolution or dense layer, and before it what only brings class scores to another
    size: FCN's transposed convolutions, its sums, and the scores themselves.
    """
    makers = {}
    for layer in model.layers:
        for tensor in keras.tree.flatten(layer.output):
            makers[id(tensor)] = layer
    classes = model.outputs[0].shape[-1]
    found, waiting = [], [makers.get(id(tensor)) for tensor in model.outputs]
    while waiting:
        layer = waiting.pop(0)
        if layer is None or layer in found or isinstance(layer, keras.layers.InputLayer):
            continue
        if keras.tree.flatten(layer.output)[0].shape[-1] != classes:
            continue
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model):
            return head(inner)
        makes = {"filters", "units"} & {*layer.get_config()}
        if makes or not layer.weights:
            found.append(layer)
        if enlarges(layer, classes) or (not makes and not layer.weights):
            waiting += [makers.get(id(tensor)) for tensor in keras.tree.flatten(layer.input)]
    return [layer for layer in found if layer.weights]


def enlarges(layer: keras.layers.Layer, classes: int) -> bool:
    """Whether a layer only brings the scores of classes to another size."""
    return "Transpose" in type(layer).__name__ and layer.input.shape[-1] == classes


def train_all(model: keras.Model) -> None:
    """Make every layer trainable, also those inside models inside: undoes `train_only_head`."""
    model.trainable = True
    for layer in model.layers:
        layer.trainable = True
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model):
            train_all(inner)


def train_only_head(model: keras.Model) -> None:
    """Freeze every layer but the head's: those that put out classes, as `new_head` makes them.

    A stage of a training can begin with it: `training.Stage(20, 0.03, begin=train_only_head)`.
    """
    keep = head(model)
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.Model) and {*map(id, head(inner))} & {*map(id, keep)}:
            train_only_head(inner)
        else:
            layer.trainable = layer in keep


def restore_trainable(model: keras.Model, architecture: Mapping[str, Any]) -> None:
    """Give layers the `trainable` of a serialised model, those of models inside it too.

    Keras sets that of the outer model last, for all that is in it: a frozen encoder would say that
    it is frozen, and learn.
    """
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    for node in architecture["config"].get("layers", ()):
        layer = layers.get(node["config"]["name"])
        if layer is None:  # an operation, such as a sum, which Keras numbers anew
            continue
        layer.trainable = True  # a layer hands on to those inside it only what changes
        layer.trainable = node["config"].get("trainable", True)
        if isinstance(layer, keras.Model):
            restore_trainable(layer, node)


def is_linear(activation: object) -> bool:
    """Whether an argument `activation` means none."""
    return keras.activations.get(activation) is keras.activations.linear


def has_logits(model: keras.Model) -> bool:
    """Whether no activation follows a model's scores; for models that do not say it."""
    layers = head(model)
    return not activated(model, layers) and (not layers or is_linear(layers[0].activation))


def activated(model: keras.Model, until: Collection[keras.layers.Layer] = ()) -> bool:
    """Whether a softmax or another activation is among the layers that end a model.

    Args:
        model: a functional model; those inside it are looked into.
        until: layers at which that end begins; None: those with weights.
    """
    for layer in reversed(model.layers):
        if layer in until or (layer.weights and not isinstance(layer, keras.Model)):
            return False
        if isinstance(layer, keras.Model):
            return activated(layer, until)
        if isinstance(layer, keras.layers.Softmax) or not is_linear(
            getattr(layer, "activation", None)
        ):
            return True
    return False
