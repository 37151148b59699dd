"""The published models' own trainings: what their recipe makes of the command on their card."""

import importlib
import shlex
import sys
from pathlib import Path
from types import ModuleType

import dnzoo
from dnzoo import training
from dnzoo.storage import pretrained


def names():
    """The published models that a recipe here trained."""
    return [name for name in dnzoo.list_pretrained() if name != "efficientnet_lite0_imagenet"]


def recipe(name: str) -> ModuleType:
    """The module `recipes/<name>.py`."""
    root = str(Path(__file__).parents[1])
    if root not in sys.path:
        sys.path.append(root)
    return importlib.import_module(f"recipes.{name}")


def setup(name, data_dir):
    """(config, task, build) as the recipe had them."""
    meta = pretrained.read_meta(pretrained.find(name))
    _, script, *flags = shlex.split(meta["provenance"]["command"])
    if "--start-from" in flags:  # another published model, by its name
        place = flags.index("--start-from") + 1
        flags[place] = Path(flags[place]).parent.name
    module = recipe(Path(script).stem)
    config = training.parse(module.Config, args=[*flags, "--data-dir", data_dir])
    return config, *training.setup(config, module.build)
