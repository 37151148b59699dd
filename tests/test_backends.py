"""JAX and PyTorch, without TensorFlow: losses, metrics, training on numpy data, saved models."""

import pytest

from tests import backends
from tests.conftest import ROOT, child, has

TRAIN = """
import sys
sys.modules["tensorflow"] = None
import keras, numpy as np
import dnzoo
from dnzoo import losses, metrics, training
from dnzoo.data import Batches, Evaluation, garments, segmentation
from dnzoo.tasks import Segmentation

def arrays(split, count):
    found = [garments.compose(0, split, i, 32) for i in range(count)]
    return tuple(np.stack([s[key] for s in found]) for key in ("image", "segmentation_mask"))

data = segmentation.SegmentationData(
    "scenes", "32px",
    {"train": arrays("train", 24), "validation": arrays("validation", 6), "test": arrays("test", 6)},
    garments.CLASS_NAMES,
)
out, stop = sys.argv[1], int(sys.argv[2])
config = training.Config(
    data="scenes", out=out, epochs=2, batch_size=8, seed=3, precision="float32"
)

def build():
    return dnzoo.unet((None, None, 3), classes=11, filters=(4, 8), dropout=0.2, include_preprocessing=True)

class Interrupted(Segmentation):
    steps = 0
    def __init__(self, *args):
        super().__init__(*args)
        batch = self.train.batch
        def counted(step):
            import os, signal
            if step == stop:
                os.kill(os.getpid(), signal.SIGTERM)
            return batch(step)
        self.train.batch = counted

task = Interrupted(data, config)
history = training.run(config, task, build)
print("METRICS", history)
"""


def needs(backend):
    if not has(backend):
        pytest.skip("make test-all compares with JAX and PyTorch")


@pytest.mark.parametrize("backend", backends.OTHERS)
def test_losses_and_metrics(backend):
    needs(backend)
    env = {"KERAS_BACKEND": backend, "DNZOO_WITHOUT_TENSORFLOW": "1", "DNZOO_TEST_ALL": "1"}
    names = ("losses/test_losses", "metrics/test_metrics", "metrics/test_labels")
    files = [f"tests/{name}.py" for name in names]
    done = child("pytest", *files, "-rs", "-p", "no:cacheprovider", env=env, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("PyTorch computes eagerly" in line for line in skipped), skipped


SAVED = """
import sys
import numpy as np, keras
import dnzoo
model = dnzoo.load(sys.argv[1])
x = np.load(sys.argv[2])["x"]
np.savez(sys.argv[3], y=keras.ops.convert_to_numpy(model(x)), *[keras.ops.convert_to_numpy(w) for w in model.weights])
"""

SAVE = """
import sys
import numpy as np, keras
import dnzoo
keras.utils.set_random_seed(0)
model = dnzoo.unet((None, None, 3), classes=3, filters=(4, 8), include_preprocessing=True)
x = np.random.default_rng(0).uniform(0, 255, (1, 17, 20, 3)).astype("float32")
np.savez(sys.argv[2], x=x, y=keras.ops.convert_to_numpy(model(x)), *[keras.ops.convert_to_numpy(w) for w in model.weights])
dnzoo.save(model, sys.argv[1])
"""


@pytest.mark.parametrize("backend", backends.OTHERS)
def test_saved_there_and_loaded_everywhere(backend, tmp_path):
    """Saved on JAX or PyTorch, a model has the same weights on all three backends."""
    import numpy as np

    needs(backend)
    saved, first = tmp_path / "saved", tmp_path / "first.npz"
    child(SAVE, saved, first, env={"KERAS_BACKEND": backend})
    expected = np.load(first)
    for other in ("tensorflow", *backends.OTHERS):
        out = tmp_path / f"{other}.npz"
        blocked = "" if other == "tensorflow" else "import sys; sys.modules['tensorflow'] = None\n"
        child(blocked + SAVED, saved, first, out, env={"KERAS_BACKEND": other})
        found = np.load(out)
        weights = [key for key in found.files if key.startswith("arr_")]
        assert weights and all(np.array_equal(found[key], expected[key]) for key in weights)
        assert np.allclose(found["y"], expected["y"], atol=1e-4)
        if other == backend:
            assert np.array_equal(found["y"], expected["y"])
    import tensorflow as tf

    module = tf.saved_model.load(str(saved))
    assert np.abs(module.serve(expected["x"])["logits"] - expected["y"]).max() < 1e-4


@pytest.mark.parametrize("backend", backends.OTHERS)
def test_training_without_tensorflow(backend, tmp_path):
    """Numpy data, a SIGTERM in the middle, and the same end as without it; only saving needs more."""
    needs(backend)
    env = {"KERAS_BACKEND": backend}
    stopped = child(TRAIN, tmp_path / "a", 4, env=env, check=False)
    assert "KeyboardInterrupt: Stopped after step" in stopped.stderr, stopped.stderr[-3000:]
    again = child(TRAIN, tmp_path / "a", -1, env=env)
    straight = child(TRAIN, tmp_path / "b", -1, env=env)
    assert "Going on after step" in again.stdout
    end = "METRICS {'mean_iou'"
    assert end in straight.stdout
    assert again.stdout[again.stdout.index(end) :] == straight.stdout[straight.stdout.index(end) :]


def test_saving_without_tensorflow_says_what_to_do(tmp_path):
    needs("jax")
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\")"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})" + SAVE
    env = {"KERAS_BACKEND": "jax", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = child(code, tmp_path / "saved", tmp_path / "first.npz", env=env, check=False)
    assert "ImportError: TensorFlow writes SavedModels, and is missing" in done.stderr
    assert not (tmp_path / "saved").exists()


def test_missing_extra_is_named():
    code = "import sys; sys.modules['jax'] = None; import dnzoo; dnzoo.unet"
    done = child(code, env={"KERAS_BACKEND": "jax"}, check=False)
    assert done.stderr.strip().endswith('jax is missing: pip install "dnzoo[jax]".')
