"""A run from end to end, interruption, and what `--out` allows."""

import csv
import dataclasses
import json
import re

import keras
import numpy as np
import pytest

from dnzoo import training
from dnzoo.models import train_all, train_only_head
from dnzoo.tasks import Segmentation
from dnzoo.training import Stage, state
from tests.conftest import child, slow, weights
from tests.training.runs import Config, build, build_small, run, straight_run


def test_what_a_run_leaves(finished, capsys):
    out, metrics = finished
    assert {p.name for p in out.iterdir()} == {
        ".dnzoo", "config.json", "log.csv", "tensorboard", "checkpoints", "saved_model", "predictions.png", "report.html", "samples",
    }  # fmt: skip
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert any((out / "tensorboard/train").glob("events.out.tfevents.*"))
    meta = json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["metrics"] == json.loads(json.dumps(metrics))
    assert {"data", "command", "seed", "device", "date", "versions"} <= set(meta["provenance"])
    assert meta["name"] == "unet_fashion_scenes"


def test_test_metrics_are_those_of_the_saved_model(finished, small_scenes):
    from dnzoo import load

    out, metrics = finished
    task = Segmentation(small_scenes, Config())
    assert task.evaluate(load(out / "saved_model")) == metrics


def test_finished_is_left_alone(finished, small_scenes, capsys):
    out, _ = finished
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    assert run(small_scenes, out) is None
    assert "finished" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()} == before


def test_must_resume(small_scenes, tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        run(small_scenes, tmp_path / "out", resume="must")
    assert not (tmp_path / "out").exists()


@slow  # test_stages and test_interruption hold the same of other tasks in every make test
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_stopped_and_resumed_ends_with_the_same_bytes(small_scenes, tmp_path, precision):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    straight_run(small_scenes, straight, precision=precision)
    for stop_in, step in (("train", 4), ("validation", 0), ("train", 7)):
        with pytest.raises(KeyboardInterrupt, match="goes on from there"):
            run(small_scenes, stopped, step, stop_in, precision=precision)
    assert run(small_scenes, stopped, precision=precision) is not None
    expected, found = weights(straight), weights(stopped)
    assert set(expected) == set(found)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    # an epoch in two parts has the loss and metrics of the whole
    assert (straight / "log.csv").read_bytes() == (stopped / "log.csv").read_bytes()


@dataclasses.dataclass(kw_only=True)
class Staged(Config):
    """Two epochs of the head, two of everything: steps 0 to 5 and 6 to 11."""

    both: bool = True

    def stages(self):
        head, everything = Stage(2, 1e-2, begin=train_only_head), Stage(2, 1e-3, begin=train_all)
        return [head, everything] if self.both else [head]


@slow  # test_stages does it with parts, too
def test_stages_stopped_and_resumed(small_scenes, tmp_path):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    straight_run(small_scenes, straight, Staged)
    for step in (4, 10):
        with pytest.raises(KeyboardInterrupt):
            run(small_scenes, stopped, step, kind=Staged)
    run(small_scenes, stopped, kind=Staged)
    expected, found = weights(straight), weights(stopped)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (straight / "log.csv").read_bytes() == (stopped / "log.csv").read_bytes()
    rows = list(csv.DictReader((straight / "log.csv").open()))
    assert [row["stage"] for row in rows] == ["1", "1", "2", "2"]


def test_only_the_head_learns_in_its_stage(small_scenes, tmp_path):
    straight_run(small_scenes, tmp_path / "out", Staged, both=False)
    keras.utils.set_random_seed(1)
    before, after = build_small(), weights(tmp_path / "out")
    moved = {
        re.sub(r"_\d+", "", variable.path.split("/")[0])
        for i, variable in enumerate(before.variables)
        if not np.array_equal(variable, after[f"model_{i}"])
    }
    assert moved == {"head", "seed_generator"}  # no moving statistics; dropout goes on


def test_nan_stops_the_run_and_keeps_the_last_good_state(small_scenes, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, stop_at=5)
    before = weights(out)
    config = Config(out=str(out))
    task = Segmentation(small_scenes, config)
    fetch = task.train.batch
    task.train.batch = lambda step: (fetch(step)[0] * np.float32("nan"), fetch(step)[1])
    with pytest.raises(FloatingPointError, match="lower `learning_rate`"):
        training.run(config, task, build_small)
    after = weights(out)
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_patience(small_scenes, tmp_path, monkeypatch):
    """Validation scores 1 3 2 2 5: with patience 2 the fifth epoch is not reached."""
    from dnzoo.training.loop import Loop

    scores = iter([1.0, 3.0, 2.0, 2.0, 5.0])
    monkeypatch.setattr(
        Loop, "_validate", lambda self: {"val_loss": 1.0, "val_mean_iou": next(scores), "val_pixel_accuracy": 0.5}
    )  # fmt: skip
    straight_run(small_scenes, tmp_path / "out", epochs=5, patience=2)
    rows = list(csv.DictReader((tmp_path / "out/log.csv").open()))
    assert [row["val_mean_iou"] for row in rows] == ["1.0", "3.0", "2.0", "2.0"]


def test_a_damaged_checkpoint_is_named(small_scenes, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, tmp_path / "out", stop_at=5)
    last = tmp_path / "out/checkpoints/last.npz"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(FileExistsError, match=r"last.npz was not made .* or was changed since"):
        run(small_scenes, tmp_path / "out")
    with pytest.raises(ValueError, match=r"the checkpoint .*last.npz can't be used"):
        state.read_notes(last)


def test_a_model_that_can_not_be_saved_is_refused_before_training(small_scenes, tmp_path):
    import keras

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    def unsavable():
        model = build()
        return keras.Model(model.input, Mine()(model.output))

    config = Config(out=str(tmp_path / "out"))
    with pytest.raises(ValueError, match="Mine"):
        training.run(config, Segmentation(small_scenes, config), unsavable)
    assert not (tmp_path / "out/checkpoints").exists()


def test_import_is_cheap():
    """It imports nothing but what makes the others come later."""
    code = (
        "import sys; before = set(sys.modules); import dnzoo; names = dir(dnzoo); "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*(new - sys.stdlib_module_names)); print(*names)"
    )
    modules, names = child(code).stdout.splitlines()
    assert set(modules.split()) == {"dnzoo", "lazy_loader"}
    assert {"unet", "load", "save", "predict", "create_model", "list_models", "layers"} <= set(
        names.split()
    )
