"""Models by their names: made, loaded, used and looked up; and what may be given to a model."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import models, zoo
from dnzoo.imaging import reading
from dnzoo.inference import files
from dnzoo.storage import pretrained

NAMES = ["background", "cat", "dog"]


def photograph(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


@pytest.fixture(scope="module")
def net():
    return dnzoo.unet((None, None, 3), 3, filters=(4, 8), include_preprocessing=True)


@pytest.fixture(scope="module")
def saved(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "mine"
    palette = [(0, 0, 0), (250, 0, 0), (0, 0, 250)]
    provenance = {"task": "segmentation", "licence of the data": "MIT", "seed": 3}
    metrics = {"mean_iou": 0.5, "class_iou": {"cat": 0.25}}
    dnzoo.save(
        net, path, class_names=NAMES, palette=palette, metrics=metrics, provenance=provenance
    )
    return path


def test_models_to_be_built():
    assert dnzoo.list_models("un*") == models.list_models("un*") == ["unet"]
    assert dnzoo.create_model("unet", input_shape=(16, 16, 1), filters=(2, 4)).name == "unet"
    assert models.create_model("unet", classes=5, filters=(2, 4)).output_shape[-1] == 5
    with pytest.raises(ValueError, match=r"no model 'unett'; there are: .* Did you mean unet\?"):
        dnzoo.create_model("unett")


def test_trained_models(saved, net):
    assert dnzoo.list_models("espcn*", pretrained=True) == ["espcn_x3"]
    same = dnzoo.create_model(saved, pretrained=True)
    assert all(np.array_equal(a, b) for a, b in zip(same.get_weights(), net.get_weights()))
    for classes in (5, 3):  # also where it had as many
        other = dnzoo.create_model(saved, pretrained=True, classes=classes)
        assert other.output_shape[-1] == classes
        *kept, _, _ = zip(other.get_weights(), net.get_weights())
        assert all(np.array_equal(a, b) for a, b in kept)
        head = other.get_layer("head").kernel, net.get_layer("head").kernel
        assert head[0].shape != head[1].shape or not np.array_equal(*map(np.array, head))
        assert dnzoo.info(other).class_names is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("espcn_x3",), ValueError, r"create_model\('espcn_x3', pretrained=True\) loads it"),
        (("unet", True), ValueError, "no trained model, but one to be built: .* unet_cutouts"),
        (("unet_cutout", True), FileNotFoundError, "Did you mean unet_cutouts"),
        (("unet_cutout",), ValueError, "Did you mean unet_cutouts"),
    ],
)
def test_each_world_knows_the_other(arguments, error, message):
    with pytest.raises(error, match=message):
        dnzoo.create_model(*arguments)
    with pytest.raises(FileNotFoundError, match=r"is a model to be built, .*help\(dnzoo.unet\)"):
        dnzoo.load("unet")


def test_what_a_trained_model_can_not_be_asked():
    with pytest.raises(ValueError, match="puts out 'image', which has no classes; got classes=2"):
        dnzoo.create_model("espcn_x3", pretrained=True, classes=2)
    with pytest.raises(TypeError, match="only classes and dtype can be chosen; got filters"):
        dnzoo.create_model("espcn_x3", pretrained=True, filters=(1, 2))


def test_info_of_a_folder_and_of_its_model(saved, net):
    model = dnzoo.load(saved)
    for found in (dnzoo.info(saved), dnzoo.info(model)):
        assert found.class_names == NAMES and found.palette[1] == [250, 0, 0]
        assert found.metrics["class_iou"] == {"cat": 0.25} and found.licence == "MIT"
        assert (found.task, found.kind, found.where) == ("segmentation", "classes", str(saved))
        assert found.parameters == net.count_params() and found.card.startswith("# unet")
        assert found.size == sum(f.stat().st_size for f in saved.rglob("*") if f.is_file())
        assert "classes              background, cat, dog\n" in str(found)
        assert "mean IoU             0.5000\n" in str(found)
    model.compile("sgd", dnzoo.losses.get("cross_entropy"))
    assert dnzoo.info(model).metrics
    model.optimizer.iterations.assign(1)  # as after a step
    assert dnzoo.info(model).metrics == {} and dnzoo.info(model).class_names == NAMES


def test_info_of_what_was_not_loaded(net):
    found = dnzoo.info(net)
    assert (found.name, found.kind, found.where) == ("unet", "classes", None)
    assert found.parameters == net.count_params() and found.class_names is None
    assert found.inputs == {"serve": [["image", "float32", [None, None, None, 3]]]}
    with pytest.raises(FileNotFoundError, match="Did you mean"):
        dnzoo.info("unet_cutout")


def test_whatever_holds_an_image(net, saved, tmp_path):
    """A name, a path, Pillow's, an array, a batch, a list: one result."""
    image = photograph(20, 24, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    expected = dnzoo.predict(net, image)
    for x in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(image), image.tolist()):
        assert np.array_equal(dnzoo.predict(saved, x), expected)
    several = dnzoo.predict(net, [image, tmp_path / "a.png", image[:9]])
    assert [one.shape[0] for one in several] == [20, 20, 9]
    assert np.array_equal(several[1], expected)
    batch = dnzoo.predict(net, np.stack([image, image[::-1]]))
    assert batch.shape == (2, 20, 24, 3) and np.array_equal(batch[0], expected)
    assert dnzoo.predict(net, []) == []
    for scaled, white in ((image / 255, 1), (image.astype("uint16") * 257, 65535)):
        assert np.allclose(dnzoo.predict(net, scaled, white=white), expected, atol=1e-4)
    with pytest.raises(ValueError, match="`out` is for one image; got 2"):
        dnzoo.predict(net, [image, image], out=np.empty((20, 24, 3)))


