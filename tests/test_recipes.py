"""The recipes from the command line: start, repeat, evaluate, fine-tune, interrupt, errors."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dnzoo.data import garments
from tests.conftest import ROOT, weights

RECIPE = ["recipes/unet.py", "--smoke", "--epochs", "1", "--image-size", "32", "--scenes", "40"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The recipe's folder after `--smoke` from the command line."""
    folder = tmp_path_factory.mktemp("with a space")
    command = [sys.executable, *RECIPE, "--data-dir", folder / "data", "--out", folder / "out"]
    done = subprocess.run(
        [*map(str, command), "--filters", "4", "8"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("saved_model", "report.html", "predictions.png"):
        assert str(folder / "out" / name) in done.stdout.replace("\n", "")
    return folder


def recipe_again(*arguments, check=True, **kwargs):
    command = [sys.executable, "recipes/unet.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **kwargs)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def test_config_repeats_a_run(recipe):
    again = recipe / "again"
    recipe_again("--config", recipe / "out/config.json", "--out", again)
    assert (again / "config.json").read_text() == (recipe / "out/config.json").read_text()
    a, b = weights(recipe / "out"), weights(again)
    assert all(np.array_equal(a[key], b[key]) for key in a)


def test_evaluate(recipe):
    done = recipe_again(
        *("--config", recipe / "out/config.json", "--evaluate", recipe / "out/saved_model"),
        *("--out", recipe / "evaluation"),
    )
    assert "mean IoU" in done.stdout
    found = json.loads((recipe / "evaluation/evaluation.json").read_text())["metrics"]
    meta = json.loads((recipe / "out/saved_model/assets.extra/dnzoo.json").read_text())
    assert found == meta["metrics"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "error: --data 'nowhere' is neither a folder"),
        (["--config", "nowhere.json"], "error: --config nowhere.json can't be read"),
        (["--loss", "dize", "--smoke"], "error: loss must be cross_entropy"),
        (["--evaluate", "nobody"], "error: no model 'nobody' here"),
        (["--out", "docs", "--data-dir", "nowhere"], "error: docs is not empty"),
        (
            ["--out", "nowhere", "--data-dir", "nowhere"],
            "error: --out and --data-dir both name nowhere",
        ),
    ],
)
def test_errors_are_one_line(recipe, arguments, message):
    done = recipe_again(
        *("--data-dir", recipe / "data", "--image-size", 32, "--scenes", 40, "--out", recipe / "x"),
        *arguments,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (ROOT / "nowhere").exists() and not (ROOT / "docs/.dnzoo").exists()


def test_finetune(recipe):
    """The recipe's model with a new head, on a folder of 20 images; known classes are kept."""
    folder = recipe / "mine"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(20):
        scene = garments.compose(1, "test", i, 32)
        Image.fromarray(scene["image"]).save(folder / f"images/{i}.png")
        Image.fromarray(scene["segmentation_mask"] // 5).save(folder / f"masks/{i}.png")
    (folder / "classes.txt").write_text("background\nsomething\nshoe\n")
    command = ["recipes/finetune.py", "--data", folder, "--model", recipe / "out/saved_model"]
    command += [
        "--image-size",
        "32",
        "--head-epochs",
        "2",
        "--epochs",
        "2",
        "--out",
        recipe / "fine",
    ]
    done = child_script(*command, "--data-dir", recipe / "data")
    assert "epoch 4/4" in done.stdout
    meta = json.loads((recipe / "fine/saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["class_names"] == ["background", "something", "shoe"]
    assert meta["metrics"]["pixels"] == 2 * 32 * 32


def child_script(*arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_ctrl_c_on_the_command_line(recipe):
    out = recipe / "interrupted"
    command = [
        sys.executable,
        *RECIPE,
        "--data-dir",
        recipe / "data",
        "--out",
        out,
        "--epochs",
        "2000",
    ]
    command = [*map(str, command), "--filters", "4", "8"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (out / "log.csv").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert "goes on from there" in stderr, stdout + stderr[-2000:]
    assert process.returncode == 130 and (out / "checkpoints/last.npz").is_file()
