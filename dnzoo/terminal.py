"""What every command and recipe shares at the terminal: names of values, help, errors, exit codes.

It imports neither Keras nor TensorFlow, so that help appears at once.
"""

import contextlib
import difflib
import functools
import json
import os
import re
import shlex
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import rich.console
import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

# what stands for a value in --help: `out: Annotated[str, FOLDER]`; numbers are N and X by themselves
FOLDER: Any = tyro.conf.arg(metavar="FOLDER")
FILE: Any = tyro.conf.arg(metavar="FILE")
MODEL: Any = tyro.conf.arg(metavar="MODEL")
NAME: Any = tyro.conf.arg(metavar="NAME")
NUMBERS: Any = tyro.conf.arg(metavar="[N [N ...]]")
NAMES: Any = tyro.conf.arg(metavar="[NAME [NAME ...]]")
DATA: Any = tyro.conf.arg(metavar="NAME|FOLDER")
PROJECT: Any = tyro.conf.arg(metavar="PROJECT")
EXPERIMENT: Any = tyro.conf.arg(metavar="EXPERIMENT")
NAME_OR_FILE: Any = tyro.conf.arg(metavar="NAME|FILE")
VALUES: dict[type, str] = {int: "N", float: "X", str: "TEXT"}

# what functions of the library call some options
ARGUMENTS: dict[str, str] = {"size": "image_size"}
CLOSED_PIPE = 141  # 128 + SIGPIPE, as the shell says of a command that wrote into a closed pipe


class UsageError(ValueError):
    """A command line that says something that is not there; the exit code is 2."""


_registry = ConstructorRegistry()


@_registry.primitive_rule
def _value(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Numbers are N and X in help, and `T | None` is shown as T is."""
    kind, optional = info.type, False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inside = typing.get_args(kind)
        if len(inside) != 2 or type(None) not in inside:
            return None
        kind, optional = next(one for one in inside if one is not type(None)), True
    if kind not in VALUES or (kind is str and not optional):
        return None
    known = (kind, int) if kind is float else (kind,)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=VALUES[kind],
        instance_from_str=lambda words: None if optional and words == ["None"] else kind(words[0]),
        is_instance=lambda value: isinstance(value, known) or (optional and value is None),
        str_from_instance=lambda value: [str(value)],
    )


cli: Callable[..., Any] = functools.partial(tyro.cli, registry=_registry)


def show(table: Any) -> None:
    """Print a table of rich's: as wide as the terminal, or, into a file or pipe, as it wants to be."""
    if sys.stdout.isatty():
        rich.console.Console(highlight=False).print(table)
        return
    console = rich.console.Console(width=1000, color_system=None)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))


def commands(kinds: dict[str, Any], args: Sequence[str] | None, description: str) -> Any:
    """The object that a command line makes, of one dataclass for each command.

    Args:
        kinds: {command: dataclass}.
        args: the words after `dnzoo`; None: those of this process.
        description: for `dnzoo --help`.

    Raises:
        SystemExit: from tyro: 2 for options that are not there, 0 after `--help`.
    """
    return tyro.extras.subcommand_cli_from_dict(
        kinds,
        prog="dnzoo",
        args=args,
        description=description,
        config=(tyro.conf.FlagCreatePairsOff,),
        registry=_registry,
    )


def as_help(text: str) -> str:
    """A docstring for tyro, which joins a line that begins with a letter to the one before it.

    Example:
        >>> as_help("To train:\\n    dnzoo train unet\\nOr again:\\n    dnzoo train vae\\n")
        'To train:\\n    dnzoo train unet\\n\\nOr again:\\n    dnzoo train vae\\n'
    """
    text = re.sub(r"\n\n+(?= )", "\n", text)
    return re.sub(r"(?<=\n)( [^\n]*\n)(?=\S)", r"\1\n", text)


def nearest(name: str, known: Iterable[str]) -> str:
    """What an error about a wrong name ends with: the known ones most like it, or nothing.

    Example:
        >>> nearest("unte", ["unet", "vae"])
        ' Did you mean unet?'
    """
    near = difflib.get_close_matches(name, known, 3)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def as_flags(message: str, fields: Collection[str]) -> str:
    """An error of the library, which names Python arguments, for who gave flags.

    `name=value` becomes `--name value`, and a name in backticks a flag, where a flag has that name.

    Example:
        >>> as_flags("class_weights=(1.0,) does not fit `data`.", ["class_weights", "data"])
        '--class-weights 1.0 does not fit --data.'
    """
    known = {name: name for name in fields}
    known |= {name: field for name, field in ARGUMENTS.items() if field in known}
    names = "|".join(known)
    if not names:
        return message

    def flag(found: re.Match[str]) -> str:
        named = known[found["value"] or found["name"]].replace("_", "-")
        numbers = (found["numbers"] or "").replace(",", " ").split()
        return f"--{named} {' '.join(numbers)}" if found["value"] else f"--{named}"

    numbers = r"(?:\((?P<numbers>[-+\d., e]+)\))?"  # of a tuple: as they are typed
    pattern = rf"(?<![\w/?&.-])(?P<value>{names})=(?!=){numbers}|`(?P<name>{names})`"
    return re.sub(pattern, flag, message)


@contextlib.contextmanager
def errors_in_a_line(fields: Collection[str] = ()) -> Iterator[None]:
    """Print an expected error as one line and exit: 1, 2 for a wrong command line, 130 after Ctrl-C.

    A reader of the output that has gone (`dnzoo list | head -1`) is no error to speak of. With
    DNZOO_DEBUG=1 in the environment errors come with their traceback.

    Args:
        fields: names of the options, for `as_flags`; looked at when there is an error.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'Interrupted; the same command starts again.'}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written goes nowhere
        sys.exit(CLOSED_PIPE)
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        if os.environ.get("DNZOO_DEBUG"):
            raise
        said = " ".join(as_flags(str(error), fields).split())
        print(f"error: {said}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def read_config(path: str | Path) -> dict[str, Any]:
    """The values of a run's config.json.

    Raises:
        ValueError: when it can't be read, or is no such file.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError) as error:
        raise ValueError(f"config={path} can't be read: {error}") from error
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def typed() -> str:
    """This process's command line, as a person types it to repeat it."""
    script = Path(sys.argv[0])
    if script.stem == "dnzoo":
        words = ["dnzoo"]
    elif script.parts[-2:] == ("dnzoo", "__main__.py"):
        words = ["python", "-m", "dnzoo"]
    else:
        words = ["python", sys.argv[0]]
    return shlex.join([*words, *sys.argv[1:]])
