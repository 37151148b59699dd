"""The one `run` that every recipe calls: train, keep the best, evaluate, save, report."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from dnzoo import saving, storage, terminal
from dnzoo.inference import kinds
from dnzoo.training import devices, report, state, tracking
from dnzoo.training.config import IDENTITY, Config, difference
from dnzoo.training.environment import environment
from dnzoo.training.loop import BEST, LAST, Loop
from dnzoo.training.notes import Notes
from dnzoo.training.record import REPORT
from dnzoo.training.task import Task

EVALUATION = "evaluation.json"
# What a finished run has, in the order in which it appears. The report is there from the start and is
# written a last time before the last of them, whose being there alone says that the run has finished.
RESULTS = ("saved_model", REPORT, "predictions.png")


def run(
    config: Config,
    task: Task,
    build: Callable[[], keras.Model],
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any] | None:
    """Train the model that `build()` makes on `task`, and leave everything in `config.out`.

    The folder gets config.json, log.csv, TensorBoard logs, checkpoints/ (last, and best on the
    validation split), saved_model/ (the best), predictions.png and report.html. A run that was
    interrupted, or killed at any moment, goes on where it stopped, to the same weights; a
    finished one is left alone. What `config.may_change` names may be another then, and is printed.

    Args:
        config: `training.Config` or a dataclass that extends it.
        task: what is learned, a `dnzoo.tasks.Task`.
        build: makes the uncompiled `keras.Model`; called with seed and precision set.
        callbacks: `keras.callbacks.Callback` that hear the training as one `fit`: epochs of the log, from
            0 on, with the numbers of validation; also where it is gone on with, and then from the
            epoch on that it stopped in. `model.stop_training = True` ends the training after the epoch,
            for good. What a callback remembers isn't kept from one process to the next (an
            `EarlyStopping` counts anew), what it does to the model is part of the run, and the
            published weights are those of the best epoch by the task's metric, whatever it restores.
            None of them is called when the run had finished, and not for the test.

    Returns:
        The metrics on the test split, or None when the run had finished before.

    Raises:
        ValueError: when `config.out` holds a run whose config differs in more than that, or whose data
            was another and `config.resume` is not "new-data", or `config.resume` forbids, or the
            devices can't be had.
        FileExistsError: when `config.out` is not empty and no run of dnzoo's, or something that this
            run did not make has the name of one of its files. Nothing is ever replaced then.
        BlockingIOError: when another process trains into `config.out`.
        OSError: when the disk is full or read-only; the next start goes on.
        FloatingPointError: when the loss is no number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, at the end of a step, with the state saved.
    """
    if config.evaluate:
        return evaluate(config, task)
    if config.resume == "must" and not (Path(config.out) / "config.json").is_file():
        raise ValueError(f"resume=must, but {config.out} holds no run.")
    with storage.owned(config.out, alone=True, beside=(EVALUATION,)) as out:
        if not _prepare(out, config, task.train.steps_per_epoch):
            print(f"{out} holds this run already, finished. {_places(out)}")
            return None
        if task.data.look:
            task.data.look.print()
        if advice := task.advice():
            print(advice)
        with tracking.followed(config, out) as (trackers, tell):
            model, notes = train(config, task, build, out, [*callbacks, *trackers])
            metrics = _finish(config, task, model, out, notes)
            tell(metrics)
        return metrics


def train(
    config: Config,
    task: Task,
    build: Callable[[], keras.Model],
    out: storage.Owned,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, Notes]:
    """The trained model and the `Notes` of its training; `out`, a `storage.Owned`, as for `Loop`."""
    config.settle(task.train.steps_per_epoch)
    policy = keras.config.dtype_policy()
    with devices.distributed(config.distribute, task.train.batch_size) as replicas:
        try:
            keras.config.set_dtype_policy(devices.precision(config.precision))
            keras.utils.set_random_seed(config.seed)
            model = build()
            kinds.say(
                model, pixels=task.data.pixels
            )  # so that prediction reads files as training does
            saving.check(model)
            stages, per_epoch = config.plan(task.train.steps_per_epoch)
            epochs = sum(stage.epochs for stage in stages)
            length = f"{epochs * per_epoch:,} steps in {epochs} epoch{'s' if epochs > 1 else ''}"
            print(f"{model.name}: {model.count_params():,} parameters, {length}, {out}/")
            return model, Loop(config, task, model, out, replicas, callbacks).train()
        finally:
            keras.config.set_dtype_policy(policy)


def evaluate(config: Config, task: Task) -> dict[str, Any]:
    """The metrics of the saved model `config.evaluate` on the test split, printed and as JSON."""
    model = saving.load(config.evaluate)
    _check_pixels(model, config, task)
    metrics = task.evaluate(model)
    report.print_metrics(metrics, task.labels)
    path = Path(config.out) / EVALUATION
    result = {"model": config.evaluate, "data": config.data, "metrics": metrics}
    storage.write_json(path, result, lambda path, partial=None: _refuse_other(path, result))
    print(f"JSON: {path}")
    return metrics


def _check_pixels(model: keras.Model, config: Config, task: Task) -> None:
    """Raise ValueError where files of other depths are read otherwise than in the model's training."""
    learned, now = (kinds.said(model) or ("", {}))[1].get("pixels"), task.data.pixels
    said = getattr(config, "white", None) is not None
    if now and (tuple(learned) != now if learned else not said):
        advice = f"black={learned[0]} white={learned[1]}" if learned else "white=<value>"
        raise ValueError(
            f"{config.evaluate} was trained with {'other values' if learned else 'images of 8 bits'}: say "
            f"which of these images' values are black and white: {advice}."
        )


