"""The switches that every recipe shares, and the command line made of them."""

import argparse
import dataclasses
import json
import logging
import os
import sys
from pathlib import Path
from typing import Literal

# What says where and how a command runs, not what it computes: it is neither stored nor compared.
NOT_STORED = ("config", "out", "resume", "evaluate")
NOT_COMPARED = ("data_dir",)


@dataclasses.dataclass(kw_only=True)
class Config:
    """Switches of every recipe; a recipe's own dataclass extends this one."""

    data: str
    """What to train on: a name, or a folder with images/ and masks/."""
    data_dir: str = "data"
    """Where prepared data is kept, to be used again."""
    epochs: int = 10
    """How often each training image is seen."""
    batch_size: int = 16
    """Images a step."""
    learning_rate: float = 1e-3
    """Highest learning rate, of AdamW."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Course of the learning rate after the warm-up; cosine ends at 0."""
    warmup: int = 0
    """Steps over which the learning rate rises from 0."""
    weight_decay: float = 0.0
    """Decoupled weight decay, of kernels only."""
    class_weights: tuple[float, ...] = ()
    """How much each class counts in the loss, one number a class; none: all the same."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """auto: mixed_bfloat16 on a GPU or TPU, float32 on a CPU. Models are saved in float32."""
    seed: int = 0
    """Fixes weights, order, augmentation and dropout: the same seed gives the same run."""
    out: str
    """The folder that gets everything the run makes."""
    resume: Literal["auto", "never", "must"] = "auto"
    """auto: go on with what --out holds; never: refuse if it holds a run; must: refuse if not."""
    smoke: bool = False
    """A few steps on a few images, to see that everything works."""
    evaluate: str | None = None
    """Only evaluate this saved model, a name or a folder, on the test split of --data."""
    config: str | None = None
    """A run's config.json: its values take the place of the defaults, to repeat that run."""

    def stored(self):
        """What config.json holds: all that fixes the result."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if key not in NOT_STORED}


def command(main, config_class, description):
    """Run `main(config)` with a config from the command line; exit with one line on an error.

    Args:
        main: takes the config.
        config_class: a dataclass that extends `Config`, with a default for every field.
        description: text for `--help`.
    """
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


def difference(stored, config):
    """What differs between a config.json and a config: ["epochs: 3 there, 5 now", ...]."""
    now = json.loads(json.dumps(config.stored()))
    keys = [key for key in {**stored, **now} if key not in NOT_COMPARED]
    return [
        f"{key}: {stored.get(key)!r} there, {now.get(key)!r} now"
        for key in keys
        if stored.get(key) != now.get(key)
    ]
