"""Images with the objects in them: boxes, classes, and a mask for each.

Arrays (n images of size x size, at most k objects in each): images uint8 (n, size, size, 3);
instances uint8 (n, size, size), 0 or 1 + the object's number; boxes float32 (n, k, 4), (left, top,
right, bottom) in pixels; labels uint8 (n, k), 255 where there is no object.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dnzoo.data import tfds_offline
from dnzoo.data.arrays import cached
from dnzoo.data.base import Data
from dnzoo.data.composed import Composed
from dnzoo.data.scenes import SPLITS, Split
from dnzoo.data.targets import Boxes, Image, InstanceMask, Labels, Target
from dnzoo.metrics.labels import IGNORE

KINDS: tuple[str, ...] = ("images", "instances", "boxes", "labels")
# what a model trained on them is named after
NAMES: dict[str, str] = {
    "cutout_scenes": "cutouts",
    "fashion_scenes": "fashion_scenes",
    "coco/2017": "coco",
}
# scenes
VALIDATION: int = 300
TEST: int = 500
OBJECTS: int = 8  # an image at most; the largest count
COCO_THINGS: int = 80  # of the panoptic classes, the ones that can be counted


@dataclasses.dataclass(frozen=True)
class Instances(Data):
    """Images with objects: splits of (images, instances, boxes, labels).

    Attributes:
        class_names: of the objects, without a background.
        name, detail, splits: as of `Data`.
    """

    class_names: tuple[str, ...]
    targets: ClassVar[tuple[Target, ...]] = (Image(), InstanceMask(), Boxes(), Labels())


def load(
    data: str,
    data_dir: str | Path = "data",
    size: int = 128,
    seed: int = 0,
    scenes: int = 2000,
    cutouts: str | Path | None = None,
    backgrounds: str | Path | None = None,
) -> Instances:
    """The objects that `data` names.

    Args:
        data: "cutout_scenes", "fashion_scenes" (both composed, with exact masks), or "coco/2017"
            (fetched by TFDS, as `coco/2017_panoptic`, which has the masks; a tenth of "train"
            validates, "validation" tests).
        data_dir, size, seed, scenes, cutouts, backgrounds: as for `dnzoo.data.segmentation.load`.

    Raises:
        FileNotFoundError: for a name that is not known, or missing cut-outs.
        ConnectionError: when data must be fetched and there is no network.
    """
    if data in ("cutout_scenes", "fashion_scenes"):
        counts: dict[Split, int] = {"train": scenes, "validation": VALIDATION, "test": TEST}
        composed = Composed(data, size, counts, seed, folders=(cutouts, backgrounds))
        detail, names = composed.detail, composed.class_names[1:]
        sources = {
            split: (counts[split], _rows(map(_scene, composed.scenes(split)), size))
            for split in SPLITS
        }
    elif data == "coco/2017":
        builder = tfds_offline.reachable("coco/2017_panoptic", data_dir, "another of the data sets")
        parts = {"train": "train[:90%]", "validation": "train[90%:]", "test": "validation"}
        detail = f"{size}px"
        names = builder.info.features["panoptic_objects"].feature["label"].names[:COCO_THINGS]
        sources = {
            split: (
                builder.info.splits[part].num_examples,
                _rows(map(_panoptic, tfds_offline.examples(builder, part)), size),
            )
            for split, part in parts.items()
        }
    else:
        raise FileNotFoundError(f"data={data!r} is none of {', '.join(NAMES)}.")
    name = NAMES[data]
    arrays = cached(f"{name}-instances-{detail}", sources, data_dir, KINDS)
    # as many places as the fullest image needs
    most = max(int(np.max(np.sum(labels != IGNORE, axis=1))) for *_, labels in arrays.values())
    arrays = {split: (*a[:2], a[2][:, :most], a[3][:, :most]) for split, a in arrays.items()}
    return Instances(name, detail, arrays, tuple(names))


def _rows(
    examples: Iterable[tuple[np.ndarray, list[np.ndarray], Sequence[int]]], size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    for image, masks, labels in examples:
        image = Image().fitted(image, size)
        masks = [InstanceMask().fitted(mask, size) for mask in masks]
        order = np.argsort([-np.count_nonzero(mask) for mask in masks])[:OBJECTS]
        instances = np.zeros((size, size), "uint8")
        boxes = np.zeros((OBJECTS, 4), "float32")
        numbers = np.full(OBJECTS, IGNORE, "uint8")
        for number, i in enumerate(order):
            if masks[i].any():
                instances[masks[i]] = 1 + number
                boxes[number], numbers[number] = _box(masks[i]), labels[i]
        yield image[None], instances[None], boxes[None], numbers[None]


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _scene(scene: Mapping[str, Any]) -> tuple[np.ndarray, list[np.ndarray], list[int]]:
    labels = [label - 1 for label in scene["labels"]]  # without a background
    masks = [scene["instance_mask"] == 1 + i for i in range(len(labels))]
    return scene["image"], masks, labels


def _panoptic(example: Mapping[str, Any]) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """COCO's panoptic PNGs: an object's number is R + 256 G + 65536 B."""
    code = example["panoptic_image"].astype("int64") @ (1, 256, 65536)
    objects = example["panoptic_objects"]
    things = (objects["label"] < COCO_THINGS) & ~objects["is_crowd"]
    masks = [code == number for number in objects["id"][things]]
    return example["image"], masks, objects["label"][things]
