"""Prediction on images of any size, and the command line."""

import keras
import numpy as np
import pytest
from PIL import Image

from dnzoo import inference, predict, prediction, save, unet
from tests.conftest import child


@pytest.fixture(scope="module")
def model():
    return unet((None, None, 3), classes=3, filters=(4, 8), include_preprocessing=True)


def photograph(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3)).astype("uint8")


def test_tiles_come_near_the_whole(model, monkeypatch):
    """Away from borders the net sees 18 pixels; tiles that fade over 32 differ by a blend of borders."""
    image = photograph(100, 150)
    whole = predict(model, image)
    monkeypatch.setattr(inference, "TILE", 64)
    monkeypatch.setattr(inference, "OVERLAP", 32)
    tiled = predict(model, image)
    assert tiled.shape == whole.shape == (100, 150, 3)
    assert np.abs(tiled - whole).mean() < 0.05 * np.abs(whole).mean()
    assert (tiled.argmax(-1) == whole.argmax(-1)).mean() > 0.97


def test_wrong_shape(model):
    with pytest.raises(ValueError, match="reads images of shape"):
        predict(model, np.zeros((8, 8)))
    with pytest.raises(ValueError, match="reads images of shape"):
        predict(model, np.zeros((8, 8, 4)))


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "mine"
    save(model, path, palette=[(0, 0, 0), (255, 0, 0), (0, 0, 255)], metrics={"mean_iou": 0.5})
    return path


def test_a_classifier_does_not_put_out_an_image():
    image = keras.Input((8, 8, 3))
    classifier = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    with pytest.raises(ValueError, match="does not put out an image"):
        predict(classifier, np.zeros((8, 8, 3)))


def test_command_line(model, saved, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(photograph(33, 47)).save(images / "a.png")
    Image.fromarray(photograph(20, 20)).convert("RGBA").save(images / "b.png")
    rotated = Image.fromarray(photograph(24, 40))
    exif = rotated.getexif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    rotated.save(images / "c.jpg", exif=exif)
    done = child("dnzoo", "predict", saved, images, "--out", tmp_path / "out")
    assert len(done.stdout.split()) == 6
    mask = Image.open(tmp_path / "out/a_mask.png")
    assert mask.mode == "P" and mask.getpalette()[3:9] == [255, 0, 0, 0, 0, 255]
    expected = inference.classes(predict(model, photograph(33, 47)))
    assert np.array_equal(np.array(mask), expected)
    assert Image.open(tmp_path / "out/c_overlay.png").size == (24, 40)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_channel_is_cut_at_a_half(activation, tmp_path):
    arguments = {"activation": activation, "include_preprocessing": True}
    binary = unet((None, None, 3), classes=1, filters=(4, 8), **arguments)
    image = photograph(20, 24)
    output = predict(binary, image)
    logits = np.log(output / (1 - output)) if activation else output
    binary.get_layer("head").bias.assign([-np.median(logits)])  # half of the pixels on each side
    Image.fromarray(image).save(tmp_path / "a.png")
    prediction.predict_files(binary, tmp_path / "a.png", tmp_path / "out")
    output = predict(binary, image)[..., 0]
    expected = output > (0.5 if activation else 0.0)
    assert np.array_equal(np.array(Image.open(tmp_path / "out/a_mask.png")), expected)
    assert 0 < expected.mean() < 1


def test_errors_are_one_line(saved, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    for arguments, message in [
        ((saved, tmp_path / "nothing"), "neither an image nor a folder with images"),
        ((saved, tmp_path / "bad.png"), "can't be read as an image"),
        (("nobody", tmp_path / "bad.png"), "no model 'nobody' here"),
    ]:
        done = child("dnzoo", "predict", *arguments, "--out", tmp_path / "out", check=False)
        assert done.returncode == 1
        assert message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*"))


def test_list(saved):
    done = child("dnzoo", "list", env={"DNZOO_HOME": str(saved.parent), "COLUMNS": "200"})
    assert "unet" in done.stdout and "mine" in done.stdout and "0.5000" in done.stdout
