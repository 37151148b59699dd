"""A recipe's command line: its config from the flags, and what they ask for."""

import argparse
import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dnzoo import storage, terminal
from dnzoo.terminal import as_flags
from dnzoo.training.config import IDENTITY
from dnzoo.training.run import EVALUATION, run

__all__ = ["as_flags", "call", "command", "parse", "setup"]


def command(
    build: Callable[..., Any],
    config_class: type | Callable[[str | None], type],
    description: str,
    search_space: Callable[..., Any] | None = None,
    args: Sequence[str] | None = None,
    prog: str | None = None,
) -> None:
    """Train, tune or evaluate with a config from the command line; exit with one line on an error.

    Args:
        build: function (config, data) -> the uncompiled `keras.Model`.
        config_class: a dataclass that extends a task's `Config`, with a default for every field; or a
            function that gives one for the value of `--model`, None where it is not given.
        description: text for `--help`.
        search_space: for `--tune`; see `dnzoo.training.tune.tune`. None: that of the config, if any.
        args, prog: as for `parse`.
    """
    call(functools.partial(_train, build, search_space), config_class, description, args, prog)


def setup(config: Any, build: Callable[..., Any]) -> tuple[Any, Callable[..., Any]]:
    """(task, build) for `training.run`, of a task's config and a recipe's `build(config, data)`."""
    task = config.task.from_config(config)
    return task, functools.partial(build, config, task.data)


def call(
    main: Callable[..., Any],
    config_class: type | Callable[..., type],
    description: str,
    args: Sequence[str] | None = None,
    prog: str | None = None,
) -> None:
    """Run `main(config)`, for a script that is no training; `args` and `prog` as for `parse`."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of every config of one's own
    fields = ["config", "model"]  # what is read before the others are known
    with terminal.errors_in_a_line(fields):
        main(parse(config_class, description, args, fields, prog))


def parse(
    config_class: type | Callable[..., type],
    description: str = "",
    args: Sequence[str] | None = None,
    fields: list[str] | None = None,
    prog: str | None = None,
) -> Any:
    """The config that a command line asks for.

    Args:
        config_class, description: as for `command`.
        args: the words after the script's name; None: those of this process.
        fields: gets the names of the config's fields, as soon as they are known.
        prog: what the help calls the command; None: the script's name.

    Raises:
        ValueError: when `--config` names no file of such a recipe.
        SystemExit: from tyro, for flags that are not there, or `--help`.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    first.add_argument("--model")
    early = first.parse_known_args(args)[0]
    values = {} if early.config is None else terminal.read_config(early.config)
    if not isinstance(config_class, type):
        config_class = config_class(early.model or values.get("model"))
    if fields is not None:
        fields.extend(field.name for field in dataclasses.fields(config_class))
    default = config_class() if early.config is None else _made(config_class, values, early.config)
    description = terminal.as_help(description)
    return terminal.cli(
        config_class, prog=prog, args=args, default=default, description=description
    )


def _train(build: Callable[..., Any], search_space: Callable[..., Any] | None, config: Any) -> None:
    if not config.evaluate:  # before data is prepared, which may take long
        storage.refuse_filled(config.out, beside=(EVALUATION,))
        if Path(config.out).resolve() == Path(config.data_dir).resolve():
            raise ValueError(f"`out` and `data_dir` both name {config.out}: they must differ.")
    if config.tune:
        if config.wandb or config.mlflow:
            raise ValueError(
                "`wandb` and `mlflow` follow a training, not a search: leave them out."
            )
        from dnzoo.training.tune import tune

        space = search_space or getattr(config, "search_space", None)
        tune(config, functools.partial(setup, build=build), space)
    else:
        run(config, *setup(config, build))


def _made(config_class: type, values: Mapping[str, Any], path: str) -> Any:
    """The config of a config.json; what older versions stored and meant nothing by is left out."""
    former = getattr(config_class, "former_defaults", {})
    kept = {key: v for key, v in values.items() if key not in former or v != former[key]}
    kept.pop(IDENTITY, None)  # found anew
    unknown = sorted(set(kept) - {field.name for field in dataclasses.fields(config_class)})
    if unknown:
        raise ValueError(f"config={path} holds {', '.join(unknown)}, which this recipe has not.")
    return config_class(**{**kept, "config": path})
