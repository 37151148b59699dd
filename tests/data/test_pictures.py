"""Small pictures from raw files and folders, photographs, objects: what comes out of them."""

import gzip
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import instances, photographs, pictures
from dnzoo.metrics.labels import IGNORE

RNG = np.random.default_rng(0)


def write_idx(path, array, zipped):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    content = header + array.astype("uint8").tobytes()
    path.with_name(path.name + (".gz" if zipped else "")).write_bytes(
        gzip.compress(content) if zipped else content
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_files(tmp_path, zipped):
    images, labels = RNG.integers(0, 256, (60, 9, 9)), np.arange(60) % 10
    for part, rows in (("train", slice(0, 48)), ("t10k", slice(48, 60))):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images[rows], zipped)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels[rows], zipped)
    data = pictures.load(str(tmp_path), tmp_path / "data")
    assert data.shape == (9, 9, 1) and data.classes == 10
    counts = {split: len(arrays[0]) for split, arrays in data.splits.items()}
    assert counts == {"train": 44, "validation": 4, "test": 12}
    together = np.concatenate([data.splits[s][0] for s in ("train", "validation")])[..., 0]
    assert {image.tobytes() for image in together} == {
        image.astype("uint8").tobytes() for image in images[:48]
    }
    assert np.array_equal(data.splits["test"][1], labels[48:])
    padded = pictures.load(str(tmp_path), tmp_path / "data", size=16)
    inside = padded.splits["test"][0][:, 3:12, 3:12]
    assert np.array_equal(inside[..., 0], images[48:]) and padded.shape == (16, 16, 1)


def test_cifar_files(tmp_path):
    images = RNG.integers(0, 256, (12, 32, 32, 3)).astype("uint8")
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        Image.fromarray(images[2 * i : 2 * i + 2].reshape(2, 1024, 3)).save(
            tmp_path / f"{name}.png"
        )
    (tmp_path / "train_lables.json").write_text(json.dumps(list(range(10))))
    (tmp_path / "test_lables.json").write_text("[3, 4]")
    data = pictures.load(str(tmp_path), tmp_path / "data")
    assert np.array_equal(data.splits["test"][0], images[10:])
    assert np.array_equal(data.splits["test"][1], [3, 4]) and data.shape == (32, 32, 3)


def test_folder_of_pictures(tmp_path):
    for i in range(40):
        folder = tmp_path / "pictures" / ("a" if i % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (20, 30, 3)).astype("uint8")).save(folder / f"{i}.png")
    data = pictures.load(str(tmp_path / "pictures"), tmp_path / "data", size=16)
    assert data.shape == (16, 16, 3) and data.classes == 2
    assert [len(data.splits[s][0]) for s in ("train", "validation", "test")] == [33, 3, 4]
    with pytest.raises(ValueError, match="say size=<pixels>"):
        pictures.load(str(tmp_path / "pictures"), tmp_path / "data")


def test_folders_of_splits(tmp_path):
    """train/, val/ and test/ are splits, what is in them classes; what lacks one is a part of train/."""
    for split, count in (("train", 24), ("val", 3), ("test", 4)):
        for i in range(count):
            folder = tmp_path / "pictures" / split / ("a" if i % 2 else "b")
            folder.mkdir(parents=True, exist_ok=True)
            value = {"train": 0, "val": 100, "test": 200}[split] + i
            Image.fromarray(np.full((8, 8), value, "uint8")).save(folder / f"{i}.png")
    data = pictures.load(str(tmp_path / "pictures"), tmp_path / "data", size=8)
    found = {
        split: {int(one[0, 0, 0]) for one in arrays[0]} for split, arrays in data.splits.items()
    }
    assert found == {
        "train": {*range(24)}, "validation": {100, 101, 102}, "test": {200, 201, 202, 203}
    }  # fmt: skip
    assert data.classes == 2
    (tmp_path / "pictures/val").rename(tmp_path / "elsewhere")
    data = pictures.load(str(tmp_path / "pictures"), tmp_path / "data", size=8)
    both = [one[0, 0, 0] for split in ("train", "validation") for one in data.splits[split][0]]
    assert sorted(both) == [*range(24)] and len(data.splits["validation"][0]) == 2
    (tmp_path / "pictures/train").rename(tmp_path / "pictures/more")
    with pytest.raises(ValueError, match="has test/ but no train/"):
        pictures.load(str(tmp_path / "pictures"), tmp_path / "data", size=8)


