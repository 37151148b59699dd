"""The one `run` that every recipe calls: train, keep the best, evaluate, save, report."""

import csv
import json
import shlex
import sys
import time
from pathlib import Path

import keras

from dnzoo import files, saving
from dnzoo.training import report, state
from dnzoo.training.config import difference
from dnzoo.training.environment import environment
from dnzoo.training.progress import Steps, Stop


def run(config, task, build):
    """Train the model that `build()` makes on `task`, and leave everything in `config.out`.

    The folder gets config.json, log.csv, TensorBoard logs, checkpoints/ (last, and best on the
    validation split), saved_model/ (the best), predictions.png and report.html. A run that was
    interrupted goes on where it stopped, to the same weights; a finished one is left alone.

    Args:
        config: `training.Config` or a dataclass that extends it.
        task: what is learned, for instance `dnzoo.tasks.Segmentation`: `name`, `description` (of
            the data), `caption` (of the pictures), `train` and `validation` (batches), `loss`,
            `metrics()`, `monitor` (name of the metric to keep the best by, higher is better),
            `evaluate(model)`, `pictures(model)`, `published` (keywords for `dnzoo.save`).
        build: makes the uncompiled `keras.Model`; called with seed and precision set.

    Returns:
        The metrics on the test split, or None when the run had finished before.

    Raises:
        ValueError: when `config.out` holds a run with another config, or `config.resume` forbids.
        FloatingPointError: when the loss is no number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, at the end of a step, with the state saved.
    """
    if config.evaluate:
        return evaluate(config, task)
    out = Path(config.out)
    if not _prepare(out, config):
        print(f"{out} holds this run already, finished. {_places(out)}")
        return None
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_precision(config.precision))
    try:
        keras.utils.set_random_seed(config.seed)
        model = build()
        saving.check(model)
        steps = config.epochs * task.train.steps_per_epoch
        model.compile(
            optimizer=_optimizer(config, steps),
            loss=task.loss,
            metrics=task.metrics(),
            jit_compile=_jit_compile(),
        )
        print(f"{model.name}: {model.count_params():,} parameters, {steps:,} steps, {out}/")
        history, seconds = _train(config, task, model, out)
        return _finish(config, task, model, out, history, seconds)
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


def _prepare(out, config):
    """Whether there is anything to do in `out`; raises where it is taken."""
    file = out / "config.json"
    if not (out / "checkpoints" / "last.npz").is_file():
        if config.resume == "must":
            raise ValueError(f"--resume must, but {out} holds no run.")
        files.write_json(file, config.stored())
        return True
    if config.resume == "never":
        raise ValueError(f"--resume never, but {out} holds a run; use another --out.")
    stored = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    different = difference(stored, config)
    if different:
        raise ValueError(
            f"{out} holds a run with another config ({'; '.join(different)}); use another --out."
        )
    return not (out / "report.html").is_file()


def _precision(name):
    if name != "auto":
        return name
    return "mixed_bfloat16" if _accelerated() else "float32"


def _jit_compile():
    # XLA doubles the time of a step on TensorFlow's CPU, and is JAX's only way
    return "auto" if keras.backend.backend() != "tensorflow" or _accelerated() else False


def _accelerated():
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))


def _optimizer(config, steps):
    rate = config.learning_rate
    schedules = keras.optimizers.schedules
    if config.schedule == "cosine":
        rate = schedules.CosineDecay(
            0.0 if config.warmup else rate,
            max(steps - config.warmup, 1),
            warmup_target=rate if config.warmup else None,
            warmup_steps=config.warmup,
        )
    elif config.warmup:
        rate = schedules.PolynomialDecay(0.0, config.warmup, rate, power=1.0)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _train(config, task, model, out):
    """The history, a dict an epoch, and the seconds it took."""
    last, per_epoch = out / "checkpoints" / "last.npz", task.train.steps_per_epoch
    notes = {"step": 0, "history": [], "best": None, "seconds": 0.0}
    if last.is_file():
        notes = state.restore(last, model, model.optimizer)
        print(f"Going on after step {notes['step']:,}.")
    started = time.monotonic() - notes["seconds"]
    total = config.epochs * per_epoch
    writer = _tensorboard(out)
    data_rate = None if notes["step"] == total else _data_rate(task.train)

    def keep(step):
        seconds = time.monotonic() - started
        rest = {"history": notes["history"], "best": notes["best"]}
        state.save(last, model, model.optimizer, step=step, seconds=seconds, **rest)

    with Stop() as stop:
        steps = Steps(notes["step"], total, task.train.batch_size, stop)
        for epoch in range(notes["step"] // per_epoch, config.epochs):
            logs = _epoch(model, task, steps, epoch)
            if stop.wanted and steps.step < (epoch + 1) * per_epoch:
                keep(steps.step)
                raise KeyboardInterrupt(
                    f"Stopped after step {steps.step:,}. The same command goes on from there."
                )
            logs |= _validate(model, task)
            notes["history"].append({"epoch": epoch + 1, **logs})
            best, score = notes["best"], logs[f"val_{task.monitor}"]
            if best is None or score > best:
                notes["best"] = score
                state.save(out / "checkpoints" / "best.npz", model, epoch=epoch + 1)
            keep(steps.step)
            _log(out, notes["history"], writer)
            print(
                f"epoch {epoch + 1}/{config.epochs}  loss {logs['loss']:.4f}  "
                f"val_{task.monitor} {score:.4f}  {steps.time_left()}"
            )
            if data_rate is not None:
                print(f"  {steps.rate():,.0f} images/s; the input side can do {data_rate:,.0f}")
                data_rate = None
    return notes["history"], time.monotonic() - started


def _epoch(model, task, steps, epoch):
    data = task.train.dataset(steps.step, (epoch + 1) * task.train.steps_per_epoch)
    # one call of fit an epoch: it can end after any step, and validation stays out of it
    history = model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[steps])
    logs = {name: float(values[-1]) for name, values in history.history.items()}
    steps.check(logs["loss"])
    return logs


def _validate(model, task):
    logs = model.evaluate(task.validation.dataset(), verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in logs.items()}


def _data_rate(batches):
    """Images a second of the input side alone."""
    count, started = min(20, batches.steps_per_epoch), time.monotonic()
    for _ in batches.dataset(0, count):
        pass
    return count * batches.batch_size / (time.monotonic() - started)


def _tensorboard(out):
    from tensorboard.summary import Writer  # writes by itself, without TensorFlow

    return Writer(str(out / "tensorboard"))


def _log(out, history, writer):
    with files.new_file(out / "log.csv") as partial, open(partial, "w", newline="") as file:
        rows = csv.DictWriter(file, fieldnames=list(history[-1]))
        rows.writeheader()
        rows.writerows(history)
    for name, value in history[-1].items():
        if name != "epoch":
            writer.add_scalar(name, value, step=history[-1]["epoch"])
    writer.flush()


def _finish(config, task, model, out, history, seconds):
    """Test the best weights as they are published, in float32; save them; write the report."""
    best = state.restore(out / "checkpoints" / "best.npz", model)
    model = saving.as_float32(model)
    metrics = task.evaluate(model)
    provenance = {
        "data": task.description,
        "command": shlex.join(["python", *sys.argv]),
        "seed": config.seed,
        "best epoch": f"{best['epoch']} of {config.epochs}, by {task.monitor} on validation",
        "training time": f"{seconds / 60:.1f} minutes",
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
        f"{model.name} on {task.name}", config.stored(), history, metrics, provenance, task, picture
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
