"""Where a run is, besides its variables: what a checkpoint holds of it as JSON."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from dnzoo.training import report
from dnzoo.training.config import IDENTITY, Config, Stage, difference


@dataclasses.dataclass
class Notes:
    """Where a run is, besides its variables; JSON holds it.

    Attributes:
        step: steps done.
        history: a dict an epoch.
        best: the best validation score yet; a loss is negative.
        seconds: of training, all processes together.
        stage: number of the current stage.
        stage_row: length of the history when the stage began.
        logs: of an epoch that is trained and not validated yet.
        config: what config.json held.
        batch_size, per_epoch: images a step, and steps an epoch.
        extra: steps that this stage took more because the batch size changed.
        changes: in words, of the config, with the step.
        since: length of the history when the data changed: scores before it are of other images.
        best_epoch: the number of the epoch that `best` is of.
        clock: seconds of training, all processes together, at the end of each epoch; None where an
            older version did not note them.
        ended: whether a callback has ended the training.
    """

    step: int = 0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: float | None = None
    seconds: float = 0.0
    stage: int = 0
    stage_row: int = 0
    logs: dict[str, float] | None = None
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_size: int = 0
    per_epoch: int = 0
    extra: int = 0
    changes: list[str] = dataclasses.field(default_factory=list)
    since: int = 0
    best_epoch: int | None = None
    clock: list[float | None] = dataclasses.field(default_factory=list)
    ended: bool = False

    def seconds_each(self) -> list[float | None]:
        """How long each epoch took, validation included."""
        clock = [0.0, *[None] * (len(self.history) - len(self.clock)), *self.clock]
        return [None if None in (a, b) else b - a for a, b in itertools.pairwise(clock)]

    def standing(self, epochs: int, live: bool = False, words: str = "") -> report.Standing:
        """How far the run is, for its report; `epochs`: of the whole."""
        best = None if self.best is None else self.best_epoch
        return report.Standing(len(self.history), epochs, best, live, words, self.seconds_each())

    def change(self, config: Config, batch_size: int, per_epoch: int) -> None:
        """Take over another config, and count steps in its batches.

        In the middle of an epoch the position stays the same image, or one of the batch before; the same
        share of the epoch, where the length is given in steps.
        """
        changes = difference(self.config, config) if self.config else {}
        self.changes += [f"{text}, from step {self.step}" for text in changes.values()]
        if IDENTITY in changes:
            self.best, self.since = None, len(self.history)
        if self.per_epoch and (self.batch_size, self.per_epoch) != (batch_size, per_epoch):
            epochs, steps = divmod(self.step, self.per_epoch)
            taken = self.step - self.stage_row * self.per_epoch + self.extra
            same = steps * per_epoch // self.per_epoch if config.steps else None
            position = steps * self.batch_size // batch_size if same is None else same
            position = min(position, per_epoch - 1)
            self.step = epochs * per_epoch + position
            self.extra = taken - (self.step - self.stage_row * per_epoch)
        self.config, self.batch_size, self.per_epoch = config.stored(), batch_size, per_epoch

    def reopen(self, stages: Sequence[Stage], config: Config) -> None:
        """Go back into the last stage where it is to have more epochs than it had."""
        if self.ended and not difference(self.config, config):
            return
        self.ended, last = False, len(stages) - 1
        before = sum(row.get("stage", 1) <= last for row in self.history)
        if self.stage > last and len(self.history) - before < stages[last].epochs:
            self.stage, self.stage_row = last, before