def test_grey_folders_have_one_channel(tmp_path):
    for i in range(12):
        noise = RNG.integers(0, 256, (9, 9)).astype("uint8")
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / f"mine/{i}.png")
    data = pictures.load(str(tmp_path / "mine"), tmp_path / "data", size=9)
    assert data.shape == (9, 9, 1) and data.look.rows[0][0] == "images"
    assert pictures.load(str(tmp_path / "mine"), tmp_path / "data", 9, channels=3).shape[2] == 3
    Image.fromarray(RNG.integers(0, 256, (9, 9, 3)).astype("uint8")).save(tmp_path / "mine/5.png")
    assert pictures.load(str(tmp_path / "mine"), tmp_path / "data", size=9).shape[2] == 3
    assert pictures.load(str(tmp_path / "mine"), tmp_path / "data", 9, channels=1).shape[2] == 1


def test_raw_files_that_were_made_again(tmp_path):
    (tmp_path / "raw").mkdir()
    for value in (10, 200):
        for part, count in (("train", 40), ("t10k", 10)):
            images = np.full((count, 8, 8), value)
            write_idx(tmp_path / f"raw/{part}-images-idx3-ubyte", images, False)
            write_idx(tmp_path / f"raw/{part}-labels-idx1-ubyte", np.ones(count), False)
        data = pictures.load(str(tmp_path / "raw"), tmp_path / "data")
        assert data.splits["train"][0].mean() == value
    with pytest.raises(ValueError, match="channels=3, but images of raw have 1"):
        pictures.load(str(tmp_path / "raw"), tmp_path / "data", channels=3)


