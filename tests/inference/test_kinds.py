"""What a model puts out is said by the model, and by nothing else."""

import re
import warnings
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import dnzoo
from dnzoo import models
from dnzoo.inference import files, kinds
from dnzoo.layers import Output
from dnzoo.storage import pretrained
from tests.models.test_unet import small_encoder


def dense(channels, rank=4, activation=None):
    """A network of a user's own, that does not say what it puts out."""
    image = keras.Input((None,) * (rank - 2) + (3,))
    conv = {4: keras.layers.Conv2D, 5: keras.layers.Conv3D}[rank]
    return keras.Model(
        image, conv(channels, 3, padding="same", activation=activation)(image), name="mine"
    )


OURS = {
    "unet": (lambda: dnzoo.unet((None, None, 3), 3, filters=(4, 8)), "classes", {"logits": True}),
    "sigmoid": (
        lambda: dnzoo.unet((None, None, 3), 1, filters=(4, 8), activation="sigmoid"), "classes", {"logits": False},
    ),
    "fcn": (
        lambda: dnzoo.fcn8s((None, None, 3), 3, encoder="efficientnet_lite0", fc_filters=4, fc_kernel_size=1),
        "classes", {"logits": True},
    ),
    "espcn": (lambda: dnzoo.espcn(scale=3), "image", {"scale": 3, "range": None}),
    "edsr": (
        lambda: dnzoo.edsr(filters=4, blocks=1, include_preprocessing=True), "image", {"scale": 2, "range": [0, 255]},
    ),
    "mask_head": (lambda: dnzoo.mask_head((4, 4, 8), 2, filters=4), "classes", {"logits": True}),
    "mask_branch": (
        lambda: dnzoo.mask_branch(encoder=small_encoder(), stride=2, classes=2, filters=4), "masks", {"logits": True},
    ),
    "vae": (lambda: dnzoo.vae((8, 8, 1), filters=(4,), hidden=None), "samples", {}),
    "dcgan": (lambda: dnzoo.dcgan((16, 16, 1), filters=4), "samples", {}),
    "generator": (lambda: dnzoo.dcgan_generator(8, 4, (16, 16, 1)), "image", {"range": [-1, 1]}),
}  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_every_model_of_ours_says_it(name):
    build, kind, facts = OURS[name]
    model = build()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kinds.of(model)
    assert (found.name, found.facts) == (kind, facts)


