"""Composed scenes as data: the same arrays in the same order as ever, and TFDS only where it is asked for."""

import hashlib
import itertools

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import garments, instances, segmentation
from dnzoo.data.composed import Composed, in_turns, order
from tests.conftest import child, slow


def digest(splits):
    state = hashlib.sha256()
    for split in segmentation.SPLITS:
        for array in splits[split]:
            state.update(np.ascontiguousarray(array))
    return state.hexdigest()[:16]


def test_scenes_are_those_that_tfds_stored(small_scenes, tmp_path):
    """Digests of the arrays of 2026-11-26, when TFDS prepared them; names of the folder as then."""
    assert digest(small_scenes.splits) == "3e35e56a7a39b423"
    assert small_scenes.class_names == garments.CLASS_NAMES
    assert small_scenes.identity == "fashion_scenes-32px_24_6_6_seed0"
    without = segmentation.fashion_scenes(tmp_path, 32, 12, 3, 3, 3, ("bag", "t-shirt"))
    assert digest(without.splits) == "93f6056f507e9d44"
    assert without.identity == "fashion_scenes-32px_12_3_3_seed3_without_bag_without_t-shirt"


def test_objects_are_those_that_tfds_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(instances, "VALIDATION", 6)
    monkeypatch.setattr(instances, "TEST", 6)
    objects = instances.load("fashion_scenes", tmp_path, 32, scenes=30)
    assert digest(objects.splits) == "9dfd9dc1ca2a01ff"
    assert objects.class_names == garments.CLASS_NAMES[1:]


def test_order_of_published_training_data():
    """6,000 scenes of 128 x 128 were two files of TFDS's; the digest is of the numbers in its order."""
    found = order("train", 6000, 128)
    assert hashlib.sha256(repr(found).encode()).hexdigest()[:16] == "f55e3a40a6ab0281"
    assert sorted(found) == [*range(6000)]
    assert order("test", 500, 128)[:5] == [163, 131, 166, 307, 362]


@pytest.mark.parametrize("sizes", [[5], [40, 41], [17, 16, 33, 64], [3] * 40, [50] * 20])
def test_files_are_read_in_turns_as_tf_data_reads_them(sizes):
    import tensorflow as tf

    ends = np.cumsum([0, *sizes])
    files = [list(range(a, b)) for a, b in itertools.pairwise(ends.tolist())]
    data = tf.data.Dataset.from_tensor_slices((ends[:-1], ends[1:])).interleave(
        tf.data.Dataset.range, 16, 16, num_parallel_calls=2, deterministic=True
    )
    assert list(in_turns(files)) == [int(number) for number in data]


def test_scenes_keep_their_parts_together():
    """Class numbers without gaps, in masks and labels alike."""
    composed = Composed("fashion_scenes", 32, {"train": 5}, without=("t-shirt",))
    for scene in composed.scenes("train"):
        mask, instance = scene["segmentation_mask"], scene["instance_mask"]
        assert mask.max() <= 9 and mask.dtype == "uint8"
        for number, label in enumerate(scene["labels"], start=1):
            assert set(mask[instance == number]) == {label}


TFDS = """
import sys
from dnzoo.data import instances, pictures, segmentation, tfds_offline
tfds_offline._answers = lambda url: False
folder, out = sys.argv[1], sys.argv[1] + "/data"
own = {"cutouts": folder + "/cutouts", "backgrounds": folder + "/images"}
segmentation.load("fashion_scenes", out, 32, scenes=4)
segmentation.load("cutout_scenes", out, 32, scenes=4, **own)
instances.load("cutout_scenes", out, 32, scenes=4, **own)
segmentation.load(folder, out, 32)
pictures.load(folder + "/images", out, 32)
pictures.load(folder + "/raw", out)
print("tensorflow_datasets" in sys.modules)
try:
    segmentation.load("oxford_iiit_pet", out)
except ConnectionError:
    print("tensorflow_datasets" in sys.modules)
"""


@slow
def test_tfds_is_imported_where_it_is_asked_for(tmp_path):
    """In a process of its own; the last name shows that the test would see it."""
    for folder in ("cutouts/cup", "images", "masks", "raw"):
        (tmp_path / folder).mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 30, 4), "uint8")
    for i, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f"cutouts/cup/{i}.png")
        Image.fromarray(image[..., :3]).save(tmp_path / f"images/{i}.png")
        Image.fromarray(image[..., 0] % 2).save(tmp_path / f"masks/{i}.png")
    for part in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", noise[:, :8, :8, 0]),
            ("labels-idx1", noise[:, 0, 0, 0]),
        ):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (tmp_path / f"raw/{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    assert child(TFDS, tmp_path).stdout.splitlines() == ["False", "True"]
