"""The training itself: steps, validation, checkpoints. It may end at any step and go on from there."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import storage
from dnzoo.metrics import higher_is_better
from dnzoo.training import devices, state
from dnzoo.training.config import Config, Stage
from dnzoo.training.notes import Notes
from dnzoo.training.progress import Steps, Stop
from dnzoo.training.record import Record
from dnzoo.training.task import Task

LAST, BEST = "checkpoints/last.npz", "checkpoints/best.npz"
CHECKPOINT_SECONDS = 60  # from one to the next: so much work is lost when a process is killed


class Loop:
    """Trains `model` on `task`; `out`, a `storage.Owned`, gets checkpoints/, log.csv and tensorboard/.

    The other arguments are those of `training.run`, and the number of devices that share a batch.
    `train()` returns the `Notes`. An epoch is one of the log: `Config.plan` says how long.
    """

    config: Config
    task: Task
    model: keras.Model
    out: storage.Owned
    replicas: int
    callbacks: Sequence[keras.callbacks.Callback]
    sign: int
    stages: Sequence[Stage]
    per_epoch: int
    last: Path
    resumed: bool
    notes: Notes
    kept: float
    started: float
    record: Record
    stop: Stop
    steps: Steps

    def __init__(
        self,
        config: Config,
        task: Task,
        model: keras.Model,
        out: storage.Owned,
        replicas: int = 1,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.config, self.task, self.model, self.out = config, task, model, out
        self.replicas, self.callbacks = replicas, callbacks
        self.sign = 1 if higher_is_better(task.monitored(model)) else -1
        self.stages, self.per_epoch = config.plan(task.train.steps_per_epoch)
        self.last = out / LAST
        self.resumed = self.last.is_file()
        self.notes = Notes(**state.read_notes(self.last)) if self.resumed else Notes()
        self.notes.reopen(self.stages, config)
        self.notes.change(config, task.train.batch_size, self.per_epoch)

    def train(self) -> Notes:
        """Train to the end, or until a person stops it, from where the run is."""
        notes = self.notes
        self.kept = time.monotonic()
        self.started = self.kept - notes.seconds
        if notes.step == 0:
            print(f"The input side can do {self._data_rate():,.0f} images/s.")
        left = sum(stage.epochs for stage in self.stages[notes.stage :])
        record = Record(self.out, self.config, self.task, self.model, notes, notes.stage_row + left)
        with Stop() as self.stop, record as self.record:
            self.steps = Steps(notes.step, self.task.train.batch_size, self.stop, self.callbacks)
            while notes.stage < len(self.stages):
                self._run_stage(self.stages[notes.stage])
                following = len(self.stages) if notes.ended else notes.stage + 1
                notes.stage, notes.stage_row = following, len(notes.history)
                if notes.stage == len(self.stages):
                    self._keep()
                else:
                    notes.extra = 0
            if self.resumed:  # all stages had ended
                self._begin(notes.history[-1].get("stage", len(self.stages)) - 1)
            self._leave_if_wanted()
            self.steps.end(notes.history[-1])
        return notes

    def _data_rate(self) -> float:
        batches = self.task.train
        count, started = min(20, batches.steps_per_epoch), time.monotonic()
        for _ in batches.dataset(0, count):
            pass
        return count * batches.batch_size / (time.monotonic() - started)

    def _begin(self, number: int) -> None:
        """Call what a stage begins with; where the run goes on, first what those before began with."""
        for i in range(0 if self.resumed else number, number + 1):
            begin = self.stages[i].begin
            if begin is None:
                continue
            shapes = [variable.shape for variable in self.model.variables]
            keras.utils.set_random_seed(self.config.seed + i)
            begin(self.model)
            if not self.resumed and shapes != [v.shape for v in self.model.variables]:
                self.notes.best = None  # the best weights so far are not those of this model

    def _run_stage(self, stage: Stage) -> None:
        per_epoch, notes = self.per_epoch, self.notes
        self._begin(notes.stage)
        self.model.compile(
            optimizer=self.config.optimizer(stage, stage.epochs * per_epoch + notes.extra),
            loss=self.task.loss,
            metrics=self.task.metrics(),
            jit_compile=devices.jit_compile(),
        )
        # or TensorFlow traces the first step twice, to make the variables in between
        self.model.optimizer.build(self.model.trainable_variables)
        if self.resumed:
            self._restore(per_epoch)
        left = sum(stage.epochs for stage in self.stages[notes.stage :])
        self.steps.total = (notes.stage_row + left) * per_epoch
        self.steps.begin(self.model, self.steps.total // per_epoch, per_epoch)
        while not self._is_over(stage):
            number = len(notes.history)
            self.steps.tell("on_epoch_begin", number, {})
            if notes.logs is None:
                notes.logs = self._train_epoch((number + 1) * per_epoch)
            logs = notes.logs | self._validate()
            self._end_epoch(logs)
            notes.ended = self.steps.end_epoch(number, logs)

    def _restore(self, per_epoch: int) -> None:
        if self.notes.step % per_epoch:
            # The first use makes their variables. It may draw random numbers: it comes first.
            self.model.evaluate(self.task.validation.dataset(self.replicas), steps=1, verbose=0)
        state.restore(self.last, self.model, self.model.optimizer)
        if self.notes.step % per_epoch:
            state.restore_metrics(self.last, self.model.metrics)
        self.resumed = False
        print(f"Going on after step {self.notes.step:,}.")

    def _is_over(self, stage: Stage) -> bool:
        first, history = self.notes.stage_row, self.notes.history
        scores = [self._score(row) for row in history[max(first, self.notes.since) :]]
        patience = self.config.patience or len(scores) + 1
        without_gain = len(scores) - 1 - scores.index(max(scores)) if scores else 0
        return self.notes.ended or len(history) - first >= stage.epochs or without_gain >= patience

    def _score(self, row: Mapping[str, float]) -> float:
        """What the best epoch has most of."""
        return self.sign * row[f"val_{self.task.monitor}"]

    def _train_epoch(self, end: int) -> dict[str, float]:
        """The logs of an epoch that ends with step `end`, in as many calls of `fit` as it takes."""
        while True:
            if self.steps.step % self.per_epoch:
                self.steps.carried = self._metric_values()
            self.steps.next_checkpoint = self.kept + CHECKPOINT_SECONDS
            data = self.task.train.dataset(self.steps.step, end)
            history = self.model.fit(
                data, epochs=1, verbose=0, shuffle=False, callbacks=[self.steps]
            )
            logs = {name: float(values[-1]) for name, values in history.history.items()}
            self.steps.check(logs["loss"])
            self.notes.step = self.steps.step
            if self.notes.step == end:
                return logs
            self._keep(self.model.metrics)
            self._leave_if_wanted()

    def _metric_values(self) -> list[tuple[Any, np.ndarray]]:
        """Metrics count from an epoch's first step, though every call of `fit` resets them."""
        return [
            (variable, state.read(variable))
            for metric in self.model.metrics
            for variable in metric.variables
        ]

    def _validate(self) -> dict[str, float]:
        logs = self.task.validate(self.model, self.replicas, [self.steps])
        if self.stop.wanted:  # it ended early
            self._keep()
            self._leave_if_wanted()
        return {f"val_{name}": float(value) for name, value in logs.items()}

    def _end_epoch(self, logs: Mapping[str, float]) -> None:
        notes, number = self.notes, len(self.notes.history) + 1
        total = self.steps.total // self.per_epoch
        stage = {"stage": notes.stage + 1} if len(self.stages) > 1 else {}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        notes.history.append({"epoch": number, **stage, **logs, "learning_rate": rate})
        notes.clock += [None] * (number - 1 - len(notes.clock))
        notes.clock.append(time.monotonic() - self.started)
        notes.logs = None
        score = self._score(logs)
        self.task.end_epoch(self.model, self.out, number)
        if notes.best is None or score > notes.best:
            notes.best, notes.best_epoch = score, number
            best = {"epoch": number, "epochs": total, "score": self.sign * score}
            best |= {"monitor": self.task.monitor, "sign": self.sign, "model": self.model.name}
            state.save(self.out, BEST, best, self.model)
        if time.monotonic() > self.kept + CHECKPOINT_SECONDS:
            self._keep()
        self.record.epoch(total)
        value = logs[f"val_{self.task.monitor}"]
        print(
            f"epoch {number}/{total}  "
            f"loss {logs['loss']:.4f}  val_{self.task.monitor} {value:.4f}  {self.steps.in_words()}"
        )

    def _keep(self, metrics: Sequence[keras.metrics.Metric] = ()) -> None:
        self.notes.seconds = time.monotonic() - self.started
        notes = dataclasses.asdict(self.notes)
        state.save(self.out, LAST, notes, self.model, self.model.optimizer, metrics)
        self.kept = time.monotonic()

    def _leave_if_wanted(self) -> None:
        if self.stop.wanted:
            raise KeyboardInterrupt(
                f"Stopped after step {self.notes.step:,}. The same command goes on from there."
            )
