"""Each family of models from data to pictures, tiny: trained, fine-tuned, tuned, and used on files."""

import dataclasses
import importlib
import json

import keras
import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import training
from dnzoo.data import photographs, segmentation
from dnzoo.inference import files
from dnzoo.training.tune import tune
from tests.conftest import slow
from tests.test_pictures import write_idx

SMALL = {"smoke": True, "epochs": 1, "batch_size": 8, "precision": "float32"}
RECIPES = {
    "vae": {"filters": (4,), "hidden": 8},
    "dcgan": {"filters": 4, "image_size": 16},
    "fcn": {"fc_filters": 8, "image_size": 32, "scenes": 16},
    "mask_head": {"filters": 8, "image_size": 32, "scenes": 16},
    "super_resolution": {"filters": 4, "blocks": 1, "patch": 16},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """{recipe: what --data names}, and where prepared data goes."""
    root = tmp_path_factory.mktemp("families")
    rng, digits = np.random.default_rng(0), root / "digits"
    digits.mkdir()
    for part, count in (("train", 60), ("t10k", 20)):
        write_idx(
            digits / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 16, 16)), False
        )
        write_idx(digits / f"{part}-labels-idx1-ubyte", np.arange(count) % 3, False)
    photos = root / "photos"
    photos.mkdir()
    for i in range(4):
        noise = rng.integers(0, 256, (100, 110, 3)).astype("uint8")
        Image.fromarray(noise).resize((260, 200), Image.BICUBIC).save(photos / f"{i}.png")
    named = dict.fromkeys(RECIPES, "fashion_scenes")
    named |= {"vae": str(digits), "dcgan": str(digits), "super_resolution": str(photos)}
    return named, root


@pytest.fixture(scope="module")
def classifier(data):
    """A classifier that has hardly learned, to judge the GAN."""
    named, root = data
    recipe = importlib.import_module("recipes.classifier")
    out = root / "classifier"
    config = recipe.Config(
        data=named["vae"], data_dir=str(root / "data"), filters=(4, 4), out=str(out), **SMALL
    )
    assert 0 <= training.run(config, *recipe.setup(config))["accuracy"] <= 1
    return str(out / "saved_model")


@pytest.fixture(scope="module")
def trained(data, classifier):
    """Function: recipe -> the folder of its finished run."""
    named, root = data
    done = {}

    def run(name):
        if name not in done:
            recipe = importlib.import_module(f"recipes.{name}")
            done[name] = root / f"runs/{name}"
            config = settings(recipe, name, named, root, classifier, out=str(done[name]))
            training.run(config, *recipe.setup(config))
        return done[name]

    return run


def settings(recipe, name, named, root, classifier, **more):
    own = {**RECIPES[name], **({"classifier": classifier} if name == "dcgan" else {})}
    return recipe.Config(data=named[name], data_dir=str(root / "data"), **SMALL, **own, **more)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_leaves_a_model_and_a_report(trained, name):
    out = trained(name)
    meta = json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text())
    assert all(np.isfinite(v) for v in meta["metrics"].values() if isinstance(v, float))
    model = dnzoo.load(out / "saved_model")
    assert sum(int(np.prod(w.shape)) for w in model.weights) == meta["parameters"]
    page = (out / "report.html").read_text()
    assert page.count("<img") == (3 if name == "dcgan" else 2)
    with Image.open(out / "predictions.png") as picture:
        assert min(picture.size) > 30
    if name == "dcgan":
        assert "The same latents after epochs 1." in page and (out / "samples/0001.png").is_file()
    if name == "vae":
        assert "latent units are in use" in page


@pytest.mark.parametrize("name", RECIPES)
def test_finetune(data, classifier, trained, name):
    named, root = data
    recipe = importlib.import_module("recipes.finetune")
    config = recipe.Config(
        data=named[name],
        data_dir=str(root / "data"),
        model=str(trained(name) / "saved_model"),
        out=str(root / f"fine/{name}"),
        image_size=32,
        patch=16,
        head_epochs=1,
        classifier=classifier,
        **{**SMALL, "batch_size": 4},
    )
    metrics = training.run(config, *recipe.setup(config))
    assert metrics and (root / f"fine/{name}/saved_model").is_dir()
    stages = 2 if name in ("fcn", "mask_head") else 1
    log = (root / f"fine/{name}/log.csv").read_text().splitlines()
    assert len(log) == 1 + stages


@slow
@pytest.mark.parametrize("name", RECIPES)
def test_tune(data, classifier, name):
    named, root = data
    recipe = importlib.import_module(f"recipes.{name}")
    out = root / f"tune/{name}"
    config = settings(recipe, name, named, root, classifier, out=str(out), tune=1)
    rows = tune(config, recipe.setup, recipe.search_space)
    assert len(rows) == 1 and np.isfinite(rows[0]["score"])
    best = json.loads((out / "best.json").read_text())
    assert {field.name for field in dataclasses.fields(recipe.Config)} >= {*best}


