"""Version folders as TensorFlow Serving wants them: `<model>/<number>/` with a SavedModel."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import storage
from dnzoo.inference import kinds


def next_version(path: Path) -> int:
    """One more than the largest version in the folder.

    Raises:
        FileExistsError: when there is something else than versions in it.
    """
    inside = [one.name for one in path.iterdir()] if path.is_dir() else []
    # hidden: what is being written, by a process beside this one
    others = sorted(name for name in inside if not name.isdecimal() and not name.startswith("."))
    if others or path.is_file():
        held = f"holds {', '.join(others[:3])}" if others else "is a file"
        raise FileExistsError(
            f"{path} {held}, and TensorFlow Serving wants a folder of versions alone: name one for this "
            f"model, as {path / 'mine'}."
        )
    return max((int(name) for name in inside if name.isdecimal()), default=0) + 1


@contextlib.contextmanager
def new_version(path: Path, version: int | None) -> Iterator[Path]:
    """A temporary folder that becomes a version when the block ends well; a server sees it whole.

    Raises:
        FileExistsError: when the version is there; as `next_version`.
        ValueError: for a version below 1.
    """
    free = next_version(path)
    if version is not None and version < 1:
        raise ValueError(f"a version is 1 or more; got version={version}.")
    with storage.new_folder(path / str(version or free)) as folder:
        yield folder


def answers(folder: Path, kind: kinds.Kind, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(what the signatures in a folder give on random inputs, what Keras gives): the floats.

    Args:
        folder: of a SavedModel.
        kind: of the model that is in it.
        size: of what is free in the inputs.
    """
    import tensorflow as tf

    loaded, rng = tf.saved_model.load(str(folder)), np.random.default_rng(0)
    found, expected = [], []

    def compare(name: str, inputs: dict[str, Any], truth: dict[str, Any]) -> None:
        made = loaded.signatures[name](**{key: tf.constant(x) for key, x in inputs.items()})
        for key, value in truth.items():
            if "float" in keras.backend.standardize_dtype(value.dtype):
                found.append(made[key].numpy())
                expected.append(keras.ops.convert_to_numpy(value))

    for name, part in kind.served().items():
        inputs = {x.name: kind.example(x, size, rng) for x in part.inputs}
        given = list(inputs.values())
        truth = kind.outputs(part(given if len(given) > 1 else given[0], training=False))
        compare("serving_default" if name == "serve" else name, inputs, truth)
    if kind.reads_files:
        first, *rest = kind.model.inputs
        shape = [*(n or size for n in first.shape[1:3]), kind.channels]
        image = rng.integers(0, 256, shape, "uint8")
        others = {x.name: kind.example(x, size, rng) for x in rest}
        inputs = {"image_bytes": [tf.io.encode_png(image).numpy()], **others}
        truth = kind.of_files(
            keras.ops.cast(image[None], first.dtype),
            *map(keras.ops.convert_to_tensor, others.values()),
        )
        compare("image_bytes", inputs, truth)
    return found, expected
