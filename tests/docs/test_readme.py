"""What the README says works as it stands there."""

import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dnzoo import models
from dnzoo.data import garments
from tests.conftest import ROOT, slow


@pytest.fixture
def eager():
    """Lines run as they stand, but no graph is compiled for their few steps of training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eager")
def test_the_lines_of_use(tmp_path, monkeypatch):
    """Run as written, but for a smaller net and one epoch."""
    some = [garments.compose(0, "train", i, 32) for i in range(4)]
    names = {
        "images": np.stack([scene["image"] for scene in some]),
        "masks": np.stack([scene["segmentation_mask"] for scene in some]),
        "image": some[0]["image"],
        "names": garments.CLASS_NAMES,
    }
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    code = "".join(blocks)
    small = code.replace("classes=11, include", "classes=11, filters=(8, 16), include")
    assert small != code
    monkeypatch.chdir(tmp_path)
    exec(small.replace("epochs=10", "epochs=1"), names)
    assert names["logits"].shape == (32, 32, 11)
    assert names["field"].size[0] > 100 and names["sizes"] == list(range(1, 65))
    assert names["strength"] > 0 and names["power"].shape == (64, 64)
    assert (tmp_path / "mine/saved_model.pb").is_file()


@slow
@pytest.mark.usefixtures("eager")
def test_the_lines_of_docs_models(tmp_path, monkeypatch):
    """Run as written, on noise."""
    rng = np.random.default_rng(0)
    names = {
        "digits": 255.0 * rng.integers(0, 2, (8, 28, 28, 1)),
        "garments": rng.uniform(0, 255, (8, 32, 32, 1)).astype("float32"),
        "image": rng.integers(0, 256, (33, 47, 3), "uint8"),
    }
    page = (ROOT / "docs/models.md").read_text("utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(names["image"]).save("photo.jpg")
    exec(code, names)
    assert names["several"][1].shape == (33, 47, 11)
    assert np.load("mask.npy").shape == (33, 47)
    assert names["pictures"].shape == (16, 32, 32, 1) and names["nats"].shape == (4,)
    assert "fc6" in names["names"] and names["other"].output_shape[-1] == 4


def test_the_table_of_models_counts_right():
    """Every integer in docs/models.md of a model that is quick to build."""
    page = (ROOT / "docs/models.md").read_text("utf-8")
    counts = {
        models.mask_head(): "2,643,280",
        models.vae(filters=(), hidden=500): "815,824",
        models.srcnn(): "8,129",
        models.fsrcnn(): "12,809",
        models.espcn(): "22,729",
        models.edsr(scale=2): "1,369,859",
        models.edsr(scale=4): "1,517,571",
    }
    for model, count in counts.items():
        assert f"{model.count_params():,}" == count and count in page
    for name in models.BUILDERS:
        assert f"`{name}`" in page
