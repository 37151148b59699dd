"""Weights & Biases and MLflow: each follows a run through a Keras callback of its own."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from dnzoo import storage
from dnzoo.training.config import Config, difference

NOTED = "tracking.json"  # which of their runs is this one
Numbers = Callable[[Mapping[str, float]], None]


@contextlib.contextmanager
def followed(
    config: Config, out: storage.Owned
) -> Iterator[tuple[list[keras.callbacks.Callback], Callable[[Mapping[str, Any]], None]]]:
    """Where `config.wandb` or `config.mlflow` is given, the run is one there, too, while this lasts.

    A run that is gone on with goes on there, unless its config has changed on the way.

    Yields:
        (callbacks for the training, a function for the metrics on the test split).
    """
    asked = {name: start for name, start in TRACKERS.items() if getattr(config, name)}
    known = _read(out) if asked else {}
    if difference(known.get("config", {}), config):
        known = {}
    with contextlib.ExitStack() as stack:
        begun = {
            name: stack.enter_context(start(config, Path(out.path).name, known.get(name)))
            for name, start in asked.items()
        }
        if begun:
            names = {name: name_there for name, (name_there, _, _) in begun.items()}
            out.write_json(NOTED, {**known, "config": config.stored(), **names})

        def tell(metrics: Mapping[str, Any]) -> None:
            numbers = {
                f"test_{k}": float(v) for k, v in metrics.items() if isinstance(v, int | float)
            }
            for _, _, log in begun.values():
                log(numbers)

        yield [callback for _, callback, _ in begun.values()], tell


def _read(out: storage.Owned) -> dict[str, Any]:
    return json.loads((out / NOTED).read_text("utf-8")) if out.holds(NOTED) else {}


@contextlib.contextmanager
def _wandb(
    config: Config, name: str, known: str | None
) -> Iterator[tuple[str, keras.callbacks.Callback, Numbers]]:
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    with wandb.init(
        project=config.wandb,
        name=name,
        id=known,
        resume="allow" if known else None,
        config=config.stored(),
    ) as run:
        yield run.id, WandbMetricsLogger(), run.summary.update


@contextlib.contextmanager
def _mlflow(
    config: Config, name: str, known: str | None
) -> Iterator[tuple[str, keras.callbacks.Callback, Numbers]]:
    import mlflow
    from mlflow.keras import MlflowCallback

    mlflow.set_experiment(config.mlflow)
    with mlflow.start_run(run_id=known, run_name=None if known else name) as run:
        if not known:
            mlflow.log_params(config.stored())
        yield run.info.run_id, MlflowCallback(), mlflow.log_metrics


TRACKERS = {"wandb": _wandb, "mlflow": _mlflow}
