"""The trials of a search, whoever proposes them: the folder they lie in, their results, the best of them."""

import csv
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from dnzoo import storage
from dnzoo.metrics import higher_is_better
from dnzoo.training.config import IDENTITY, Config, difference
from dnzoo.training.record import REPORT, TENSORBOARD
from dnzoo.training.run import train
from dnzoo.training.task import Task
from dnzoo.training.tune_report import Row, picture, print_table

Setup = Callable[[Any], tuple[Task, Callable[[], keras.Model]]]  # of a config
SearchSpace = Callable[[Any], Mapping[str, Any]]  # of a `keras_tuner.HyperParameters`
# of an epoch's number, from 0, and its validation score, higher is better: whether to end the trial
Enough = Callable[[int, float], bool]

PATIENCE = 3  # epochs, for trials without `patience`
BEST = "best.json"
SEARCH, RESULT = "tune.json", "result.json"
ENGINE = "keras-tuner"  # of a search that does not say its own: there was one


def place(number: int) -> str:
    """Where the trial of that number lies in the folder of the search."""
    return f"trials/{number:03d}"


def claim(out: storage.Owned, config: Config) -> None:
    """Note what is searched, or refuse a folder that holds another search."""
    file = out / SEARCH
    mine = {"engine": config.engine, "tuner": config.tuner, "config": config.stored()}
    if config.tuner == "hyperband":  # other searches may be made longer
        mine["tune"] = config.tune
    if not file.is_file():
        others = out.others()
        if others:
            raise ValueError(f"{out} holds {', '.join(others)} and no search; use another `out`.")
        out.write_json(SEARCH, mine)
        return
    out.check("trials.csv", "trials.png", BEST)
    stored = {"engine": ENGINE, **json.loads(file.read_text("utf-8"))}
    config.go_on(stored["config"])
    different = list(difference(stored["config"], config).values())
    different += [
        f"{k}: {stored.get(k)} there, {mine.get(k)} now"
        for k in ("engine", "tuner", "tune")
        if stored.get(k) != mine.get(k)
    ]
    if different:
        raise ValueError(f"{out} holds another search ({'; '.join(different)}); use another `out`.")


def claim_data(out: storage.Owned, config: Config) -> None:
    """Note what names the data, as soon as it is known, or refuse a search on other data."""
    stored = json.loads((out / SEARCH).read_text("utf-8"))
    there = stored["config"].get(IDENTITY)
    if there not in (None, config.data_identity):
        raise ValueError(
            f"{out} holds a search on other data ({there} there, {config.data_identity} now): put the "
            "images back, or use another `out`."
        )
    if there != config.data_identity:
        stored["config"][IDENTITY] = config.data_identity
        out.write_json(SEARCH, stored)


def run(
    config: Config,
    setup: Setup,
    number: int,
    values: Mapping[str, Any],
    folder: storage.Owned,
    enough: Enough | None = None,
) -> Row:
    """The row of a trial: read if it has ended before, else trained.

    Args:
        config, setup: as for `tune`.
        number: of the trial.
        values: what it tries.
        folder: its own.
        enough: whether to end it, asked after each epoch; its row says so ("pruned").
    """
    if folder.holds(RESULT):
        return _result(config, folder, number, values)
    settings = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    trial = dataclasses.replace(config, **settings, patience=config.patience or PATIENCE)
    task, build = setup(trial)
    keras.utils.clear_session()
    pruned: dict[str, bool] = {}
    try:
        _, notes = train(trial, task, build, folder, [Pruning(task, enough)] if enough else [])
        ended = {"score": notes.best, "epochs": len(notes.history), "seconds": notes.seconds}
        pruned = {"pruned": notes.ended} if enough else {}
    except FloatingPointError as error:
        print(error)
        ended = {"score": None, "epochs": None, "seconds": None}
        pruned = {"pruned": False} if enough else {}
    row = {"trial": number, "values": values, **ended, **pruned}
    folder.write_json("config.json", trial.stored())
    folder.write_json(RESULT, row)
    for name in ("checkpoints", *TENSORBOARD, "samples", REPORT):
        folder.remove(name)
    return row


class Pruning(keras.callbacks.Callback):
    """Ends a trial after the epoch, but the last, of which `enough` says so."""

    def __init__(self, task: Task, enough: Enough) -> None:
        super().__init__()
        self.task: Task = task
        self.enough: Enough = enough

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Ask."""
        if epoch + 1 == self.params["epochs"]:
            return
        sign = 1 if higher_is_better(self.task.monitored(self.model)) else -1
        score = sign * (logs or {})[f"val_{self.task.monitor}"]
        self.model.stop_training |= self.enough(epoch, score)


def _result(config: Config, folder: storage.Owned, number: int, values: Mapping[str, Any]) -> Row:
    """The row of a trial that has ended before."""
    row = json.loads((folder / RESULT).read_text("utf-8"))
    if row["values"] != json.loads(json.dumps(values)):
        raise ValueError(
            f"{folder} was made with another search space or other versions of {config.engine} or "
            f"scikit-learn, which now propose {values} for trial {number}; use another `out`."
        )
    return row


def show(out: storage.Owned, rows: Sequence[Row], new: Row) -> None:
    """Write trials.csv, of all rows, and print a new one."""
    with (
        out.new_file("trials.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        flat = [{**{k: v for k, v in r.items() if k != "values"}, **r["values"]} for r in rows]
        columns = dict.fromkeys(column for row in flat for column in row)
        writer = csv.DictWriter(file, fieldnames=list(columns))
        writer.writeheader()
        writer.writerows(flat)
    print_table([new])


def finish(
    config: Config,
    out: storage.Owned,
    rows: list[Row],
    importances: Mapping[str, float] | None = None,
) -> list[Row]:
    """Write best.json and trials.png, and say what was found; gives the rows.

    Args:
        config, out: of the search.
        rows: of its trials.
        importances: of what is varied, shares of 1, where the engine knows.
    """
    scored = [row for row in rows if row["score"] is not None]
    if not scored:
        raise ValueError(f"no trial ended with a number; see {out / 'trials'}.")
    best = max(scored, key=lambda row: row["score"])
    values = {**config.stored(), **best["values"]}
    del values[IDENTITY]  # found anew
    if config.tuner == "hyperband":
        values["epochs"] = config.tune
    out.write_json(BEST, values)
    how = config.tuner if config.engine == ENGINE else config.engine
    with out.new_file("trials.png") as partial:
        figure = picture(rows, f"{config.data}, {len(rows)} trials, {how}", importances)
        figure.savefig(partial, dpi=110)
    print_table(sorted(scored, key=lambda row: -row["score"]))
    if importances:
        shares = (f"{name.replace('_', ' ')} {share:.0%}" for name, share in importances.items())
        print(f"What mattered: {', '.join(shares)}")
    print(f"Table:    {out / 'trials.csv'}\nPlot:     {out / 'trials.png'}\nSettings: {out / BEST}")
    print(f"Train with them: --config {out / BEST} --out ANOTHER")
    return rows
