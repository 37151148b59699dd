"""What a person sees between two steps."""

import types

import IPython.display
import pytest

from dnzoo.training import progress
from dnzoo.training.progress import Steps, Stop


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: `clock.now`."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.now)
    return clock


def steps(console, monkeypatch, total=9001):
    """`Steps` of 10 images each, where `rich` takes the output for such a one."""
    monkeypatch.setattr(progress, "get_console", lambda: types.SimpleNamespace(**console))
    found = Steps(0, 10, Stop())
    found.set_model(types.SimpleNamespace(stop_training=False))
    found.total = total
    return found


def train(steps, clock, *seconds):
    """Steps that end at these times."""
    for now in seconds:
        clock.now = now
        steps.on_train_batch_end(0, {"loss": 0.5})


def test_a_bar_has_no_loss_before_there_is_one_and_time_left_from_the_second_step(
    clock, monkeypatch
):
    seen = steps({"is_terminal": True, "is_jupyter": False}, monkeypatch)
    monkeypatch.setattr(seen.bar, "start", lambda: None)
    seen.on_train_begin()
    task = seen.bar.tasks[0]
    assert (task.completed, task.total, task.fields["text"]) == (0, 9001, "compiling")
    train(seen, clock, 100.0)  # the compilation
    assert (task.completed, task.fields["text"]) == (1, "loss 0.5000")
    train(seen, clock, 101.0)
    assert (task.completed, task.fields["text"]) == (2, "loss 0.5000  2:29:59 left")
    assert seen.in_words() == "10 images/s  2:29:59 left"
    seen.total = 67
    assert seen.left() == "1:05"


def test_lines_where_there_is_no_terminal(clock, monkeypatch, capsys):
    seen = steps({"is_terminal": False, "is_jupyter": False}, monkeypatch)
    seen.on_train_begin()
    train(seen, clock, 10, 20, 31, 41, 61, 62)
    assert capsys.readouterr().out.splitlines() == [
        "  step 3/9,001  loss 0.5000  1 images/s  26:14:39 left",
        "  step 6/9,001  loss 0.5000  1 images/s  25:59:08 left",
    ]


def test_one_line_in_a_notebook(clock, monkeypatch, capsys):
    shown = []

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    monkeypatch.setattr(IPython.display, "display", display)
    seen = steps({"is_terminal": False, "is_jupyter": True}, monkeypatch, total=4)
    seen.on_train_begin()
    train(seen, clock, 5.0, 5.1)
    seen.on_train_begin()  # `fit` is called again
    train(seen, clock, 6.0, 6.1)
    assert shown == [
        "step 0/4  compiling",
        "step 1/4  loss 0.5000",
        "step 3/4  loss 0.5000  0:00 left",
        "step 4/4  loss 0.5000  0:00 left",
    ]
    assert not capsys.readouterr().out


def test_a_loss_that_is_no_number_is_told_at_its_step(clock, monkeypatch):
    seen = steps({"is_terminal": False, "is_jupyter": False}, monkeypatch)
    train(seen, clock, 1.0)
    with pytest.raises(FloatingPointError, match="the loss became inf by step 2"):
        seen.on_train_batch_end(1, {"loss": float("inf")})
