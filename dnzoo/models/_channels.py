"""A pretrained network for images of another number of channels."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.layers import BatchNormalization

# layers whose configuration may hold a number for each channel of the image
CHANNEL_CONSTANTS = {"Rescaling": ("scale", "offset"), "Normalization": ("mean", "variance")}


def adapt(base: keras.Model, channels: int) -> keras.Model:
    """The same network for another number of channels, with dnzoo's BatchNormalization."""
    config = base.get_config()
    _rewrite(config, channels)
    model = type(base).from_config(config)
    for old, new in zip(base.weights, model.weights, strict=True):
        new.assign(cycle(keras.ops.convert_to_numpy(old), new.shape))
    return model


def _rewrite(config: dict[str, Any], channels: int) -> None:
    config.pop("build_input_shape", None)
    for layer in config["layers"]:
        layer.pop("build_config", None)
        kind, inner = layer["class_name"], layer["config"]
        if kind == "InputLayer" and inner["batch_shape"][-1] == 3:
            inner["batch_shape"] = (*inner["batch_shape"][:-1], channels)
        if kind == "BatchNormalization":
            layer["module"] = BatchNormalization.__module__
            layer["registered_name"] = "dnzoo>BatchNormalization"
        for constant in CHANNEL_CONSTANTS.get(kind, ()):
            if np.ndim(inner[constant]):
                inner[constant] = cycle(np.ravel(inner[constant]), (channels,)).tolist()
        if "layers" in inner:  # ConvNeXt's stem is a model of its own
            _rewrite(inner, channels)


def cycle(value: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A pretrained weight for another number of image channels: of a kernel or of statistics."""
    if value.shape == tuple(shape):
        return value
    axis = value.ndim - 2 if value.ndim > 1 else 0
    count = shape[axis]
    if value.ndim == 1:  # mean, variance, scale, offset
        return value.mean(keepdims=True) if count == 1 else np.resize(value, count)
    if count == 1:
        return value.sum(axis=axis, keepdims=True)
    return np.take(value, np.arange(count) % 3, axis=axis) * (3 / count)
