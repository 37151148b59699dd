"""The search: what it leaves, and that kills do not change it."""

import csv
import dataclasses
import json
import multiprocessing
import random
import sys

import pytest

from dnzoo import training
from dnzoo.training.tune import tune
from tests.conftest import slow


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_scenes"
    out: str = "unused"
    epochs: int = 2
    batch_size: int = 8
    filters: tuple[int, ...] = (4, 8)


def search_space(hp):
    width = hp.Int("width", 2, 6, step=2)
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        "filters": [width, 2 * width],
    }


def search(folder, tuner, count, data_dir):
    import keras

    from dnzoo.data import segmentation
    from dnzoo.tasks import Segmentation

    def setup(config):
        data = segmentation.fashion_scenes(data_dir, 32, 24, 6, 6)

        def build():
            widths = (*config.filters, 11)
            layers = [keras.layers.Conv2D(width, 3, padding="same") for width in widths]
            return keras.Sequential([keras.Input((None, None, 3)), *layers])

        return Segmentation(data, config), build

    return tune(Config(out=str(folder), tune=count, tuner=tuner), setup, search_space)


def result(folder):
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    for row in rows:
        row.pop("seconds")
    return rows, json.loads((folder / "best.json").read_text())


@slow
@pytest.mark.parametrize(("tuner", "count", "kills"), [("bayesian", 2, 2), ("hyperband", 3, 3)])
def test_killed_and_started_again_comes_to_the_same_trials(tmp_path, tuner, count, kills):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "keras", "keras_tuner", "sklearn", "dnzoo.tasks"])

    def start(folder):
        process = context.Process(target=search, args=(folder, tuner, count, tmp_path / "data"))
        process.start()
        return process

    straight, killed, rng = tmp_path / "straight", tmp_path / "killed", random.Random(1)
    reference = start(straight)
    reference.join()
    met = 0
    for _ in range(kills):
        process = start(killed)
        process.join(rng.uniform(1.5, 5))
        met += process.is_alive()
        process.kill()
        process.join()
    process = start(killed)
    process.join()
    assert reference.exitcode == process.exitcode == 0 and met
    assert result(straight) == result(killed)
    rows, best = result(straight)
    scores = [float(row["score"]) for row in rows]
    winner = rows[scores.index(max(scores))]
    assert best["learning_rate"] == float(winner["learning_rate"])
    assert best["filters"] == json.loads(winner["filters"])
    assert len(rows) == count if tuner == "bayesian" else len(rows) > 2
    assert (killed / "trials.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(killed.rglob("last.npz"))
    # the settings are a config that trains
    config = Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in best.items()})
    assert config.epochs == (count if tuner == "hyperband" else 2) and config.tune == 0


def test_another_search_is_refused(tmp_path):
    def setup(config):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        tune(Config(out=str(tmp_path), tune=2, epochs=9), setup, search_space)
    with pytest.raises(ValueError, match=r"another search \(epochs: 9 there, 2 now\)"):
        search(tmp_path, "bayesian", 2, tmp_path / "data")


def test_a_recipe_without_a_search_space(tmp_path):
    with pytest.raises(ValueError, match="no search space"):
        tune(Config(out=str(tmp_path), tune=2), None, None)


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ImportError, match=r'keras_tuner is missing: pip install "dnzoo\[tune\]"'):
        tune(Config(out=str(tmp_path), tune=2), None, search_space)


def test_errors_of_a_trial_end_the_search(tmp_path):
    def setup(config):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        tune(Config(out=str(tmp_path), tune=2), setup, search_space)


def test_a_diverging_trial_is_no_winner(tmp_path, monkeypatch):
    from types import SimpleNamespace

    module = sys.modules[tune.__module__]

    def train(config, task, build, out):
        if config.filters == (2, 4):
            raise FloatingPointError("the loss became nan")
        return None, SimpleNamespace(best=config.learning_rate, history=[{}], seconds=1.0)

    monkeypatch.setattr(module, "train", train)
    rows = tune(Config(out=str(tmp_path), tune=6), lambda config: (None, None), search_space)
    assert len(rows) == 6 and any(row["score"] is None for row in rows)
    assert json.loads((tmp_path / "best.json").read_text())["filters"] != [2, 4]


def test_the_bayesian_part_goes_on_to_the_same_trials(tmp_path, monkeypatch):
    """Past its random first trials too: what is proposed depends on all scores before."""
    from types import SimpleNamespace

    calls = []

    def train(config, task, build, out):
        calls.append(out)
        if len(calls) in (3, 6):
            raise KeyboardInterrupt
        score = -abs(config.learning_rate - 0.01) - config.filters[0] / 100
        return None, SimpleNamespace(best=score, history=[{}], seconds=1.0)

    monkeypatch.setattr(sys.modules[tune.__module__], "train", train)

    def search_6(folder):
        config = Config(out=str(tmp_path / folder), tune=6)
        return tune(config, lambda config: (None, None), search_space)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search_6("killed")
    killed = search_6("killed")
    assert len(calls) == 8
    assert search_6("straight") == killed
