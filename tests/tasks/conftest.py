"""Tiny data of each kind, and a classifier to judge a generator by."""

import importlib

import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import training
from dnzoo.data import garments, instances


def write_digits(folder):
    """MNIST's raw files: noise of 16 x 16 in three classes."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 16, 16))),
            ("labels-idx1", np.arange(count) % 3),
        ):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            content = header + array.astype("uint8").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)


def write_photos(folder):
    """Four smooth photographs of 260 x 200."""
    rng = np.random.default_rng(0)
    for i in range(4):
        noise = rng.integers(0, 256, (100, 110, 3)).astype("uint8")
        Image.fromarray(noise).resize((260, 200), Image.BICUBIC).save(folder / f"{i}.png")


def write_masks(folder):
    """Twenty scenes of 32 x 32 with masks of three classes."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for i in range(20):
        scene = garments.compose(1, "test", i, 32)
        Image.fromarray(scene["image"]).save(folder / f"images/{i}.png")
        Image.fromarray(scene["segmentation_mask"] // 5).save(folder / f"masks/{i}.png")
    (folder / "classes.txt").write_text("background\nclothes\nshoe\n")


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """{what a task's test calls its data: what `data` names}."""
    root, found = tmp_path_factory.mktemp("sources"), {}
    for name, write in (("digits", write_digits), ("photos", write_photos), ("masks", write_masks)):
        (root / name).mkdir()
        write(root / name)
        found[name] = str(root / name)
    return {**found, "objects": "fashion_scenes", "prepared": str(root / "prepared")}


@pytest.fixture(scope="session", autouse=True)
def few_objects():
    """As many scenes to validate and test on as a test needs."""
    patch = pytest.MonkeyPatch()
    patch.setattr(instances, "VALIDATION", 6)
    patch.setattr(instances, "TEST", 6)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def classifier(places, tmp_path_factory):
    """A classifier of the digits that has learned nothing."""
    recipe = importlib.import_module("recipes.classifier")
    config = recipe.Config(data=places["digits"], data_dir=places["prepared"], filters=(4, 4))
    folder = tmp_path_factory.mktemp("classifier") / "saved_model"
    dnzoo.save(training.setup(config, recipe.build)[1](), folder)
    return str(folder)
