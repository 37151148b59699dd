"""`dnzoo pack`: models for machines without a network."""

import dataclasses
from typing import Annotated, Any

import tyro

from dnzoo import terminal
from dnzoo.storage import pretrained

MODELS: Any = tyro.conf.arg(metavar="MODEL [MODEL ...]")


@dataclasses.dataclass
class Pack:
    """Copy pretrained models into a folder, for DNZOO_HOME on a machine without a network, or into a
    wheel, for pip there; those that are not on this machine are downloaded."""

    out: Annotated[tyro.conf.Positional[str], terminal.FOLDER]
    """A folder, or dnzoo_models-VERSION-py3-none-any.whl."""
    models: Annotated[tyro.conf.Positional[tuple[str, ...]], MODELS]
    """Names of `dnzoo list`, or folders of SavedModels."""
    overwrite: bool = False
    """Replace a wheel that is there."""

    def run(self) -> None:
        """Write it and name it."""
        print(pretrained.pack(self.models, self.out, self.overwrite))
