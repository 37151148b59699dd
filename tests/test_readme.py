"""What the README says works as it stands there."""

import re

import numpy as np

from dnzoo.data import garments
from tests.conftest import ROOT


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
