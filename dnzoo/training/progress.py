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
from rich.progress import BarColumn, Progress, TaskID, TextColumn

SPEAK_SECONDS = 30  # between two lines where no bar can be drawn
NOTEBOOK_SECONDS = 0.5  # between two changes of the line in a notebook


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

    `fit` is called several times in a training, and these callbacks are not given to it: what they
    hear is that of one long `fit`.

    Args:
        step: steps done before.
        batch_size: images per step.
        stop: the wish of a person to stop.
        callbacks: `keras.callbacks.Callback` of the user's own.

    Attributes:
        step, total: steps done, and to do, of the whole run.
        next_checkpoint: the time, `time.monotonic()`, at which `fit` ends so that state is kept.
        carried: (variable, value) of metrics, put back once after `fit` has reset them.
        ended: whether one of the callbacks has asked for the end, with `model.stop_training`.
    """

    step: int
    total: int
    batch_size: int
    stop: Stop
    callbacks: Sequence[keras.callbacks.Callback]
    next_checkpoint: float
    carried: Sequence[tuple[Any, np.ndarray]]
    ended: bool
    per_epoch: int  # 0: it has not begun
    since: tuple[float, int]  # a time, and steps done then: what speed is measured from
    compiled: bool
    spoken: float
    bar: Progress
    task: TaskID
    handle: Any  # IPython's, of the line in a notebook

    def __init__(
        self,
        step: int,
        batch_size: int,
        stop: Stop,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        super().__init__()
        self.step, self.total, self.batch_size, self.stop = step, 0, batch_size, stop
        self.callbacks, self.ended, self.per_epoch = callbacks, False, 0
        self.next_checkpoint, self.carried = math.inf, ()
        self.since, self.compiled = (time.monotonic(), step), False
        self.spoken = time.monotonic()
        self.bar = Progress(
            TextColumn("step {task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            transient=True,
            disable=not get_console().is_terminal,
        )
        self.task, self.handle = self.bar.add_task("", total=0, text="compiling"), None

    def begin(self, model: keras.Model, epochs: int, per_epoch: int) -> None:
        """Tell the callbacks, once, that the training begins: of so many epochs of so many steps."""
        if self.per_epoch:
            return
        self.per_epoch = per_epoch
        self.set_model(model)  # a task may validate, and then end, without `fit` or `evaluate`
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params({"verbose": 0, "epochs": epochs, "steps": per_epoch})
        self.tell("on_train_begin", {})

    def end_epoch(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Tell the callbacks the numbers of an epoch; whether one of them wants the training to end."""
        self.model.stop_training = False
        self.tell("on_epoch_end", epoch, dict(logs))
        self.ended |= bool(self.model.stop_training)
        return self.ended

    def end(self, logs: Mapping[str, Any]) -> None:
        """Tell the callbacks that the training has ended, if it had begun."""
        if self.per_epoch:
            self.tell("on_train_end", dict(logs))

    def tell(self, event: str, *args: Any) -> None:
        """Call a method of each of the callbacks."""
        for callback in self.callbacks:
            getattr(callback, event)(*args)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the bar."""
        self.bar.update(self.task, completed=self.step, total=self.total)
        self.bar.start()
        if get_console().is_jupyter and self.handle is None:
            from IPython.display import display

            self.handle = display(self._line("compiling"), raw=True, display_id=True)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Put back the metrics of an epoch that is gone on with."""
        for variable, value in self.carried:
            variable.assign(value)
        self.carried = ()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the callbacks."""
        self.tell("on_train_batch_begin", self.step % max(self.per_epoch, 1), {})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the step, show it, and end `fit` when it is time."""
        batch, self.step = self.step % max(self.per_epoch, 1), self.step + 1
        loss = float(logs["loss"])  # Keras has read it already
        self.check(loss)
        self._show(loss)
        self.tell("on_train_batch_end", batch, logs)
        self.ended |= bool(self.model.stop_training)
        self.model.stop_training = self.stop.wanted or time.monotonic() > self.next_checkpoint

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the callbacks."""
        self.tell("on_test_begin", {})

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the callbacks."""
        self.tell("on_test_batch_begin", batch, {})

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the validation where a person wants to stop."""
        self.tell("on_test_batch_end", batch, logs)
        if self.stop.wanted:
            self.model.stop_evaluating = True

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the callbacks."""
        self.tell("on_test_end", logs)

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

    def _show(self, loss: float) -> None:
        """The step where it can be seen: in a bar, in a notebook's line, or in a line now and then."""
        if not self.compiled:  # the first step, compiled too, says nothing of the speed
            self.compiled, self.since, left = True, (time.monotonic(), self.step), ""
        else:
            left = f"  {self.left()} left"
        text, silent = f"loss {loss:.4f}{left}", time.monotonic() - self.spoken
        self.bar.update(self.task, completed=self.step, total=self.total, text=text)
        if self.handle is not None:
            if silent > NOTEBOOK_SECONDS or self.step in (1, self.total):
                self.handle.update(self._line(text), raw=True)
                self.spoken = time.monotonic()
        elif self.bar.disable and silent > SPEAK_SECONDS:
            print(f"  step {self.step:,}/{self.total:,}  loss {loss:.4f}  {self.in_words()}")
            self.spoken = time.monotonic()

    def _line(self, text: str) -> dict[str, str]:
        """A line for a notebook."""
        return {"text/plain": f"step {self.step:,}/{self.total:,}  {text}"}

    def _speed(self) -> float:
        """Steps per second since the first step of this process, evaluation included."""
        started, first = self.since
        return (self.step - first) / max(time.monotonic() - started, 1e-9)

    def left(self) -> str:
        """The time left, as 1:05 or 2:01:05."""
        seconds = int((self.total - self.step) / max(self._speed(), 1e-9))
        hours, minutes = divmod(seconds // 60, 60)
        hours = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
        return f"{hours}:{seconds % 60:02d}"

    def in_words(self) -> str:
        """Speed and time left, where they are known."""
        if self.step == self.since[1]:
            return ""
        return f"{self._speed() * self.batch_size:,.0f} images/s  {self.left()} left"