@pytest.mark.parametrize("name", sorted(dnzoo.list_pretrained()))
def test_published_models_say_it_once_they_are_loaded(name):
    """Most were written before models said it: format 1. They have as many weights as they say."""
    expected = {
        "unet": "classes",
        "fcn": "classes",
        "mask": "masks",
        "edsr": "image",
        "espcn": "image",
        "fsrcnn": "image",
    }
    expected |= {
        "vae": "samples",
        "dcgan": "samples",
        "classifier": "labels",
        "efficientnet": "labels",
    }
    model = dnzoo.load(name)
    assert model.count_params() == pretrained.read_meta(pretrained.find(name))["parameters"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kinds.of(model)
    assert found.name == next(kind for start, kind in expected.items() if name.startswith(start))


@pytest.mark.parametrize("path", ["keras", "saved_model", "clone", "deploy", "new_head"])
def test_it_goes_where_the_model_goes(tmp_path, path):
    model = dense(2)
    model = keras.Model(model.input, Output("depth", unit="m")(model.output))
    if path == "keras":
        model.save(tmp_path / "a.keras")
        model = keras.models.load_model(tmp_path / "a.keras")
    elif path == "saved_model":
        dnzoo.save(dense(2), tmp_path / "a", output=Output("depth", unit="m"))
        model = dnzoo.load(tmp_path / "a", dtype="mixed_bfloat16")
    elif path == "clone":
        model = keras.models.clone_model(model)
    elif path == "deploy":
        model = dnzoo.deploy(model)
    else:
        model = models.new_head(model, 3)
    assert kinds.said(model) == ("depth", {"unit": "m"})
    assert model.outputs[0].dtype == "float32"


def test_a_depth_map_is_not_served_as_classes(tmp_path):
    """What a guess would make of one, a name corrects."""

    @kinds.register
    class Depth(kinds.Kind):
        name = "depth"

    dnzoo.save(dense(1), tmp_path / "depth", output="depth")
    x = np.random.default_rng(0).uniform(0, 255, (1, 20, 30, 3)).astype("float32")
    module = tf.saved_model.load(str(tmp_path / "depth"))
    served = module.serve(x)
    assert list(served) == ["depth"] and served["depth"].shape == (1, 20, 30, 1)
    model = dnzoo.load(tmp_path / "depth")
    assert np.allclose(dnzoo.predict(model, x[0]), served["depth"][0], atol=1e-4)
    Image.fromarray(x[0].astype("uint8")).save(tmp_path / "a.png")
    (path,) = files.predict_files(model, tmp_path / "a.png", tmp_path / "out")
    assert path.name == "a_depth.png" and Image.open(path).size == (30, 20)
    with pytest.raises(ValueError, match=r"says .*depth.* already"):
        dnzoo.save(model, tmp_path / "again", output="classes")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (lambda: dense(3), "classes"),
        (lambda: dense(1, activation="sigmoid"), "classes"),
        (lambda: keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]), "labels"),
    ],
)  # fmt: skip
def test_what_is_guessed_is_said(model, kind, tmp_path):
    with pytest.warns(UserWarning, match=f"'{kind}'"):
        found = kinds.of(model())
    assert found.name == kind
    with pytest.warns(UserWarning, match=r"output=\"\.\.\.\""):
        dnzoo.save(model(), tmp_path / "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kinds.of(dnzoo.load(tmp_path / "a")).name == kind  # kept, not guessed again


def test_what_can_not_be_guessed_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"does not say what that is: end it with a dnzoo.layers.Output"
    ):
        dnzoo.save(dense(2, rank=5), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    dnzoo.save(dense(2, rank=5), tmp_path / "a", output="volume")
    model = dnzoo.load(tmp_path / "a")
    assert kinds.of(model).name == "volume"
    with pytest.raises(ValueError, match="did you mean 'classes'"):
        dnzoo.save(dense(2), tmp_path / "b", output="clases")
    assert not (tmp_path / "b").exists()


def test_a_name_belongs_to_one_kind():
    with pytest.raises(ValueError, match="Classes is the kind 'classes' already"):

        @kinds.register
        class Other(kinds.Kind):
            name = "classes"


def test_the_kind_of_a_model_inside_a_model():
    inner = dnzoo.unet((None, None, 3), 3, filters=(4, 8))
    image = keras.Input((None, None, 3))
    assert kinds.of(keras.Model(image, inner(keras.layers.Rescaling(2.0)(image)))).name == "classes"


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("last", [keras.layers.Activation("sigmoid"), keras.layers.Softmax()])
def test_an_activation_behind_the_scores_makes_them_probabilities(last, own):
    """Behind an `Output`, and behind the last layer of a model of a user's own."""
    image = keras.Input((8, 8, 3))
    scores = keras.layers.Conv2D(2, 1)(image)
    scores = scores if own else Output("classes", logits=True)(scores)
    with pytest.warns(UserWarning, match="is taken for 'classes'") if own else nullcontext():
        found = kinds.of(keras.Model(image, last(scores)))
    assert found.name == "classes" and not found.logits
    rest = keras.layers.Activation("linear")(scores)
    with pytest.warns(UserWarning) if own else nullcontext():
        assert kinds.of(keras.Model(image, rest)).logits


def test_one_verb_for_every_kind():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 48, 3)).astype("uint8")
    build = {name: build for name, (build, _, _) in OURS.items()}
    assert dnzoo.predict(build["unet"](), image).shape == (40, 48, 3)
    assert dnzoo.predict(build["edsr"](), image).shape == (80, 96, 3)
    masks, classes = dnzoo.predict(build["mask_branch"](), (image, [[2, 3, 30, 31]]))
    assert masks.shape == (1, 40, 48) and classes.shape == (1,)
    vae, dcgan = build["vae"](), build["dcgan"]()
    latents = rng.normal(size=(2, vae.latent_dim))
    assert np.array_equal(dnzoo.predict(vae, latents), vae.decode(latents))
    latents = rng.normal(size=(2, dcgan.latent_dim))
    assert dnzoo.predict(dcgan, latents).shape == (2, 16, 16, 1)
    net = keras.Sequential(
        [keras.Input((40, 48, 3)), keras.layers.GlobalAveragePooling2D(), Output("labels")]
    )
    assert np.allclose(dnzoo.predict(net, image), image.mean(axis=(0, 1)), atol=1e-3)
    with pytest.raises(ValueError, match=r"reads images of shape \(40, 48, 3\); got \(20, 48, 3\)"):
        dnzoo.predict(net, image[:20])


