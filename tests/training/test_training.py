"""The recipe from end to end, interruption, and what `--out` allows."""

import csv
import dataclasses
import json
import re
import shutil
import signal

import keras
import numpy as np
import pytest

from dnzoo import storage, training, unet
from dnzoo.layers import Output
from dnzoo.models import train_all, train_only_head
from dnzoo.tasks import Segmentation
from dnzoo.training import Stage, state
from dnzoo.training.loop import Notes
from dnzoo.training.run import train
from tests.conftest import child, slow, weights


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "small"
    out: str = "unused"
    epochs: int = 3
    batch_size: int = 8
    seed: int = 1
    precision: str = "float32"


def build():
    return unet(
        (None, None, 3), classes=11, filters=(4, 8), dropout=0.2, include_preprocessing=True
    )


def build_small():
    """All that has a state, in few layers: normalisation, dropout, a head."""
    x = image = keras.Input((None, None, 3))
    for layer in (
        keras.layers.Conv2D(4, 3, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Conv2D(11, 1, dtype="float32", name="head"),
        Output("classes", logits=True),
    ):
        x = layer(x)
    return keras.Model(image, x, name="small")


def run(data, out, stop_at=None, stop_in="train", build=build_small, kind=Config, **kwargs):
    """Train; `stop_at` sends SIGTERM when that step's batch is fetched."""
    config = kind(out=str(out), **kwargs)
    task = Segmentation(data, config, "cross_entropy+dice")
    batches = getattr(task, stop_in)
    fetch = batches.batch

    def batch(step):
        if step == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return fetch(step)

    batches.batch = batch
    return training.run(config, task, build)


def straight_run(data, out, kind=Config, **kwargs):
    """The training alone, never stopped: nothing is saved but checkpoints and the log."""
    config = kind(out=str(out), **kwargs)
    with storage.owned(out, alone=True) as folder:
        train(config, Segmentation(data, config, "cross_entropy+dice"), build_small, folder)


@pytest.fixture(scope="module")
def finished(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run(small_scenes, out, build=build)


def test_what_a_run_leaves(finished, capsys):
    out, metrics = finished
    assert {p.name for p in out.iterdir()} == {
        ".dnzoo", "config.json", "log.csv", "tensorboard", "checkpoints", "saved_model", "predictions.png", "report.html",
    }  # fmt: skip
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert any((out / "tensorboard").glob("events.out.tfevents.*"))
    meta = json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["metrics"] == json.loads(json.dumps(metrics))
    assert {"data", "command", "seed", "device", "date", "versions"} <= set(meta["provenance"])
    assert meta["name"] == "unet_fashion_scenes"


def test_report_is_one_file_that_needs_no_network(finished):
    page = (finished[0] / "report.html").read_text("utf-8")
    assert not re.search(r"(src|href)=['\"]?(http|//)", page)
    assert page.count("<img") == 2 and "ankle boot" in page and "class IoU" in page


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


def test_another_config_is_refused(finished, small_scenes):
    with pytest.raises(ValueError, match=r"seed: 1 there, 2 now.*On the way may change: epochs, "):
        run(small_scenes, finished[0], epochs=5, seed=2)
    with pytest.raises(ValueError, match="holds a run"):
        run(small_scenes, finished[0], resume="never")


def test_a_finished_run_goes_on_with_more_epochs(small_scenes, tmp_path, capsys):
    """Of a constant learning rate: with the weights of one that had so many from the start."""
    settings = {"schedule": "constant"}
    straight, longer = tmp_path / "straight", tmp_path / "longer"
    straight_run(small_scenes, straight, epochs=3, **settings)
    run(small_scenes, longer, epochs=2, **settings)
    assert run(small_scenes, longer, epochs=3, **settings) is not None
    said = capsys.readouterr().out
    assert "Going on with changes: epochs: 2 there, 3 now." in said
    expected, found = weights(straight), weights(longer)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (straight / "log.csv").read_bytes() == (longer / "log.csv").read_bytes()
    assert json.loads((longer / "config.json").read_text())["epochs"] == 3
    meta = json.loads((longer / "saved_model/assets.extra/dnzoo.json").read_text())
    assert meta["provenance"]["changed on the way"] == "epochs: 2 there, 3 now, from step 6"
    assert run(small_scenes, longer, epochs=3, **settings) is None
    (longer / "checkpoints/last.npz").unlink()
    with pytest.raises(ValueError, match=r"holds results of this run, but there is no .*last.npz"):
        run(small_scenes, longer, epochs=4, **settings)


def with_more(data, rows):
    """The data with so many training images more."""
    train = tuple(np.concatenate([part, part[:rows]]) for part in data.splits["train"])
    return dataclasses.replace(data, detail="more", splits={**data.splits, "train": train})


@pytest.mark.parametrize("rows", [pytest.param(8, marks=slow), 5])
def test_images_that_were_added_on_the_way(small_scenes, tmp_path, capsys, rows):
    out, more = tmp_path / "out", with_more(small_scenes, rows)
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, stop_at=4)
    kept = weights(out)
    told = r"the data has changed since .*resume=new-data to go on from the last checkpoint"
    with pytest.raises(ValueError, match=told) as refused:
        run(more, out)
    assert "remove it" not in str(refused.value)
    found = weights(out)
    assert all(np.array_equal(found[key], kept[key]) for key in kept)
    assert run(more, out, resume="new-data") is not None
    meta = json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text())
    assert "data_identity" in meta["provenance"]["changed on the way"]
    assert state.read_notes(out / "checkpoints/last.npz")["since"] == 1  # an epoch was of the old
    assert run(more, out) is None and "finished" in capsys.readouterr().out
    with pytest.raises(ValueError, match=told):
        run(small_scenes, out)


