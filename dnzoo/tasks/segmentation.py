"""Semantic segmentation as a task: its batches, loss, metrics, test and pictures."""

import keras
import numpy as np

from dnzoo import inference, losses, metrics
from dnzoo.data.arrays import IGNORE
from dnzoo.data.augmentation import augment
from dnzoo.imaging import drawing
from dnzoo.metrics import outputs
from dnzoo.models import _heads
from dnzoo.tasks.base import Task


class Segmentation(Task):
    """Label every pixel with its class.

    Args:
        data: `dnzoo.data.segmentation.SegmentationData`.
        config: `dnzoo.training.Config`; its `batch_size`, `class_weights`, `seed` and `smoke` count.
        loss: names for `dnzoo.losses.get`, such as "cross_entropy+dice".

    Raises:
        ValueError: for an unknown loss, or class weights that are not as many as classes.
    """

    monitor, lower_is_better = "mean_iou", False

    def __init__(self, data, config, loss="cross_entropy"):
        weights = config.class_weights or None
        if weights and len(weights) != len(data.class_names):
            raise ValueError(
                f"--class-weights: {len(weights)} numbers for {len(data.class_names)} "
                f"classes ({', '.join(data.class_names)})."
            )
        super().__init__(data, config, augment, fill=(0, IGNORE))
        self.loss = losses.get(loss, class_weights=weights)
        self.published = {"class_names": data.class_names, "palette": data.palette}

    def metrics(self):
        """Metrics to follow while training."""
        classes = len(self.data.class_names)
        return [
            metric(classes, from_logits=True) for metric in (metrics.MeanIoU, metrics.PixelAccuracy)
        ]

    def evaluate(self, model):
        """Numbers on the test split: see `dnzoo.metrics.scores` and `dnzoo.metrics.BoundaryIoU`."""
        if model.output_shape[-1] not in (len(self.data.class_names), 1):
            raise ValueError(
                f"{model.name} puts out {model.output_shape[-1]} classes, {self.data.name} has "
                f"{len(self.data.class_names)}: {', '.join(self.data.class_names)}."
            )
        says = {"classes": len(self.data.class_names), "from_logits": _heads.has_logits(model)}
        confusion, boundary = metrics.ConfusionMatrix(**says), metrics.BoundaryIoU(**says)
        for step in range(self.test.steps):
            images, masks = self.test.batch(step)
            logits = model.predict_on_batch(images)
            confusion.update_state(masks, logits)
            boundary.update_state(masks, logits)
        found = metrics.scores(confusion.result(), self.data.class_names)
        classes = found.pop("class_iou")
        return {**found, "boundary_iou": float(boundary.result()), "class_iou": classes}

    def pictures(self, model, count=12):
        """Held-out images, the truth and what the model says, side by side, as a Pillow image."""
        images, truths = (array[:count] for array in self.test.arrays)
        scores = model.predict_on_batch(np.asarray(images, "float32"))
        predicted = inference.classes(
            keras.ops.convert_to_numpy(scores), outputs.threshold(_heads.has_logits(model))
        )
        palette = np.array([*self.data.palette, *[(96, 96, 96)] * 256], "uint8")[:256]
        tiles = [
            np.concatenate([image, palette[truth], palette[guess]], axis=1)
            for image, truth, guess in zip(images, truths, predicted)
        ]
        return drawing.grid(tiles, columns=3)

    caption = "Held-out images, each with the truth and the prediction beside it."
