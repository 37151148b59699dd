"""Searching for good settings with keras-tuner; it may be killed at any moment.

keras-tuner writes its files in place, and can't read one that was cut off. So they are never read:
each trial's result is a file of dnzoo's, whole or not there, and a search that starts again asks
keras-tuner anew. With the same seed and results it proposes the same trials; those that have a result
are not trained again, and one that was interrupted goes on from its checkpoint.
"""

import csv
import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from dnzoo import storage
from dnzoo.training.config import IDENTITY, Config, difference
from dnzoo.training.run import train
from dnzoo.training.tune_report import Row, picture, print_table

if TYPE_CHECKING:
    from dnzoo.tasks import Task

Setup = Callable[[Any], tuple["Task", Callable[[], keras.Model]]]  # of a config
SearchSpace = Callable[[Any], Mapping[str, Any]]  # of a `keras_tuner.HyperParameters`

PATIENCE = 3  # epochs, for trials without `patience`
BEST = "best.json"


def tune(config: Config, setup: Setup, search_space: SearchSpace | None) -> list[Row]:
    """Try `config.tune` settings (Hyperband: of at most so many epochs), judged on validation.

    `config.out` gets trials/ (each with its config, log and result), trials.csv, trials.png, and
    best.json, which a recipe's `config` takes. Trials share the prepared data.

    Args:
        config: what stays the same; `config.tuner` is "bayesian" or "hyperband" (Li et al. 2018;
            every rung of its brackets trains anew, with the learning rate's course of its own).
        setup: makes (task, build) of a config.
        search_space: function of a `keras_tuner.HyperParameters`: the config values to try.

    Returns:
        The rows of trials.csv.

    Raises:
        ImportError: when keras-tuner is missing; the message names the extra.
        ValueError: when the recipe has no search space, or `config.out` holds another search.
        FileExistsError: when `config.out` is not empty and no search of dnzoo's.
    """
    keras_tuner = _keras_tuner()
    if search_space is None:
        raise ValueError("`tune`: this recipe declares no search space.")
    if config.tuner == "hyperband" and config.steps is not None:
        raise ValueError(f"tuner=hyperband decides the epochs: leave steps={config.steps} out.")
    with storage.owned(config.out, alone=True) as out, tempfile.TemporaryDirectory() as scratch:
        _claim(out, config)
        setup(config)  # says in the config what the data is
        _claim_data(out, config)
        rows, errors = [], []

        class Tuner(keras_tuner.Tuner):
            def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
                try:
                    row = _trial(config, setup, search_space, trial.hyperparameters, rows, out)
                except Exception as error:  # keras-tuner would take it for a bad setting
                    errors.append(error)
                    raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
                rows.append(row)
                _write_table(out, rows)
                print_table(rows[-1:])
                if row["score"] is None:
                    raise keras_tuner.errors.FailedTrialError("the loss was no number")
                return row["score"]

        oracle = _oracle(keras_tuner, config, search_space)
        tuner = Tuner(oracle, directory=scratch, project_name="search", overwrite=True)
        try:
            tuner.search(verbose=0)
        except keras_tuner.errors.FatalError:
            raise errors[0] from None
        return _finish(config, out, rows)


def _keras_tuner() -> Any:
    try:
        import keras_tuner
        import sklearn  # noqa: F401  the Bayesian tuner needs it, and says so only when it starts
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[tune]".') from error
    return keras_tuner


def _oracle(keras_tuner: Any, config: Config, search_space: SearchSpace) -> Any:
    space = keras_tuner.HyperParameters()
    search_space(space)
    shared = {
        "objective": keras_tuner.Objective("score", "max"),
        "hyperparameters": space,
        "seed": config.seed + 1,  # keras-tuner takes 0 for "any"
        "max_consecutive_failed_trials": 10**6,
    }
    if config.tuner == "hyperband":
        return keras_tuner.oracles.HyperbandOracle(max_epochs=config.tune, **shared)
    return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=config.tune, **shared)


