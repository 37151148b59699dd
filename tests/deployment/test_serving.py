"""Versions for TensorFlow Serving: what they answer for the bytes of a file, and how they appear."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers as K
from PIL import Image

import dnzoo
from dnzoo import models
from dnzoo.deployment import serving
from dnzoo.imaging import reading
from dnzoo.inference import kinds
from tests.conftest import child, slow
from tests.models import test_unet


def served(model, folder):
    assert dnzoo.export(model, folder, "serving") < 1e-5
    return tf.saved_model.load(str(folder / "1")).signatures


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    """(model, the folder of its versions, its signatures)"""
    folder = tmp_path_factory.mktemp("served") / "unet"
    model = dnzoo.unet((None, None, 3), filters=(4, 8), include_preprocessing=True)
    return model, folder, served(model, folder)


@pytest.fixture
def photographs(tmp_path):
    """The same image as PNG, as JPEG, and as JPEG that EXIF turns."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 5, 3), "uint8")
    image, exif = Image.fromarray(noise).resize((40, 48), Image.Resampling.BICUBIC), Image.Exif()
    exif[0x0112] = 6
    paths = [tmp_path / name for name in ("a.png", "a.jpg", "turned.jpg")]
    for path, options in zip(paths, ({}, {}, {"exif": exif})):
        image.save(path, **options)
    return paths


def answer(signatures, path, **others):
    """What a server says of the bytes of one file, without the batch."""
    files = tf.constant([path.read_bytes()])
    made = signatures["image_bytes"](image_bytes=files, **others)
    return {name: value.numpy()[0] for name, value in made.items()}


def test_bytes_are_answered_as_predict_does(unet, photographs):
    model, _, signatures = unet
    assert set(signatures) == {"serving_default", "image_bytes"}
    for path in photographs:
        image = reading.read(path)
        expected = dnzoo.predict(model, image)
        found = answer(signatures, path)
        assert image.shape == ((40, 48, 3) if path.stem == "turned" else (48, 40, 3))
        np.testing.assert_allclose(found["logits"], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found["classes"], expected.argmax(-1))
    both = signatures["image_bytes"](
        image_bytes=tf.constant([path.read_bytes() for path in photographs[:2]])
    )
    assert both["classes"].shape == (2, 48, 40)


@slow
def test_colour_of_a_model_of_luminance(tmp_path, photographs):
    """As the plain net's file, but for bicubic pixels in the middle of two numbers."""
    model = models.espcn((None, None, 1), 3, filters=(4, 4), include_preprocessing=True)
    signatures = served(model, tmp_path / "espcn")
    for path in photographs:
        expected = kinds.of(model).picture(reading.read(path), mirror=False).astype(float)
        found = answer(signatures, path)["image"]
        assert found.shape == expected.shape
        off = np.abs(found.clip(0, 255) - expected)
        assert off.max() < 1.6 and (off > 0.501).mean() < 1e-3


@slow
def test_masks_of_boxes(tmp_path, photographs):
    model = models.mask_branch(encoder=test_unet.small_encoder(), stride=2, classes=2, filters=4)
    boxes = np.array([[2, 3, 20, 30], [0, 0, 40, 40]], "float32")
    signatures = served(model, tmp_path / "masks")
    for path in photographs:
        found = answer(signatures, path, boxes=tf.constant(boxes[None]))["masks"]
        image = reading.read(path).astype("float32")
        np.testing.assert_allclose(
            found, model.predict_on_batch([image[None], boxes[None]])[0], rtol=1e-3, atol=1e-4
        )


@slow
def test_labels_of_grey_images_of_one_size(tmp_path, photographs):
    import keras

    image = keras.Input((48, 40, 1), name="image")
    scores = K.Dense(4)(K.Flatten()(K.Conv2D(2, 3)(image)))
    model = keras.Model(image, dnzoo.layers.Output("labels", logits=True)(scores))
    signatures = served(model, tmp_path / "labels")
    for path in photographs[:2]:
        expected = dnzoo.predict(model, reading.read(path, 1))
        np.testing.assert_allclose(answer(signatures, path)["logits"], expected, rtol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"40,48,1\] is not .* \[\?,48,40,1\]"):
        answer(signatures, photographs[2])


@slow
def test_generators_read_no_files(tmp_path):
    signatures = served(models.vae((8, 8, 1), filters=(4,), hidden=None), tmp_path / "vae")
    assert set(signatures) == {"serving_default", "decode"}


ALONE = """
import sys
sys.modules["keras"] = sys.modules["dnzoo"] = None
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["image_bytes"]
made = serve(image_bytes=tf.constant([open(sys.argv[2], "rb").read()]))
print(sorted(made), made["classes"].shape)
"""


@slow
def test_without_keras_and_dnzoo(unet, photographs):
    done = child(ALONE, unet[1] / "1", photographs[2])
    assert "['classes', 'logits'] (1, 40, 48)" in done.stdout


def test_a_version_is_a_saved_model_of_ours(unet):
    model, folder, _ = unet
    loaded = dnzoo.load(folder / "1")
    for found, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    card = (folder / "1/assets.extra/README.md").read_text("utf-8")
    assert "module.image_bytes(image_bytes)  # image_bytes: string (N)" in card


def test_versions_take_no_others_place(unet, monkeypatch):
    model, folder, _ = unet
    assert serving.next_version(folder) == 2
    with pytest.raises(FileExistsError, match="1 exists already"):
        dnzoo.export(model, folder, "serving", version=1)
    with pytest.raises(ValueError, match="1 or more; got version=-1"):
        dnzoo.export(model, folder, "serving", version=-1)
    with pytest.raises(FileExistsError, match=r"holds assets, assets\.extra, .*versions alone"):
        dnzoo.export(model, folder / "1", "serving")
    monkeypatch.setattr(serving, "answers", lambda *_: ([np.ones(3)], [np.zeros(3)]))
    with pytest.raises(RuntimeError, match="Nothing was written"):
        dnzoo.export(model, folder, "serving")
    assert [path.name for path in folder.iterdir()] == ["1"]


@pytest.mark.parametrize(
    "options",
    [{"batch": 1}, {"size": (8, 8)}, {"weights": "int8"}, {"overwrite": True}, {"signature": "a"}],
)
def test_what_a_version_can_not_be(tmp_path, unet, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"not for TensorFlow Serving: `{name}`; a version"):
        dnzoo.export(unet[0], tmp_path / "a", "serving", **options)
    assert not list(tmp_path.iterdir())
