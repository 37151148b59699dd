"""Scores of classes for each pixel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from dnzoo.imaging import drawing, reading
from dnzoo.inference.kinds.base import Kind, Target


class Classes(Kind):
    """Of segmentation: (N, H, W, C) -> (N, H', W', classes); one channel is class 1's alone.

    Facts: `logits`, whether no activation follows the scores.
    """

    name = "classes"
    options = ("palette",)

    @property
    def threshold(self) -> float:
        """Above it, the one channel of two classes means class 1."""
        return 0.0 if self.facts.get("logits", True) else 0.5

    def outputs(self, outputs: Any) -> dict[str, Any]:
        """{"logits" or "probabilities": as they are, "classes": int32 (N, H, W)}."""
        return scores_and_classes(outputs, self.facts.get("logits", True))

    def numbers(self, scores: np.ndarray) -> np.ndarray:
        """Class numbers, uint8 (..., H, W), of scores (..., H, W, classes)."""
        return classes(scores, self.threshold)

    def endings(self) -> Sequence[str]:
        """A palette image of class numbers, and the image with them in colour."""
        return ["_mask.png", "_overlay.png"]

    def write(
        self, image: np.ndarray, target: Target, palette: Sequence | None = None
    ) -> list[str]:
        """Both, or the mask alone as TIFF, tile by tile, for an image that lies on disk."""
        colours = self._colours(palette)
        if isinstance(image, np.memmap):
            with target("_mask.tif") as partial:
                out = reading.create(partial, image.shape[:2], colours)
                self.predict(image, out=out, finish=self.numbers).flush()
            return ["_mask.tif"]
        mask = self.predict(image, finish=self.numbers)
        pictures = [drawing.paletted(mask, colours), drawing.overlay(image, mask, colours)]
        for ending, picture in zip(self.endings(), pictures):
            with target(ending) as partial:
                picture.save(partial)
        return list(self.endings())

    def draw(
        self, prediction: np.ndarray, image: np.ndarray, palette: Sequence | None = None
    ) -> Any:
        """The image with every class but 0 tinted in its colour."""
        return drawing.overlay(image, self.numbers(prediction), self._colours(palette))

    def _colours(self, palette):
        count = max(self.model.outputs[0].shape[-1], 2)
        return np.array(palette or drawing.palette(count), "uint8")


def scores_and_classes(scores: Any, logits: bool) -> dict[str, Any]:
    """{"logits" or "probabilities": the scores, (..., classes), "classes": int32 (...)}, for serving."""
    one = scores.shape[-1] == 1
    threshold = 0.0 if logits else 0.5
    chosen = scores[..., 0] > threshold if one else ops.argmax(scores, axis=-1)
    name = "logits" if logits else "probabilities"
    return {name: scores, "classes": ops.cast(chosen, "int32")}


def classes(logits: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """Class numbers, uint8 (..., H, W), of (..., H, W, C); C = 1: class 1 above the threshold."""
    if logits.shape[-1] == 1:
        return (logits[..., 0] > threshold).astype("uint8")
    return np.argmax(logits, axis=-1).astype("uint8")