def _refuse_other(path: Path, result: Mapping[str, Any]) -> None:
    """Raise FileExistsError where a file is no evaluation of the same model on the same data."""
    if path.is_file():
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError:
            found = None
        keys = ("model", "data")
        same = isinstance(found, dict) and set(found) == set(result)
        if not same or any(found[key] != result[key] for key in keys):
            raise FileExistsError(f"{path} holds something else: use another `out`.")


def _prepare(out: storage.Owned, config: Config, pass_steps: int) -> bool:
    """Whether there is anything to do in `out`; raises where another run is there, or something else."""
    begun, results = (out / LAST).is_file(), [name for name in RESULTS if (out / name).exists()]
    file = out / "config.json"
    if not file.is_file():
        others = out.others(EVALUATION)
        if others:
            raise ValueError(
                f"{out} holds {', '.join(others)} without a config.json; use another `out`."
            )
        config.settle(pass_steps)
        out.write_json("config.json", config.stored())
        return True
    if config.resume == "never":
        raise ValueError(f"resume=never, but {out} holds a run; use another `out`.")
    stored = _stored(file)
    config.go_on(stored)
    config.settle(pass_steps)
    different = difference(stored, config)
    _refuse_changes(out, different, config)
    if len(results) == len(RESULTS) and out.made(RESULTS[-1]) and not different:
        return False
    if {*results} - {REPORT} and not begun:
        lacking = [name for name in RESULTS if name not in results]
        wanted = f"{', '.join(lacking)} is missing and so is" if lacking else "there is no"
        raise ValueError(
            f"{out} holds results of this run, but {wanted} {LAST}, to go on from; use another `out`."
        )
    out.check(*RESULTS, "log.csv", LAST, BEST)
    out.remove(RESULTS[-1])  # the report is going to be that of a run under way
    if different:
        out.write_json("config.json", config.stored())
        print(f"Going on with changes: {'; '.join(different.values())}.")
    return True


def _refuse_changes(out: storage.Owned, different: dict[str, str], config: Config) -> None:
    """Raise ValueError where a run would be gone on with that is another one, or on other data."""
    may_change = config.may_change
    refused = [text for key, text in different.items() if key not in (*may_change, IDENTITY)]
    if refused:
        raise ValueError(
            f"{out} holds a run with another config ({'; '.join(refused)}); use another `out`. "
            f"On the way may change: {', '.join(may_change)}."
        )
    if {"epochs", "steps"} <= set(different):
        raise ValueError(
            f"the length of the run in {out} was given otherwise ({different['epochs']}; "
            f"{different['steps']}): go on as it was begun, or use another `out`."
        )
    if IDENTITY in different and config.resume != "new-data":
        raise ValueError(
            f"the data has changed since {out} was begun ({different[IDENTITY]}): images were added, removed "
            "or are others. Put them back, or use another `out` for a run on what is there now, or say "
            "resume=new-data to go on from the last checkpoint with it (with more `epochs`, if the run "
            "had finished)."
        )


def _stored(file: Path) -> dict[str, Any]:
    """The values of a config.json."""
    try:
        values = json.loads(file.read_text("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no settings")
    except ValueError as error:
        raise ValueError(f"{file} can't be read ({error}); use another `out`.") from error
    return values


def _finish(
    config: Config, task: Task, model: keras.Model, out: storage.Owned, notes: Notes
) -> dict[str, Any]:
    """Test the best weights as they are published, in float32; save them; write the report."""
    best = out / BEST
    state.restore(best, model)
    model = saving.as_float32(model)
    metrics = task.evaluate(model)
    epoch = state.read_notes(best)["epoch"]
    provenance = {
        "task": task.words(),
        "data": task.description,
        "command": terminal.typed(),
        "seed": config.seed,
        "best epoch": f"{epoch} of {len(notes.history)}, by {task.monitor} on validation",
        "training time": f"{notes.seconds / 60:.1f} minutes",
        **({"changed on the way": "; ".join(notes.changes)} if notes.changes else {}),
        **environment(),
    }
    with out.new_folder("saved_model") as partial:
        saving.write(
            model,
            partial,
            name=f"{model.name}_{task.name}",
            metrics=metrics,
            provenance=provenance,
            **task.published,
        )
    picture = task.pictures(model)
    page = report.html(
        f"{model.name} on {task.name}",
        config.stored(),
        notes.history,
        task,
        notes.standing(len(notes.history)),
        data=task.shown_data(),
        results=task.shown_results(model, "test", metrics),
        metrics=metrics,
        provenance=provenance,
        picture=picture,
        progress=task.progress(out),
    )
    with out.new_file(REPORT) as partial:
        partial.write_text(page, "utf-8")
    with out.new_file(RESULTS[-1]) as partial:
        picture.save(partial)
    report.print_metrics(metrics, task.labels)
    print(_places(out))
    return metrics


def _places(out: storage.Owned) -> str:
    """Where a person finds what a run made."""
    names = {"SavedModel": "saved_model", "Report": REPORT, "Picture": "predictions.png"}
    return "".join(f"\n{kind + ':':<12}{out / name}" for kind, name in names.items())
