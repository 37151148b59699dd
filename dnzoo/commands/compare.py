"""`dnzoo compare`: runs beside each other, from the files that they leave."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import rich.box
import rich.markup
import rich.table
import tyro

from dnzoo import storage, terminal
from dnzoo.storage import pretrained
from dnzoo.words import label

FOLDERS: Any = tyro.conf.arg(metavar="FOLDER ...")
LAST = "predictions.png"  # what comes last of a run, and says that it has finished
SHOWN = 2  # test metrics of a run, in the table
APART = ("data", "out", "data_dir", "distribute")  # settings that are no reason for another result


@dataclasses.dataclass
class Compare:
    """Show runs as a table, best first: model, data, how far they are, best epoch, validation score, test
    metrics, minutes, and the settings in which they differ. Runs under way are shown too."""

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], FOLDERS] = ("runs",)
    """Folders of runs, finished or not; or a folder of such."""
    csv: Annotated[str | None, terminal.FILE] = None
    """Write all of it to this file too, with every test metric."""
    overwrite: bool = False
    """Replace a file that is there."""

    def run(self) -> None:
        """Print the table, and write the CSV."""
        if self.csv and not self.overwrite:
            storage.refuse_existing(self.csv)
        runs = best_first([read(folder) for folder in found(self.runs)])
        terminal.show(table(runs))
        if self.csv:
            with storage.new_file(self.csv, self.overwrite) as partial:
                partial.write_text(as_csv(runs), "utf-8")
            print(f"CSV: {self.csv}")


@dataclasses.dataclass
class Run:
    """What a run's folder says.

    Attributes:
        name: the folder.
        config: its config.json.
        epochs: how many are trained.
        planned: how many there are to be in all; None: not known.
        finished: whether it is tested and saved.
        model: the model's name; None while no epoch has ended.
        monitor, sign: the metric that the best epoch is chosen by, and 1 where more of it is better,
            -1 where less; None for runs that older versions left unfinished.
        best: number of that epoch.
        score: its value on validation.
        minutes: of training.
        metrics: numbers on the test split, by identifier; {} while it is not finished.
    """

    name: str
    config: dict[str, Any]
    epochs: int = 0
    planned: int | None = None
    finished: bool = False
    model: str | None = None
    monitor: str | None = None
    sign: int | None = None
    best: int | None = None
    score: float | None = None
    minutes: float | None = None
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.finished:
            return "finished"
        return f"epoch {self.epochs} of {self.planned}" if self.planned else "unfinished"


def found(folders: Iterable[str]) -> list[Path]:
    """The runs' folders: those named, or what lies in them.

    Raises:
        FileNotFoundError: when there is no run in one of them.
    """
    paths: list[Path] = []
    for folder in map(Path, folders):
        if (folder / "config.json").is_file():
            inside = [folder]
        else:
            inside = sorted(file.parent for file in folder.glob("*/config.json"))
        if not inside:
            raise FileNotFoundError(f"{folder} holds no run: there is no config.json in it.")
        paths += inside
    return list(dict.fromkeys(paths))


def read(folder: Path) -> Run:
    """What a run's folder says.

    Raises:
        ValueError: when one of its files is damaged.
    """
    try:
        run = Run(str(folder), json.loads((folder / "config.json").read_text("utf-8")))
        rows: list[dict[str, str]] = []
        if (folder / "log.csv").is_file():
            with open(folder / "log.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        run.epochs = len(rows)
        best, last = (_notes(folder / f"checkpoints/{name}.npz") for name in ("best", "last"))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} can't be read: {error}") from error
    run.minutes = last["seconds"] / 60 if "seconds" in last else None
    run.model, run.monitor, run.sign = best.get("model"), best.get("monitor"), best.get("sign")
    run.best, run.score, run.planned = best.get("epoch"), best.get("score"), best.get("epochs")
    if (folder / "saved_model" / pretrained.EXTRA).is_file():
        meta = pretrained.read_meta(folder / "saved_model")
        run.finished, run.model = (folder / LAST).is_file(), run.model or meta["name"]
        if run.finished:  # else it is the model of before, and the run goes on
            run.metrics = {k: v for k, v in meta["metrics"].items() if not isinstance(v, dict)}
        said = meta["provenance"].get("best epoch", "")  # "3 of 9, by mean_iou on validation"
        if run.monitor is None and ", by " in said:
            run.monitor = said.split(", by ")[1].split()[0]
    if run.score is None and run.monitor and run.best and run.best <= len(rows):
        value = rows[run.best - 1].get(f"val_{run.monitor}")
        run.score = float(value) if value else None
    return run


def _notes(path: Path) -> dict[str, Any]:
    """What a checkpoint says beside its variables; {} where it is not there."""
    if not path.is_file():
        return {}
    import numpy as np

    with np.load(path) as file:
        return json.loads(file["notes"].item())


def best_first(runs: Sequence[Run]) -> list[Run]:
    """Those of the same monitored metric together, the best of them first, those without a score last."""

    def order(run: Run) -> tuple[bool, str, float]:
        return (run.score is None, run.monitor or "", -(run.sign or 1) * (run.score or 0.0))

    return sorted(runs, key=order)


def settings(runs: Sequence[Run]) -> list[str]:
    """Names of the settings in which the runs differ."""
    names = dict.fromkeys(name for run in runs for name in run.config)
    return [
        name
        for name in names
        if name not in APART and len({json.dumps(run.config.get(name)) for run in runs}) > 1
    ]


def cells(runs: Sequence[Run], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row of the table per run: {column: value}."""
    names = settings(runs)
    return [
        {
            "run": run.name,
            "model": run.model,
            "data": run.config.get("data"),
            "state": run.state,
            "best epoch": f"{run.best or '-'} of {run.epochs}",
            "metric": run.monitor,
            "validation": run.score,
            **{f"test_{name}": run.metrics.get(name) for name in metrics},
            "minutes": run.minutes and round(run.minutes, 1),
            **{f"--{name.replace('_', '-')}": run.config.get(name) for name in names},
        }
        for run in runs
    ]


def table(runs: Sequence[Run]) -> rich.table.Table:
    """The runs for a person: numbers rounded, the first test metrics alone."""
    shown = dict.fromkeys(
        name
        for run in runs
        for name in [k for k, v in run.metrics.items() if isinstance(v, float)][:SHOWN]
    )
    rows = cells(runs, list(shown))
    made = rich.table.Table(box=rich.box.SIMPLE)
    for name in rows[0]:
        numbers = any(isinstance(row[name], int | float) for row in rows)
        made.add_column(label(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(rich.markup.escape(_words(value)) for value in row.values()))
    return made


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def as_csv(runs: Sequence[Run]) -> str:
    """The runs as CSV: full precision, every test metric that is no table."""
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    rows = cells(runs, list(metrics))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
