"""Several devices: the same result as one, and what is refused."""

import json

import numpy as np
import pytest

from dnzoo.data import Evaluation
from dnzoo.training import devices
from tests.conftest import child, slow

TRAIN = """
import json, os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras, numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import dataclasses
from pathlib import Path
from dnzoo import training, unet
from dnzoo.data import garments, segmentation
from dnzoo.tasks import Segmentation

@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "garments"
    out: str = "unused"
    epochs: int = 2
    batch_size: int = 4
    precision: str = "float32"
    learning_rate: float = 1e-3

def split(name, count):
    found = [garments.compose(0, name, i, 32) for i in range(count)]
    return tuple(np.stack([f[key] for f in found]) for key in ("image", "segmentation_mask"))

splits = {"train": split("train", 12), "validation": split("validation", 5), "test": split("test", 5)}
data = segmentation.SegmentationData("garments", "32px", splits, garments.CLASS_NAMES)

def build():
    return unet((None, None, 3), 11, filters=(4, 8), include_preprocessing=True)

def weights(folder, distribute, stop_at=None):
    config = Config(out=str(folder), distribute=distribute)
    task = Segmentation(data, config)
    fetch, fetched = task.train.batch, []
    def batch(step):
        if step == stop_at and stop_at not in fetched:
            import signal
            signal.raise_signal(signal.SIGTERM)
        fetched.append(int(step))
        return fetch(step)
    task.train.batch = batch
    try:
        training.run(config, task, build)
    except KeyboardInterrupt:
        return weights(folder, distribute)
    with np.load(folder / "checkpoints/last.npz") as file:
        return {key: file[key] for key in file.files if key.startswith("model")}

folder = Path(sys.argv[1])
one, two = weights(folder / "one", "none"), weights(folder / "two", "mirrored")
again = weights(folder / "again", "mirrored", stop_at=4)
scale = max(abs(v).max() for v in one.values())
print(json.dumps({
    "difference": float(max(abs(one[key] - two[key]).max() for key in one) / scale),
    "moved": float(max(abs(v).max() for v in one.values())),
    "resumed": float(max(abs(two[key] - again[key]).max() for key in two)),
}))
"""


@slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_give_what_one_gives(tmp_path, backend):
    """BatchNorm in it: its statistics are those of the global batch. Resuming too."""
    done = child(TRAIN, tmp_path, env={"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""})
    assert "On 2 devices, 2 images a step on each." in done.stdout
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["difference"] < 1e-3
    assert found["resumed"] == 0.0


@pytest.mark.parametrize(
    ("name", "batch_size", "environment", "message"),
    [
        ("tpu", 8, "", 'distribute="tpu": no TPU answers'),
        ("auto", 8, json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), "keras#20585"),
    ],
)
def test_what_can_not_be_had(monkeypatch, name, batch_size, environment, message):
    monkeypatch.setenv("TF_CONFIG", environment)
    with pytest.raises(ValueError, match=message), devices.distributed(name, batch_size):
        pass


def test_batches_must_divide(monkeypatch):
    monkeypatch.setattr(devices, "_strategy", lambda name: (2, None))
    with (
        pytest.raises(ValueError, match="batch_size=7 is shared by 2 devices"),
        devices.distributed("mirrored", 7),
    ):
        pass


def test_the_last_batch_is_shared_evenly(small_scenes):
    """It is filled up with images that no metric counts."""
    last = list(
        Evaluation(*small_scenes.splits["test"], batch_size=4, limit=5, fill=(0, 255)).dataset(
            devices=2
        )
    )[-1]
    images, masks = map(np.asarray, last)
    assert images.shape[0] == masks.shape[0] == 2
    assert (masks[0] != 255).all() and (masks[1] == 255).all()


@pytest.mark.parametrize(
    ("flags", "policy"),
    [
        ("fpu avx2 avx512f", "float32"),
        ("fpu avx512_bf16", "mixed_bfloat16"),
        ("fpu amx_bf16 amx_tile", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_the_cpu_multiplies_it(flags, policy, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if flags:
        file.write_text(f"processor : 0\nflags : {flags}\n")
    found = devices._cpu_has_bfloat16(file)
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: found)
    monkeypatch.setattr(devices, "accelerated", lambda: False)
    assert devices.precision("auto") == policy
    assert devices.precision("float32") == "float32"
