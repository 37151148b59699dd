"""The search: what it leaves, and that kills do not change it."""

import csv
import dataclasses
import importlib
import inspect
import json
import math
import multiprocessing
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import keras
import pytest

from dnzoo import training
from dnzoo.training import trials
from dnzoo.training.tune import tune
from dnzoo.training.tune_optuna import JOURNAL, Space
from tests.conftest import slow

ENGINES = pytest.mark.parametrize("engine", ["keras-tuner", "optuna"])


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


def search(folder, tuner, count, data_dir, engine="keras-tuner"):
    from dnzoo.data import segmentation
    from dnzoo.tasks import Segmentation

    def setup(config):
        data = segmentation.fashion_scenes(data_dir, 32, 24, 6, 6)

        def build():
            widths = (*config.filters, 11)
            layers = [keras.layers.Conv2D(width, 3, padding="same") for width in widths]
            return keras.Sequential([keras.Input((None, None, 3)), *layers])

        return Segmentation(data, config), build

    config = Config(out=str(folder), tune=count, tuner=tuner, engine=engine)
    return tune(config, setup, search_space)


def result(folder):
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    for row in rows:
        row.pop("seconds")
    return rows, json.loads((folder / "best.json").read_text())


@slow
@pytest.mark.parametrize(
    ("engine", "tuner", "count", "kills"),
    [
        ("keras-tuner", "bayesian", 2, 2),
        ("keras-tuner", "hyperband", 3, 3),
        ("optuna", "bayesian", 3, 3),
    ],
)
def test_killed_and_started_again_comes_to_the_same_trials(tmp_path, engine, tuner, count, kills):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tensorflow", "keras", "keras_tuner", "optuna", "sklearn", "dnzoo.tasks"]
    )

    def start(folder):
        args = (folder, tuner, count, tmp_path / "data", engine)
        process = context.Process(target=search, args=args)
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


@pytest.mark.parametrize(
    ("engine", "module", "extra"),
    [("keras-tuner", "keras_tuner", "tune"), ("optuna", "optuna", "optuna")],
)
def test_the_extra_is_named(tmp_path, monkeypatch, engine, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    said = rf'{module} is missing: pip install "dnzoo\[{extra}\]"'
    with pytest.raises(ImportError, match=said):
        tune(Config(out=str(tmp_path), tune=2, engine=engine), None, search_space)


@ENGINES
def test_errors_of_a_trial_end_the_search(tmp_path, monkeypatch, engine):
    def fail(config, out):
        raise OSError("no room")

    fake(monkeypatch, quality, before=fail)
    with pytest.raises(OSError, match="no room"):
        search_fake(tmp_path, 2, engine=engine)


def fake(monkeypatch, score, epochs=1, before=lambda config, out: None):
    """Replace the training: `score(config, epoch)` is what an epoch reaches."""

    def train(config, task, build, out, callbacks=()):
        before(config, out)
        scores, ended = [], False
        while len(scores) < epochs and not ended:
            scores.append(score(config, len(scores)))
            asked = callbacks if len(scores) < epochs else ()
            ended = any(each.enough(len(scores) - 1, scores[-1]) for each in asked)
        history = [{}] * len(scores)
        return None, SimpleNamespace(best=max(scores), history=history, seconds=1.0, ended=ended)

    monkeypatch.setattr(trials, "train", train)
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)  # it takes most of the time


def search_fake(folder, count, **settings):
    config = Config(out=str(folder), tune=count, **settings)
    return tune(config, lambda config: (None, None), search_space)


def quality(config, epoch):
    """Best at a learning rate of 0.01; the filters matter a tenth as much; rises with the epochs."""
    return (epoch + 1) * (3 - abs(math.log10(config.learning_rate) + 2)) - config.filters[0] / 20


@ENGINES
def test_a_diverging_trial_is_no_winner(tmp_path, monkeypatch, engine):
    def diverge(config, out):
        if config.filters == (2, 4):
            raise FloatingPointError("the loss became nan")

    fake(monkeypatch, quality, before=diverge)
    rows = search_fake(tmp_path, 6, engine=engine)
    assert len(rows) == 6 and any(row["score"] is None for row in rows)
    assert json.loads((tmp_path / "best.json").read_text())["filters"] != [2, 4]


