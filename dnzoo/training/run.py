"""The one `run` that every recipe calls: train, keep the best, evaluate, save, report."""

import json
import shlex
import sys
from pathlib import Path

import keras

from dnzoo import files, heads, saving
from dnzoo.training import devices, report, state
from dnzoo.training.config import difference
from dnzoo.training.environment import environment
from dnzoo.training.loop import Loop


def run(config, task, build):
    """Train the model that `build()` makes on `task`, and leave everything in `config.out`.

    The folder gets config.json, log.csv, TensorBoard logs, checkpoints/ (last, and best on the
    validation split), saved_model/ (the best), predictions.png and report.html. A run that was
    interrupted, or killed at any moment, goes on where it stopped, to the same weights; a
    finished one is left alone.

    Args:
        config: `training.Config` or a dataclass that extends it.
        task: what is learned, a `dnzoo.tasks.Task`.
        build: makes the uncompiled `keras.Model`; called with seed and precision set.

    Returns:
        The metrics on the test split, or None when the run had finished before.

    Raises:
        ValueError: when `config.out` holds a run with another config, or `config.resume` forbids,
            or the devices can't be had.
        BlockingIOError: when another process trains into `config.out`.
        OSError: when the disk is full or read-only; the next start goes on.
        FloatingPointError: when the loss is no number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, at the end of a step, with the state saved.
    """
    if config.evaluate:
        return evaluate(config, task)
    out = Path(config.out)
    if config.resume == "must" and not _is_begun(out):
        raise ValueError(f"--resume must, but {out} holds no run.")
    with files.owned(out):
        if not _prepare(out, config):
            print(f"{out} holds this run already, finished. {_places(out)}")
            return None
        model, notes = train(config, task, build, out)
        return _finish(config, task, model, out, notes)


def train(config, task, build, out):
    """The trained model and the `Notes` of its training; `out` gets what `Loop` says."""
    policy = keras.config.dtype_policy()
    with devices.distributed(config.distribute, task.train.batch_size) as replicas:
        try:
            keras.config.set_dtype_policy(devices.precision(config.precision))
            keras.utils.set_random_seed(config.seed)
            model = build()
            saving.check(model)
            steps = sum(s.epochs for s in config.stages()) * task.train.steps_per_epoch
            print(f"{model.name}: {model.count_params():,} parameters, {steps:,} steps, {out}/")
            return model, Loop(config, task, model, out, replicas).train()
        finally:
            keras.config.set_dtype_policy(policy)


def evaluate(config, task):
    """The metrics of the saved model `config.evaluate` on the test split, printed and as JSON."""
    model = saving.load(config.evaluate)
    metrics = task.evaluate(model)
    report.print_metrics(metrics)
    path = Path(config.out) / "evaluation.json"
    files.write_json(path, {"model": config.evaluate, "data": config.data, "metrics": metrics})
    print(f"JSON: {path}")
    return metrics


def _is_begun(out):
    return (out / "checkpoints/last.npz").is_file()


def _prepare(out, config):
    """Whether there is anything to do in `out`; raises where it is taken."""
    file = out / "config.json"
    if not _is_begun(out):
        files.write_json(file, config.stored())
        return True
    if config.resume == "never":
        raise ValueError(f"--resume never, but {out} holds a run; use another --out.")
    if not file.is_file():
        raise ValueError(f"{out} holds checkpoints without a config.json; use another --out.")
    different = difference(json.loads(file.read_text("utf-8")), config)
    if different:
        raise ValueError(
            f"{out} holds a run with another config ({'; '.join(different)}); use another --out."
        )
    return not (out / "report.html").is_file()


def _finish(config, task, model, out, notes):
    """Test the best weights as they are published, in float32; save them; write the report."""
    best = out / "checkpoints/best.npz"
    state.restore(best, model)
    if any(stage.only_head for stage in config.stages()):
        heads.train_all(model)
    model = saving.as_float32(model)
    metrics = task.evaluate(model)
    epoch = state.read_notes(best)["epoch"]
    provenance = {
        "data": task.description,
        "command": shlex.join(["python", *sys.argv]),
        "seed": config.seed,
        "best epoch": f"{epoch} of {len(notes.history)}, by {task.monitor} on validation",
        "training time": f"{notes.seconds / 60:.1f} minutes",
        **environment(),
    }
    saving.save(
        model,
        out / "saved_model",
        name=f"{model.name}_{task.name}",
        metrics=metrics,
        provenance=provenance,
        overwrite=True,
        **task.published,
    )
    picture = task.pictures(model)
    with files.new_file(out / "predictions.png") as partial:
        picture.save(partial)
    page = report.html(
        f"{model.name} on {task.name}",
        config.stored(),
        notes.history,
        metrics,
        provenance,
        task,
        picture,
        task.progress(out),
    )
    with files.new_file(out / "report.html") as partial:
        partial.write_text(page, "utf-8")
    report.print_metrics(metrics)
    print(_places(out))
    return metrics


def _places(out):
    """Where a person finds what a run made."""
    names = {"SavedModel": "saved_model", "Report": "report.html", "Picture": "predictions.png"}
    return "".join(f"\n{kind + ':':<12}{out / name}" for kind, name in names.items())