def _claim(out: storage.Owned, config: Config) -> None:
    """Note what is searched, or refuse a folder that holds another search."""
    file = out / "tune.json"
    mine = {"tuner": config.tuner, "config": config.stored()}
    if config.tuner == "hyperband":  # a Bayesian search may be made longer
        mine["tune"] = config.tune
    if not file.is_file():
        others = out.others()
        if others:
            raise ValueError(f"{out} holds {', '.join(others)} and no search; use another `out`.")
        out.write_json("tune.json", mine)
        return
    out.check("trials.csv", "trials.png", BEST)
    stored = json.loads(file.read_text("utf-8"))
    config.go_on(stored["config"])
    different = list(difference(stored["config"], config).values())
    different += [
        f"{k}: {stored.get(k)}" for k in ("tuner", "tune") if stored.get(k) != mine.get(k)
    ]
    if different:
        raise ValueError(f"{out} holds another search ({'; '.join(different)}); use another `out`.")


def _claim_data(out: storage.Owned, config: Config) -> None:
    """Note what names the data, as soon as it is known, or refuse a search on other data."""
    stored = json.loads((out / "tune.json").read_text("utf-8"))
    there = stored["config"].get(IDENTITY)
    if there not in (None, config.data_identity):
        raise ValueError(
            f"{out} holds a search on other data ({there} there, {config.data_identity} now): put the "
            "images back, or use another `out`."
        )
    if there != config.data_identity:
        stored["config"][IDENTITY] = config.data_identity
        out.write_json("tune.json", stored)


def _trial(
    config: Config,
    setup: Setup,
    search_space: SearchSpace,
    hyperparameters: Any,
    rows: Sequence[Row],
    out: storage.Owned,
) -> Row:
    """The row of a trial: read if it has ended before, else trained."""
    values = search_space(hyperparameters)
    if config.tuner == "hyperband":
        values = {**values, "epochs": hyperparameters.values["tuner/epochs"]}
    number = len(rows) + 1
    with storage.owned(out / f"trials/{number:03d}", alone=True) as folder:
        if folder.holds("result.json"):
            return _result(folder, number, values)
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        trial = dataclasses.replace(config, **settings, patience=config.patience or PATIENCE)
        task, build = setup(trial)
        keras.utils.clear_session()
        try:
            _, notes = train(trial, task, build, folder)
            ended = {"score": notes.best, "epochs": len(notes.history), "seconds": notes.seconds}
        except FloatingPointError as error:
            print(error)
            ended = {"score": None, "epochs": None, "seconds": None}
        row = {"trial": number, "values": values, **ended}
        folder.write_json("config.json", trial.stored())
        folder.write_json("result.json", row)
        for name in ("checkpoints", "tensorboard"):
            folder.remove(name)
        return row


def _result(folder: storage.Owned, number: int, values: Mapping[str, Any]) -> Row:
    """The row of a trial that has ended before."""
    row = json.loads((folder / "result.json").read_text("utf-8"))
    if row["values"] != json.loads(json.dumps(values)):
        raise ValueError(
            f"{folder} was made with other versions of keras-tuner or scikit-learn, which now "
            f"propose {values} for trial {number}; use another `out`."
        )
    return row


def _write_table(out: storage.Owned, rows: Sequence[Row]) -> None:
    with (
        out.new_file("trials.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        columns = ["trial", "score", "epochs", "seconds", *rows[0]["values"]]
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(columns)))
        writer.writeheader()
        writer.writerows(
            {**{k: v for k, v in r.items() if k != "values"}, **r["values"]} for r in rows
        )


def _finish(config: Config, out: storage.Owned, rows: list[Row]) -> list[Row]:
    scored = [row for row in rows if row["score"] is not None]
    if not scored:
        raise ValueError(f"no trial ended with a number; see {out / 'trials'}.")
    best = max(scored, key=lambda row: row["score"])
    values = {**config.stored(), **best["values"]}
    del values[IDENTITY]  # found anew
    if config.tuner == "hyperband":
        values["epochs"] = config.tune
    out.write_json(BEST, values)
    with out.new_file("trials.png") as partial:
        picture(rows, f"{config.data}, {len(rows)} trials, {config.tuner}").savefig(
            partial, dpi=110
        )
    print_table(sorted(scored, key=lambda row: -row["score"]))
    print(f"Table:    {out / 'trials.csv'}\nPlot:     {out / 'trials.png'}\nSettings: {out / BEST}")
    print(f"Train with them: --config {out / BEST} --out ANOTHER")
    return rows
