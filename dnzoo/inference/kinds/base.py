"""What a kind of output has to say of itself."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import storage
from dnzoo.imaging import reading
from dnzoo.inference.tiled import tiled
from dnzoo.layers import Output, Preprocessing
from dnzoo.models._heads import activated
from dnzoo.words import label

OVERSHOOT = 320  # of pixels up to 255 that were resized


class Target:
    """Where the results of one image go, and what is said of it.

    Args:
        folder: for the results.
        name: what their names begin with.
        overwrite: replace results that are there.

    Attributes:
        words: what the model saw, in a line for a person.
    """

    def __init__(self, folder: str | Path, name: str = "", overwrite: bool = False) -> None:
        self.folder: Path = Path(folder)
        self.name: str = name
        self.overwrite: bool = overwrite
        self.words: str = ""

    def __call__(self, ending: str) -> AbstractContextManager[Path]:
        """The context of a new file, `ending` behind its name; it is there when that ends well."""
        return storage.new_file(self.folder / f"{self.name}{ending}", self.overwrite)

    def say(self, words: str) -> None:
        """Keep what the model saw."""
        self.words = words


def said(model: keras.Model) -> tuple[str, dict[str, Any]] | None:
    """(kind, facts) that a model says of itself: by its `Output`, or as an attribute `output_kind`.

    None where it says nothing.
    """
    if hasattr(model, "output_kind"):
        return model.output_kind, {}
    found = _output(model)
    if found is None:
        return None
    facts = found.facts
    if facts.get("logits") and activated(model, [found]):  # by layers behind it
        facts = {**facts, "logits": False}
    return found.kind, facts


def say(model: keras.Model, **facts: Any) -> None:
    """Add facts to those of a model's `Output`, if it has one; None takes a fact away."""
    found = _output(model)
    if found is not None:
        known = {**found.facts, **facts}
        found.facts = {name: value for name, value in known.items() if value is not None}


def _output(model: keras.Model) -> Output | None:
    """The layer by which a model, or the one that it ends with, says what comes out."""
    layers = getattr(model, "layers", ())
    found = [layer for layer in layers if isinstance(layer, Output)]
    if found:
        return found[-1]
    inside = [layer for layer in layers if isinstance(layer, keras.Model)]
    return _output(inside[-1]) if inside and inside[-1] is layers[-1] else None


