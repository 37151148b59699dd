"""The functions of a SavedModel: what they are called, what they read, and how they are made."""

from collections.abc import Sequence
from typing import Any

import keras

from dnzoo.imaging import encoded
from dnzoo.inference import kinds


def served(model: keras.Model) -> dict[str, keras.Model]:
    """What a SavedModel of the model serves: {signature: functional model}; "serve" is the default."""
    return kinds.of(model).served()


def signatures(model: keras.Model, image_bytes: bool = False) -> dict[str, list[list[Any]]]:
    """What they read: {name: [(input, dtype, shape with None for what is free)]}.

    `image_bytes`: with one that takes the bytes of image files.
    """
    found = {
        name: [[x.name, str(x.dtype), list(x.shape)] for x in part.inputs]
        for name, part in served(model).items()
    }
    if image_bytes:
        found["image_bytes"] = [["image_bytes", "string", [None]], *found["serve"][1:]]
    return found


def serving_functions(kind: kinds.Kind, image_bytes: bool = False) -> dict[str, Any]:
    """TensorFlow's functions, by the names of `signatures`."""
    made = {name: _of_arrays(part, kind) for name, part in kind.served().items()}
    return made | ({"image_bytes": _of_files(kind)} if image_bytes else {})


def _of_arrays(model: keras.Model, kind: kinds.Kind) -> Any:
    import tensorflow as tf

    def serve(*inputs: Any) -> dict[str, Any]:
        return kind.outputs(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))

    return tf.function(serve, input_signature=_specs(model.inputs), autograph=False)


def _of_files(kind: kinds.Kind) -> Any:
    import tensorflow as tf

    first, *rest = kind.model.inputs

    def image_bytes(files: Any, *others: Any) -> dict[str, Any]:
        image = encoded.decoded(files, kind.channels, kind.pixels)
        image = tf.ensure_shape(image, (*first.shape[:3], kind.channels))
        return kind.of_files(tf.cast(image, first.dtype), *others)

    files = tf.TensorSpec((None,), "string", name="image_bytes")
    return tf.function(image_bytes, input_signature=[files, *_specs(rest)], autograph=False)


def _specs(tensors: Sequence[keras.KerasTensor]) -> list[Any]:
    import tensorflow as tf

    return [tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in tensors]