def test_pillow_images_are_read_as_files_are(net, tmp_path):
    grey, alpha = photograph(20, 24), photograph(20, 24, 4)
    for number, array in enumerate((grey, alpha)):
        Image.fromarray(array).save(tmp_path / f"{number}.png")
        path = dnzoo.predict(net, tmp_path / f"{number}.png")
        assert np.array_equal(path, dnzoo.predict(net, Image.fromarray(array)))
    deep = Image.fromarray(grey.astype("uint16") * 257)
    with pytest.raises(ValueError, match=r"image of mode I;16 holds 16-bit grey: .*white=65535"):
        dnzoo.predict(net, deep)
    assert np.array_equal(
        dnzoo.predict(net, deep, white=65535), dnzoo.predict(net, Image.fromarray(grey))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x / 255, r"float64 from 0 to 1: say which value is white \(white=1; 255"),
        (lambda x: x / 127.5 - 1, "from -1 to 1: give it as it was before it was normalised"),
        (lambda x: x.astype("uint16") * 257, r"0 to 6.*say which value is white \(white=65535"),
        (lambda x: x > 9, "holds bool from 0 to 1"),
        (lambda x: np.where(x > 9, np.nan, x), "put numbers in place of nan"),
    ],
)
def test_an_array_of_another_range_is_refused(net, change, message):
    with pytest.raises(ValueError, match=f"unet reads pixels from 0 to 255.*{message}"):
        dnzoo.predict(net, change(photograph(20, 24, 3)))


def test_arrays_that_are_right_are_not_refused(net):
    image = photograph(20, 24, 3)
    for right in (image.astype("float32"), image * 1.2, image * 0.0, image // 255, image % 2 * 1.0):
        dnzoo.predict(net, right)
    dark = image / 255
    assert np.array_equal(
        dnzoo.predict(net, dark, white=255), dnzoo.predict(net, dark * 1, white=255)
    )
    plain = dnzoo.unet((None, None, 3), 3, filters=(4, 8))  # it does not say what it reads
    dnzoo.predict(plain, image / 255)


def test_models_of_names_are_kept_until_they_change(saved, tmp_path, monkeypatch):
    loaded = []
    load = zoo.saving.load
    monkeypatch.setattr(zoo.saving, "load", lambda folder: loaded.append(folder) or load(folder))
    image, path = photograph(8, 8, 3), tmp_path / "net"
    shutil.copytree(saved, path)
    first = dnzoo.predict(path, image)
    assert np.array_equal(dnzoo.predict(path, image), first) and len(loaded) == 1
    os.utime(path / pretrained.EXTRA, ns=(0, 0))
    assert np.array_equal(dnzoo.predict(path, image), first) and len(loaded) == 2
    zoo.forget()
    dnzoo.predict(path, image)
    assert len(loaded) == 3


def test_y_alone_takes_colour():
    image = photograph(14, 18, 3)
    found = dnzoo.predict("espcn_x3", image)
    assert found.shape == (42, 54, 3) and found.dtype == "float32"
    rounded = found.round().clip(0, 255)
    assert np.array_equal(rounded, dnzoo.inference.upscale(dnzoo.load("espcn_x3"), image))
    assert dnzoo.predict("espcn_x3", image[..., :1]).shape == (42, 54, 1)


def test_files_say_what_was_seen(saved, tmp_path):
    model, said = dnzoo.load(saved), []
    bias = model.get_layer("head").bias
    for folder in ("day", "night"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photograph(20, 24, 3)).save(tmp_path / folder / "1.png")
    day = tmp_path / "day"
    bias.assign([0.0, 0.0, 1e6])
    written = files.predict_files(
        model, [day / "1.png", day, tmp_path / "night"], tmp_path / "out", tell=said.append
    )
    assert said == [f"{tmp_path / folder / '1.png'}: dog 100 %" for folder in ("day", "night")]
    assert [path.name for path in written][::2] == ["day_1.png_mask.png", "night_1.png_mask.png"]
    with Image.open(written[1]) as overlay:
        pixels = np.array(overlay)
    assert pixels.shape[0] > 20 and pixels.shape[1] > 24
    strip = pixels[20:].reshape(-1, 3)
    assert ((strip == (0, 0, 250)).all(-1)).sum() > 50  # the class that occurs, and no other
    assert not ((strip == (250, 0, 0)).all(-1)).any()
    bias.assign([1e6, 0.0, 0.0])
    files.predict_files(model, day, tmp_path / "none", tell=said.append)
    assert said[-1].endswith(": background 100 %")


def test_a_larger_picture_keeps_its_transparency(tmp_path):
    """On white it is what the model makes of the image on white; under it no white shines through."""
    rgba = np.zeros((16, 16, 4), "uint8")
    rgba[4:12, 4:12] = (200, 100, 50, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    model = dnzoo.load("espcn_x3")
    (path,) = files.predict_files(model, tmp_path / "a.png", tmp_path / "out")
    with Image.open(path) as made:
        assert made.mode == "RGBA" and made.size == (48, 48)
        pixels = np.array(made)
    assert pixels[24, 24, 3] == 255 and pixels[2, 2, 3] == 0
    white = Image.new("RGBA", (48, 48), "white")
    white.alpha_composite(Image.fromarray(pixels))
    flat = dnzoo.inference.upscale(model, reading.read(tmp_path / "a.png"))
    error = np.abs(np.array(white.convert("RGB")).astype(int) - flat)
    assert error[15:-15, 15:-15].max() <= 1 and error.max() < 40