EXPECTED = {
    "vae": {"samples.png"},
    "dcgan": {"samples.png"},
    "fcn": {"a_mask.png", "a_overlay.png"},
    "mask_head": {"a_mask.png", "a_overlay.png"},
    "super_resolution": {"a_x2.png"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_predict_files(trained, tmp_path, name):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype("uint8")
    Image.fromarray(image).save(tmp_path / "a.png")
    model = dnzoo.load(trained(name) / "saved_model")
    source = None if name in ("vae", "dcgan") else tmp_path / "a.png"
    boxes = (2, 3, 30, 31, 10, 10, 49, 39) if name == "mask_head" else None
    written = files.predict_files(model, source, tmp_path / "out", boxes=boxes, count=9)
    assert {path.name for path in written} == EXPECTED[name]
    with Image.open(written[0]) as picture:
        found = np.array(picture)
    if name == "super_resolution":
        assert found.shape == (80, 100, 3)
    elif source:
        assert found.shape == (40, 50) and found.max() <= (2 if boxes else 10)
    if boxes:
        assert not found[:3].any() and not found[39:].any()  # nothing outside the boxes


def test_predict_bad_input(trained, tmp_path):
    enlarge = dnzoo.load(trained("super_resolution") / "saved_model")
    with pytest.raises(ValueError, match="needs an image, or a folder of them"):
        files.predict_files(enlarge, None, tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="boxes are for models that mask objects"):
        files.predict_files(enlarge, tmp_path / "a.png", tmp_path, boxes=(0, 0, 1, 1))
    masks = dnzoo.load(trained("mask_head") / "saved_model")
    for boxes, message in (
        ((1, 2, 3), "four numbers each; got 3"),
        ((5, 5, 5, 9), "each with an area"),
    ):
        with pytest.raises(ValueError, match=message):
            files.predict_files(masks, tmp_path / "a.png", tmp_path, boxes=boxes)
    image = keras.Input((8,))
    with pytest.raises(ValueError, match="no picture can be made of it"):
        files.kind(keras.Model(image, keras.layers.Dense(2)(image)))


def test_y_alone_is_enlarged_with_bicubic_colour(tmp_path):
    """A net that hands Y on bicubically gives Pillow's bicubic picture, to rounding."""
    image = np.random.default_rng(0).integers(60, 200, (12, 14, 3)).astype("uint8")

    class Bicubic:
        name, inputs, outputs = "bicubic", [0], [0]
        input_shape, output_shape = (None, None, None, 1), (None, None, None, 1)

        def compute_output_shape(self, shape):
            return (shape[0], 2 * shape[1], 2 * shape[2], 1)

        def predict_on_batch(self, batch):
            return dnzoo.metrics.similarity.luma(photographs.resize(image, 2))[None]

    found = dnzoo.inference.upscale(Bicubic(), image)
    assert np.abs(found.astype(int) - photographs.resize(image, 2)).max() <= 1
    with pytest.raises(ValueError, match="upscale takes a model that enlarges"):
        dnzoo.inference.upscale(Bicubic(), image.tolist())


def test_fcn_stage_by_stage(data, trained):
    """32s, then 16s from it: what both have is taken, and the finer scores begin at zero."""
    root = data[1]
    recipe = importlib.import_module("recipes.fcn")
    shared = {"data": "fashion_scenes", "data_dir": str(root / "data"), **SMALL, **RECIPES["fcn"]}
    coarse = recipe.Config(model="fcn32s", out=str(root / "fcn32s"), **shared)
    training.run(coarse, *recipe.setup(coarse))
    fine = recipe.Config(
        model="fcn16s",
        start_from=str(root / "fcn32s/saved_model"),
        out=str(root / "fcn16s"),
        **shared,
    )
    _, build = recipe.setup(fine)
    model, source = build(), dnzoo.load(root / "fcn32s/saved_model")
    for name in ("fc6", "fc7", "score_32"):
        pairs = zip(model.get_layer(name).weights, source.get_layer(name).weights)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert not np.any(model.get_layer("score_16").kernel)
    assert segmentation.palette(2)[0] == (0, 0, 0)


def test_interrupted_generation_ends_with_the_same_bytes(data, classifier, tmp_path):
    """The GAN's seeds, average and optimiser are all in the checkpoint."""
    named, root = data
    recipe = importlib.import_module("recipes.dcgan")

    def run(out, stop=None):
        config = settings(recipe, "dcgan", named, root, classifier, out=str(out))
        config.epochs = 3
        task, build = recipe.setup(config)
        if stop:
            whole, calls = task.train.dataset, []

            def dataset(first, last):
                calls.append(first)
                if len(calls) == 3:  # the first only measures; then two epochs
                    raise KeyboardInterrupt
                return whole(first, last)

            task.train.dataset = dataset
        training.run(config, task, build)

    import dnzoo.training.loop as loop

    run(tmp_path / "whole")
    before, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, -1.0  # keep after each epoch
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", stop=True)
        run(tmp_path / "parts")
    finally:
        loop.CHECKPOINT_SECONDS = before
    a, b = (dnzoo.load(tmp_path / name / "saved_model") for name in ("whole", "parts"))
    assert all(np.array_equal(x, y) for x, y in zip(a.weights, b.weights, strict=True))
