"""Scenes of cut-out photographs: exact masks, splits that share nothing, and the user's folders."""

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import cutouts, garments, photographs, segmentation
from dnzoo.data.cutouts import Cutouts
from dnzoo.data.scenes import SPLITS, assemble

COLOURS = {"cup": (250, 20, 20), "dog": (20, 250, 20), "tree": (20, 20, 250)}


def make_folders(folder, per_class=5, backgrounds=4):
    """A plain disc of the class's colour in a transparent frame; grey backgrounds."""
    y, x = np.mgrid[:60, :40]
    alpha = np.where((y - 30) ** 2 + (x - 20) ** 2 < 15**2, 255, 0).astype("uint8")
    for name, colour in COLOURS.items():
        (folder / "cutouts" / name).mkdir(parents=True)
        for i in range(per_class):
            image = np.zeros((60, 40, 4), "uint8")
            image[..., :3], image[..., 3] = np.subtract(colour, (i, i, i)), alpha
            Image.fromarray(image).save(folder / "cutouts" / name / f"{i}.png")
    (folder / "backgrounds").mkdir()
    for i in range(backgrounds):
        photograph = np.full((80, 100, 3), 90 + 10 * i, "uint8")
        Image.fromarray(photograph).save(folder / f"backgrounds/{i}.jpg")
    return folder / "cutouts", folder / "backgrounds"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folders(tmp_path_factory.mktemp("mine"))


def test_classes_are_sub_folders(folders):
    source = Cutouts(*folders)
    assert source.class_names == ("background", "cup", "dog", "tree")
    used = {split: source.files(split) for split in SPLITS}
    for a in SPLITS:
        for b in SPLITS:
            if a != b:
                assert not set(used[a][1]) & set(used[b][1])
                assert all(not set(used[a][0][n]) & set(used[b][0][n]) for n in COLOURS)
    assert sum(len(backgrounds) for _, backgrounds in used.values()) == 4
    assert Cutouts(*folders).fingerprint == source.fingerprint
    assert Cutouts(*folders, seed=1).fingerprint != source.fingerprint


def test_mask_names_what_the_image_shows(folders):
    """Discs of strong colours on grey: away from soft edges every pixel's class can be seen."""
    source = Cutouts(*folders)
    checked = 0
    for index in range(20):
        scene = source.compose(3, "train", index, size=64)
        again = source.compose(3, "train", index, size=64)
        assert all(np.array_equal(scene[key], again[key]) for key in ("image", "instance_mask"))
        image, mask = scene["image"].astype(int), scene["segmentation_mask"]
        strongest = image.argmax(-1)
        spread = image.max(-1) - np.sort(image, -1)[..., 1]
        sure = spread > 150
        assert np.array_equal(mask[sure], strongest[sure] + 1)
        assert (spread[mask == 0] < 160).all()
        for number, (label, box) in enumerate(zip(scene["labels"], scene["boxes"]), start=1):
            rows, columns = np.nonzero(scene["instance_mask"] == number)
            assert (mask[rows, columns] == label).all()
            assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            checked += 1
    assert checked > 20


def test_assemble_by_hand():
    """Two overlapping squares, the second in front and half transparent."""
    canvas = np.full((4, 4, 3), 100.0, "float32")
    first = (np.full((2, 2, 3), 200.0), np.full((2, 2), 255.0), (0, 0), 3)
    second = (np.zeros((2, 2, 3)), np.full((2, 2), 127.5), (1, 1), 5)
    scene = assemble(canvas, [first, second], np.random.default_rng(0))
    assert np.array_equal(
        scene["segmentation_mask"], [[3, 3, 0, 0], [3, 5, 5, 0], [0, 5, 5, 0], [0, 0, 0, 0]]
    )
    assert scene["labels"] == [3, 5] and scene["boxes"] == [(0, 0, 2, 2), (1, 1, 3, 3)]
    assert abs(int(scene["image"][1, 1].mean()) - 100) < 10  # half of 200
    assert abs(int(scene["image"][2, 2].mean()) - 50) < 10  # half of 100


