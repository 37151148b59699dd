"""Models for other runtimes: ONNX, LiteRT, OpenVINO, TensorFlow Serving; compared before they are kept."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import saving, storage
from dnzoo.deployment import conversion, folding, polyphase, serving
from dnzoo.deployment.conversion import Format, Weights
from dnzoo.inference import kinds
from dnzoo.storage.information import Info

FILES = {"onnx": (".onnx",), "litert": (".tflite",), "openvino": (".xml", ".bin"), "serving": ("",)}
ENDINGS = {name: ends[0] for name, ends in FILES.items() if name != "serving"}
SIZE = 64  # of what is free in a model's input, for the comparison
TOLERANCES = {"float32": 1e-3, "float16": 2e-2, "int8": 0.1}  # of the largest output
STORED = {"float32": tuple(ENDINGS), "float16": ("litert", "openvino"), "int8": ("litert",)}


def export(
    model: keras.Model,
    path: str | Path,
    format: Format | None = None,
    signature: str = "serve",
    weights: Weights = "float32",
    tolerance: float | None = None,
    overwrite: bool = False,
    *,
    batch: int | None = None,
    size: Sequence[int] | None = None,
    version: int | None = None,
) -> float:
    """Write a model for another runtime, once that gives what Keras gives.

    Batch normalisation is folded away first, as by `deploy`; for LiteRT transposed convolutions become
    convolutions and a pixel shuffle, which it has fast kernels for. Batch and sizes that are free in the
    model stay free unless `batch` and `size` fix them. The inputs keep their names, meaning and
    order, outputs have the names that a SavedModel serves them by; pixels are float32, channels last.
    An ONNX file names the free axes ("batch", "height", "width") and says in its metadata what numbers
    mean: kind, input_range, class_names, palette, scale, licence, dnzoo_version.

    For TensorFlow Serving a folder gets a version, `<path>/<version>/`: the SavedModel as `save` writes it,
    which `load` reads too, with a second signature "image_bytes". That takes JPEG and PNG files, a string
    tensor (N,), of images of one size, and answers what `dnzoo.predict` says of them
    (`dnzoo.imaging.encoded`); where the model is no generator.

    Args:
        model: as for `save`: a functional model, a `VAE` or a `GAN`.
        path: the file to write: `.onnx`, `.tflite`, or `.xml` (OpenVINO writes a `.bin` beside it); for
            "serving" the model's folder, which holds versions alone.
        format: "onnx", "litert", "openvino" or "serving"; None: by the ending of `path`.
        signature: which part: "serve", or "decode" for a VAE's decoder. "serving" has all.
        weights: "float32"; "float16", for LiteRT and OpenVINO: half the size, computed in float32; or
            "int8", for LiteRT: a fourth of the size, products of integers, and outputs that are a few
            percent off.
        tolerance: how far the runtime's outputs may be off, as a share of the largest; None: 1e-3,
            0.02 with "float16", 0.1 with "int8".
        overwrite: replace a file that is there (for OpenVINO the `.bin` too). Versions are never replaced.
        batch: how many images at a time; None: any number.
        size: (height, width) of the images, or of volumes (depth, height, width); None: any.
            LiteRT.js wants both to be fixed.
        version: for "serving": 1 or more; None: one more than the largest in the folder.

    Returns:
        How far they are off on random inputs, as such a share.

    Raises:
        ValueError: for another format, ending, signature or weights, what does not go together, or on
            another backend than TensorFlow.
        FileExistsError: when a file is there and `overwrite` is false, a version is, or something else
            than versions is in the folder.
        ImportError: when a package is missing; the message names the extra.
        RuntimeError: when outputs differ by more; nothing is written then.
        OSError: when the disk is full or read-only.
    """
    path = Path(path)
    if format is None:
        format = next((name for name, end in ENDINGS.items() if end == path.suffix), None)
    if format not in FILES or path.suffix != ENDINGS.get(format, path.suffix):
        given = ", ".join(f"{name!r} writes {end}" for name, end in ENDINGS.items())
        raise ValueError(
            f'export: {given}, "serving" a folder; got format={format!r} and the path {path}.'
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError("export needs KERAS_BACKEND=tensorflow: save the model and load it there.")
    kind = kinds.of(model)
    tolerance = TOLERANCES.get(weights, 0.0) if tolerance is None else tolerance
    if format == "serving":
        changed = {"signature": (signature, "serve"), "weights": (weights, "float32")}
        changed |= {"batch": (batch, None), "size": (size, None), "overwrite": (overwrite, False)}
        named = [f"`{name}`" for name, (given, usual) in changed.items() if given != usual]
        if named:
            raise ValueError(
                f"not for TensorFlow Serving: {', '.join(named)}; a version has all signatures, float32 "
                "weights and free sizes, and takes no other's place."
            )
        with serving.new_version(path, version) as folder:
            saving.write(model, folder, image_bytes=True, **_said(saving.info(model)))
            off = _difference(*serving.answers(folder, kind, SIZE))
            _refuse(off, tolerance, format, model)
        return off
    parts = kind.served()
    if version is not None:
        raise ValueError(
            f"version={version} is for TensorFlow Serving alone; {format!r} writes one file."
        )
    if signature not in parts:
        raise ValueError(f"signature must be one of {', '.join(parts)}; got {signature!r}.")
    if format not in STORED.get(weights, ()):
        raise ValueError(
            'weights must be "float32", or "float16" for LiteRT and OpenVINO, or "int8" for LiteRT; got '
            f"weights={weights!r} for {format!r}."
        )
    part = parts[signature]
    deployed = _fixed(part, batch, size)
    with contextlib.ExitStack() as stack:  # all files appear, or none
        partials = {
            ending: stack.enter_context(storage.new_file(path.with_suffix(ending), overwrite))
            for ending in FILES[format]
        }
        with storage.scratch(path) as folder:
            made = folder / path.name
            off = _export(part, deployed, kind, made, format, weights, batch, saving.info(model))
            _refuse(off, tolerance, format, model)
            for ending, partial in partials.items():
                os.replace(made.with_suffix(ending), partial)
    return off


def _refuse(off: float, tolerance: float, format: str, model: keras.Model) -> None:
    if not off <= tolerance:
        raise RuntimeError(
            f"{format} gives outputs that are {off:.1e} of the largest off for {model.name}; "
            f"{tolerance:.0e} is allowed. Nothing was written."
        )


def _fixed(part: keras.Model, batch: int | None, size: Sequence[int] | None) -> keras.Model:
    """The part as `deploy` makes it, of fixed sizes."""
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be 1 or more images; got batch={batch}.")
    if size is None:
        return folding.deploy(part, "float32")
    known = part.inputs[0].shape[1:-1]
    if len(size) != len(known) or any(
        n < 1 or free not in (None, n) for free, n in zip(known, size)
    ):
        wanted = f"images of {tuple(known)} rows and columns (None: any)" if known else "no images"
        raise ValueError(f"{part.name} reads {wanted}; got size={tuple(size)}.")
    return folding.deploy(part, "float32", (*size, part.inputs[0].shape[-1]))


def _export(
    part: keras.Model,
    deployed: keras.Model,
    kind: kinds.Kind,
    path: Path,
    format: Format,
    weights: Weights,
    batch: int | None,
    about: Info,
) -> float:
    """Write the files, run them on random inputs, and give the largest difference."""
    rng = np.random.default_rng(0)
    inputs = {
        x.name: np.concatenate([kind.example(x, SIZE, rng) for _ in range(batch or 1)])
        for x in deployed.inputs
    }
    given = list(inputs.values())
    expected = _flat(part(given if len(given) > 1 else given[0]))
    said = conversion.metadata(deployed, kind, about)
    if format == "litert":  # which has no fast kernel for them
        deployed = polyphase.without_transposed(deployed)
    deployed = conversion.with_names(deployed, kind)
    deployed(given if len(given) > 1 else given[0])  # Keras exports what was called
    try:
        conversion.convert(deployed, path, format, weights, batch, said)
        run = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}[format]
        return _difference(run(str(path), inputs), expected)
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[export]".') from error


def _named(inputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The input that a runtime calls `name`: each has a way of its own to lengthen names."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return next(value for key, value in inputs.items() if key in name)


def _flat(outputs: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]


def _said(about: Info) -> dict[str, Any]:
    """What is known of a model, as `saving.write` takes it."""
    provenance = {"task": about.task, **about.provenance, "licence of the data": about.licence}
    provenance = {name: value for name, value in provenance.items() if value is not None}
    said = {name: getattr(about, name) or None for name in saving.SAID}
    return {**said, "provenance": provenance or None}


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
            "is known at run time only: fix it, size=(H, W)."
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
