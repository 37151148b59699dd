"""What may change where a run is gone on with: settings, and images."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from dnzoo import storage, training, unet
from dnzoo.tasks import Segmentation
from dnzoo.training import config as config_module
from dnzoo.training import state
from dnzoo.training.notes import Notes
from tests.conftest import slow, weights
from tests.training.runs import Config, build_small, run, straight_run


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


@slow
def test_a_length_in_steps_is_that_of_epochs_validated_less_often(
    small_scenes, tmp_path, monkeypatch
):
    """12 steps in epochs of two passes: the bytes of four epochs, stopped or made longer too."""
    monkeypatch.setattr(config_module, "EPOCH_STEPS", 7)
    shared = {"schedule": "constant", "epochs": None}
    stopped, longer = tmp_path / "stopped", tmp_path / "longer"
    straight_run(small_scenes, tmp_path / "epochs", epochs=4, schedule="constant")
    with pytest.raises(KeyboardInterrupt):
        run(small_scenes, stopped, stop_at=10, steps=12, **shared)
    assert len(state.read_notes(stopped / "checkpoints/last.npz")["history"]) == 1
    straight_run(small_scenes, stopped, steps=12, **shared)
    straight_run(small_scenes, longer, steps=6, **shared)
    straight_run(small_scenes, longer, steps=12, **shared)
    expected = weights(tmp_path / "epochs")
    for out in (stopped, longer):
        found = weights(out)
        assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (stopped / "log.csv").read_bytes() == (longer / "log.csv").read_bytes()
    assert len((stopped / "log.csv").read_text().splitlines()) == 3
    with pytest.raises(
        ValueError, match=r"the length of the run in .* was given otherwise \(epochs: "
    ):
        run(small_scenes, stopped, epochs=8)


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
    begun = min(step for step in fetched if step)  # step 0 is looked at for the report
    assert begun == epochs * (length // 4) + steps * 8 // 4
    assert max(fetched) == 3 * (length // 4) - 1
    notes = state.read_notes(out / "checkpoints/last.npz")
    assert notes["step"] == 3 * (length // 4)
    assert notes["changes"] == [f"batch_size: 8 there, 4 now, from step {step}"]


def test_of_a_length_in_steps_the_share_of_the_epoch_stays():
    """60 of 100 steps in batches of 16 are 60 of 100 in batches of 8, not 120."""
    notes = Notes(step=160, batch_size=16, per_epoch=100)
    notes.change(Config(epochs=None, steps=1000, batch_size=8), 8, 100)
    assert notes.step == 160 and notes.extra == 0


@pytest.mark.parametrize("extra", [0, 3])
def test_steps_are_counted_in_the_new_batches(extra):
    """100 images in batches of 10 and then 20: 1 epoch and 5 batches are 1 epoch and 2 batches."""
    notes = Notes(step=15, stage_row=0, config={}, batch_size=10, per_epoch=10, extra=extra)
    notes.change(Config(batch_size=20), 20, 5)
    assert notes.step == 5 + 2 and notes.extra == 15 + extra - 7  # what the optimiser has counted
    late = Notes(step=9, batch_size=10, per_epoch=10)
    late.change(Config(batch_size=30), 30, 3)
    assert late.step == 2  # an epoch never ends unseen
