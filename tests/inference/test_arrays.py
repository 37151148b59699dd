"""Prediction on images of any size, and the command line."""

import re
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from dnzoo import (
    edsr,
    espcn,
    inference,
    load,
    predict,
    save,
    unet,
)
from dnzoo.__main__ import main as command_line
from dnzoo.analysis import receptive_field
from dnzoo.analysis.graph import trace
from dnzoo.analysis.memory import prediction_memory
from dnzoo.imaging import decoding, reading
from dnzoo.inference import files, kinds, tiling
from tests.conftest import child, slow


@pytest.fixture(scope="module")
def model():
    return unet((None, None, 3), classes=3, filters=(4, 8), include_preprocessing=True)


def photograph(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3)).astype("uint8")


MODELS = {
    "same": lambda: unet((None, None, 3), filters=(4, 8, 16)),
    "valid": lambda: unet((None, None, 3), filters=(4, 8, 16), padding="valid"),
    "bilinear": lambda: unet((None, None, 3), filters=(4, 8), upsampling="bilinear"),
    "carafe": lambda: unet((None, None, 3), filters=(4, 8), upsampling="carafe"),
    "espcn": lambda: espcn((None, None, 3), scale=3),
    "edsr": lambda: edsr((None, None, 3), filters=4, blocks=2),
}


@pytest.mark.parametrize(
    ("name", "shape", "tile"),
    [
        ("same", (101, 150), 72),
        ("same", (96, 40), 72),
        ("valid", (132, 156), 92),
        ("bilinear", (101, 87), 48),
        ("carafe", (64, 87), 52),
        ("espcn", (41, 60), 17),
        ("edsr", (41, 60), 40),
    ],
)
def test_tiles_are_the_whole(name, shape, tile):
    net, image = MODELS[name](), photograph(*shape)
    whole = predict(net, image, tile=None)
    assert len(tiling.tiles(net, image.shape, tile)) > 1
    tiled = predict(net, image, tile=tile)
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() < 1e-5 * np.abs(whole).max()
    assert np.abs(tiled - whole[::-1]).max() > 1e-3 * np.abs(whole).max()


@pytest.mark.parametrize(
    ("shape", "kwargs", "tile", "count"),
    [
        ((24, 37, 30, 1), {}, 26, 6),
        ((300, 2), {"upsampling": "linear"}, 60, 7),
        ((28, 24, 30, 1), {"padding": "valid", "filters": (2, 3)}, 24, 4),
    ],
)
def test_tiles_of_volumes_and_signals(shape, kwargs, tile, count):
    net = unet((*[None] * (len(shape) - 1), shape[-1]), **{"filters": (4, 6), **kwargs})
    volume = np.random.default_rng(0).normal(0, 1, shape)
    whole, tiled = (predict(net, volume, tile=size) for size in (None, tile))
    assert len(tiling.tiles(net, shape, tile)) == count
    assert whole.shape == tiled.shape == net.compute_output_shape((1, *shape))[1:]
    assert np.abs(tiled - whole).max() < 1e-5 * np.abs(whole).max()


def test_auto_does_not_throw_most_of_a_tile_away(monkeypatch):
    """Where the memory allows little more than what a voxel sees, tiles are twice that."""
    monkeypatch.setattr(tiling, "MEMORY", 2**19)
    monkeypatch.setattr(tiling, "PROBE", 32)
    net = unet((None, None, None, 1), filters=(4, 8))
    assert receptive_field(net).size == (18, 18, 18)
    volume = np.random.default_rng(0).normal(0, 1, (60, 40, 20, 1))
    assert tiling._auto(net, volume.shape) == [20, 20, 20]
    assert 20 < tiling.tiles(net, volume.shape)[0][0].given.stop <= 36
    tiled, whole = predict(net, volume), predict(net, volume, tile=None)
    assert np.abs(tiled - whole).max() < 1e-5 * np.abs(whole).max()


def test_auto_keeps_to_its_memory(model, monkeypatch):
    monkeypatch.setattr(tiling, "PROBE", 32)
    image = photograph(200, 60)
    assert tiling.tiles(model, image.shape) == [(tiling.WHOLE,) * 2]
    monkeypatch.setattr(tiling, "MEMORY", 2**18)
    held = [prediction_memory(trace(model, (size, 60, 3))) for size in (60, 120)]
    rows = tiling.tiles(model, (201, 60, 3))[0][0].given.stop
    assert held[0] < 2**18 < held[1] and 48 < rows < 120
    tiled = predict(model, image)
    assert np.array_equal(
        tiled.argmax(-1), predict(model, image, tile=None, finish=inference.classes)
    )