def test_masks_of_probabilities_are_cut_at_a_half():
    """A branch that ends in a sigmoid, and the same one without, give the same masks."""
    linear = dnzoo.mask_branch(encoder=small_encoder(), stride=2, classes=2, filters=4)
    ends = dnzoo.mask_branch(
        encoder=small_encoder(), stride=2, classes=2, filters=4, activation="sigmoid"
    )
    ends.set_weights(linear.get_weights())
    image = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype("uint8")
    boxes = [[2, 3, 30, 31], [5, 5, 47, 39]]
    found, expected = (dnzoo.predict(model, (image, boxes)) for model in (ends, linear))
    assert np.array_equal(found[0], expected[0]) and np.array_equal(found[1], expected[1])
    assert expected[0].any() and not expected[0].all()


def test_a_classifier_names_what_it_sees(tmp_path):
    net = keras.Sequential(
        [
            keras.Input((20, 24, 3)),
            keras.layers.GlobalAveragePooling2D(),
            Output("labels", logits=False),
        ]
    )
    Image.new("RGB", (24, 20), (10, 200, 30)).save(tmp_path / "a.png")
    names, said = ["red", "green", "blue"], []
    (path,) = files.predict_files(
        net, tmp_path / "a.png", tmp_path / "out", class_names=names, tell=said.append
    )
    assert said == [f"{tmp_path / 'a.png'}: green 20000 %, blue 3000 %, red 1000 %"]
    assert path.name == "a_labels.txt"
    assert path.read_text().splitlines() == ["200.0000 1 green", "30.0000 2 blue", "10.0000 0 red"]


def test_an_image_of_the_same_size_is_restored(tmp_path):
    """A denoiser, and a net that colours grey images: neither is taken for one that labels pixels."""
    image = keras.Input((None, None, 1))
    colour = keras.Model(
        image, Output("image", scale=1)(keras.layers.Concatenate()([image, image, image]))
    )
    grey = keras.Model(image, Output("image", scale=1)(keras.layers.Rescaling(0.5)(image)))
    noise = np.random.default_rng(0).integers(0, 256, (20, 24)).astype("uint8")
    Image.fromarray(noise).save(tmp_path / "a.png")
    (path,) = files.predict_files(colour, tmp_path / "a.png", tmp_path / "colour")
    assert path.name == "a_image.png"
    assert np.array_equal(np.array(Image.open(path).convert("RGB"))[..., 1], noise)
    (path,) = files.predict_files(grey, tmp_path / "a.png", tmp_path / "grey")
    assert np.abs(np.array(Image.open(path)) - noise / 2.0).max() <= 0.5


@pytest.mark.parametrize("kind", ["", "a depth", 3, None])
def test_a_kind_is_a_name(kind):
    with pytest.raises(ValueError, match="Output: kind must be a name"):
        Output(kind)


def test_what_is_in_boxes_is_said_and_drawn(tmp_path):
    branch = dnzoo.mask_branch(encoder=small_encoder(), stride=2, classes=2, filters=4)
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    names, said = ["cat", "dog"], []
    _, path = files.predict_files(
        branch,
        tmp_path / "a.png",
        tmp_path / "out",
        boxes=[1, 1, 9, 9] * 9,
        class_names=names,
        tell=said.append,
    )
    words = r"(cat|dog) fills (\d+|<1|>99) % of box \(1, 1, 9, 9\); "
    assert re.search(rf"a.png: ({words}){{8}}and 1 boxes more$", said[0])
    with Image.open(path) as overlay:
        assert overlay.height > 32


def test_a_mask_numbers_255_boxes(tmp_path):
    branch = dnzoo.mask_branch(encoder=small_encoder(), stride=2, classes=2, filters=4)
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="255 boxes at most; got 256"):
        files.predict_files(branch, tmp_path / "a.png", tmp_path / "out", boxes=[1, 1, 9, 9] * 256)
