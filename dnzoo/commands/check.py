"""`dnzoo check`: a look at a folder of images before anything is trained on it."""

import dataclasses
import sys
from typing import Annotated

import tyro

from dnzoo import startup, terminal


@dataclasses.dataclass
class Check:
    """Read every file of a folder of images, with masks or without: sizes, depths, values, what pairs,
    what is left out, and what is wrong. Exit code 1 where something is."""

    folder: Annotated[tyro.conf.Positional[str], terminal.FOLDER]
    """As `dnzoo train` takes it."""
    mask_values: Annotated[tuple[int, ...] | None, terminal.NUMBERS] = None
    """The value in masks of each class, in order, such as 0 255; none: 0, 1, 2 and so on."""
    white: float | None = None
    """The value that is white in 16-bit and float images; none: taken from the images."""
    black: float | None = None
    """The value that is black in them, with --white; none: 0."""
    seed: int = 0
    """Which images are for validation and testing, where no folders say it."""

    def run(self) -> None:
        """Print the table and what is wrong."""
        startup.start_keras()
        from dnzoo.data.looked_at import look_at

        if look_at(self.folder, self.mask_values, self.white, self.black, self.seed):
            sys.exit(1)
