"""A recipe's command line: its config from the switches, and what they ask for."""

import argparse
import dataclasses
import json
import logging
import os
import sys
from pathlib import Path

from dnzoo import storage
from dnzoo.training.run import EVALUATION, run


def command(setup, config_class, description, search_space=None):
    """Train, tune or evaluate with a config from the command line; exit with one line on an error.

    Args:
        setup: makes (task, build) of a config: the first arguments of `training.run`.
        config_class: a dataclass that extends `Config`, with a default for every field.
        description: text for `--help`.
        search_space: for `--tune`; see `dnzoo.training.tune.tune`.
    """
    call(lambda config: _train(setup, config, search_space), config_class, description)


def call(main, config_class, description):
    """Run `main(config)`, for a script that is no training."""
    import tyro

    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of every config of one's own
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    path = first.parse_known_args()[0].config
    try:
        default = config_class() if path is None else _read(config_class, path)
        main(tyro.cli(config_class, default=default, description=description))
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'Interrupted; the same command starts again.'}", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        if os.environ.get("DNZOO_DEBUG"):
            raise
        print(f"\nerror: {error}\n(DNZOO_DEBUG=1 shows where it arose)", file=sys.stderr)
        sys.exit(1)


def _train(setup, config, search_space):
    if not config.evaluate:  # before data is prepared, which may take long
        storage.refuse_filled(config.out, beside=(EVALUATION,))
        if Path(config.out).resolve() == Path(config.data_dir).resolve():
            raise ValueError(f"--out and --data-dir both name {config.out}: they must differ.")
    if config.tune:
        from dnzoo.training.tune import tune

        tune(config, setup, search_space)
    else:
        run(config, *setup(config))


def _read(config_class, path):
    try:
        values = json.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"--config {path} can't be read: {error}") from error
    known = {field.name for field in dataclasses.fields(config_class)}
    if not isinstance(values, dict) or not set(values) <= known:
        unknown = sorted(set(values) - known) if isinstance(values, dict) else values
        raise ValueError(f"--config {path} is of another recipe: it holds {unknown}.")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return config_class(**values, config=str(path))
