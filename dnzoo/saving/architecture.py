"""A model's architecture as JSON, for a folder; and the model of such JSON."""

import copy
import json
from collections.abc import Collection
from typing import Any

import keras

from dnzoo.inference import kinds
from dnzoo.layers import Output
from dnzoo.models._heads import restore_trainable


def of(model: keras.Model) -> dict[str, Any]:
    """The architecture in float32, without how the model was compiled.

    Raises:
        ValueError: when it is no model that can be built from its configuration alone.
    """
    functional = isinstance(model, keras.Model) and getattr(model, "inputs", None)
    if not functional and kinds.said(model) is None:
        raise ValueError(
            f"only a functional keras.Model, a VAE or a GAN can be saved; got {type(model).__name__}."
        )
    node = keras.saving.serialize_keras_object(model)
    node.pop("compile_config", None)
    return with_precision(json.loads(json.dumps(node)), "float32")


def with_precision(node: Any, policy: str, outputs: Collection[str] = ()) -> Any:
    """The architecture with the precision of all layers replaced, but for those of the output."""
    if isinstance(node, list):
        return [with_precision(item, policy, outputs) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "DTypePolicy":
        return {**node, "config": {"name": policy}}
    if "output_layers" in node:
        places = node["output_layers"]
        outputs = {place[0] for place in (places if isinstance(places[0], list) else [places])}
        outputs |= {
            name
            for layer in node["layers"]
            if layer["class_name"] == "Output"
            for name in _read_by(layer["inbound_nodes"])
        }
    elif node.get("name") in outputs and "inbound_nodes" in node:
        policy = "float32"
    return {key: with_precision(value, policy, outputs) for key, value in node.items()}


def _read_by(node: Any) -> set[str]:
    """Names of the layers whose outputs a serialised call reads."""
    if isinstance(node, dict) and "keras_history" in node:
        return {node["keras_history"][0]}
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {name for value in inside for name in _read_by(value)}


def build(architecture: dict[str, Any]) -> keras.Model:
    """The model, with random weights; only what `check_classes` has passed may come here."""
    # Keras empties the dicts that it reads
    model = keras.saving.deserialize_keras_object(copy.deepcopy(architecture), safe_mode=True)
    restore_trainable(model, architecture)
    return model


def saying(model: keras.Model, output: str | Output) -> keras.Model:
    """The functional model with an `Output` behind it."""
    output = Output(output) if isinstance(output, str) else output
    found = kinds.said(model)
    if found is not None:
        if found == (output.kind, output.facts):
            return model
        raise ValueError(f"{model.name} says {found} already; got output={output.kind!r}.")
    if not getattr(model, "inputs", None) or len(model.outputs) != 1:
        raise ValueError(
            f"output is for functional models with one output; got {type(model).__name__} {model.name}."
        )
    return keras.Model(model.input, output(model.outputs[0]), name=model.name)


def saying_what_was(model: keras.Model, meta: dict[str, Any]) -> keras.Model:
    """A model that does not say what it puts out, from a folder that does, or of format 1."""
    if kinds.said(model) is not None or len(model.outputs) != 1:
        return model
    if "output" in meta:
        facts = dict(meta["output"])
        return saying(model, Output(facts.pop("kind"), **facts))
    kind, facts = kinds.guess(model)
    return saying(model, Output(kind, **facts))
