"""A search with keras-tuner.

keras-tuner writes its files in place, and can't read one that was cut off. So they are never read:
each trial's result is a file of dnzoo's, whole or not there, and a search that starts again asks
keras-tuner anew. With the same seed and results it proposes the same trials; those that have a result
are not trained again, and one that was interrupted goes on from its checkpoint.
"""

import tempfile
from typing import Any

from dnzoo import storage
from dnzoo.training import trials
from dnzoo.training.config import Config
from dnzoo.training.trials import Row, SearchSpace, Setup


def search(config: Config, setup: Setup, search_space: SearchSpace) -> list[Row]:
    """The rows of all trials, one after the other; see `tune`."""
    keras_tuner = _keras_tuner()
    if config.tuner == "hyperband" and config.steps is not None:
        raise ValueError(f"tuner=hyperband decides the epochs: leave steps={config.steps} out.")
    with storage.owned(config.out, alone=True) as out, tempfile.TemporaryDirectory() as scratch:
        trials.claim(out, config)
        setup(config)  # says in the config what the data is
        trials.claim_data(out, config)
        rows, errors = [], []

        def tried(hyperparameters: Any) -> Row:
            values, number = search_space(hyperparameters), len(rows) + 1
            if config.tuner == "hyperband":
                values = {**values, "epochs": hyperparameters.values["tuner/epochs"]}
            with storage.owned(out / trials.place(number), alone=True) as folder:
                return trials.run(config, setup, number, values, folder)

        class Tuner(keras_tuner.Tuner):
            def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
                try:
                    row = tried(trial.hyperparameters)
                except Exception as error:  # keras-tuner would take it for a bad setting
                    errors.append(error)
                    raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
                rows.append(row)
                trials.show(out, rows, row)
                if row["score"] is None:
                    raise keras_tuner.errors.FailedTrialError("the loss was no number")
                return row["score"]

        oracle = _oracle(keras_tuner, config, search_space)
        tuner = Tuner(oracle, directory=scratch, project_name="search", overwrite=True)
        try:
            tuner.search(verbose=0)
        except keras_tuner.errors.FatalError:
            raise errors[0] from None
        return trials.finish(config, out, rows)


def _keras_tuner() -> Any:
    try:
        import keras_tuner
        import sklearn  # noqa: F401  the Bayesian tuner needs it, and says so only when it starts
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[tune]".') from error
    return keras_tuner


def _oracle(keras_tuner: Any, config: Config, search_space: SearchSpace) -> Any:
    space = keras_tuner.HyperParameters()
    search_space(space)
    shared = {
        "objective": keras_tuner.Objective("score", "max"),
        "hyperparameters": space,
        "seed": config.seed + 1,  # keras-tuner takes 0 for "any"
        "max_consecutive_failed_trials": 10**6,
    }
    if config.tuner == "hyperband":
        return keras_tuner.oracles.HyperbandOracle(max_epochs=config.tune, **shared)
    return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=config.tune, **shared)
