"""Semantic segmentation as a task: its batches, loss, metrics, test and pictures."""

import dataclasses
import functools
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
from PIL import Image

from dnzoo import losses, metrics, training
from dnzoo.data import segmentation
from dnzoo.data.augmentation import Augmentation
from dnzoo.imaging import drawing
from dnzoo.inference import kinds
from dnzoo.metrics import by_class, confusion
from dnzoo.metrics.labels import IGNORE
from dnzoo.tasks.sources import Depths, Scenes
from dnzoo.terminal import NAME, NAMES, NUMBERS
from dnzoo.training import report
from dnzoo.training.task import Task

COUNTED = 500  # masks of a split at most of which the shares of the classes are taken
SAMPLED = 8  # images of which the report shows what becomes of them
LARGEST = 512  # rows of an example in the report

FEW = 100  # training images, below which fine-tuning does better: benchmarks/transfer.py
START = "unet_cutouts"  # what to fine-tune then
# options that say what the data is, which fine-tuning needs as well
OF_DATA = ("data_dir", "image_size", "mask_values", "white", "black", "seed")


class Segmentation(Task):
    """Label every pixel with its class.

    Args:
        data: `dnzoo.data.segmentation.SegmentationData`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        loss: names for `dnzoo.losses.get`, such as "cross_entropy+dice".
        class_weights: how much each class counts in the loss, one number per class; (): all the same.

    Raises:
        ValueError: for an unknown loss, or class weights that are not as many as classes.
    """

    kind: ClassVar[str] = "classes"
    monitor: str = "mean_iou"
    new_head: ClassVar[bool] = True
    options: ClassVar[tuple[str, ...]] = ("loss", "class_weights")
    fixed: ClassVar[tuple[str, ...]] = ("channels",)
    caption: str = "Held-out images, each with the ground truth and the prediction beside it."
    sampled: ClassVar[str] = "Validation images, their ground truth, and below it the predictions"

    @dataclasses.dataclass(kw_only=True)
    class Config(Scenes, Depths):
        """Flags of segmentation and its data."""

        mask_values: Annotated[tuple[int, ...] | None, NUMBERS] = None
        """The value in masks of each class, in order, such as 0 255; none: 0, 1, 2 and so on."""
        channels: int | None = None
        """Of the images; none: 3, or as many as they have bands, up to 13."""
        without: Annotated[tuple[str, ...], NAMES] = ()
        """Classes left out of composed scenes."""
        loss: Annotated[str, NAME] = "cross_entropy"
        """cross_entropy, focal, dice, tversky, lovasz, or a sum such as cross_entropy+dice."""
        class_weights: tuple[float, ...] = ()
        """How much each class counts in the loss, one number per class; none: all the same."""

    @classmethod
    def load(cls, config: Config) -> segmentation.SegmentationData:
        """The images and masks that the config names."""
        return segmentation.load(
            config.data,
            config.data_dir,
            config.image_size,
            config.seed,
            config.scenes,
            config.without,
            config.cutouts,
            config.backgrounds,
            config.mask_values,
            config.channels,
            config.white,
            config.black,
        )

    @classmethod
    def settings_of(cls, model: keras.Model) -> dict[str, Any]:
        """The loss that fits fine-tuning, and the channels that the model reads, where they are not 3."""
        channels = model.inputs[0].shape[-1]
        return {"loss": "cross_entropy+dice", "channels": None if channels == 3 else channels}

    loss: keras.losses.Loss | str | None
    published: dict[str, Any]

    def __init__(
        self,
        data: segmentation.SegmentationData,
        config: training.Config,
        loss: str = "cross_entropy",
        class_weights: Sequence[float] = (),
    ) -> None:
        weights, names = tuple(class_weights) or None, data.class_names
        if weights and len(weights) != len(names):
            raise ValueError(
                f"class_weights={weights}: {len(weights)} numbers for {len(names)} classes "
                f"({', '.join(names)})."
            )
        super().__init__(data, config, Augmentation(data.targets), fill=(0, IGNORE))
        self.loss = losses.get(loss, class_weights=weights)
        self.published |= {"class_names": names, "palette": data.palette}

    def advice(self) -> str | None:
        """The command for fine-tuning, where there are few images of the user's own.

        Nothing for a net that begins with trained weights, or reads other channels than photographs have.
        """
        config, few = self.config, len(self.data.splits["train"][0]) < FEW
        beginnings = ("of_model", "encoder_weights", "start_from")
        trained = [getattr(config, name, None) for name in beginnings]
        colour = self.data.splits["train"][0].shape[-1] == 3
        if not self.data.look or not few or any(trained) or not colour:
            return None
        words = ["dnzoo", "finetune", START, config.data]
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if field.name in OF_DATA and value != field.default:
                values = value if isinstance(value, tuple) else (value,)
                words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
        return (
            f"Fewer than {FEW} training images: where it was measured, with 16 of them, fine-tuning a "
            "trained net did better by 0.125 and 0.169 mean IoU (docs/training.md, Few images):\n"
            f"    {shlex.join([*words, '--out', f'{config.out}_finetuned'])}"
        )

    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics to follow while training."""
        classes = len(self.data.class_names)
        return [
            metric(classes, from_logits=True) for metric in (metrics.MeanIoU, metrics.PixelAccuracy)
        ]

    def evaluate(self, model: keras.Model) -> dict[str, Any]:
        """Numbers on the test split.

        Returns:
            `mean_iou`, `mean_dice`, `pixel_accuracy`, `pixels`, `boundary_iou`, and the table
            `class_iou`: see `dnzoo.metrics.scores` and `dnzoo.metrics.BoundaryIoU`.

        Raises:
            ValueError: when the model puts out another number of classes than the data has.
        """
        if model.output_shape[-1] not in (len(self.data.class_names), 1):
            raise ValueError(
                f"{model.name} puts out {model.output_shape[-1]} classes, {self.data.name} has "
                f"{len(self.data.class_names)}: {', '.join(self.data.class_names)}."
            )
        says = {"classes": len(self.data.class_names), "from_logits": kinds.of(model).logits}
        confusion, boundary = metrics.ConfusionMatrix(**says), metrics.BoundaryIoU(**says)
        for step in range(self.test.steps):
            images, masks = self.test.batch(step)
            logits = model.predict_on_batch(images)
            confusion.update_state(masks, logits)
            boundary.update_state(masks, logits)
        found = metrics.scores(confusion.result(), self.data.class_names)
        classes = found.pop("class_iou")
        return {**found, "boundary_iou": float(boundary.result()), "class_iou": classes}

    def pictures(self, model: keras.Model, count: int = 12) -> Image.Image:
        """Held-out images, the ground truth and what the model says, side by side."""
        images, truths = (array[:count] for array in self.test.arrays)
        scores = model.predict_on_batch(np.asarray(images, "float32"))
        predicted = kinds.of(model).numbers(keras.ops.convert_to_numpy(scores))
        tiles = [
            np.concatenate(
                [drawing.visible(image), self._colours[truth], self._colours[guess]], axis=1
            )
            for image, truth, guess in zip(images, truths, predicted)
        ]
        return drawing.grid(tiles, columns=3)

    @functools.cached_property
    def _colours(self) -> np.ndarray:
        """A colour for every number that a mask can hold."""
        return np.array([*self.data.palette, *[(96, 96, 96)] * 256], "uint8")[:256]

    def _said(self, model: keras.Model, images: np.ndarray) -> np.ndarray:
        """Class numbers, by a model in the middle of its training too."""
        return kinds.of(model).numbers(self.outputs(model, np.asarray(images, "float32")))

    def shown_data(self) -> list[report.Part]:
        """The first batch with its masks, and how many pixels each class has."""
        images, masks = (report.reduced(array[:SAMPLED]) for array in self.train.batch(0))
        columns = [
            np.concatenate([drawing.visible(image), self._colours[mask]])
            for image, mask in zip(
                np.nan_to_num(images).round().clip(0, 255).astype("uint8"), masks
            )
        ]
        caption = "Augmented images, and below each its mask; grey pixels do not count."
        return [self._fed(drawing.grid(columns, columns=len(columns)), caption), self._shares()]

    def _shares(self) -> report.Table:
        """Of the pixels that count, in each split."""
        names, splits = self.data.class_names, self.data.splits
        columns = []
        for arrays in splits.values():
            some = np.unique(np.linspace(0, len(arrays[1]) - 1, COUNTED).astype(int))
            counts = np.bincount(np.asarray(arrays[1][some]).ravel(), minlength=256)[: len(names)]
            columns.append((counts / max(counts.sum(), 1)).tolist())
        rows = dict(zip(by_class(np.eye(len(names)), names), zip(*columns)))
        caption = f"Of the pixels that count, in at most {COUNTED} masks of each split."
        return report.Table("Shares of the classes", list(splits), rows, self.data.palette, caption)

    def shown_results(
        self,
        model: keras.Model,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[report.Part]:
        """Scores and confusion of the classes, and the images with the worst and the best mean IoU."""
        counts, scores = self._counted(model, split, limit)
        found, names = by_class(counts, self.data.class_names), {"iou": "class IoU", "f1": "F1"}
        measures = ["iou", "precision", "recall", "f1"]
        pixels = counts.sum(axis=1)
        rows = {
            name: [*(values[key] for key in measures), share]
            for (name, values), share in zip(
                found.items(), (pixels / max(pixels.sum(), 1)).tolist()
            )
        }
        columns = [*(names.get(key, key) for key in measures), "share of the pixels"]
        of = f"{len(scores)} {split} images."
        return [
            report.Table("Classes", columns, rows, self.data.palette, f"Of {of}"),
            report.Matrix("Confusion", list(found), counts, caption=f"Of {of}"),
            self._examples(model, split, scores),
        ]

    def _counted(
        self, model: keras.Model, split: str, limit: int | None
    ) -> tuple[np.ndarray, list[float]]:
        """The confusion matrix of a split, and the mean IoU of each image; NaN without a pixel."""
        part: Any = getattr(self, split)
        classes, scores = len(self.data.class_names), []
        total = np.zeros((classes, classes), "int64")
        for step in range(part.steps):
            images, masks = (array[: limit and limit - len(scores)] for array in part.batch(step))
            for mask, said in zip(masks, self._said(model, images)):
                counts = confusion(mask, said, classes)
                hit, total = np.diagonal(counts), total + counts
                either = counts.sum(0) + counts.sum(1) - hit
                present = either > 0
                iou = hit[present] / either[present]
                scores.append(float(np.mean(iou)) if len(iou) else np.nan)
            if limit and len(scores) >= limit:
                break
        return total, scores

    def _examples(self, model: keras.Model, split: str, scores: Sequence[float]) -> report.Examples:
        """The images with the worst and the best scores."""
        images, masks = getattr(self, split).arrays

        def example(i: int) -> report.Example:
            said = self._said(model, images[i : i + 1])
            image, truth, said = (
                report.reduced(a, LARGEST)[0] for a in (images[i : i + 1], masks[i : i + 1], said)
            )
            shown = {
                "image": Image.fromarray(np.ascontiguousarray(drawing.visible(image))),
                "ground truth": drawing.paletted(truth, self._colours),
                "prediction": drawing.paletted(said, self._colours),
            }
            return report.Example(self.data.called(split, i), scores[i], shown)

        return report.Examples.of(
            f"Images of the {split} split",
            "mean IoU of its classes",
            scores,
            [self.data.called(split, i) for i in range(len(scores))],
            example,
            compare="fade",
        )

    def reference(self) -> Image.Image:
        """Validation images, and below each its mask."""
        images, masks = (report.reduced(a[:SAMPLED]) for a in self.validation.arrays)
        rows = [*map(drawing.visible, images), *self._colours[masks]]
        return drawing.grid(rows, columns=len(images))

    def sample(self, model: keras.Model) -> Image.Image:
        """What the model says of them."""
        said = self._said(model, np.asarray(self.validation.arrays[0][:SAMPLED]))
        return drawing.grid([*self._colours[report.reduced(said)]], columns=len(said))
