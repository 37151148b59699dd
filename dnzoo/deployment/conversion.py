"""A Keras model written for another runtime, with the names of its inputs, outputs and axes."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import keras

from dnzoo import __version__, layers
from dnzoo.analysis.graph import trace_tensors
from dnzoo.deployment.folding import is_nothing
from dnzoo.inference import kinds
from dnzoo.storage.information import Info

Format = Literal["onnx", "litert", "openvino", "serving"]
Weights = Literal["float32", "float16", "int8"]
AXES: dict[int, tuple[str, ...]] = {3: ("length",), 4: ("height", "width")}  # of an image, by rank
AXES[5] = ("depth", "height", "width")
PROBES = ((192, 256, 320), (320, 448, 384))  # sizes by which an output's axes are told


def convert(
    model: keras.Model,
    path: Path,
    format: Format,
    weights: Weights,
    batch: int | None,
    metadata: Mapping[str, str],
) -> None:
    """Write the file, and for OpenVINO the one beside it.

    Args:
        model: functional, as `deploy` makes; its outputs a dict by name.
        path: of the file; its ending is the format's.
        format, weights, batch: as of `dnzoo.export`.
        metadata: what an ONNX file says of itself beside the graph.
    """
    import tensorflow as tf

    specs = keras.tree.map_structure(
        lambda x: tf.TensorSpec((batch, *x.shape[1:]), x.dtype, name=x.name), model.input
    )
    settings: dict[str, Any] = {"verbose": False, "input_signature": [specs]}
    if format == "onnx":
        with _outputs_keep_their_rank():
            model.export(str(path), format="onnx", **settings)
        _describe(path, model, metadata)
    elif format == "litert":
        if weights != "float32":
            settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            settings["target_spec"] = {"supported_types": [tf.float16]}
        model.export(str(path), format="litert", **settings)
    else:
        import openvino

        # by way of a SavedModel: straight from Keras, sizes inside the graph become outputs
        folder = path.with_name("saved_model")
        model.export(str(folder), format="tf_saved_model", **settings)
        converted = openvino.convert_model(folder)
        openvino.save_model(converted, path, compress_to_fp16=weights == "float16")


def with_names(model: keras.Model, kind: kinds.Kind) -> keras.Model:
    """The model with its outputs as a dict, by the names that a SavedModel serves them by.

    One that is called as an input is, which a SavedModel may and ONNX may not, becomes "output_image".
    """
    given = {x.name for x in model.inputs}
    made = keras.tree.flatten(model.output)
    served = kind.outputs(model.output)
    # classes, which are computed of scores, are left to who wants them
    named = {
        f"output_{name}" if name in given else name: x
        for name, x in served.items()
        if any(x is one for one in made)
    }
    return keras.Model(model.input, named, name=model.name)


def metadata(model: keras.Model, kind: kinds.Kind, about: Info) -> dict[str, str]:
    """What a user of the numbers must know, as an ONNX file has it: texts, lists as JSON.

    Args:
        model: the part that is exported, flat.
        kind: of the whole model.
        about: what is known of it.
    """
    facts = dict(kind.facts)
    if isinstance(kind, kinds.Image):
        facts["scale"] = kind.scale
    found = {
        "dnzoo_version": __version__,
        "name": about.name,
        "kind": kind.name,
        **facts,
        "input_range": _input_range(model, kind),
        "class_names": about.class_names,
        "palette": about.palette,
        "licence": about.licence,
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in found.items()
        if value is not None
    }


def _input_range(model: keras.Model, kind: kinds.Kind) -> list[float] | None:
    """The pixels that come in, where a normalisation in the graph says that they are raw."""
    if isinstance(kind, kinds.Image) and kind.luma:
        return [16, 235]
    graph = trace_tensors(model, model.input, (keras.layers.Wrapper,), others=False)
    scaling = (layers.Preprocessing, keras.layers.Rescaling)
    same = [graph.inputs[0]]  # the image under its names
    for node in graph.nodes:
        if any(x in same for x in node.inputs[:1]):
            if isinstance(node.operation, scaling):
                return [0, 255]
            same += node.outputs if is_nothing(node) else []
    return None


def _describe(path: Path, model: keras.Model, metadata: Mapping[str, str]) -> None:
    """Name the free axes of an ONNX file, and write its metadata."""
    import onnx

    written = onnx.load(path)
    given = {x.name: _axes(x, x is model.inputs[0]) for x in model.inputs}
    made = _axes_made(model, given)
    for tensor in (*written.graph.input, *written.graph.output):
        names = {**given, **made}[tensor.name]
        for axis, name in zip(tensor.type.tensor_type.shape.dim, names):
            if not axis.dim_value:
                axis.dim_param = name
    onnx.helper.set_model_props(written, dict(metadata))
    onnx.save(written, path)


def _axes(x: keras.KerasTensor, first: bool) -> list[str]:
    """batch, height, width, ... of an image; batch, boxes of what is called so."""
    names = AXES.get(len(x.shape), ()) if first else (x.name,)
    return ["batch", *names, *(f"{x.name}_{i}" for i in range(len(names) + 1, len(x.shape)))]


def _axes_made(model: keras.Model, given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Names of the outputs' axes: an input's where it has always that size, else output_height and so on."""
    free = list(dict.fromkeys(itertools.chain.from_iterable(given.values())))
    found: dict[str, list[set[str]]] = {}
    for sizes in PROBES:
        known = dict(zip(free, itertools.chain((2, *sizes), itertools.count(5))))
        shapes = keras.tree.map_structure(
            lambda x, known=known: tuple(
                n or known[name] for n, name in zip(x.shape, given[x.name])
            ),
            model.input,
        )
        try:
            shapes = model.compute_output_shape(shapes)
        except ValueError:  # no net reads all sizes
            shapes = {}
        for name, x in model.output.items():
            fitting = [
                {key for key, size in known.items() if size == n} for n in shapes.get(name, x.shape)
            ]
            found[name] = [a & b for a, b in zip(found.get(name, fitting), fitting)]
    made = {}
    for name, fitting in found.items():
        own = ["batch", *AXES.get(len(fitting), ())]
        own += [f"{name}_{i}" for i in range(len(own), len(fitting))]
        made[name] = [
            min(same) if len(same) == 1 else other if other == "batch" else f"output_{other}"
            for same, other in zip(fitting, own)
        ]
    return made


@contextlib.contextmanager
def _outputs_keep_their_rank() -> Iterator[None]:
    """Let tf2onnx simplify no reshape that is an output of the graph.

    It may lengthen the reshape by an axis and put a squeeze behind it, which nothing reads where the
    reshape is the output itself (1.17). Whether it is, before its `Identity` goes, hangs on the
    order of a set of names: one export of an ESPCN in ten had outputs (1, N, H, W, 1).
    """
    from tf2onnx.optimizer.reshape_optimizer import ReshapeOptimizer

    simplify = getattr(ReshapeOptimizer, "_optimize_reshape", None)
    if simplify is None:  # another version; outputs are compared in any case
        yield
        return

    def simplify_inner(self: Any, node: Any, graph: Any) -> bool:
        return node.output[0] not in graph.outputs and simplify(self, node, graph)

    ReshapeOptimizer._optimize_reshape = simplify_inner
    try:
        yield
    finally:
        ReshapeOptimizer._optimize_reshape = simplify
