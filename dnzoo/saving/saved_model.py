"""Keras model to SavedModel folder, and back.

A folder is a plain TensorFlow SavedModel that any TensorFlow runtime serves, and it is enough to
get the trainable Keras model back, on any backend and without TensorFlow:

    saved_model.pb, variables/       the graph, and each weight once
    assets.extra/dnzoo.json          architecture, where each weight lies, classes, checksums
    assets.extra/README.md           the model card

Reading a folder runs no code from it: the architecture may only name classes of an allow-list.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import storage
from dnzoo.inference import kinds
from dnzoo.layers import Output
from dnzoo.saving import architecture, card
from dnzoo.saving.allowed import check_classes
from dnzoo.saving.functions import serving_functions, signatures
from dnzoo.storage import information
from dnzoo.storage.pretrained import (
    EXTRA,
    FORMAT,
    VARIABLES,
    find,
    read_meta,
    read_weights,
    sha256,
)

CHECKED = ("saved_model.pb", VARIABLES)
CARD = "assets.extra/README.md"
# of what `dnzoo.json` says, what a caller may know
SAID: tuple[str, ...] = ("name", "class_names", "palette", "metrics", "provenance", "labels")
# all that a folder holds, by TensorFlow and by dnzoo
WRITTEN = {*CHECKED, EXTRA, CARD, "fingerprint.pb", "variables/variables.index"}


def save(
    model: keras.Model,
    path: str | Path,
    *,
    name: str | None = None,
    class_names: Sequence[str] | None = None,
    palette: Sequence[tuple[int, int, int]] | None = None,
    metrics: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    overwrite: bool = False,
    output: str | Output | None = None,
) -> None:
    """Write a model as a SavedModel folder that `load` turns into a Keras model again.

    Its serving function takes float32 images as the model does, (N, H, W, C). What it returns is for
    the kind of the model's output to say (`dnzoo.inference.kinds`): of "classes" and "labels" `logits`
    (or `probabilities`) and `classes`, int32 (N, H, W) or (N,); of others the kind's name.
    Everything is float32, whatever precision the model trained in. On JAX and PyTorch a
    TensorFlow child process does the writing.

    Args:
        model: a functional Keras model of Keras's and dnzoo's layers, a `VAE` or a `GAN`.
        path: the folder to make.
        name: title of the card; None: the model's name.
        class_names: names of the output channels ("background" and one more for one channel).
        palette: one (red, green, blue), 0 to 255, a class.
        metrics: numbers to publish with the model, by identifier: a dict that JSON can hold.
        provenance: how the model came to be (data, command, seed, device, ...): such a dict.
        labels: words for identifiers of metrics, for the card.
        overwrite: replace a SavedModel of dnzoo's that is there; it stays as it is until the new one
            is whole. Nothing else is ever replaced, nor a SavedModel with other files in it.
        output: what the model puts out, where its last layer does not say it: a kind, "classes",
            "image", "masks", "labels" or one of your own, or a `dnzoo.layers.Output` with facts.

    Raises:
        ValueError: when the model holds a class that is not on the allow-list, or names do not fit.
        FileExistsError: when `path` is there and `overwrite` is false, or is no such SavedModel.
        ImportError: when TensorFlow is missing.
        OSError: when the disk is full or read-only, or TensorFlow can't write.
        RuntimeError: when the TensorFlow child process fails.

    Example:
        >>> from dnzoo import unet
        >>> save(unet((32, 32, 3), filters=(4, 8)), getfixture("tmp_path") / "mine")
    """
    with storage.new_folder(path, _refuse_others if overwrite else False) as folder:
        write(
            model,
            folder,
            output,
            name=name,
            class_names=class_names and list(class_names),
            palette=palette and [list(map(int, colour)) for colour in palette],
            metrics=metrics,
            provenance=provenance,
            labels=labels,
        )


def write(
    model: keras.Model,
    folder: str | Path,
    output: str | Output | None = None,
    image_bytes: bool = False,
    **said: Any,
) -> None:
    """Fill an empty folder as `save` does, which has the arguments and the errors.

    Args:
        image_bytes: with a signature "image_bytes" too, which reads JPEG and PNG files, string (N,), where
            the model reads images; TensorFlow backend alone.
        said: `name`, `class_names`, `palette`, `metrics`, `provenance` and `labels`, as JSON holds them.
    """
    if isinstance(model, keras.Sequential) and getattr(model, "inputs", None):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if output is not None:
        model = architecture.saying(model, output)
    written = architecture.of(model)
    check_classes(written)
    kind = kinds.of(model)
    meta = {
        "format": FORMAT,
        **dict.fromkeys(SAID),
        **said,
        "name": said.get("name") or model.name,
        "output": {"kind": kind.name, **kind.facts},
        "architecture": written,
    }
    weights = [keras.ops.convert_to_numpy(w.value).astype("float32") for w in model.weights]
    if keras.backend.backend() == "tensorflow":
        _write(meta, weights, Path(folder), image_bytes)
        return
    with tempfile.TemporaryDirectory() as handed:
        Path(handed, "meta.json").write_text(json.dumps(meta), "utf-8")
        np.savez(Path(handed, "weights.npz"), *weights)
        _write_in_child(handed, folder)


def _refuse_others(path: str | Path, partial: Path | None = None) -> None:
    """Raise FileExistsError where something else is at `path` than what `save` has written."""
    path = Path(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        read_meta(path)
    except ValueError as error:
        raise FileExistsError(
            f"{path} is no SavedModel of dnzoo's, and overwrite replaces nothing else: choose another "
            "path, or move it away."
        ) from error
    inside = {file.relative_to(path) for file in path.rglob("*") if not file.is_dir()}
    others = sorted(
        file.as_posix()
        for file in inside
        if file.as_posix() not in WRITTEN and file.name not in storage.LITTER
    )
    if others:
        raise FileExistsError(
            f"{path} holds {', '.join(others[:3])} beside the SavedModel, which overwrite would remove: "
            "move it away, or choose another path."
        )


def load(name_or_path: str | Path, dtype: str = "float32") -> keras.Model:
    """The trainable Keras model of a SavedModel that `save` wrote.

    Args:
        name_or_path: a folder, or the name of a pretrained model (`list_pretrained()`), looked
            for in the folder that the variable DNZOO_HOME names, then in the checkout.
        dtype: precision policy, such as "mixed_bfloat16"; output layers stay float32.

    Returns:
        A `keras.Model`, weights equal to the bit to those saved. `model.get_layer("encoder")
        .trainable = False` freezes, `keras.Model(model.input, ...)` cuts, `fit` trains.

    Raises:
        FileNotFoundError: when there is no such folder; the message says where to get it.
        ValueError: when the folder is damaged, not dnzoo's, or names a class that is not allowed.

    Example:
        >>> from dnzoo import unet
        >>> path = getfixture("tmp_path") / "mine"
        >>> save(unet((32, 32, 3), filters=(4, 8)), path)
        >>> load(path).output_shape
        (None, 32, 32, 2)
    """
    folder = find(name_or_path)
    meta = read_meta(folder)
    weights = read_weights(folder, meta)
    check_classes(meta["architecture"], folder)
    model = architecture.saying_what_was(
        architecture.build(architecture.with_precision(meta["architecture"], dtype)), meta
    )
    if len(model.weights) != len(weights):
        raise ValueError(f"{folder}: dnzoo.json does not fit its own architecture.")
    for weight, value in zip(model.weights, weights):
        weight.assign(value)
    information.remember(model, information.of_folder(folder, meta))
    return model


def info(model: keras.Model) -> information.Info:
    """What is known of a model, as `dnzoo.info` says it."""
    kind, facts = kinds.said(model) or (None, {})
    known = information.known(model)
    if known is None:
        inputs = signatures(model) if kind else {}
        known = information.Info(
            name=model.name,
            inputs=inputs,
            output=facts,
            parameters=model.count_params() if model.built else None,
        )
    optimizer = getattr(model, "optimizer", None)
    trained = optimizer is not None and int(optimizer.iterations) > 0
    metrics = {} if trained else known.metrics  # they were of other weights
    output = known.output or facts
    return dataclasses.replace(known, kind=known.kind or kind, output=output, metrics=metrics)


def check(model: keras.Model) -> None:
    """Raise ValueError when `save` would refuse the model: better before a training than after."""
    check_classes(architecture.of(model))


def as_float32(model: keras.Model) -> keras.Model:
    """A copy that computes in float32 with the same weights."""
    copied = architecture.build(architecture.of(model))
    for weight, value in zip(copied.weights, model.weights, strict=True):
        weight.assign(value)
    return copied


def _write(
    meta: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    folder: Path,
    image_bytes: bool = False,
) -> None:
    import tensorflow as tf

    model = architecture.build(meta["architecture"])
    for weight, value in zip(model.weights, weights, strict=True):
        weight.assign(value)
    module = tf.Module()
    # By position, in the order of the data file; Keras's paths carry counters that change.
    module.weights = {f"{i:05d}": w.value for i, w in enumerate(model.weights)}
    kind = kinds.of(model)
    image_bytes = image_bytes and kind.reads_files
    functions, read = serving_functions(kind, image_bytes), signatures(model, image_bytes)
    for name, function in functions.items():
        setattr(module, name, function)
    functions["serving_default"] = functions.pop("serve")
    logger, level = tf.get_logger(), tf.get_logger().level
    logger.setLevel("WARNING")  # it would name the temporary folder
    try:
        tf.saved_model.save(module, str(folder), signatures=functions)
    finally:
        logger.setLevel(level)
    data, offset, places = (folder / VARIABLES).read_bytes(), 0, []
    for weight, value in zip(model.weights, weights):
        offset = data.find(np.ascontiguousarray(value, "<f4").tobytes(), offset)
        if offset < 0:
            raise RuntimeError("TensorFlow's checkpoint does not hold the weights in order.")
        places.append({"path": weight.path, "shape": list(value.shape), "offset": offset})
        offset += value.nbytes
    checksums = {name: sha256(folder / name) for name in CHECKED}
    meta = {**meta, "parameters": model.count_params(), "signatures": read}
    meta = {**meta, "weights": places, "checksums": checksums}
    (folder / EXTRA).parent.mkdir()
    (folder / CARD).write_text(card.markdown(meta), "utf-8")
    storage.write_json(folder / EXTRA, meta)


def _write_in_child(handed: str, folder: str | Path) -> None:
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(paths)}
    env["CUDA_VISIBLE_DEVICES"] = ""  # the parent holds the accelerator
    command = [sys.executable, "-m", "dnzoo.saving.saved_model", handed, str(folder)]
    child = subprocess.run(command, env=env, capture_output=True, text=True)
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        if "No module named 'tensorflow'" in last:
            raise ImportError(
                "TensorFlow writes SavedModels, and is missing: pip install tensorflow. After a "
                "training, its checkpoints are kept, and the same command finishes the run."
            )
        raise RuntimeError(f"TensorFlow could not write the SavedModel: {last}")


if __name__ == "__main__":  # the child process of `save` on JAX and PyTorch
    _source, _target = sys.argv[1:]
    with np.load(Path(_source, "weights.npz")) as _arrays:
        _write(
            json.loads(Path(_source, "meta.json").read_text("utf-8")),
            [_arrays[f"arr_{i}"] for i in range(len(_arrays.files))],
            Path(_target),
        )
