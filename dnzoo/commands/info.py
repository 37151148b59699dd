"""`dnzoo info`: what is known of one model, from its card."""

import dataclasses
from typing import Annotated

import rich.box
import rich.markup
import rich.table
import tyro

from dnzoo import terminal
from dnzoo.storage import information


@dataclasses.dataclass
class Info:
    """Show a model's card: task, input and output, classes, metrics, licence, and how it was made."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""

    def run(self) -> None:
        """Print the card as a table."""
        table = rich.table.Table(box=rich.box.SIMPLE, show_header=False)
        for key, value in information.named(self.model).rows().items():
            table.add_row(key, rich.markup.escape(value))
        terminal.show(table)
