"""Masks of objects whose boxes are given, as a task: jittered true boxes, AP of pasted masks."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
from PIL import Image

from dnzoo import inference, losses, training
from dnzoo.data import instances as objects
from dnzoo.data.augmentation import Augmentation
from dnzoo.imaging import drawing
from dnzoo.metrics import MaskAP
from dnzoo.metrics.labels import IGNORE
from dnzoo.tasks.sources import Scenes
from dnzoo.terminal import DATA
from dnzoo.training import report
from dnzoo.training.task import Task

SAMPLED = 8  # images of which the report shows what becomes of them
JITTER = 0.1  # of a box's size: how far each side may be off


class InstanceMasks(Task):
    """Find the mask of the object in each box; the box's class is given.

    Boxes are the true ones with each side moved at random by up to a tenth of the size, as a
    detector's are not exact either; for validation and test always the same.

    Args:
        data: `dnzoo.data.instances.Instances`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        mask_size: rows of the masks that the model puts out.
    """

    kind: ClassVar[str] = "masks"
    new_head: ClassVar[bool] = True
    caption: str = "Held-out images, the true masks, and the masks found in the boxes shown."
    sampled: ClassVar[str] = "Validation images with their true masks, and below the masks found"

    @dataclasses.dataclass(kw_only=True)
    class Config(Scenes):
        """Flags of objects and their masks."""

        data: Annotated[str, DATA] = "fashion_scenes"
        """fashion_scenes, cutout_scenes or coco/2017."""

    @classmethod
    def load(cls, config: Config) -> objects.Instances:
        """The images and their objects that the config names."""
        return objects.load(
            config.data,
            config.data_dir,
            config.image_size,
            config.seed,
            config.scenes,
            config.cutouts,
            config.backgrounds,
        )

    mask_size: int
    augment: Augmentation
    loss: keras.losses.Loss | str | None
    published: dict[str, Any]

    def __init__(
        self, data: objects.Instances, config: training.Config, mask_size: int = 28
    ) -> None:
        self.mask_size = mask_size
        self.augment = Augmentation(data.targets)
        super().__init__(data, config, self._augmented, self._prepared)
        self.loss = losses.MaskLoss()
        count = len(data.class_names)
        palette = drawing.palette(count + 1)[1:]
        self.published |= {"class_names": data.class_names, "palette": palette}

    def _augmented(
        self,
        images: np.ndarray,
        instances: np.ndarray,
        boxes: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        images, instances, _, labels = self.augment(images, instances, boxes, labels, rng)
        boxes, labels = _visible(instances, labels)
        return self._prepared(images, instances, boxes, labels, rng)

    def _prepared(
        self,
        images: np.ndarray,
        instances: np.ndarray,
        boxes: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        size = np.concatenate([boxes[..., 2:] - boxes[..., :2]] * 2, axis=-1)
        boxes = boxes + size * rng.uniform(-JITTER, JITTER, boxes.shape)
        boxes = boxes.clip(0, images.shape[1]).astype("float32")
        masks = _cut(instances, boxes, self.mask_size)
        classes = np.broadcast_to(labels[..., None, None], masks.shape)
        images = np.asarray(images, "float32")
        return (images, boxes), np.stack([masks, classes], axis=-1).astype("uint8")

    def evaluate(self, model: keras.Model) -> dict[str, Any]:
        """Mask AP on the test split; that of filled boxes and of ellipses beside it.

        Returns:
            `mask_ap`, `mask_ap50` and `mask_ap75`; the same of `mask_filled_boxes_...` and
            `mask_ellipses_...`; `mean_mask_iou`, `objects`, and the table `class_ap`.
        """
        kinds = {"": MaskAP(), "filled boxes ": MaskAP(), "ellipses ": MaskAP()}
        overlaps = []
        for step in range(self.test.steps):
            (images, boxes), truth = self.test.batch(step)
            chosen = slice(step * self.test.batch_size, (step + 1) * self.test.batch_size)
            instances = np.asarray(self.test.arrays[1][chosen])
            found = model.predict_on_batch([images, boxes])
            for i, instance in enumerate(instances):
                labels = truth[i, :, 0, 0, 1]
                there = np.flatnonzero(labels != IGNORE)
                true_masks = instance[None] == 1 + there[:, None, None]
                for kind, metric in kinds.items():
                    small = _shapes(kind, found[i, there], labels[there], self.mask_size)
                    masks = inference.paste_masks(small, boxes[i, there], instance.shape)
                    scores = [
                        np.mean(mask[mask > 0.5]) if mask.max() > 0.5 else 0 for mask in small
                    ]
                    metric.update_state(true_masks, labels[there], masks, labels[there], scores)
                    if not kind:
                        both = (masks & true_masks).sum((1, 2))
                        either = (masks | true_masks).sum((1, 2))
                        overlaps += (both / np.maximum(either, 1)).tolist()
        scores = {
            f"mask_{kind}{key}".replace(" ", "_"): value
            for kind, metric in kinds.items()
            for key, value in metric.result().items()
        }
        each = {self.data.class_names[k]: v for k, v in kinds[""].class_ap().items()}
        return {
            **scores,
            "mean_mask_iou": float(np.mean(overlaps)),
            "objects": len(overlaps),
            "class_ap": each,
        }

    def pictures(self, model: keras.Model, count: int = 9) -> Image.Image:
        """Held-out images, the true masks and the found ones."""
        rng = np.random.default_rng(self.config.seed)
        arrays = [np.asarray(array[:count]) for array in self.test.arrays]
        (images, boxes), truth = self._prepared(*arrays, rng)
        found = model.predict_on_batch([images, boxes])
        shown = self._drawn(images, boxes, truth, arrays[1], found)
        tiles = [np.concatenate(tile, 1) for tile, _ in shown]
        return drawing.grid(tiles, columns=3, background=0)

    def _drawn(
        self,
        images: np.ndarray,
        boxes: np.ndarray,
        truth: np.ndarray,
        instances: np.ndarray,
        found: np.ndarray,
    ) -> Iterator[tuple[list[np.ndarray], float]]:
        """Of each image itself, with the true masks and with those found in the boxes; their mean IoU."""
        for i, image in enumerate(images):
            labels = truth[i, :, 0, 0, 1]
            there = np.flatnonzero(labels != IGNORE)
            small = _shapes("", found[i, there], labels[there], self.mask_size)
            pasted = inference.paste_masks(small, boxes[i, there], image.shape[:2])
            true = instances[i][None] == 1 + there[:, None, None]
            colours = np.array(self.published["palette"])[labels[there]]
            pair = [drawing.tint(image, masks, colours) for masks in (true, pasted)]
            both, either = (
                (op(pasted, true)).sum((1, 2)) for op in (np.logical_and, np.logical_or)
            )
            score = float(np.mean(both / np.maximum(either, 1))) if len(there) else np.nan
            yield [image.astype("uint8"), pair[0], drawing.outline(pair[1], boxes[i, there])], score

    def _batch(
        self, model: keras.Model, split: str, step: int
    ) -> list[tuple[list[np.ndarray], float]]:
        """`_drawn`, of a batch of a split, for a model in the middle of its training too."""
        part: Any = getattr(self, split)
        (images, boxes), truth = part.batch(step)
        chosen = slice(step * part.batch_size, (step + 1) * part.batch_size)
        found = self.outputs(model, [images, boxes])
        return [*self._drawn(images, boxes, truth, np.asarray(part.arrays[1][chosen]), found)]

    def shown_data(self) -> list[report.Part]:
        """The first batch with the boxes and, inside each, the mask to be found."""
        (images, boxes), truth = self.train.batch(0)
        tiles = []
        for image, around, target in zip(images[:SAMPLED], boxes, truth):
            there = np.flatnonzero(target[:, 0, 0, 1] != IGNORE)
            around, masks = around[there], target[there, ..., 0]
            classes = target[there, 0, 0, 1].astype(int)
            pasted = inference.paste_masks(masks, around, image.shape[:2])
            tinted = drawing.tint(image, pasted, np.array(self.published["palette"])[classes])
            tiles.append(drawing.outline(tinted, around))
        caption = "Augmented images, the boxes, and in each the mask that the net is to find."
        shown = drawing.grid(report.reduced(np.stack(tiles)), columns=len(tiles))
        return [self._fed(shown, caption)]

    def shown_results(
        self,
        model: keras.Model,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[report.Part]:
        """The images with the worst and the best mean IoU of their objects' masks."""
        part, scores = getattr(self, split), []
        for step in range(part.steps):
            scores += [score for _, score in self._batch(model, split, step)]
            if limit and len(scores) >= limit:
                break

        def example(i: int) -> report.Example:
            step, place = divmod(i, part.batch_size)
            tiles = [Image.fromarray(tile) for tile in self._batch(model, split, step)[place][0]]
            shown = dict(zip(("image", "ground truth", "prediction"), tiles))
            return report.Example(self.data.called(split, i), scores[i], shown)

        names = [self.data.called(split, i) for i in range(len(scores))]
        title, score = f"Images of the {split} split", "mean IoU of its objects' masks"
        return [report.Examples.of(title, score, scores, names, example, compare="fade")]

    def _samples(self, model: keras.Model | None) -> list[list[np.ndarray]]:
        """Of validation images the tiles that `_drawn` gives; without a model nothing is found."""
        (images, boxes), truth = self.validation.batch(0)
        images, boxes, truth = images[:SAMPLED], boxes[:SAMPLED], truth[:SAMPLED]
        size = (*truth.shape[:4], len(self.data.class_names))
        found = np.full(size, -99.0) if model is None else self.outputs(model, [images, boxes])
        instances = np.asarray(self.validation.arrays[1][:SAMPLED])
        return [tiles for tiles, _ in self._drawn(images, boxes, truth, instances, found)]

    def reference(self) -> Image.Image:
        """Validation images with their true masks."""
        tiles = np.stack([tiles[1] for tiles in self._samples(None)])
        return drawing.grid(report.reduced(tiles), columns=len(tiles))

    def sample(self, model: keras.Model) -> Image.Image:
        """The masks that the model finds in them."""
        tiles = np.stack([tiles[2] for tiles in self._samples(model)])
        return drawing.grid(report.reduced(tiles), columns=len(tiles))


