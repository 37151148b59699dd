"""What happens between two steps: progress with time left, a wish to stop, a loss gone wrong."""

import math
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Self

import keras
import numpy as np
from rich import get_console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

CHECK_EVERY = 20  # steps; reading the loss makes an accelerator wait
SPEAK_SECONDS = 30  # between two lines where no bar can be drawn


class Stop:
    """Turns the first Ctrl-C or SIGTERM into a wish that a step can see; a second one is as usual."""

    wanted: bool
    before: dict[int, Any]

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Self:
        self.before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        self._restore()
        print("\nStopping after this step.", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __exit__(self, *error: object) -> None:
        self._restore()


class Steps(keras.callbacks.Callback):
    """Counts steps, shows them, ends `fit` when it is time, and raises on a loss that is no number.

    Attributes:
        step, total: steps done, and to do, of the whole run.
        next_checkpoint: the time, `time.monotonic()`, at which `fit` ends so that state is kept.
        carried: (variable, value) of metrics, put back once after `fit` has reset them.
    """

    step: int
    total: int
    batch_size: int
    stop: Stop
    next_checkpoint: float
    carried: Sequence[tuple[Any, np.ndarray]]
    started: float
    first: int
    spoken: float
    bar: Progress
    task: TaskID

    def __init__(self, step: int, batch_size: int, stop: Stop) -> None:
        super().__init__()
        self.step, self.total, self.batch_size, self.stop = step, 0, batch_size, stop
        self.next_checkpoint, self.carried = math.inf, ()
        self.started, self.first, self.spoken = time.monotonic(), step, time.monotonic()
        self.bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("time left"),
            TimeRemainingColumn(),
            transient=True,
            disable=not get_console().is_terminal,
        )
        self.task = self.bar.add_task("", completed=step, loss=float("nan"))

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the bar."""
        self.bar.start()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Put back the metrics of an epoch that is gone on with."""
        for variable, value in self.carried:
            variable.assign(value)
        self.carried = ()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the step, show it, and end `fit` when it is time."""
        self.step += 1
        if self.step % CHECK_EVERY == 0 or self.stop.wanted:
            loss = float(logs["loss"])
            self.check(loss)
            self.bar.update(self.task, completed=self.step, total=self.total, loss=loss)
            if self.bar.disable and time.monotonic() - self.spoken > SPEAK_SECONDS:
                print(f"  step {self.step}/{self.total}  loss {loss:.4f}  {self.in_words()}")
                self.spoken = time.monotonic()
        if self.stop.wanted or time.monotonic() > self.next_checkpoint:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the validation where a person wants to stop."""
        if self.stop.wanted:
            self.model.stop_evaluating = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the bar away."""
        self.bar.stop()

    def check(self, loss: float) -> None:
        """Raise FloatingPointError when the loss is no finite number."""
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} by step {self.step}. The last good state is kept in "
                "checkpoints/. Try a lower `learning_rate`, a `warmup`, or precision=float32, "
                "into another `out`."
            )

    def in_words(self) -> str:
        """Speed since the start of the process, evaluation included, and the time left."""
        rate = (self.step - self.first) * self.batch_size / (time.monotonic() - self.started)
        seconds = int((self.total - self.step) * self.batch_size / max(rate, 1e-9))
        return f"{rate:,.0f} images/s  {seconds // 60}:{seconds % 60:02d} left"
