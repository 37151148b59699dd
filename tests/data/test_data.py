"""Scenes, folders, batches and augmentation."""

import socket
import sys

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import Batches, Evaluation, garments, segmentation, targets, tfds_offline
from dnzoo.data.augmentation import Augmentation


def test_scenes_are_exact():
    for index in range(20):
        scene = garments.compose(5, "test", index, size=64)
        mask, instances = scene["segmentation_mask"], scene["instance_mask"]
        assert scene["image"].shape == (64, 64, 3) and scene["image"].dtype == mask.dtype == "uint8"
        assert instances.max() == len(scene["labels"]) == len(scene["boxes"])
        assert np.array_equal(mask > 0, instances > 0)
        for number, (label, box) in enumerate(zip(scene["labels"], scene["boxes"]), start=1):
            rows, columns = np.nonzero(instances == number)
            assert set(mask[rows, columns]) == {label}
            assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def test_scenes_depend_on_seed_split_and_index_alone():
    first = garments.compose(0, "train", 3, 32)["image"]
    garments.compose(0, "train", 4, 32)
    assert np.array_equal(garments.compose(0, "train", 3, 32)["image"], first)
    for other in ((1, "train", 3), (0, "validation", 3), (0, "train", 4)):
        assert not np.array_equal(garments.compose(*other, 32)["image"], first)
    with pytest.raises(ValueError, match="split must be one of train, validation, test"):
        garments.compose(0, "val", 0)


def test_splits_share_no_garment():
    found = {s: {g.tobytes() for g in garments.garments(s)[0]} for s in segmentation.SPLITS}
    assert [len(garments.garments(split)[0]) for split in segmentation.SPLITS] == [5000, 1000, 1000]
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["validation"] & found["test"]
    assert garments.SAMPLE.stat().st_size < 4e6


def write_pair(folder, name, size=(20, 30), image_type="png", classes=3):
    rng = np.random.default_rng(len(name))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    image = rng.integers(0, 256, (*size, 3)).astype("uint8")
    mask = rng.integers(0, classes, size).astype("uint8")
    mask[0, 0] = 255
    Image.fromarray(image).save(folder / f"images/{name}.{image_type}")
    Image.fromarray(mask).save(folder / f"masks/{name}.png")
    return image, mask


def test_folder(tmp_path):
    mine = tmp_path / "mine"
    pairs = {f"i{i:02d}": write_pair(mine, f"i{i:02d}") for i in range(10)}
    data = segmentation.load(str(mine), tmp_path / "data", size=30)
    assert {k: len(v[0]) for k, v in data.splits.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    assert data.class_names == ("class 0", "class 1", "class 2")
    stored = {image[:20].tobytes(): mask for image, mask in zip(*data.splits["train"])}
    known = [(image, mask) for image, mask in pairs.values() if image.tobytes() in stored]
    for image, mask in known:
        fitted = stored[image.tobytes()]
        assert np.array_equal(fitted[:20], mask) and (fitted[20:] == 255).all()
    assert known
    (mine / "classes.txt").write_text("sky\nsea\nsand\n")
    assert segmentation.load(str(mine), tmp_path / "data", size=30).class_names[2] == "sand"


def test_folder_with_splits_palette_and_jpeg(tmp_path):
    for split in segmentation.SPLITS:
        _, mask = write_pair(tmp_path / split, "a", image_type="jpg")
        palette = Image.fromarray(mask, mode="P")
        palette.putpalette([7, 7, 7] * 256)
        palette.save(tmp_path / split / "masks/a.png")
    data = segmentation.load(str(tmp_path), tmp_path / "data", size=30)
    assert np.array_equal(data.splits["test"][1][0, :20], mask)
    assert data.splits["test"][0].shape == (1, 30, 30, 3)


def test_a_changed_folder_is_read_again(tmp_path):
    for name in "abcd":
        write_pair(tmp_path / "mine", name)
    before = segmentation.load(str(tmp_path / "mine"), tmp_path / "data", size=30)
    write_pair(tmp_path / "mine", "e" * 5)
    after = segmentation.load(str(tmp_path / "mine"), tmp_path / "data", size=30)
    assert len(after.splits["train"][0]) == len(before.splits["train"][0]) + 1


def spoil(folder, how):
    if how == "no mask":
        (folder / "masks/b.png").unlink()
    elif how == "colour":
        Image.new("RGB", (30, 20)).save(folder / "masks/b.png")
    elif how == "size":
        Image.new("L", (10, 20)).save(folder / "masks/b.png")
    elif how == "damaged":
        (folder / "images/b.png").write_bytes(b"not a picture")
    elif how == "classes":
        (folder / "classes.txt").write_text("only one\n")
    elif how == "twice":
        Image.new("RGB", (30, 20)).save(folder / "images/b.jpg")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no mask", "has no mask for 1 of 4 images, the first is b.png"),
        ("colour", "is a RGB image; a mask must be a palette or grey PNG"),
        ("size", r"is \(20, 10\), its image \(20, 30\)"),
        ("damaged", "can't be read"),
        ("classes", "names 1 classes, but a mask holds class 2"),
        ("twice", "two images of the same name"),
    ],
)
def test_bad_folders(tmp_path, how, message):
    for name in "abcd":
        write_pair(tmp_path / "mine", name)
    spoil(tmp_path / "mine", how)
    with pytest.raises(ValueError, match=message):
        segmentation.load(str(tmp_path / "mine"), tmp_path / "data", size=30)
    assert not list((tmp_path / "data").glob("arrays/.*partial*"))


