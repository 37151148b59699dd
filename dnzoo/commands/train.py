"""`dnzoo train RECIPE` and `dnzoo finetune MODEL`: a recipe, with its own options."""

import ast
import dataclasses
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

import dnzoo
from dnzoo import startup, terminal

FINETUNE = "finetune"
# what may come without its name, in this order
POSITIONAL = {"train": ("--data",), FINETUNE: ("--model", "--data")}


def recipes() -> dict[str, str]:
    """{name: first line of its docstring} of every recipe that trains; none of them is imported."""
    found = {}
    for path in sorted(_folder().glob("[a-z]*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "build" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def _folder() -> Path:
    """In the wheel the recipes are a part of dnzoo, in a checkout they lie beside it."""
    package = Path(dnzoo.__file__).parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.with_name("recipes")


RECIPES: dict[str, str] = recipes()

if TYPE_CHECKING:
    Recipe = Any
else:  # subcommands, so that the help lists them and the tab key completes them
    Recipe = Union[  # noqa: UP007
        tuple(
            Annotated[
                dataclasses.make_dataclass(name, ()),
                tyro.conf.subcommand(name, description=text, prefix_name=False),
            ]
            for name, text in RECIPES.items()
        )
    ]


@dataclasses.dataclass
class Train:
    """Train a model. `dnzoo train RECIPE --help` lists the options of a recipe; what follows its name may be
    the data, as in `dnzoo train unet FOLDER --out runs/mine`."""

    recipe: Recipe

    def run(self) -> None:
        """Run the recipe with its defaults."""
        hand_over(["train", type(self.recipe).__name__])


@dataclasses.dataclass
class FineTune:
    """Adapt a trained model to your own data: `dnzoo finetune MODEL FOLDER --out runs/mine`.
    `dnzoo finetune MODEL --help` lists the options."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""

    def run(self) -> None:
        """Run the recipe with its defaults."""
        hand_over([FINETUNE, self.model])


def goes_on(args: Sequence[str]) -> bool:
    """Whether a command line names a recipe, so that what follows are the recipe's options."""
    return args[:1] == [FINETUNE] or (
        args[:1] == ["train"] and len(args) > 1 and not args[1].startswith("-")
    )


def hand_over(args: Sequence[str]) -> None:
    """Run a recipe as `python recipes/NAME.py` does.

    Args:
        args: "train", the recipe and its options; or "finetune" and its options.

    Raises:
        UsageError: when there is no such recipe.
        SystemExit: as from `dnzoo.commands.main`.
    """
    name, options = asked_for(args)
    startup.start_keras()
    from dnzoo import training

    recipe = load(name)
    training.command(
        recipe.build,
        getattr(recipe, "config_of", None) or recipe.Config,
        recipe.__doc__ or "",
        getattr(recipe, "search_space", None),
        options,
        "dnzoo finetune" if args[0] == FINETUNE else f"dnzoo train {name}",
    )


def asked_for(args: Sequence[str]) -> tuple[str, list[str]]:
    """(recipe, its options) of what `hand_over` gets; what comes without its name gets it here.

    Example:
        >>> asked_for(["train", "unet", "photos", "--epochs", "3"])
        ('unet', ['--data', 'photos', '--epochs', '3'])
    """
    command, *options = args
    name = FINETUNE if command == FINETUNE else options.pop(0)
    if name not in RECIPES:
        known = ", ".join(RECIPES)
        raise terminal.UsageError(
            f"no recipe {name!r}; there are: {known}.{terminal.nearest(name, RECIPES)}"
        )
    given: list[str] = []
    for flag in POSITIONAL[name if name == FINETUNE else command]:
        if options and not options[0].startswith("-"):
            given += [flag, options.pop(0)]
    return name, [*given, *options]


def load(name: str) -> ModuleType:
    """The recipe from its file: in a checkout no package leads to it."""
    place = f"dnzoo.recipes.{name}"
    spec = importlib.util.spec_from_file_location(place, _folder() / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[place] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
