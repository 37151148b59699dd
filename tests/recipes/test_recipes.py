"""The recipes from the command line: start, repeat, evaluate, fine-tune, interrupt, errors."""

import dataclasses
import importlib
import itertools
import json
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from dnzoo import losses, training
from dnzoo.commands.train import asked_for
from dnzoo.data import garments
from dnzoo.layers.upsampling import Upsampling
from dnzoo.losses.names import NAMES
from dnzoo.training.command import as_flags
from tests.conftest import ROOT, slow, weights

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


@pytest.fixture
def script(monkeypatch, capsys):
    """Function that runs a recipe as its command line does, and gives what it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [*map(str, arguments)])
        monkeypatch.chdir(ROOT)
        runpy.run_path(arguments[0], run_name="__main__")
        return capsys.readouterr().out

    return run


def test_config_repeats_a_run(recipe, script):
    again = recipe / "again"
    script("recipes/unet.py", "--config", recipe / "out/config.json", "--out", again)
    assert (again / "config.json").read_text() == (recipe / "out/config.json").read_text()
    a, b = weights(recipe / "out"), weights(again)
    assert all(np.array_equal(a[key], b[key]) for key in a)


def test_evaluate(recipe, script):
    said = script(
        *("recipes/unet.py", "--config", recipe / "out/config.json"),
        *("--evaluate", recipe / "out/saved_model", "--out", recipe / "evaluation"),
    )
    assert "mean IoU" in said
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
def test_errors_are_one_line(recipe, arguments, message, monkeypatch, capsys):
    from recipes import unet

    shared = ("--data-dir", recipe / "data", "--image-size", 32, "--scenes", 40)
    command = ["recipes/unet.py", *shared, "--out", recipe / "x", *arguments]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as stop:
        training.command(unet.build, unet.Config, unet.__doc__)
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert not (ROOT / "nowhere").exists() and not (ROOT / "docs/.dnzoo").exists()


def test_finetune(recipe, script):
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
    command += ["--image-size", "32", "--head-epochs", "2", "--epochs", "2"]
    said = script(*command, "--out", recipe / "fine", "--data-dir", recipe / "data")
    assert "epoch 4/4" in said
    meta = json.loads((recipe / "fine/saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["class_names"] == ["background", "something", "shoe"]
    assert meta["metrics"]["pixels"] == 2 * 32 * 32


@slow
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


PAGES = ("README.md", "Makefile", "docs/*.md", "docs/*.ipynb", "recipes/*.py", "saved_models/*/assets.extra/README.md")  # fmt: skip
COMMAND = re.compile(
    r"(?:(?:python|\(PYTHON\)) recipes/(\w+)\.py|dnzoo (train \w+|finetune))((?:\\\\?\n|[^\n`|#\"])*)"
)


def published():
    """{(recipe, what follows it on the command line)} of every command on a page."""
    texts = [path.read_text("utf-8") for page in PAGES for path in sorted(ROOT.glob(page))]
    lines = set()
    for match in (match for text in texts for match in COMMAND.finditer(text)):
        name, words = match[1], re.sub(r"\\+n?", " ", match[3]).split()
        if name is None:
            name, words = asked_for([*match[2].split(), *words])
        if words[-1:] != ["--help"]:
            lines.add((name, " ".join(words)))
    return sorted(lines)


@pytest.mark.parametrize(("name", "line"), published())
def test_published_commands_parse(name, line):
    recipe = importlib.import_module(f"recipes.{name}")
    flags = shlex.split(line)
    if "--config" in flags:  # a file of an earlier run
        place = flags.index("--config")
        del flags[place : place + 2]
    config = training.parse(getattr(recipe, "config_of", None) or recipe.Config, args=flags)
    for flag, value in itertools.pairwise(flags):
        if flag.startswith("--") and not value.startswith("--"):
            found = getattr(config, flag[2:].replace("-", "_"))
            assert value in map(str, found if isinstance(found, tuple) else (found,))


def test_commands_are_found():
    names = {name for name, _ in published()}
    assert {"unet", "fcn", "vae", "dcgan", "mask_head", "super_resolution", "finetune"} <= names
    assert any(
        "--loss cross_entropy+dice" in line and "--warmup" in line for _, line in published()
    )


RECIPES = ("classifier", "dcgan", "fcn", "mask_head", "super_resolution", "unet", "vae")


@pytest.mark.parametrize("name", RECIPES)
def test_help_lists_every_choice(name, capsys):
    config = importlib.import_module(f"recipes.{name}").Config
    with pytest.raises(SystemExit):
        training.parse(config, "what it does", ["--help"])
    said = capsys.readouterr().out
    fields = {field.name: field.type for field in dataclasses.fields(config)}
    assert all(f"--{field.replace('_', '-')}" in said for field in fields)
    assert fields.get("upsampling", Upsampling) == Upsampling
    if "upsampling" in fields:
        assert all(choice in said for choice in get_args(Upsampling))
    if config.task.kind == "classes":
        assert all(loss in said for loss in NAMES) and losses.get("+".join(NAMES))


def test_an_option_that_a_recipe_ignores_is_refused(tmp_path):
    from recipes import unet, vae

    with pytest.raises(SystemExit):
        training.parse(vae.Config, args=["--class-weights", "1", "2"])
    assert training.parse(unet.Config, args=["--class-weights", "1", "2"]).class_weights == (1, 2)
    stored = {**training.parse(vae.Config, args=[]).stored(), "class_weights": []}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(stored))  # as older versions wrote it
    assert training.parse(vae.Config, args=["--config", str(path)]).filters == (32, 64)
    path.write_text(json.dumps({**stored, "class_weights": [1, 2]}))
    with pytest.raises(ValueError, match="holds class_weights, which this recipe has not"):
        training.parse(vae.Config, args=["--config", str(path)])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("class_weights=(1.0,): 1 number", "--class-weights 1.0: 1 number"),
        ("use another `out`.", "use another --out."),
        ("pass data=<folder> of them", "pass --data <folder> of them"),
        ("say size=<pixels>.", "say --image-size <pixels>."),
        ("the data are in /out/data=3, ?data=4 or a_data=5", None),
        ("data is what `other` says, data == 3", None),
    ],
)
def test_errors_name_flags(message, said):
    assert as_flags(message, ["class_weights", "data", "out", "image_size"]) == (said or message)
    assert as_flags(message, []) == message
