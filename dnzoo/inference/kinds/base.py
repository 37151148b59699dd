"""What a kind of output has to say of itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo.inference.tiled import tiled
from dnzoo.layers import Output
from dnzoo.models._heads import activated

Target = Callable[[str], AbstractContextManager[Path]]  # ending of a result's name -> its new file


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
        options: what a person may set when image files are predicted, of "palette", "boxes", "count",
            "seed"; `write` and `draw` get them.
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
            target: gives the path to write to, which becomes a result when the block ends well.
            **options: those of `options` that were set.

        Returns:
            The endings that were written.
        """
        (ending,) = self.endings()
        with target(ending) as partial:
            self.draw(self.predict(image), image, **options).save(partial)
        return [ending]

    def draw(self, prediction: np.ndarray, image: np.ndarray | None, **options: Any) -> Any:
        """A Pillow image of a prediction: here its first one or three channels, dark to bright."""
        from PIL import Image

        shown = prediction[..., :3] if prediction.shape[-1] >= 3 else prediction[..., 0]
        low, high = float(shown.min()), float(shown.max())
        return Image.fromarray(np.uint8(np.round(255 * (shown - low) / max(high - low, 1e-12))))
