"""Weights & Biases and MLflow: what they are told, by packages that only note it."""

import json
import sys

import pytest

from dnzoo import training
from tests.training.runs import run

COMMON = """
import contextlib, json, pathlib
import keras

def note(what, *values):
    with open(pathlib.Path(__file__).parents[1] / "said.jsonl", "a") as file:
        file.write(json.dumps([what, *values]) + "\\n")

class Logger(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        note("epoch", epoch, sorted(logs))
"""
WANDB = """
class Run:
    id = "abc"
    class summary:
        update = staticmethod(lambda numbers: note("test", sorted(numbers)))

@contextlib.contextmanager
def init(project, name, id, resume, config):
    note("init", project, name, id, resume, config["epochs"])
    yield Run
    note("finish")
"""
MLFLOW = """
import types

def set_experiment(name): note("experiment", name)
def log_params(values): note("params", values["epochs"])
def log_metrics(numbers): note("test", sorted(numbers))

@contextlib.contextmanager
def start_run(run_id, run_name):
    note("init", run_id, run_name)
    yield types.SimpleNamespace(info=types.SimpleNamespace(run_id="abc"))
    note("finish")
"""


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Function that gives what packages of these names were told since it was called last."""
    folder = tmp_path / "packages"
    for name, text, logger in (
        ("wandb", WANDB, "integration/keras"),
        ("mlflow", MLFLOW, "keras"),
    ):
        inside = folder / name / logger
        inside.mkdir(parents=True)
        (folder / name / "integration").mkdir(exist_ok=True)
        (folder / name / "integration/__init__.py").touch()
        (folder / name / "__init__.py").write_text(COMMON + text)
        names = "Logger as WandbMetricsLogger, Logger as MlflowCallback"
        (inside / "__init__.py").write_text(f"from {name} import {names}\n")
        for module in [m for m in sys.modules if m.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(folder)

    def said():
        file = folder / "said.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.unlink()
        return lines

    yield said
    for module in [m for m in sys.modules if m.split(".")[0] in ("wandb", "mlflow")]:
        del sys.modules[module]


LOGS = sorted(
    f"{split}{name}" for split in ("", "val_") for name in ("loss", "mean_iou", "pixel_accuracy")
)
TESTED = sorted(
    f"test_{name}" for name in ("mean_iou", "mean_dice", "pixel_accuracy", "pixels", "boundary_iou")
)


def test_both_follow_a_run_that_is_stopped_and_goes_on(small_scenes, tmp_path, packages):
    out, asked = tmp_path / "mine", {"wandb": "zoo", "mlflow": "trials", "epochs": 2}
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, stop_at=4, **asked)
    first = packages()
    assert first[:4] == [
        ["init", "zoo", "mine", None, None, 2],
        ["experiment", "trials"],
        ["init", None, "mine"],
        ["params", 2],
    ]
    assert first[4:] == [["epoch", 0, LOGS]] * 2
    run(small_scenes, out, **asked)
    begin = [["init", "zoo", "mine", "abc", "allow", 2], ["experiment", "trials"]]
    epochs = [["epoch", 1, LOGS]] * 2
    end = [["test", TESTED], ["test", TESTED], ["finish"], ["finish"]]
    assert packages() == [*begin, ["init", "abc", None], *epochs, *end]
    stored = json.loads((out / "config.json").read_text())
    assert not {"wandb", "mlflow"} & set(stored)
    with pytest.raises(KeyboardInterrupt):  # another config is another run there
        run(small_scenes, out, stop_at=7, **{**asked, "epochs": 3})
    assert packages()[0] == ["init", "zoo", "mine", None, None, 3]


def test_a_search_is_not_followed(packages, tmp_path, capsys):
    from recipes import unet

    words = ["--tune", "2", "--wandb", "zoo", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        training.command(unet.build, unet.Config, "", unet.search_space, words)
    assert "error: --wandb and --mlflow follow a training, not a search" in capsys.readouterr().err
