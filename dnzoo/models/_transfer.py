"""From a trained model to one for other classes."""

import copy
import json
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.models import _heads


def new_head(
    model: keras.Model,
    classes: int,
    keep: Sequence[int | None] = (),
    normalization_momentum: float | None = None,
) -> keras.Model:
    """The model with a new head; every other weight is kept.

    The head is the last layer, a convolution or dense layer; with it what only upsamples classes'
    scores and adds them up, as in FCN.

    Train the new layer first, with the rest frozen, then all at a lower rate: at first the new
    layer's gradients are noise, and would spoil what the others know.

    Args:
        model: a functional model that ends in such layers, as dnzoo's do; it is left as it is.
        classes: channels out of the new layer, which has the old one's settings.
        keep: for each of the new channels the old channel whose weights it starts from, or None
            for random ones: a class that both know need not be learned again. (): all random.
        normalization_momentum: of every batch normalisation: how much of the moving statistics a
            step keeps. None: as they were. After n steps the old data's share is momentum^n: with
            0.99 and 100 steps, 37 %; with 0.9, 0.003 %.

    Returns:
        `keras.Model` with the names, precision and sizes of the old one.

    Raises:
        ValueError: when the model does not end in such a layer, or `keep` does not fit.

    Example:
        >>> from dnzoo import unet
        >>> new_head(unet((32, 32, 3), classes=2, filters=(4, 8)), classes=5).output_shape
        (None, 32, 32, 5)
    """
    layers = _heads.head(model)
    if not layers:
        raise ValueError(
            f"{model.name} does not end in a convolution or dense layer, but in "
            f"{model.layers[-1].name} ({type(model.layers[-1]).__name__}): there is no head to replace."
        )
    outputs = model.outputs[0].shape[-1]
    if keep and (len(keep) != classes or not {*keep} <= {None, *range(outputs)}):
        raise ValueError(
            f"keep must be {classes} numbers of the {outputs} old channels, or None; got {keep}."
        )
    architecture = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    architecture.pop("compile_config", None)
    _rewrite(architecture, {layer.name for layer in layers}, classes, normalization_momentum)
    new = keras.saving.deserialize_keras_object(copy.deepcopy(architecture))  # Keras empties it
    _heads.restore_trainable(new, architecture)
    for layer in _heads.head(new):
        layer.trainable = True
    owners = {id(weight): layer for layer in layers for weight in layer.weights}
    places = [(i, j) for i, j in enumerate(keep) if j is not None]
    for weight, old in zip(new.weights, model.weights, strict=True):
        owner, value = owners.get(id(old)), keras.ops.convert_to_numpy(old)
        if owner is not None:
            between = _heads.enlarges(owner, outputs) and value.ndim > 1
            value = _kept(keras.ops.convert_to_numpy(weight), value, places, between)
        weight.assign(value)
    return new


def _rewrite(node: Any, names: Collection[str], classes: int, momentum: float | None) -> None:
    """In a serialised model: another number of classes in the layers named, another momentum."""
    if isinstance(node, list):
        for item in node:
            _rewrite(item, names, classes, momentum)
    if not isinstance(node, dict):
        return
    node.pop("build_config", None)  # it holds the old shapes
    config = node.get("config")
    if isinstance(config, dict):
        config.pop("build_input_shape", None)
        for key in ("filters", "units"):
            if config.get("name") in names and key in config:
                config[key] = classes
        for key in ("normalization_momentum", "momentum"):
            if momentum is not None and key in config:
                config[key] = momentum
    for value in node.values():
        _rewrite(value, names, classes, momentum)


def _kept(
    value: np.ndarray, old: np.ndarray, places: Sequence[tuple[int, int]], between: bool
) -> np.ndarray:
    """A new weight, with the old one's numbers for the classes that stay: the last axis.

    A kernel from classes to classes has them on the last two axes.
    """
    value = np.array(value)
    for i, j in places:
        for k, m in places if between else [(slice(None), slice(None))]:
            if value.ndim == 1:
                value[i] = old[j]
            else:
                value[..., k, i] = old[..., m, j]
    return value


def take_weights(model: keras.Model, source: keras.Model) -> list[str]:
    """Give a model the weights of another's layers of the same names, where their shapes agree.

    FCN-16s starts from FCN-32s that way (Long et al. 2015), and EDSR for x4 from that for x2 (Lim
    et al. 2017). Models inside a model, such as "encoder", are taken whole or not at all.

    Args:
        model: what gets the weights.
        source: what has them; it is left as it is.

    Returns:
        Names of the layers that took weights, in order.

    Raises:
        ValueError: when no layer could.

    Example:
        >>> from dnzoo import unet
        >>> small = {"input_shape": (16, 16, 1), "filters": (4, 8)}
        >>> take_weights(unet(classes=3, **small), unet(classes=2, **small))
        ['encoder', 'up_1', 'decoder_1']
    """
    weights = {layer.name: layer.get_weights() for layer in source.layers}
    taken = []
    for layer in model.layers:
        given = weights.get(layer.name, [])
        if given and [w.shape for w in given] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(given)
            taken.append(layer.name)
    if not taken:
        raise ValueError(
            f"{model.name} and {source.name} have no layer of the same name and shapes: one can't "
            "start from the other."
        )
    return taken
