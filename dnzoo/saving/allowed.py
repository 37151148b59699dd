"""Which classes the architecture of a saved model may name: nothing else is ever built."""

import importlib
from pathlib import Path
from typing import Any

import keras

from dnzoo import layers  # noqa: F401  registers the classes that an architecture may name

# Layers of keras.layers that do nothing but compute: none of them reads files or runs code.
OF_ANY_RANK = """AveragePooling{} Conv{} Conv{}Transpose Cropping{} GlobalAveragePooling{}
GlobalMaxPooling{} MaxPooling{} SpatialDropout{} UpSampling{} ZeroPadding{}""".split()
LAYERS = """Activation Add Average BatchNormalization CenterCrop Concatenate Dense DepthwiseConv1D
DepthwiseConv2D Dot Dropout ELU Embedding Flatten GroupNormalization InputLayer LayerNormalization
LeakyReLU Maximum Multiply Normalization PReLU ReLU Rescaling Reshape Resizing SeparableConv1D
SeparableConv2D Softmax Subtract""".split()
LAYERS += [name.format(rank) for name in OF_ANY_RANK for rank in ("1D", "2D", "3D")]
MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints")
OPERATIONS = tuple(
    f"keras.src.{name}" for name in ("ops.math", "ops.nn", "ops.numpy", "activations.activations")
)
MARKS = ("__keras_tensor__", "__slice__", "__ellipsis__", "__tuple__")
OTHERS = {
    ("keras", "DTypePolicy"),
    ("keras", "Sequential"),
    ("keras.src.ops.core", "Cast"),
    ("keras", "Functional"),
    ("keras.models", "Functional"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.applications.convnext", "LayerScale"),
    ("keras.src.applications.convnext", "StochasticDepth"),
}


def check_classes(node: Any, folder: str | Path | None = None) -> None:
    """Raise ValueError when serialised Keras names anything that is not on the allow-list."""
    if isinstance(node, list):
        for item in node:
            check_classes(item, folder)
    elif isinstance(node, dict):
        if "class_name" in node and not _allowed(node):
            name = f"{node.get('module')}.{node['class_name']}"
            whose = "the model holds" if folder is None else f"{folder} names"
            raise ValueError(
                f"{whose} {name}, which dnzoo does not save or load: only Keras's plain layers and "
                "dnzoo's own are on the list (no Lambda, no classes of your own)."
            )
        for value in node.values():
            check_classes(value, folder)


def _allowed(node: dict[str, Any]) -> bool:
    module, name = node.get("module"), node["class_name"]
    if not isinstance(name, str) or (module is not None and not isinstance(module, str)):
        return False
    if module is None:
        return name in MARKS
    if module == "keras.layers":
        return name in LAYERS
    if module in MODULES + OPERATIONS:
        found = getattr(importlib.import_module(module), name, None)
        return isinstance(found, type) and (module in MODULES or issubclass(found, keras.Operation))
    if module.startswith("dnzoo."):
        # by its registered name: a class may have moved to another file since the model was saved
        importlib.import_module("dnzoo.models")  # registers the models that are classes
        registered = keras.saving.get_registered_object(f"dnzoo>{name}")
        own = registered is not None and registered.__module__.startswith("dnzoo.")
        return own and node.get("registered_name") == f"dnzoo>{name}"
    return (module, name) in OTHERS
