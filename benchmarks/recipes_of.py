"""The published models' own trainings: what their recipe makes of the command on their card."""

import importlib
import shlex
import sys
from pathlib import Path

import tyro

import dnzoo
from dnzoo.storage import pretrained


def names():
    """The published models that a recipe here trained."""
    return [name for name in dnzoo.list_pretrained() if name != "efficientnet_lite0_imagenet"]


def setup(name, data_dir):
    """(config, task, build) as the recipe had them."""
    meta = pretrained.read_meta(pretrained.find(name))
    _, script, *switches = shlex.split(meta["provenance"]["command"])
    if "--start-from" in switches:  # another published model, by its name
        place = switches.index("--start-from") + 1
        switches[place] = Path(switches[place]).parent.name
    if "recipes" not in sys.path:
        sys.path.insert(0, "recipes")
    recipe = importlib.import_module(Path(script).stem)
    config = tyro.cli(recipe.Config, args=[*switches, "--data-dir", data_dir])
    return config, *recipe.setup(config)
