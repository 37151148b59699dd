"""The whole state of a run in one file, so that going on gives what not stopping would have given.

`.weights.h5` and `.keras` leave out the seed state of Dropout and, the first, the optimiser.
Here every variable of the model and of the optimiser is kept, by position.
"""

import json

import keras
import numpy as np

from dnzoo import files


def save(path, model, optimizer=None, **notes):
    """Write all variables and `notes`, which JSON must hold; whole or not at all."""
    arrays = {f"model_{i}": _array(v) for i, v in enumerate(model.variables)}
    if optimizer is not None:
        arrays |= {f"optimizer_{i}": _array(v) for i, v in enumerate(optimizer.variables)}
    with files.new_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, notes=np.array(json.dumps(notes)), **arrays)


def restore(path, model, optimizer=None):
    """Put back what `save` kept and return the notes.

    Raises:
        ValueError: when the file is damaged or of another model.
    """
    variables = {"model": model.variables}
    if optimizer is not None:
        optimizer.build(model.trainable_variables)
        variables["optimizer"] = optimizer.variables
    try:
        with np.load(path) as file:
            values = {
                kind: [file[f"{kind}_{i}"] for i in range(len(of_kind))]
                for kind, of_kind in variables.items()
            }
            notes = json.loads(file["notes"].item())
        for kind, of_kind in variables.items():
            for variable, value in zip(of_kind, values[kind]):
                variable.assign(value)
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        raise ValueError(f"the checkpoint {path} can't be used ({error}); remove it.") from error
    return notes


def _array(variable):
    return keras.ops.convert_to_numpy(variable.value)
