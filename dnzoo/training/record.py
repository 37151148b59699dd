"""What a run writes for a person while it goes on: log.csv, TensorBoard's files, the report."""

import csv
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
from PIL import Image

from dnzoo import storage
from dnzoo.training import report
from dnzoo.training.config import Config
from dnzoo.training.events import Events
from dnzoo.training.notes import Notes
from dnzoo.training.task import Task

SHOWN = 64  # validation images at most that the report of a run under way looks at
SHARE = 0.02  # of the training's time that may go into looking at them
REPORT = "report.html"
SAMPLES = "samples"
# folders of event files: those of both splits, and of older versions
TENSORBOARD = ("tensorboard/train", "tensorboard/validation", "tensorboard")


class Record:
    """Keeps log.csv, tensorboard/ and report.html of a run under way; a context manager.

    All of it follows from the history, so that a process that goes on writes it anew.

    Args:
        out, config, task, model: as for `dnzoo.training.loop.Loop`.
        notes: where the run is; its history grows.
        epochs: of the whole run.
    """

    out: storage.Owned
    config: Config
    task: Task
    model: keras.Model
    notes: Notes
    epochs: int
    data: list[Any]
    results: list[Any]
    spent: float  # seconds, of looking at validation images
    events: dict[str, Events]

    def __init__(
        self,
        out: storage.Owned,
        config: Config,
        task: Task,
        model: keras.Model,
        notes: Notes,
        epochs: int,
    ) -> None:
        self.out, self.config, self.task, self.model = out, config, task, model
        self.notes, self.epochs = notes, epochs
        self.data, self.results, self.spent, self.events = [], [], 0.0, {}

    def __enter__(self) -> Self:
        """Write what there is from before."""
        self.data = self.task.shown_data()
        for path in (self.out / SAMPLES).glob("*.png"):  # of epochs that are to be trained again
            if path.stem.isdigit() and int(path.stem) > len(self.notes.history):
                self.out.remove(f"{SAMPLES}/{path.name}")
        self._begin_events()
        self._write_log()
        for row in self.notes.history:
            self._add_events(row)
        self._write_report()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; the report says why where the run ends before its time."""
        for events in self.events.values():
            events.close()
        if error is None:
            self._write_report(words="trained. It is being tested and saved.")
        elif isinstance(error, KeyboardInterrupt):
            self._write_report(live=False, words="stopped. The same command goes on from here.")
        elif not isinstance(error, OSError):  # of which the disk may be the reason
            self._write_report(live=False, words=f"ended by an error: {error}")

    def epoch(self, epochs: int) -> None:
        """Write down the epoch that has just ended, the last row of the history; `epochs`: of the run."""
        self.epochs = epochs
        self._write_log()
        self._add_events(self.notes.history[-1])
        self._look()
        self._write_report()

    def _look(self) -> None:
        """Look at what the model makes of validation images, as long as that takes little time."""
        if self.spent > SHARE * (self.notes.clock[-1] or 0):
            return
        started = time.monotonic()
        self.results = self.task.shown_results(self.model, "validation", limit=SHOWN)
        for part in self.results:
            part.caption = f"{part.caption} After epoch {len(self.notes.history)}.".strip()
        self.spent += time.monotonic() - started

    def _write_report(self, live: bool = True, words: str = "") -> None:
        page = report.html(
            f"{self.model.name} on {self.task.name}",
            self.config.stored(),
            self.notes.history,
            self.task,
            self.notes.standing(self.epochs, live, words),
            data=self.data,
            results=self.results,
            progress=self.task.progress(self.out),
        )
        with self.out.new_file(REPORT) as partial:
            partial.write_text(page, "utf-8")

    def _write_log(self) -> None:
        history = self.notes.history
        if not history:
            return
        with (
            self.out.new_file("log.csv") as partial,
            open(partial, "w", newline="", encoding="utf-8") as file,
        ):
            rows = csv.DictWriter(file, fieldnames=list(history[-1]))
            rows.writeheader()
            rows.writerows(history)

    def _begin_events(self) -> None:
        # written anew from the history: a killed process may have left half of it
        for folder in TENSORBOARD:
            self.out.remove(folder)
        for folder in TENSORBOARD[:2]:
            there = set((self.out / folder).glob("*"))
            self.events[Path(folder).name] = Events(self.out / folder)
            for path in set((self.out / folder).glob("*")) - there:
                self.out.note(f"{folder}/{path.name}")
        values = self.config.stored().items()
        table = [f"|{key}|{json.dumps(value)}|".replace("\n", " ") for key, value in values]
        self.events["train"].text("config", "\n".join(["|setting|value|", "|---|---|", *table]))
        reference = self.task.reference()
        if reference is not None:
            self.events["validation"].image("examples", reference, 0)

    def _add_events(self, row: dict[str, Any]) -> None:
        """Both splits of a metric have one tag, so that they share a chart."""
        step = row["epoch"]
        for name in row.keys() - {"epoch", "stage"}:
            split = "validation" if name.startswith("val_") else "train"
            self.events[split].scalar(name.removeprefix("val_"), row[name], step)
        seconds = self.notes.seconds_each()[step - 1]
        if seconds is not None:
            self.events["train"].scalar("seconds", seconds, step)
        picture = self.out / SAMPLES / f"{step:04d}.png"
        if picture.is_file():
            with Image.open(picture) as image:
                self.events["validation"].image("predictions", image, step)
        for events in self.events.values():
            events.flush()
