"""Masks of objects in boxes, with the mask head's recipe."""

import keras
import pytest
from PIL import Image

import dnzoo
from dnzoo.inference import files
from dnzoo.models import mask_branch
from dnzoo.tasks import InstanceMasks
from tests.task_conformance import TaskConformance


def encoder():
    """Features at strides 2 and 4: the recipe's own takes a minute to build and to load."""
    image = x = keras.Input((None, None, 3))
    for level, width in enumerate((4, 8), start=1):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
        x = keras.layers.BatchNormalization(name=f"features_{2**level}")(x)
    return keras.Model(image, x, name="tiny")


class TestInstanceMasks(TaskConformance):
    task, recipe, data = InstanceMasks, "mask_head", "objects"
    settings = {"filters": 8, "image_size": 32, "scenes": 16}
    higher = False  # its loss
    metrics = {
        "mask_ap",
        "mask_ap50",
        "mask_filled_boxes_ap",
        "mean_mask_iou",
        "objects",
        "class_ap",
    }
    written = ("a_mask.png", "a_overlay.png")
    boxes = (2, 3, 30, 31, 10, 10, 49, 39)

    @classmethod
    def build(cls, config, data):
        return mask_branch(
            (None, None, 3),
            len(data.class_names),
            encoder=encoder(),
            stride=4,
            filters=config.filters,
            include_preprocessing=True,
            name="mask_head",
        )

    def check_written(self, pixels):
        assert pixels.shape == (40, 50) and pixels.max() <= 2
        assert not pixels[:3].any() and not pixels[39:].any()  # nothing outside the boxes

    def test_boxes_must_be_boxes(self, trained, tmp_path):
        Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
        model = dnzoo.load(trained.model)
        for boxes, message in (
            ((1, 2, 3), "four numbers each; got 3"),
            ((5, 5, 5, 9), "each with an area"),
        ):
            with pytest.raises(ValueError, match=message):
                files.predict_files(model, tmp_path / "a.png", tmp_path, boxes=boxes)
