"""Models for other runtimes: ONNX, LiteRT and OpenVINO, with outputs compared before they are kept."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from dnzoo import storage
from dnzoo.deployment import folding, polyphase
from dnzoo.inference import kinds

Format = Literal["onnx", "litert", "openvino"]
Weights = Literal["float32", "int8"]
FILES = {"onnx": (".onnx",), "litert": (".tflite",), "openvino": (".xml", ".bin")}
ENDINGS = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}
SIZE = 64  # of what is free in a model's input, for the comparison
TOLERANCES = {"float32": 1e-3, "int8": 0.1}  # of the largest output


def export(
    model: keras.Model,
    path: str | Path,
    format: Format | None = None,
    signature: str = "serve",
    weights: Weights = "float32",
    tolerance: float | None = None,
    overwrite: bool = False,
) -> float:
    """Write a model for ONNX Runtime, LiteRT or OpenVINO, once the runtime gives what Keras gives.

    Batch normalisation is folded away first, as by `deploy`; for LiteRT transposed convolutions become
    convolutions and a pixel shuffle, which it has fast kernels for. Sizes that are free in the model stay
    free; `deploy` can fix them, which some runtimes reward. The inputs keep their meaning and
    order; pixels are float32, channels last.

    Args:
        model: as for `save`: a functional model, a `VAE` or a `GAN`.
        path: the file to write: `.onnx`, `.tflite`, or `.xml` (OpenVINO writes a `.bin` beside it).
        format: "onnx", "litert" or "openvino"; None: by the ending of `path`.
        signature: which part: "serve", or "decode" for a VAE's decoder.
        weights: "float32"; or "int8", for LiteRT: a fourth of the size, products of integers, and
            outputs that are a few percent off.
        tolerance: how far the runtime's outputs may be off, as a share of the largest; None: 1e-3,
            or 0.1 with "int8".
        overwrite: replace a file that is there (for OpenVINO the `.bin` too).

    Returns:
        How far they are off on random inputs, as such a share.

    Raises:
        ValueError: for another format, ending, signature or weights, or on another backend than TensorFlow.
        FileExistsError: when a file is there and `overwrite` is false.
        ImportError: when a package is missing; the message names the extra.
        RuntimeError: when outputs differ by more; nothing is written then.
        OSError: when the disk is full or read-only.
    """
    path = Path(path)
    if format is None:
        format = next((name for name, end in ENDINGS.items() if end == path.suffix), None)
    if format not in ENDINGS or path.suffix != ENDINGS.get(format):
        given = ", ".join(f"{name!r} writes {end}" for name, end in ENDINGS.items())
        raise ValueError(f"export: {given}; got format={format!r} and the path {path}.")
    if keras.backend.backend() != "tensorflow":
        raise ValueError("export needs KERAS_BACKEND=tensorflow: save the model and load it there.")
    kind = kinds.of(model)
    parts = kind.served()
    if signature not in parts:
        raise ValueError(f"signature must be one of {', '.join(parts)}; got {signature!r}.")
    if weights not in TOLERANCES or (weights == "int8" and format != "litert"):
        raise ValueError(f'weights must be "float32", or "int8" for LiteRT; got {weights!r}.')
    tolerance = TOLERANCES[weights] if tolerance is None else tolerance
    with contextlib.ExitStack() as stack:  # all files appear, or none
        partials = {
            ending: stack.enter_context(storage.new_file(path.with_suffix(ending), overwrite))
            for ending in FILES[format]
        }
        with storage.scratch(path) as folder:
            made = folder / path.name
            off = _export(parts[signature], kind, made, format, weights)
            if not off <= tolerance:
                raise RuntimeError(
                    f"{format} gives outputs that are {off:.1e} of the largest off for {model.name}; "
                    f"{tolerance:.0e} is allowed. Nothing was written."
                )
            for ending, partial in partials.items():
                os.replace(made.with_suffix(ending), partial)
    return off


def _export(
    model: keras.Model, kind: kinds.Kind, path: Path, format: Format, weights: Weights
) -> float:
    """Write the files, run them on random inputs, and give the largest difference."""
    rng = np.random.default_rng(0)
    inputs = {tensor.name: kind.example(tensor, SIZE, rng) for tensor in model.inputs}
    given = list(inputs.values())
    expected = _flat(model(given if len(given) > 1 else given[0]))
    try:
        deployed = folding.deploy(model, "float32")
        if format == "litert":  # which has no fast kernel for them
            deployed = polyphase.without_transposed(deployed)
        deployed(given if len(given) > 1 else given[0])  # Keras exports what was called
        _convert(deployed, path, format, weights)
        run = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}[format]
        return _difference(run(str(path), inputs), expected)
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[export]".') from error


def _convert(model: keras.Model, path: Path, format: Format, weights: Weights) -> None:
    if format != "openvino":
        import tensorflow as tf

        settings = {"optimizations": [tf.lite.Optimize.DEFAULT]} if weights == "int8" else {}
        with _outputs_keep_their_rank() if format == "onnx" else contextlib.nullcontext():
            model.export(str(path), format=format, verbose=False, **settings)
        return
    import openvino

    # by way of a SavedModel: straight from Keras, sizes inside the graph become outputs
    folder = path.with_name("saved_model")
    model.export(str(folder), format="tf_saved_model", verbose=False)
    openvino.save_model(openvino.convert_model(folder), path, compress_to_fp16=False)


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


def _named(inputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The input that a runtime calls `name`: each has a way of its own to lengthen names."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return next(value for key, value in inputs.items() if key in name)


def _flat(outputs: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]


def _difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest over the outputs, which runtimes may order otherwise: matched by their shapes.

    Raises:
        RuntimeError: when shapes don't match, or an output is not finite; it says which.
    """
    shapes = [[list(output.shape) for output in outputs] for outputs in (found, expected)]
    if sorted(shapes[0]) != sorted(shapes[1]):
        raise RuntimeError(
            f"the runtime gives outputs of shapes {shapes[0]}, Keras of {shapes[1]}. Nothing was "
            "written."
        )
    for name, outputs in (("the runtime", found), ("Keras", expected)):
        if not all(np.isfinite(output).all() for output in outputs):
            raise RuntimeError(f"{name} gives outputs that are not finite. Nothing was written.")
    worst, left = 0.0, list(found)
    for truth in expected:
        scale = max(np.abs(truth).max(), 1e-6)
        errors = [
            np.abs(guess - truth).max() / scale if guess.shape == truth.shape else np.inf
            for guess in left
        ]
        worst = max(worst, min(errors))
        left.pop(int(np.argmin(errors)))
    return float(worst)


def _onnx(path: str, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    return session.run(None, {name: _named(inputs, name) for name in names})


def _litert(path: str, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(path)
    details = [(d["index"], _named(inputs, d["name"])) for d in net.get_input_details()]
    for index, value in details:
        net.resize_tensor_input(index, value.shape)
    try:
        net.allocate_tensors()
    except RuntimeError as error:
        if "Flex" not in str(error):
            raise
        raise RuntimeError(
            "LiteRT has no operation of its own for something in this model, such as a resize to a size that "
            'is known at run time only: fix the sizes with dnzoo.deploy(model, "float32", (H, W, C)) first.'
        ) from error
    for index, value in details:
        net.set_tensor(index, value)
    net.invoke()
    return [net.get_tensor(detail["index"]) for detail in net.get_output_details()]


def _openvino(path: str, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    import openvino

    # float32, as the others: on CPUs with bfloat16 it would compute in that
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    net = openvino.Core().compile_model(path, "CPU", config)
    return list(net([_named(inputs, node.any_name) for node in net.inputs]).values())