@pytest.mark.parametrize(("engine", "count"), [("keras-tuner", 6), ("optuna", 13)])
def test_past_its_random_part_a_search_goes_on_to_the_same_trials(
    tmp_path, monkeypatch, engine, count
):
    """What is proposed, and what is pruned, depends on all scores before."""
    calls = []

    def interrupt(config, out):
        calls.append(out)
        if len(calls) in (3, count):
            raise KeyboardInterrupt

    def search(folder, count=count, seed=0):
        return search_fake(tmp_path / folder, count, engine=engine, seed=seed)

    fake(monkeypatch, quality, 3, interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search("killed")
    killed = search("killed")
    assert len(calls) == count + 2
    assert search("straight") == killed == search("killed")
    assert search("another", seed=1) != killed
    longer = search("killed", count + 1)
    assert longer[:count] == killed and len(longer) == count + 1


def test_optuna_prunes_and_says_what_mattered(tmp_path, monkeypatch, capsys):
    fake(monkeypatch, quality, 4)
    rows = search_fake(tmp_path, 30, engine="optuna")
    pruned = [row for row in rows if row["pruned"]]
    assert pruned and all(row["epochs"] < 4 for row in pruned)
    assert all(row["epochs"] == 4 for row in rows if not row["pruned"])
    best = max(rows, key=lambda row: row["score"])
    assert not best["pruned"]
    found = json.loads((tmp_path / "best.json").read_text())
    assert found["learning_rate"] == best["values"]["learning_rate"]
    said = capsys.readouterr().out
    assert "1, pruned" in said and "What mattered: learning rate 9" in said
    table = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert [row["pruned"] for row in table] == [str(row["pruned"]) for row in rows]
    assert (tmp_path / "trials.png").read_bytes()[:4] == b"\x89PNG"


def test_two_that_start_the_same_command_share_a_search(tmp_path, monkeypatch):
    """Threads in place of processes: locks hold between both. Both train at once, nothing twice."""
    barrier, trained = threading.Barrier(2, timeout=20), []

    def meet(config, out):
        trained.append(str(out))
        if len(trained) <= 2:
            barrier.wait()

    fake(monkeypatch, quality, 2, meet)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(search_fake, tmp_path, 7, engine="optuna") for _ in range(2)]
        found = [future.result() for future in both]
    assert len(trained) == len(set(trained)) == 7
    rows = max(found, key=len)
    assert [row["trial"] for row in rows] == [*range(1, 8)]
    assert len({row["values"]["learning_rate"] for row in rows}) == 7
    assert [r for r in csv.DictReader((tmp_path / "trials.csv").open())][-1]["trial"] == "7"


def test_a_trial_is_taken_up_where_its_process_died(tmp_path, monkeypatch):
    """And where a last line of the journal is cut off, as by a power cut."""

    def die(config, out):
        raise KeyboardInterrupt

    fake(monkeypatch, quality, before=die)
    with pytest.raises(KeyboardInterrupt):
        search_fake(tmp_path, 2, engine="optuna")
    with open(tmp_path / JOURNAL, "ab") as journal:
        journal.write(b'{"op_code":8,"worker_id":"half a li')
    places = []
    fake(monkeypatch, quality, before=lambda config, out: places.append(out.path.name))
    assert len(search_fake(tmp_path, 2, engine="optuna")) == 2
    assert places == ["001", "002"]


def test_engines_do_not_mix(tmp_path, monkeypatch):
    fake(monkeypatch, quality)
    search_fake(tmp_path, 1)
    with pytest.raises(ValueError, match="engine: keras-tuner there, optuna now"):
        search_fake(tmp_path, 1, engine="optuna")
    stored = json.loads((tmp_path / "tune.json").read_text())
    assert stored["engine"] == "keras-tuner"
    with pytest.raises(ValueError, match=r"tuner=hyperband is keras-tuner's.*leave `tuner` out"):
        search_fake(tmp_path / "other", 1, engine="optuna", tuner="hyperband")
    assert not (tmp_path / "other").exists()


def test_search_spaces_of_recipes_are_of_both_engines():
    """Each is asked as keras-tuner asks it, and as Optuna does; the arguments have the same names."""
    import keras_tuner
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in ("classifier", "dcgan", "fcn", "mask_head", "super_resolution", "unet", "vae"):
        space = importlib.import_module(f"recipes.{name}").search_space
        assert (
            space(Space(optuna.create_study().ask())).keys()
            == space(keras_tuner.HyperParameters()).keys()
        )
    for name in ("Float", "Int", "Choice", "Boolean", "Fixed"):
        ours = inspect.signature(getattr(Space, name)).parameters
        theirs = inspect.signature(getattr(keras_tuner.HyperParameters, name)).parameters
        assert list(ours) == list(theirs)[: len(ours)]


def test_what_a_space_of_optuna_gives():
    import optuna

    space = Space(optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask())
    assert 1e-4 <= space.Float("a", 1e-4, 1e-1, sampling="log") <= 1e-1
    assert space.Float("b", 0.0, 0.5, step=0.25) in (0.0, 0.25, 0.5)
    assert space.Int("c", 8, 32, step=8) in (8, 16, 24, 32)
    assert space.Choice("d", ["x", "y"]) in ("x", "y")
    assert space.Boolean("e") in (False, True) and space.Fixed("f", 3) == 3
    with pytest.raises(ValueError, match=r"g: engine=optuna takes .* got 'reverse_log'"):
        space.Float("g", 1, 2, sampling="reverse_log")
