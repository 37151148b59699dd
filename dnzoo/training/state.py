"""The whole state of a run in one file, so that going on gives what not stopping would have given.

`.weights.h5` and `.keras` leave out the seed state of Dropout and, the first, the optimiser.
Here every variable of the model, the optimiser and the metrics is kept, by position.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dnzoo import storage


def save(
    out: storage.Owned,
    name: str,
    notes: Mapping[str, Any],
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None = None,
    metrics: Sequence[keras.metrics.Metric] = (),
) -> None:
    """Write all variables and `notes`, which JSON must hold, to a file in the run's folder."""
    kinds = {
        "model": model.variables,
        "optimizer": () if optimizer is None else optimizer.variables,
        "metrics": [variable for metric in metrics for variable in metric.variables],
    }
    arrays = {
        f"{kind}_{i}": read(variable)
        for kind, variables in kinds.items()
        for i, variable in enumerate(variables)
    }
    with out.new_file(name) as partial, open(partial, "wb") as file:
        np.savez(file, notes=np.array(json.dumps(notes)), **arrays)


def read(variable: Any) -> np.ndarray:
    """A variable's value as an array; one that several devices hold copies of, too."""
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))


def restore(
    path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
) -> None:
    """Put back what `save` kept of the model and the optimiser, which must be built."""
    _assign(path, "model", model.variables)
    if optimizer is not None:
        _assign(path, "optimizer", optimizer.variables)


def restore_metrics(path: Path, metrics: Sequence[keras.metrics.Metric]) -> None:
    """Put back what `save` kept of the metrics, which must have been used before."""
    _assign(path, "metrics", [variable for metric in metrics for variable in metric.variables])


def read_notes(path: Path) -> dict[str, Any]:
    """The notes that `save` kept.

    Raises:
        ValueError: when the file is damaged; so do the other readers, for another model's, too.
    """
    with _reading(path) as file:
        return json.loads(file["notes"].item())


def _assign(path: Path, kind: str, variables: Sequence[Any]) -> None:
    with _reading(path) as file:
        count = sum(name.startswith(f"{kind}_") for name in file.files)
        values = [file[f"{kind}_{i}"] for i in range(count)]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise ValueError(
            f"the checkpoint {path} can't be used: its {kind} is another one, as with other classes or "
            "another version. It is whole: use another `out`."
        )
    for variable, value in zip(variables, values):
        variable.assign(value)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with np.load(path) as file:
            yield file
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        raise ValueError(
            f"the checkpoint {path} can't be used, it is damaged ({error}): put back a copy of it, or "
            "use another `out`."
        ) from error