def test_tiles_share_the_image_evenly(model):
    rows = [part for part, _ in tiling.tiles(model, (400, 40, 3), 150)]
    sizes = {part.given.stop - part.given.start for part in rows}
    twice = rows[0].given.stop - rows[1].given.start
    surplus = len(rows) * sizes.pop() - 400 - (len(rows) - 1) * twice
    assert not sizes and 0 <= surplus < 4 * len(rows)


def told(model, tile):
    """How many rows the refusal of a tile asks for."""
    with pytest.raises(ValueError) as refused:
        predict(model, np.ones((80, 80, 3)), tile=tile)
    return int(re.search(r"Take (\d+) or more", str(refused.value))[1])


def test_what_sees_the_whole_image_is_refused(model):
    image = keras.Input((None, None, 3))
    net = keras.Model(image, keras.layers.GroupNormalization(3, name="all")(image))
    assert predict(net, np.ones((40, 40, 3)), tile=40).shape == (40, 40, 3)
    with pytest.raises(ValueError, match="all looks at the whole image"):
        predict(net, np.ones((80, 40, 3)), tile=40)
    with pytest.raises(ValueError, match=r"sees \d+\. Take \d+ or more"):
        predict(model, np.ones((80, 80, 3)), tile=16)
    for tile in (1, 16):  # fewer rows than the deepest stride, and fewer than a pixel sees
        assert predict(model, np.ones((80, 80, 3)), tile=told(model, tile)).shape[:2] == (80, 80)
    with pytest.raises(ValueError, match=r"tile must be .* got 0"):
        predict(model, np.ones((80, 80, 3)), tile=0)
    with pytest.raises(ValueError, match=r"out must have the shape \(8, 8, 3\); got \(4, 4, 3\)"):
        predict(model, np.ones((8, 8, 3)), out=np.zeros((4, 4, 3)))


def test_upscale_in_tiles():
    image = photograph(40, 50)
    for channels in (1, 3):
        net = espcn((None, None, channels), scale=2)
        whole, tiled = (inference.upscale(net, image, tile=size) for size in (None, 24))
        assert np.abs(whole.astype(int) - tiled).max() <= 1
        assert channels == 3 or whole.std() > 10


@pytest.mark.parametrize(
    "name", ["espcn_x3", "edsr_baseline_x2", pytest.param("edsr_baseline_x4", marks=slow)]
)
def test_a_constant_image_has_no_rim_when_it_is_enlarged(name):
    """Zeros that a network pads with are darker than white: up to 45 of 255."""
    net = load(name)
    for value in (0, 255):
        image = np.full((20, 23, 3), value, "uint8")
        found = inference.upscale(net, image).astype(int)
        assert found.shape[0] == 20 * kinds.of(net).scale
        assert np.ptp(found) <= 1 and abs(found[0, 0, 0] - value) <= 4
        assert np.ptp(inference.upscale(net, image, mirror=False).astype(int)) > 2


def test_an_image_is_mirrored_as_far_as_the_model_sees():
    """As `numpy.pad` does it, at once or in tiles, into an array that is given or a new one."""
    net, image = edsr(filters=4, blocks=2), photograph(41, 60)
    (margin, columns), far = tiling.margin(net), 30
    assert margin == columns < far
    padded = np.pad(image, ((far, far), (far, far), (0, 0)), "symmetric")
    expected = predict(net, padded, mirror=False)[2 * far : -2 * far, 2 * far : -2 * far]
    for tile in (None, 45):
        out = np.empty((82, 120, 3), "float32")
        assert predict(net, image, tile=tile, out=out) is out
        assert np.abs(out - expected).max() < 1e-4 * np.abs(expected).max()
        assert np.array_equal(predict(net, image, tile=tile), out)
    assert np.abs(predict(net, image, mirror=False) - expected).max() > 1e-2
    tiny = predict(net, image[:2, :3])  # mirrored several times
    assert tiny.shape == (4, 6, 3) and np.isfinite(tiny).all()
    fixed = edsr((8, 8, 3), filters=4, blocks=1)
    assert tiling.margin(fixed) == (0, 0) and predict(fixed, image[:8, :8]).shape == (16, 16, 3)


