"""Segmentation, with the U-Net's recipe; FCN's stages."""

import importlib

import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo.tasks import Segmentation
from tests.task_conformance import TaskConformance


class TestSegmentation(TaskConformance):
    task, recipe, data = Segmentation, "unet", "masks"
    settings = {
        "filters": (4, 8),
        "dropout": 0.2,
        "image_size": 32,
        "class_weights": (1.0, 2.0, 2.0),
    }
    metrics = {"mean_iou", "mean_dice", "pixel_accuracy", "pixels", "boundary_iou", "class_iou"}
    written = ("a_mask.png", "a_overlay.png")

    def check_written(self, pixels):
        assert pixels.shape == (40, 50) and pixels.max() <= 2

    def test_the_worst_images_are_called_by_their_files(self, trained, places):
        page = (trained.out / "report.html").read_text()
        task = self.task.from_config(trained.config)
        names = [task.data.called("test", i) for i in range(len(task.test))]
        assert all(name in page for name in names) and names[0].startswith("images/")
        made = np.array(Image.open(f"{places['masks']}/{names[0]}"))
        assert np.array_equal(task.data.splits["test"][0][0], made)


def test_class_weights_must_be_as_many_as_classes(small_scenes):
    recipe = importlib.import_module("recipes.unet")
    with pytest.raises(ValueError, match=r"class_weights=\(1.0, 2.0\): 2 numbers for 11 classes"):
        Segmentation.from_config(recipe.Config(class_weights=(1.0, 2.0)), small_scenes)


def test_fcn_stage_by_stage(small_scenes, tmp_path):
    """32s, then 16s from it: what both have is taken, and the finer scores begin at zero."""
    recipe = importlib.import_module("recipes.fcn")
    coarse = recipe.build(
        recipe.Config(model="fcn32s", fc_filters=8, encoder="vgg16"), small_scenes
    )
    dnzoo.save(coarse, tmp_path / "fcn32s")
    config = recipe.Config(
        model="fcn16s", fc_filters=8, encoder="vgg16", start_from=str(tmp_path / "fcn32s")
    )
    model = recipe.build(config, small_scenes)
    for name in ("fc6", "fc7", "score_32"):
        pairs = zip(model.get_layer(name).weights, coarse.get_layer(name).weights)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert not np.any(model.get_layer("score_16").kernel)