def test_pictures_bad_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a folder nor one of mnist"):
        pictures.load("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds 0 pictures"):
        pictures.load(str(tmp_path / "empty"))
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((3, 4, 4)), False)
    with pytest.raises(FileNotFoundError, match="has no train-labels-idx1-ubyte"):
        pictures.load(str(tmp_path), tmp_path / "data")
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="is damaged"):
        pictures.load(str(tmp_path), tmp_path / "data")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(4):
        noise = RNG.integers(0, 256, (150, 160, 3)).astype("uint8")
        Image.fromarray(noise).resize((403, 410), Image.BICUBIC).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_are_aligned(photos, tmp_path, scale):
    """A small tile is the reduction of its large one, but for the rows at its edge."""
    data = photographs.load(str(photos), tmp_path, scale)
    for split, count in (("train", 8), ("validation", 4)):
        small, large = data.splits[split]
        assert small.shape == (count, 192 // scale, 192 // scale, 3)
        assert large.shape == (count, 192, 192, 3)
        for low, high in zip(small, large):
            reduced = photographs.resize(high, 1 / scale).astype(int)
            assert np.abs(reduced - low)[3:-3, 3:-3].max() <= 1
    ((name, image),) = data.test.items()
    assert all(size % scale == 0 for size in image.shape[:2]) and name.endswith(".png")
    again = photographs.load(str(photos), tmp_path, scale)
    assert np.array_equal(again.splits["train"][0], data.splits["train"][0])


def test_photographs_in_folders_of_splits(photos, tmp_path):
    paths = sorted(photos.iterdir())
    for split, chosen in (("train", paths[:-1]), ("valid", paths[-1:])):
        (tmp_path / "set" / split).mkdir(parents=True)
        for path in chosen:
            shutil.copy(path, tmp_path / "set" / split)
    parts = photographs._split_folder(tmp_path / "set", 0)
    names = {split: {path.name for path in found} for split, found in parts.items()}
    assert names["validation"] == {paths[-1].name} and len(names["test"]) == 1
    assert names["train"] | names["test"] == {path.name for path in paths[:-1]}
    assert not names["train"] & names["test"]


def test_the_sample_is_what_its_licence_names(tmp_path):
    """Each photograph has an author and terms; the splits share none."""
    data = photographs.load("sample", tmp_path, 3)
    assert {*data.test} == {"dogs.jpg", "hopper.jpg"}
    assert len(data.splits["train"][0]) > 40 and len(data.splits["validation"][0])
    named = (photographs.SAMPLE / "LICENSE").read_text("utf-8")
    paths = sorted(photographs.SAMPLE.rglob("*.jpg"))
    assert len(paths) == 10
    assert all(path.relative_to(photographs.SAMPLE).as_posix() in named for path in paths)


def test_small_photographs_are_named(tmp_path):
    """Left out where there are others; refused before training where there are none."""
    root = tmp_path / "mine"
    root.mkdir()
    for i in range(20):
        noise = RNG.integers(0, 256, (200, 200, 3)).astype("uint8")
        Image.fromarray(noise).save(root / f"{i:02d}.png")
    parts = photographs._split(photographs.find(root), 0, ("test", "validation", "train"))
    for split in ("test", "train"):
        Image.new("RGB", (100, 60)).save(parts[split][0])
    data = photographs.load(str(root), tmp_path / "data", 2)
    assert list(data.test) == [parts["test"][1].name]
    notes = " ".join(data.look.notes)
    assert all(f"not used: {parts[split][0].name}" in notes for split in ("test", "train"))
    for path in parts["test"]:
        Image.new("RGB", (100, 60)).save(path)
    with pytest.raises(ValueError, match=r"of the test split are below 144 x 144 pixels: \d\d.png"):
        photographs.load(str(root), tmp_path / "data", 2)
    for path in parts["train"]:
        Image.new("RGB", (150, 150)).save(path)
    with pytest.raises(ValueError, match=r"of the train split are below 192 x 192 pixels"):
        photographs.load(str(root), tmp_path / "data", 2)


def test_flat_tiles_are_left_out():
    low, high = photographs.tiles(np.full((400, 400, 3), 90, "uint8"), 2)
    assert low.shape == (0, 96, 96, 3) and high.shape == (0, 192, 192, 3)


def test_test_photographs_are_what_they_say():
    found = photographs.test_photographs()
    assert len(found) == 11
    assert all(image.dtype == "uint8" and image.shape[-1] == 3 for image in found.values())
    assert found["astronaut"].shape == (512, 512, 3) and found["china"].shape == (427, 640, 3)


def test_photographs_bad_input(photos, tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match="neither a folder nor one of photographs, sample, div2k"
    ):
        photographs.load("nowhere")
    monkeypatch.setattr(photographs, "BACKGROUNDS", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="apt install lomiri-wallpapers"):
        photographs.load("photographs", tmp_path)
    (tmp_path / "few").mkdir()
    with pytest.raises(ValueError, match="need 3"):
        photographs.load(str(tmp_path / "few"), tmp_path)
    (tmp_path / "few/a.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a.png can't be read"):
        photographs.read(tmp_path / "few/a.png")


def test_objects_of_scenes(tmp_path):
    """Boxes are the tightest around the masks, labels those of the classes there."""
    data = instances.load("fashion_scenes", tmp_path, size=32, scenes=6)
    images, masks, boxes, labels = (np.asarray(a) for a in data.splits["train"])
    assert images.shape == (6, 32, 32, 3) and len(data.class_names) == 10
    assert boxes.shape == (*labels.shape, 4) and labels.shape[1] <= 5
    seen = 0
    for i, j in np.argwhere(labels != IGNORE):
        rows, columns = np.nonzero(masks[i] == 1 + j)
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.array_equal(boxes[i, j], tight) and labels[i, j] < 10
        seen += 1
    assert seen >= 6 and set(np.unique(masks[labels[:, 0] == IGNORE])) <= {0}
    with pytest.raises(FileNotFoundError, match="none of cutout_scenes, fashion_scenes, coco/2017"):
        instances.load("coco", tmp_path)


def test_coco_panoptic_codes():
    """An object's pixels are R + 256 G + 65536 B; stuff and crowds are left out."""
    code = np.zeros((4, 4, 3), "uint8")
    code[0], code[1], code[2] = (7, 1, 0), (0, 0, 1), (9, 0, 0)
    objects = {
        "id": np.array([7 + 256, 65536, 9]),
        "label": np.array([3, 79, 90]),
        "is_crowd": np.array([False, False, False]),
    }
    example = {"image": code, "panoptic_image": code, "panoptic_objects": objects}
    _, masks, labels = instances._panoptic(example)
    assert list(labels) == [3, 79]
    assert masks[0][0].all() and masks[0].sum() == 4 and masks[1][1].all()


@pytest.mark.parametrize(("name", "counts"), [("mnist", (22, 2, 8)), ("celeb_a", (24, 8, 8))])
def test_tfds_names(name, counts, tmp_path, monkeypatch):
    """The real builder's features and splits, with noise in place of what can't be fetched here."""
    import tensorflow_datasets as tfds

    class Information:
        def __init__(self, sizes):
            self.sizes = sizes

        def __getitem__(self, key):
            return self.sizes[key]

        def __contains__(self, key):
            return key in self.sizes

    class Builder:
        info = None

    class Split:
        def __init__(self, count):
            self.num_examples = count

    sizes = {"train": Split(24), "test": Split(8)}
    sizes |= {"train[2:]": Split(22), "train[:2]": Split(2)}
    if name == "celeb_a":
        sizes["validation"] = Split(8)
    Builder.info = type("Info", (), {"splits": Information(sizes)})()
    features = tfds.builder_cls(name)
    shape = (28, 28, 1) if name == "mnist" else (218, 178, 3)
    assert features.name == name

    def examples(builder, split):
        for i in range(sizes[split].num_examples):
            label = {"label": i % 10} if name == "mnist" else {}
            yield {"image": np.full(shape, i, "uint8"), **label}

    monkeypatch.setattr(pictures.tfds_offline, "reachable", lambda *args: Builder)
    monkeypatch.setattr(pictures.tfds_offline, "examples", examples)
    data = pictures.load(name, tmp_path, size=32)
    assert data.shape == (32, 32, shape[-1])
    assert tuple(len(data.splits[s][0]) for s in ("train", "validation", "test")) == counts