def test_as_a_data_set(folders, tmp_path):
    names = dict(zip(("cutouts", "backgrounds"), map(str, folders)))
    data = segmentation.load("cutout_scenes", tmp_path, 32, scenes=8, **names)
    source = Cutouts(*folders)
    expected = source.compose(0, "train", 0, 32)["image"]
    assert data.class_names == source.class_names
    assert any(np.array_equal(image, expected) for image in data.splits["train"][0])
    less = segmentation.load("cutout_scenes", tmp_path, 32, scenes=8, without=("dog",), **names)
    assert less.class_names == ("background", "cup", "tree")
    assert max(masks.max() for _, masks in less.splits.values()) == 2


def test_fashion_scenes_without_classes(tmp_path):
    data = segmentation.fashion_scenes(tmp_path, 32, 12, 3, 3, without=("bag", "t-shirt"))
    assert len(data.class_names) == 9 and "bag" not in data.class_names
    assert max(masks.max() for _, masks in data.splits.values()) <= 8


@pytest.mark.parametrize("without", [("hat",), ("background",), garments.CLASS_NAMES[1:]])
def test_classes_to_leave_out_must_be_there(tmp_path, without):
    with pytest.raises(ValueError, match=r"without=.* some, but not all, of t-shirt, trouser"):
        segmentation.fashion_scenes(tmp_path, 32, 12, 3, 3, without=without)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("CUTOUTS", "pass cutouts=<folder> .*apt install tuxpaint-stamps-default"),
        ("BACKGROUNDS", "pass backgrounds=<folder> .*apt install lomiri-wallpapers"),
    ],
)
def test_without_folders_it_says_what_to_do(folders, tmp_path, monkeypatch, missing, message):
    module = cutouts if missing == "CUTOUTS" else photographs
    monkeypatch.setattr(module, missing, tmp_path / "nowhere")
    arguments = (None, folders[1]) if missing == "CUTOUTS" else (folders[0], None)
    with pytest.raises(FileNotFoundError, match=message) as error:
        Cutouts(*arguments)
    assert "\n" not in str(error.value)


def spoil(folder, how):
    cut, back = folder / "cutouts", folder / "backgrounds"
    if how == "opaque":
        for path in cut.rglob("*.png"):
            Image.new("RGB", (9, 9)).save(path)
    elif how == "empty":
        for path in cut.rglob("*.png"):
            Image.new("RGBA", (9, 9)).save(path)
    elif how == "damaged":
        for path in back.iterdir():
            path.write_bytes(b"no picture")
    elif how == "few":
        (cut / "dog/0.png").rename(folder / "0.png")
    elif how == "flat":
        for name in COLOURS:
            (cut / name).rename(folder / name)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("opaque", "has no transparency"),
        ("empty", "is transparent everywhere"),
        ("damaged", "can't be read"),
        ("few", "dog: 2 images; training, validation and test need 3"),
        ("flat", "has no sub-folder of images"),
    ],
)
def test_bad_folders(tmp_path, how, message):
    paths = make_folders(tmp_path, per_class=3)
    spoil(tmp_path, how)
    with pytest.raises(ValueError, match=message):
        Cutouts(*paths).compose(0, "train", 0, 32)


def test_debians_photographs_are_sorted():
    """Where the packages are installed: 332 photographs in 8 classes, as counted by hand."""
    if not cutouts.CUTOUTS.is_dir() or not photographs.BACKGROUNDS.is_dir():
        pytest.skip("tuxpaint-stamps-default and the wallpapers are not installed")
    source = Cutouts()
    count = {
        name: sum(len(source.files(split)[0][name]) for split in SPLITS)
        for name in source.class_names[1:]
    }
    assert count == {
        "mammal": 66, "bird": 35, "other animal": 22, "food": 49, "plant": 38, "vehicle": 20,
        "household": 28, "other": 74,
    }  # fmt: skip
