"""Segmentation, with the U-Net's recipe; FCN's stages."""

import dataclasses
import importlib
import shlex

import keras
import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo.commands.train import asked_for
from dnzoo.data.check import Look
from dnzoo.data.scenes import SPLITS
from dnzoo.data.segmentation import SegmentationData
from dnzoo.tasks import Segmentation
from dnzoo.training import Stage
from tests.conftest import slow
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


def advised(data, **settings):
    recipe = importlib.import_module("recipes.unet")
    return Segmentation.from_config(recipe.Config(data="my photos", **settings), data).advice()


def test_few_images_of_ones_own_are_better_fine_tuned(small_scenes):
    own = dataclasses.replace(small_scenes, look=Look([]))
    said = advised(own, out="runs/a", image_size=32, mask_values=(0, 255), loss="focal")
    command = (
        "dnzoo finetune unet_cutouts 'my photos' --image-size 32 --mask-values 0 255 "
        "--out runs/a_finetuned"
    )
    assert said.splitlines()[1].strip() == command
    name, options = asked_for(shlex.split(command)[1:])
    recipe = importlib.import_module(f"recipes.{name}")
    flags = {f"--{field.name}" for field in dataclasses.fields(recipe.config_of())}
    assert {option.replace("_", "-") for option in flags} >= {
        option for option in options if option.startswith("--")
    }
    assert advised(small_scenes) is None  # no data of the user's own
    assert advised(own, encoder="efficientnet_lite0", encoder_weights="imagenet") is None
    many = {split: tuple(np.repeat(a, 5, 0) for a in part) for split, part in own.splits.items()}
    assert advised(dataclasses.replace(own, splits=many)) is None
    grey = {split: (part[0][..., :1], part[1]) for split, part in own.splits.items()}
    assert advised(dataclasses.replace(own, splits=grey)) is None


def test_widths_and_momentum_of_the_recipe(small_scenes):
    recipe = importlib.import_module("recipes.unet")
    old = recipe.Config(filters=(24, 48, 96, 192), steps=40)
    config = recipe.Config(steps=40)
    config.go_on({**old.stored(), "normalization_momentum": None})
    config.settle(2)
    assert config.filters == (24, 48, 96, 192) and config.normalization_momentum == 0.75
    encoded = recipe.Config(encoder="efficientnet_lite0", steps=40)
    encoded.settle(2)
    assert encoded.filters == (16, 32, 64, 128, 256)
    model = recipe.build(encoded, small_scenes)
    assert 4_500_000 < model.count_params() < 9_000_000
    assert model.get_layer("decoder_1").normalization_momentum == 0.75


@slow
def test_a_short_training_is_evaluated_as_it_was_trained():
    """Brighter squares in 8 images, 40 steps: with 0.99 the net was 0.2 to 0.6 worse than while it trained."""
    recipe, rng = importlib.import_module("recipes.unet"), np.random.default_rng(0)
    images, masks = rng.integers(0, 120, (8, 32, 32, 3)), np.zeros((8, 32, 32), "uint8")
    for i, (y, x) in enumerate(rng.integers(0, 20, (8, 2))):
        masks[i, y : y + 10, x : x + 10] = 1
    images = (images + 100 * masks[..., None]).astype("uint8")
    data = SegmentationData(
        "squares", "8", dict.fromkeys(SPLITS, (images, masks)), ("ground", "square")
    )
    config = recipe.Config(steps=40, batch_size=4, filters=(8, 16, 32), loss="cross_entropy+dice")
    config.settle(2)
    gaps = []
    for momentum in (0.99, config.normalization_momentum):
        keras.utils.set_random_seed(0)
        config.normalization_momentum = momentum
        task, model = Segmentation.from_config(config, data), recipe.build(config, data)
        model.compile(config.optimizer(Stage(20, 1e-3), 40), task.loss, metrics=task.metrics())
        history = model.fit(images.astype("float32"), masks, 4, 20, verbose=0).history
        gaps.append(history["mean_iou"][-1] - task.validate(model)["mean_iou"])
    assert gaps[0] > 0.1 and abs(gaps[1]) < 0.05


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
