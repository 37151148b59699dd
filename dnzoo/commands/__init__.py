"""The command `dnzoo`, or `python -m dnzoo`: a file per command.

Help, `list`, `info` and `compare` read files alone. What needs Keras imports it when it runs, by way of
`dnzoo.startup`.
"""

import dataclasses
import sys
from collections.abc import Sequence

from dnzoo import __version__, terminal
from dnzoo.commands import train
from dnzoo.commands.check import Check
from dnzoo.commands.compare import Compare
from dnzoo.commands.demo import Demo
from dnzoo.commands.evaluate import Evaluate
from dnzoo.commands.export import Export
from dnzoo.commands.info import Info
from dnzoo.commands.listing import List
from dnzoo.commands.pack import Pack
from dnzoo.commands.predict import Predict

COMMANDS = {
    "demo": Demo,
    "list": List,
    "info": Info,
    "check": Check,
    "train": train.Train,
    "finetune": train.FineTune,
    "evaluate": Evaluate,
    "predict": Predict,
    "export": Export,
    "compare": Compare,
    "pack": Pack,
}
ABOUT = """Models that turn features back into pixels: train them, use them, look at them.

More of each command: `dnzoo COMMAND --help`. The version: `dnzoo --version`. Where an error arose:
set DNZOO_DEBUG=1."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name.

    Args:
        args: the words after `dnzoo`; None: those of this process.

    Raises:
        SystemExit: 1 after an error, 2 for a wrong command line, 130 after Ctrl-C.
    """
    args = sys.argv[1:] if args is None else list(args)
    fields: list[str] = []
    with terminal.errors_in_a_line(fields):
        if args[:1] in (["--version"], ["-V"]):
            print(f"dnzoo {__version__}")
            return
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            known = ", ".join(COMMANDS)
            raise terminal.UsageError(
                f"no command {args[0]!r}; there are: {known}.{terminal.nearest(args[0], COMMANDS)}"
            )
        if train.goes_on(args):  # options are the recipe's
            train.hand_over(args)
            return
        command = terminal.commands(COMMANDS, args, ABOUT)
        fields += [field.name for field in dataclasses.fields(command)]
        command.run()