def test_a_run_of_a_version_that_did_not_look_at_the_data_goes_on(finished, small_scenes, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    stored = json.loads((out / "config.json").read_text())
    assert stored.pop("data_identity") == small_scenes.identity
    with storage.owned(out) as folder:
        folder.write_json("config.json", stored)
    assert run(with_more(small_scenes, 8), out) is None


def test_a_checkpoint_of_another_model_is_not_called_damaged(finished):
    other = unet((None, None, 3), classes=7, filters=(4, 8), include_preprocessing=True)
    with pytest.raises(
        ValueError, match=r"last.npz can't be used: its model is another one.*whole"
    ):
        state.restore(finished[0] / "checkpoints/last.npz", other)


def test_another_learning_rate_counts_from_the_next_step(small_scenes, tmp_path):
    """A rate of 0 leaves the weights as they are."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, stop_at=4, schedule="constant")
    before, step = weights(out), state.read_notes(out / "checkpoints/last.npz")["step"]
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, 7, learning_rate=0.0, schedule="constant")
    assert state.read_notes(out / "checkpoints/last.npz")["changes"] == [
        f"learning_rate: 0.001 there, 0.0 now, from step {step}"
    ]
    kernels = [key for key in before if key.startswith("model") and before[key].ndim == 4]
    assert kernels and all(np.array_equal(before[key], weights(out)[key]) for key in kernels)


def test_another_batch_size_goes_on_at_the_same_image(small_scenes, tmp_path):
    out, length = tmp_path / "out", len(small_scenes.splits["train"][0])
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, out, stop_at=4)
    step, fetched = state.read_notes(out / "checkpoints/last.npz")["step"], []
    epochs, steps = divmod(step, length // 8)
    config = Config(out=str(out), batch_size=4)
    task = Segmentation(small_scenes, config, "cross_entropy+dice")
    fetch = task.train.batch
    task.train.batch = lambda step: (fetched.append(int(step)), fetch(step))[1]
    assert training.run(config, task, build_small) is not None
    assert min(fetched) == epochs * (length // 4) + steps * 8 // 4
    assert max(fetched) == 3 * (length // 4) - 1
    notes = state.read_notes(out / "checkpoints/last.npz")
    assert notes["step"] == 3 * (length // 4)
    assert notes["changes"] == [f"batch_size: 8 there, 4 now, from step {step}"]


@pytest.mark.parametrize("extra", [0, 3])
def test_steps_are_counted_in_the_new_batches(extra):
    """100 images in batches of 10 and then 20: 1 epoch and 5 batches are 1 epoch and 2 batches."""
    notes = Notes(step=15, stage_row=0, config={}, batch_size=10, per_epoch=10, extra=extra)
    notes.change(Config(batch_size=20), 20, 5)
    assert notes.step == 5 + 2 and notes.extra == 15 + extra - 7  # what the optimiser has counted
    late = Notes(step=9, batch_size=10, per_epoch=10)
    late.change(Config(batch_size=30), 30, 3)
    assert late.step == 2  # an epoch never ends unseen


def test_must_resume(small_scenes, tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        run(small_scenes, tmp_path / "out", resume="must")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "precision",
    [*(pytest.param(p, marks=slow) for p in ("float32", "mixed_bfloat16")), "mixed_float16"],
)
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


def test_class_weights_must_fit(small_scenes):
    with pytest.raises(ValueError, match="2 numbers for 11 classes"):
        Segmentation(small_scenes, Config(), class_weights=(1.0, 2.0))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 10])
def test_learning_rate(schedule, warmup):
    config = Config(schedule=schedule, warmup=warmup, learning_rate=0.5)
    rate = config.optimizer(config.stages()[0], 100)._learning_rate  # or a function of the step

    def at(step):
        return float(rate(step) if callable(rate) else rate)

    assert np.isclose(at(warmup), 0.5)
    assert np.isclose(at(100), 0.0 if schedule == "cosine" else 0.5, atol=1e-6)
    if warmup:
        assert np.isclose(at(warmup // 2), 0.25)


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


@pytest.mark.parametrize(
    ("field", "value", "span"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", float("nan"), "from 0 to 100"),
        ("beta_1", 1.0, "from 0 to 0.999999"),
        ("patience", -1, "at least 0"),
        ("seed", -1, "from 0 to"),
    ],
)
def test_numbers_have_bounds(field, value, span):
    with pytest.raises(ValueError, match=rf"^{field} must be {span}.*; got {field}={value}\.$"):
        Config(**{field: value})
