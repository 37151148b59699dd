"""Searching for good settings; the search may be killed at any moment and goes on."""

from dnzoo.training.config import Config
from dnzoo.training.trials import Row, SearchSpace, Setup

__all__ = ["tune"]


def tune(config: Config, setup: Setup, search_space: SearchSpace | None) -> list[Row]:
    """Try `config.tune` settings (Hyperband: of at most so many epochs), judged on validation.

    `config.out` gets trials/ (each with its config, log and result), trials.csv, trials.png, and
    best.json, which a recipe's `config` takes. Trials share the prepared data.

    Args:
        config: what stays the same. `config.engine` is "keras-tuner", whose `config.tuner` is "bayesian" or
            "hyperband" (Li et al. 2018; every rung of its brackets trains anew, with a learning-rate
            schedule of its own), or "optuna": see `dnzoo.training.tune_optuna.search`.
        setup: makes (task, build) of a config.
        search_space: function of a `keras_tuner.HyperParameters`, or of what stands for it: the config
            values to try.

    Returns:
        The rows of trials.csv.

    Raises:
        ImportError: when the engine is missing; the message names the extra.
        ValueError: when the recipe has no search space, the engine not that tuner, or `config.out` holds
            another search.
        FileExistsError: when `config.out` is not empty and no search of dnzoo's.
    """
    if search_space is None:
        raise ValueError("`tune`: this recipe declares no search space.")
    if config.engine == "optuna":
        from dnzoo.training.tune_optuna import search
    else:
        from dnzoo.training.tune_keras import search
    return search(config, setup, search_space)
