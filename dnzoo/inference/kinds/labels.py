"""Scores of classes for a whole image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from dnzoo.inference.kinds.base import Kind, Target
from dnzoo.inference.kinds.classes import scores_and_classes
from dnzoo.words import class_name, percent

SHOWN = 5
WORTH = 0.01  # of a probability, to be said of an image


class Labels(Kind):
    """Of classifiers: (N, H, W, C) -> (N, classes).

    Facts: `logits`, whether no activation follows the scores.
    """

    name: str = "labels"
    options: tuple[str, ...] = ("class_names",)

    def outputs(self, outputs: Any) -> dict[str, Any]:
        """{"logits" or "probabilities": as they are, "classes": int32 (N,)}."""
        return scores_and_classes(outputs, self.facts.get("logits", True))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores (classes,) of one image (H, W, C)."""
        wanted = self.model.inputs[0].shape[1:]
        given = tuple(np.shape(x))
        if len(given) != 3 or any(w not in (None, n) for w, n in zip(wanted, given)):
            raise ValueError(
                f"{self.model.name} reads images of shape {tuple(wanted)}; got {given}."
            )
        scores = self.model.predict_on_batch(np.asarray(x, "float32")[None])[0]
        return ops.convert_to_numpy(scores)

    def endings(self) -> Sequence[str]:
        """A text."""
        return ["_labels.txt"]

    def write(
        self, image: np.ndarray, target: Target, class_names: Sequence[str] | None = None
    ) -> list[str]:
        """The likeliest classes, a line each: probability, number and, if known, name."""
        scores = self.predict(image)
        if self.facts.get("logits", True):
            scores = ops.convert_to_numpy(ops.softmax(scores))
        first = np.argsort(-scores, kind="stable")[:SHOWN].tolist()
        lines = [f"{scores[i]:.4f} {i}{f' {class_names[i]}' if class_names else ''}" for i in first]
        likely = [i for i in first if i == first[0] or scores[i] >= WORTH]
        target.say(", ".join(f"{class_name(i, class_names)} {percent(scores[i])}" for i in likely))
        with target(self.endings()[0]) as partial:
            partial.write_text("\n".join(lines) + "\n", "utf-8")
        return list(self.endings())
