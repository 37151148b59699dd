"""Classification as a task: a small net that tells pictures apart, to judge generated ones by."""

import keras
import numpy as np

from dnzoo.imaging import drawing
from dnzoo.tasks.base import Task


class Classification(Task):
    """Name the class of each picture.

    Args:
        data: `dnzoo.data.pictures.Pictures`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
    """

    monitor, lower_is_better = "accuracy", False
    caption = "Held-out pictures that were named wrong, or, where there are fewer, right."

    def __init__(self, data, config):
        super().__init__(data, config, self._shifted)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def _shifted(self, pictures, labels, rng):
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

    def metrics(self):
        """Metrics to follow while training."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def _named(self, model):
        parts = [model.predict_on_batch(self.test.batch(i)[0]) for i in range(self.test.steps)]
        return np.argmax(np.concatenate(parts), axis=-1)

    def evaluate(self, model):
        """Accuracy on the test split."""
        truth = np.asarray(self.test.arrays[1])
        return {"accuracy": float(np.mean(self._named(model) == truth)), "pictures": len(truth)}

    def pictures(self, model, count=64):
        """What was named wrong, as a Pillow image."""
        wrong = self._named(model) != np.asarray(self.test.arrays[1])
        order = np.argsort(~wrong, kind="stable")[:count]
        return drawing.sheet(np.stack([self.test.arrays[0][i] for i in order]))