def _visible(instances: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of what is left of each object after augmentation, and labels: 255 where nothing is."""
    boxes = np.zeros((*labels.shape, 4), "float32")
    labels = labels.copy()
    for i, j in np.argwhere(labels != IGNORE):
        mask = instances[i] == 1 + j
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            boxes[i, j] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        else:
            labels[i, j] = IGNORE
    return boxes, labels


def _cut(instances: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Each object's mask in its box, (n, k, size, size), 0 or 1: the pixel at each bin's centre."""
    count, objects = boxes.shape[:2]
    share = (np.arange(size) + 0.5) / size
    limit = instances.shape[1] - 1
    columns, rows = (
        np.floor(boxes[..., a, None] + (boxes[..., b, None] - boxes[..., a, None]) * share)
        .clip(0, limit)
        .astype(int)
        for a, b in ((0, 2), (1, 3))
    )
    image = np.arange(count)[:, None, None, None]
    found = instances[image, rows[..., :, None], columns[..., None, :]]
    return (found == 1 + np.arange(objects)[None, :, None, None]).astype("uint8")


def _shapes(kind: str, logits: np.ndarray, labels: np.ndarray, size: int) -> np.ndarray:
    """Probabilities (R, size, size): the model's for the true class, or a shape that fills the box."""
    if not kind:
        chosen = np.take_along_axis(logits, labels[:, None, None, None].astype(int), -1)[..., 0]
        return keras.ops.convert_to_numpy(keras.ops.sigmoid(chosen))
    place = (np.arange(size) + 0.5) / size * 2 - 1
    inside = place[:, None] ** 2 + place**2 < (np.inf if kind.startswith("filled") else 1)
    return np.broadcast_to(inside.astype("float32"), (len(labels), size, size))
