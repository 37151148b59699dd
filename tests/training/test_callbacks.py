"""Callbacks of the user's own: one `fit` to them, though it is called in pieces."""

import csv

import keras
import numpy as np
import pytest

from dnzoo.training import loop, state
from dnzoo.training.loop import Loop
from tests.conftest import weights
from tests.training.runs import run, straight_run


class Recorder(keras.callbacks.Callback):
    """What a callback hears, with its numbers."""

    def __init__(self):
        super().__init__()
        self.heard, self.epochs, self.told = [], [], {}

    def on_train_begin(self, logs=None):
        self.heard.append("begin")
        self.told = {**self.params, "lr": float(self.model.optimizer.learning_rate)}

    def on_epoch_begin(self, epoch, logs=None):
        self.heard.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(batch)
        assert isinstance(logs["loss"], float)

    def on_test_begin(self, logs=None):
        self.heard.append("test")

    def on_epoch_end(self, epoch, logs=None):
        self.heard.append("end")
        self.epochs.append((epoch, logs))

    def on_train_end(self, logs=None):
        self.heard.append("over")


WHOLE = ["epoch {}", 0, 1, 2, "test", "end"]


def epochs(*numbers):
    return [word.format(n) if isinstance(word, str) else word for n in numbers for word in WHOLE]


def test_a_passive_callback_hears_one_fit_and_changes_nothing(small_scenes, tmp_path, monkeypatch):
    straight, followed, recorder = tmp_path / "straight", tmp_path / "followed", Recorder()
    straight_run(small_scenes, straight)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)  # `fit` ends after every step
    straight_run(small_scenes, followed, callbacks=[recorder])
    assert recorder.heard == ["begin", *epochs(0, 1, 2), "over"]
    assert recorder.told == {"verbose": 0, "epochs": 3, "steps": 3, "lr": np.float32(1e-3)}
    rows = list(csv.DictReader((followed / "log.csv").open()))
    for (number, logs), row in zip(recorder.epochs, rows, strict=True):
        assert number == int(row["epoch"]) - 1
        assert {"loss", "mean_iou", "val_loss", "val_mean_iou"} <= set(logs)
        assert all(row[name] == str(value) for name, value in logs.items())
    expected, found = weights(straight), weights(followed)
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (straight / "log.csv").read_bytes() == (followed / "log.csv").read_bytes()


def test_where_the_run_goes_on_they_hear_the_rest(small_scenes, tmp_path):
    before, after = Recorder(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, tmp_path / "out", stop_at=4, callbacks=[before])
    step = state.read_notes(tmp_path / "out/checkpoints/last.npz")["step"]
    assert before.heard == ["begin", *epochs(0), "epoch 1", *range(step - 3)]  # no end: as in `fit`
    straight_run(small_scenes, tmp_path / "out", callbacks=[after])
    assert after.heard == [
        "begin",
        "epoch 1",
        *range(step - 3, 3),
        "test",
        "end",
        *epochs(2),
        "over",
    ]


def test_keras_callbacks_end_and_save(small_scenes, tmp_path, monkeypatch):
    """Scores 1 3 2 2 5 4: with patience 2 it ends after the fourth epoch, for good."""
    scores = [1.0, 3.0, 2.0, 2.0, 5.0, 4.0]

    def validate(self):
        return {"val_mean_iou": scores[len(self.notes.history)], "val_loss": 1.0}

    monkeypatch.setattr(Loop, "_validate", validate)
    out, best = tmp_path / "out", tmp_path / "best.keras"
    asked = {"monitor": "val_mean_iou", "mode": "max"}

    def callbacks():
        return [
            keras.callbacks.EarlyStopping(patience=2, **asked),
            keras.callbacks.ModelCheckpoint(best, save_best_only=True, **asked),
        ]

    straight_run(small_scenes, out, epochs=5, callbacks=callbacks())
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [row["val_mean_iou"] for row in rows] == ["1.0", "3.0", "2.0", "2.0"]
    with np.load(out / "checkpoints/best.npz") as file:
        kept = [file[f"model_{i}"] for i in range(sum(n.startswith("model_") for n in file.files))]
    saved = keras.models.load_model(best)
    seeds = len(saved.variables) - len(saved.weights)  # Dropout's state, which Keras does not save
    assert seeds == 1 and len(kept) == len(saved.variables)
    for variable, value in zip(saved.variables, kept):
        assert "int" in variable.dtype or np.array_equal(variable, value)
    before = weights(out)
    straight_run(small_scenes, out, epochs=5)  # it does not begin again
    assert all(np.array_equal(before[key], weights(out)[key]) for key in before)
    straight_run(small_scenes, out, epochs=6)  # unless it is told to
    assert len(list(csv.DictReader((out / "log.csv").open()))) == 6


def test_a_wish_in_the_middle_of_an_epoch_counts_at_its_end(small_scenes, tmp_path):
    class Enough(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training |= batch == 1

    recorder = Recorder()
    straight_run(small_scenes, tmp_path / "out", callbacks=[Enough(), recorder])
    assert recorder.heard == ["begin", *epochs(0), "over"]