class Kind:
    """One kind of output, of one model: what is served of it, how it predicts, writes and draws.

    This class is for models of one image in and one array of as many rows out; a subclass sets
    `name`, overrides what differs, and is made known by `dnzoo.inference.kinds.register`.

    Args:
        model: the model.
        facts: what its `dnzoo.layers.Output` says beside the kind.
        name: of the kind; None: the class's.

    Attributes:
        name: as in `Output`.
        options: what a person may set when image files are predicted, of "palette", "boxes",
            "class_names", "count", "seed"; `write` and `draw` get them. With "alpha" `write` gets the
            image's transparency, (H, W) uint8, None where there is none.
        reads_images: whether there are image files to read at all.
    """

    model: keras.Model
    facts: dict[str, Any]
    name: str = ""
    options: tuple[str, ...] = ()
    reads_images: bool = True

    def __init__(self, model: keras.Model, facts: dict[str, Any], name: str | None = None) -> None:
        self.model, self.facts, self.name = model, facts, name or self.name

    @property
    def channels(self) -> int:
        """How many channels an image file is read with."""
        return self.model.inputs[0].shape[-1]

    @property
    def pixels(self) -> tuple[float, float] | None:
        """The values that become 0 and 255 where a file is not of 8 bits, as in training; None: unknown."""
        found = self.facts.get("pixels")
        return (found[0], found[1]) if found else None

    def served(self) -> dict[str, keras.Model]:
        """What a SavedModel serves: {signature: functional model}; "serve" is the default."""
        return {"serve": self.model}

    def outputs(self, outputs: Any) -> dict[str, Any]:
        """What a served function returns, by name, of what its model puts out; keras.ops alone."""
        if isinstance(outputs, dict):
            return outputs
        flat = keras.tree.flatten(outputs)
        return {self.name: flat[0]} if len(flat) == 1 else dict(zip(self.model.output_names, flat))

    @property
    def reads_files(self) -> bool:
        """Whether it reads grey or RGB images, so that a server can be handed the bytes of a file."""
        return (
            self.reads_images and len(self.model.inputs[0].shape) == 4 and self.channels in (1, 3)
        )

    def of_files(self, image: Any, *others: Any) -> dict[str, Any]:
        """What is served of image files, (N, H, W, channels) from 0 to 255 as they are read; keras.ops."""
        return self.outputs(self.model([image, *others] if others else image, training=False))

    def example(self, tensor: keras.KerasTensor, size: int, rng: np.random.Generator) -> np.ndarray:
        """Random input of a batch of one, for comparisons; `size` rows where the model leaves them free."""
        shape = [1, *(n or size for n in tensor.shape[1:])]
        if "int" in tensor.dtype:
            return np.zeros(shape, tensor.dtype)
        made = rng.normal(0, 1, shape) if len(shape) == 2 else rng.uniform(0, 255, shape)
        return made.astype(tensor.dtype)

    @property
    def reads_bytes(self) -> bool:
        """Whether the model reads pixels from 0 to 255: it begins by bringing them to another range."""
        return _begins_with_pixels(self.model)

    def read(self, x: Any, white: float | None = None) -> Any:
        """What `predict` takes, of what a person gives: an array, an image file's path, a Pillow image.

        Args:
            white: the value that becomes 255, of all that is not of 8 bits; None: see `pixels`.

        Raises:
            ValueError: for an array that is not from 0 to 255 where the model reads such pixels, and
                as `dnzoo.imaging.reading.read`.
        """
        limits = self.pixels if white is None else (0.0, float(white))
        if isinstance(x, (str, os.PathLike)):
            return reading.read(x, self.channels, pixels=limits)
        if hasattr(x, "getbands"):  # Pillow's
            return reading.converted(x, self.channels, pixels=limits)
        x = x if hasattr(x, "shape") else np.asarray(x)
        if white is not None:
            return np.asarray(x, "float32") * (255 / float(white))
        if self.reads_bytes:
            _check_pixels(self.model.name, x)
        return x

    def predict(self, x: Any, **options: Any) -> Any:
        """What `dnzoo.predict` gives, with its options; here of one image, in tiles."""
        return tiled(self.model, x, **options)

    def endings(self) -> Sequence[str]:
        """What follows the name of an image in those of its results: ["_depth.png"]."""
        return [f"_{self.name}.png"]

    def write(self, image: np.ndarray | None, target: Target, **options: Any) -> list[str]:
        """Write what the model says of an image; `target(ending)` is the context of a new file.

        Args:
            image: (H, W, channels) uint8, perhaps memory-mapped; None where none is read.
            target: gives the path to write to, which becomes a result when the block ends well; it is
                told what the model saw.
            **options: those of `options` that were set.

        Returns:
            The endings that were written.
        """
        (ending,) = self.endings()
        with target(ending) as partial:
            prediction = self.predict(image)
            self.draw(prediction, image, **options).save(partial)
        low, high = float(prediction.min()), float(prediction.max())
        unit = f" {self.facts['unit']}" if "unit" in self.facts else ""
        target.say(f"{label(self.name)} from {low:.4g} to {high:.4g}{unit}")
        return [ending]

    def draw(self, prediction: np.ndarray, image: np.ndarray | None, **options: Any) -> Any:
        """A Pillow image of a prediction: here its first one or three channels, dark to bright."""
        from PIL import Image

        shown = prediction[..., :3] if prediction.shape[-1] >= 3 else prediction[..., 0]
        low, high = float(shown.min()), float(shown.max())
        return Image.fromarray(np.uint8(np.round(255 * (shown - low) / max(high - low, 1e-12))))


def _begins_with_pixels(model: keras.Model) -> bool:
    """Whether a layer at the input scales pixels of 8 bits, in a model inside too."""
    inputs = {id(tensor) for tensor in getattr(model, "inputs", None) or ()}
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if not inputs & {id(tensor) for tensor in keras.tree.flatten(layer.input)}:
            continue
        if isinstance(layer, Preprocessing):
            return True
        if isinstance(layer, keras.layers.Rescaling):
            return bool(np.max(np.abs(layer.scale)) < 0.1)
        if isinstance(layer, keras.Model) and _begins_with_pixels(layer):
            return True
    return False


def _check_pixels(name: str, x: Any) -> None:
    """Raise ValueError for an array of another range than 0 to 255; rows of what lies elsewhere suffice."""
    if not isinstance(x, np.ndarray):
        x = np.asarray(x[:: max(len(x) // 64, 1)])
    if x.dtype == "uint8" or not x.size:
        return
    low, high = float(x.min()), float(x.max())
    held = (
        f"{name} reads pixels from 0 to 255; the array holds {x.dtype} from {low:.4g} to {high:.4g}"
    )
    if not np.isfinite(high - low):
        raise ValueError(f"{held}: put numbers in place of nan and infinity.")
    floats = x.dtype.kind == "f"
    small = floats and (high <= 1 or low < 0 <= high < 16) and bool((x % 1 != 0).any())
    if small and low < 0:
        raise ValueError(
            f"{held}: give it as it was before it was normalised, which the model does."
        )
    if small or x.dtype == "bool" or high > (OVERSHOOT if floats else 255):
        white = 65535 if high > 255 else 1
        raise ValueError(f"{held}: say which value is white (white={white}; 255 if it is right).")
