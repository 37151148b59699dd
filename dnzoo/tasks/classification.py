"""Classification as a task: a small net that tells images apart, to judge generated ones by."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from PIL import Image

from dnzoo import training
from dnzoo.data.pictures import Pictures
from dnzoo.imaging import drawing
from dnzoo.metrics import by_class, confusion
from dnzoo.tasks.sources import SmallImages, load_for
from dnzoo.training import report
from dnzoo.training.task import Task


class Classification(Task):
    """Name the class of each image.

    Args:
        data: `dnzoo.data.pictures.Pictures`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
    """

    kind: ClassVar[str] = "labels"
    fixed: ClassVar[tuple[str, ...]] = ("image_size", "channels")
    monitor: str = "accuracy"
    caption: str = "Held-out images that were named wrong, or, where there are fewer, right."

    @dataclasses.dataclass(kw_only=True)
    class Config(SmallImages):
        """Flags of classification and its data."""

    @classmethod
    def load(cls, config: Config) -> Pictures:
        """The images that the config names."""
        return load_for(config)

    @classmethod
    def settings_of(cls, model: keras.Model) -> dict[str, Any]:
        """The size and the channels that the model reads."""
        shape = model.inputs[0].shape
        return {"image_size": shape[1], "channels": shape[-1]}

    loss: keras.losses.Loss | str | None

    def __init__(self, data: Pictures, config: training.Config) -> None:
        super().__init__(data, config, self._shifted)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def _shifted(
        self, pictures: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Moved by up to two pixels and mirrored at random."""
        moved = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)))
        height, width = pictures.shape[1:3]
        places = zip(rng.integers(0, 5, len(moved)), rng.integers(0, 5, len(moved)))
        moved = np.stack(
            [image[i : i + height, j : j + width] for image, (i, j) in zip(moved, places)]
        )
        mirrored = rng.random(len(moved)) < 0.5
        moved[mirrored] = moved[mirrored, :, ::-1]
        return np.asarray(moved, "float32"), labels

    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics to follow while training."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def _named(self, model: keras.Model) -> np.ndarray:
        parts = [model.predict_on_batch(self.test.batch(i)[0]) for i in range(self.test.steps)]
        return np.argmax(np.concatenate(parts), axis=-1)

    def evaluate(self, model: keras.Model) -> dict[str, Any]:
        """`accuracy` on the test split, and how many `images` it has."""
        truth = np.asarray(self.test.arrays[1])
        return {"accuracy": float(np.mean(self._named(model) == truth)), "images": len(truth)}

    def pictures(self, model: keras.Model, count: int = 64) -> Image.Image:
        """What was named wrong."""
        wrong = self._named(model) != np.asarray(self.test.arrays[1])
        order = np.argsort(~wrong, kind="stable")[:count]
        return drawing.sheet(np.stack([self.test.arrays[0][i] for i in order]))

    def shown_results(
        self,
        model: keras.Model,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[report.Part]:
        """Scores and confusion of the classes; the images whose own class got the least and the most."""
        part: Any = getattr(self, split)
        images, truth = (np.asarray(array[:limit]) for array in part.arrays)
        logits = self.outputs(model, np.asarray(images, "float32"))
        likely = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        said, scores = likely.argmax(axis=-1), likely[np.arange(len(truth)), truth].tolist()
        names = [f"class {i}" for i in range(likely.shape[-1])]
        counts = confusion(truth, said, len(names))
        measures = ("precision", "recall", "f1")
        rows = {
            name: [*(values[key] for key in measures), int(counts[i].sum())]
            for i, (name, values) in enumerate(by_class(counts, names).items())
        }

        def example(i: int) -> report.Example:
            note = f"{names[truth[i]]}; said: {names[said[i]]} ({likely[i, said[i]]:.1%})"
            shown = {"image": drawing.sheet(images[i : i + 1], 1)}
            return report.Example(self.data.called(split, i), scores[i], shown, note)

        of = f"Of {len(images)} {split} images."
        return [
            report.Table("Classes", ("precision", "recall", "F1", "images"), rows, caption=of),
            report.Matrix("Confusion", names, counts, "images", of),
            report.Examples.of(
                f"Images of the {split} split",
                "probability of its true class",
                scores,
                [self.data.called(split, i) for i in range(len(images))],
                example,
            ),
        ]