def test_files_larger_than_memory(model, saved, tmp_path, monkeypatch):
    """A tiled, compressed TIFF is read from disk, and the result written there."""
    import tifffile

    monkeypatch.setattr(decoding, "LARGE", 1000)
    image, source = photograph(100, 90), tmp_path / "large.tif"
    tifffile.imwrite(source, image, tile=(32, 32), compression="deflate")
    monkeypatch.setattr(tiling, "MEMORY", 2**18)
    monkeypatch.setattr(tiling, "PROBE", 32)
    [path] = files.predict_files(model, source, tmp_path, [(0, 0, 0), (9, 8, 7), (1, 2, 3)])
    assert path == tmp_path / "large_mask.tif"
    with Image.open(path) as mask:
        assert mask.getpalette()[3:6] == [9, 8, 7]
        assert np.array_equal(np.array(mask), inference.classes(predict(model, image, tile=None)))
    [path] = files.predict_files(edsr(filters=4, blocks=1), source, tmp_path)
    assert path.name == "large_x2.tif" and Image.open(path).size == (180, 200)
    for wrong in (image[..., 0], image.astype("uint16")):
        tifffile.imwrite(source, wrong)
        with pytest.raises(ValueError, match=r"the model reads \(H, W, 3\) uint8"):
            files.predict_files(model, source, tmp_path)


def test_too_large_to_decode(tmp_path, monkeypatch):
    Image.fromarray(photograph(40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"a.png is too large to decode at once: make it a TIFF"):
        reading.read(tmp_path / "a.png", 3)


def test_a_missing_extra_is_named(tmp_path, monkeypatch, capsys):
    Image.fromarray(photograph(40, 40)).save(tmp_path / "a.tif")
    monkeypatch.setattr(decoding, "LARGE", 1000)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    arguments = ["dnzoo", "predict", "unet_fashion_scenes", str(tmp_path / "a.tif")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        command_line()
    assert 'pip install "dnzoo[tiff]"' in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(ImportError, match=r'pip install "dnzoo\[tiff\]"'):
        reading.read(tmp_path / "a.tif", 3)


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
        inference.upscale(classifier, np.zeros((8, 8, 3), "uint8"))


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
    lines = done.stdout.splitlines()
    assert [line.rpartition("_")[2] for line in lines[3:]] == ["mask.png", "overlay.png"] * 3
    assert all(re.match(rf"{images}/[abc]\.\w+: class \d \d+ %", line) for line in lines[:3])
    mask = Image.open(tmp_path / "out/a_mask.png")
    assert mask.mode == "P" and mask.getpalette()[3:9] == [255, 0, 0, 0, 0, 255]
    expected = inference.classes(predict(model, photograph(33, 47)))
    assert np.array_equal(np.array(mask), expected)
    assert Image.open(tmp_path / "out/c_mask.png").size == (24, 40)
    with Image.open(tmp_path / "out/c_overlay.png") as overlay:
        assert overlay.height > 40  # the legend stands below


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_channel_is_cut_at_a_half(activation, tmp_path):
    arguments = {"activation": activation, "include_preprocessing": True}
    binary = unet((None, None, 3), classes=1, filters=(4, 8), **arguments)
    image = photograph(20, 24)
    output = predict(binary, image)
    logits = np.log(output / (1 - output)) if activation else output
    binary.get_layer("head").bias.assign([-np.median(logits)])  # half of the pixels on each side
    Image.fromarray(image).save(tmp_path / "a.png")
    files.predict_files(binary, tmp_path / "a.png", tmp_path / "out")
    output = predict(binary, image)[..., 0]
    expected = output > (0.5 if activation else 0.0)
    assert np.array_equal(np.array(Image.open(tmp_path / "out/a_mask.png")), expected)
    assert 0 < expected.mean() < 1


def test_errors_are_one_line(saved, tmp_path, monkeypatch, capsys):
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    for arguments, message in [
        ((saved, tmp_path / "nothing"), "neither an image nor a folder with images"),
        ((saved, tmp_path / "bad.png"), "can't be read as an image"),
        (("nobody", tmp_path / "bad.png"), "no model 'nobody' here"),
    ]:
        words = ["dnzoo", "predict", *map(str, arguments), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            command_line()
        assert ended.value.code == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and message in line
    assert not list(tmp_path.glob("out/*"))


def test_list(saved, monkeypatch, capsys):
    monkeypatch.setenv("DNZOO_HOME", str(saved.parent))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["dnzoo", "list"])
    command_line()
    printed = capsys.readouterr().out
    assert "unet" in printed and "mine" in printed and "mean IoU 0.5000 " in printed