def test_unknown_data(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a folder nor one of fashion_scenes"):
        segmentation.load("imagenet", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold images/ and masks/"):
        segmentation.load(str(tmp_path / "empty"), tmp_path)


def test_no_network_is_said(tmp_path, monkeypatch):
    """Before TFDS, which would try for minutes, is asked at all."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds, "builder", lambda *args, **kwargs: pytest.fail("TFDS was asked"))
    monkeypatch.setattr(tfds_offline, "_answers", lambda url: False)
    with pytest.raises(ConnectionError, match=r"does not answer.*data=<folder>"):
        segmentation.load("oxford_iiit_pet", tmp_path)


def test_without_tfds_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    said = (
        "oxford_iiit_pet is a name of .* tensorflow_datasets is missing: pip install tensorflow-d"
    )
    with pytest.raises(ImportError, match=said):
        segmentation.load("oxford_iiit_pet", tmp_path)


def test_a_server_that_is_silent_is_not_waited_for(monkeypatch):
    """One that takes the connection and never answers: were it waited for, this would not end."""
    monkeypatch.setattr(tfds_offline, "OFFLINE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not tfds_offline._answers(f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_batches_are_a_function_of_seed_and_step(small_scenes):
    def make(seed=0):
        augment = Augmentation(small_scenes.targets)
        return Batches(*small_scenes.splits["train"], batch_size=5, seed=seed, augment=augment)

    a, b = make(), make()
    for step in (7, 0, 3):
        images, masks = a.batch(step)
        assert images.dtype == "float32" and masks.dtype == "uint8"
        assert images.min() >= 0 and images.max() <= 255
        again = b.batch(step)
        assert np.array_equal(images, again[0]) and np.array_equal(masks, again[1])
    assert not np.array_equal(make(1).batch(0)[0], a.batch(0)[0])
    from_dataset = [batch for batch in a.dataset(2, 6)]
    assert len(from_dataset) == 4
    for step, (images, masks) in enumerate(from_dataset, start=2):
        assert np.array_equal(images, a.batch(step)[0]) and np.array_equal(masks, a.batch(step)[1])


def test_the_end_of_a_dataset_is_not_waited_for(small_scenes):
    """tf.data's tuner sleeps longer and longer, up to a minute, and is waited for: there is none."""
    batches = Batches(*small_scenes.splits["train"], batch_size=4)
    assert batches.dataset(0, 10).options().autotune.enabled is False


def test_an_epoch_has_each_image_once(small_scenes):
    batches = Batches(*small_scenes.splits["train"], batch_size=6)
    seen = [image.tobytes() for step in range(4) for image in batches.batch(4 + step)[0]]
    assert len(set(seen)) == 24
    test = Evaluation(*small_scenes.splits["test"], batch_size=4)
    assert [len(images) for images, _ in test.dataset()] == [4, 2]


@pytest.mark.parametrize("rank", [2, 3])
def test_augmentation_moves_image_and_mask_alike(rank: int) -> None:
    """An image that shows its own mask still does so afterwards; masks get no new values."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 2, (8, *[4] * rank)).astype("uint8")
    for axis in range(1, rank + 1):
        coarse = coarse.repeat(16, axis)
    masks = coarse * 7
    images = np.repeat(coarse[..., None] * 200, 3, axis=-1).astype("uint8")
    moved, moved_masks = Augmentation((targets.Image(), targets.ClassMask()))(images, masks, rng)
    assert set(np.unique(moved_masks)) <= {0, 7}
    assert not np.array_equal(moved_masks, masks)
    for image, mask in zip(moved.mean(-1), moved_masks):
        if len(np.unique(mask)) == 2:
            middle = (image.max() + image.min()) / 2
            # linear and nearest interpolation differ at edges, and at the corners of volumes
            assert ((image > middle) == (mask == 7)).mean() > (0.995 if rank == 2 else 0.99)


def test_palette_colours_differ():
    colours = segmentation.palette(21)
    assert colours[0] == (0, 0, 0) and len(set(colours)) == 21
