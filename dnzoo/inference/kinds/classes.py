"""Scores of classes for each pixel."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnzoo.imaging import drawing, reading
from dnzoo.inference.kinds.base import Kind, Target
from dnzoo.metrics import outputs
from dnzoo.metrics.outputs import threshold
from dnzoo.words import class_name, percent


class Classes(Kind):
    """Of segmentation: (N, H, W, C) -> (N, H', W', classes); one channel is class 1's alone.

    Facts: `logits`, whether no activation follows the scores.
    """

    name: str = "classes"
    options: tuple[str, ...] = ("palette", "class_names")

    @property
    def logits(self) -> bool:
        """Whether no activation follows the scores."""
        return self.facts.get("logits", True)

    @property
    def threshold(self) -> float:
        """Above it, the one channel of two classes means class 1."""
        return threshold(self.logits)

    def outputs(self, outputs: Any) -> dict[str, Any]:
        """{"logits" or "probabilities": as they are, "classes": int32 (N, H, W)}."""
        return scores_and_classes(outputs, self.logits)

    def numbers(self, scores: np.ndarray) -> np.ndarray:
        """Class numbers, uint8 (..., H, W), of scores (..., H, W, classes)."""
        return classes(scores, self.threshold)

    def endings(self) -> Sequence[str]:
        """A palette image of class numbers, and the image with them in colour."""
        return ["_mask.png", "_overlay.png"]

    def write(
        self,
        image: np.ndarray,
        target: Target,
        palette: Sequence[Sequence[int]] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> list[str]:
        """Both, or the mask alone as TIFF, tile by tile, for an image that lies on disk.

        A strip below the overlay names the classes that it shows, in their colours.
        """
        colours = self._colours(palette)
        if isinstance(image, np.memmap):
            with target("_mask.tif") as partial:
                out = reading.create(partial, image.shape[:2], colours)
                self.predict(image, out=out, finish=self.numbers).flush()
                target.say(", ".join(shares(out, class_names).values()))
            return ["_mask.tif"]
        mask = self.predict(image, finish=self.numbers)
        found = shares(mask, class_names)
        target.say(", ".join(found.values()))
        named = [(words, colours[number]) for number, words in found.items() if number]
        overlay = drawing.overlay(image, mask, colours)
        pictures = [drawing.paletted(mask, colours), drawing.legend(overlay, named)]
        for ending, picture in zip(self.endings(), pictures):
            with target(ending) as partial:
                picture.save(partial)
        return list(self.endings())

    def draw(
        self,
        prediction: np.ndarray,
        image: np.ndarray,
        palette: Sequence[Sequence[int]] | None = None,
    ) -> Any:
        """The image with every class but 0 tinted in its colour."""
        return drawing.overlay(image, self.numbers(prediction), self._colours(palette))

    def _colours(self, palette: Sequence[Sequence[int]] | None) -> np.ndarray:
        count = max(self.model.outputs[0].shape[-1], 2)
        return np.array(palette or drawing.palette(count), "uint8")


def scores_and_classes(scores: Any, logits: bool) -> dict[str, Any]:
    """{"logits" or "probabilities": the scores, (..., classes), "classes": int32 (...)}, for serving."""
    name = "logits" if logits else "probabilities"
    return {name: scores, "classes": outputs.classes(scores, threshold(logits))}


def classes(logits: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """Class numbers, (..., H, W), of (..., H, W, C); C = 1: class 1 above the threshold.

    uint8, or uint16 for more than 256 classes.
    """
    found = outputs.classes(np.asarray(logits), threshold)
    return found.astype("uint8" if logits.shape[-1] <= 256 else "uint16")


def shares(mask: np.ndarray, names: Sequence[str] | None = None) -> dict[int, str]:
    """{class: its name and share of an image} of those that occur, the largest first, background last.

    Example:
        >>> shares(np.array([[0, 0], [0, 2]]), ["background", "cat", "dog"])
        {2: 'dog 25 %', 0: 'background 75 %'}
    """
    counts = np.zeros(2**16, "int64")
    for rows in np.array_split(mask, max(mask.size >> 24, 1)):  # of one on disk a part at a time
        counts += np.bincount(np.ravel(rows), minlength=len(counts))
    last = 0 if not names or names[0] == "background" else None
    found = sorted(np.flatnonzero(counts).tolist(), key=lambda n: (n == last, -counts[n]))
    return {n: f"{class_name(n, names)} {percent(counts[n] / mask.size)}" for n in found}
