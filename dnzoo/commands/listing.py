"""`dnzoo list`: which models there are, from the index alone."""

import dataclasses
import fnmatch
import re
from typing import Annotated, Any

import rich.box
import rich.table
import tyro

from dnzoo import terminal
from dnzoo.storage import pretrained
from dnzoo.storage.information import score
from dnzoo.storage.pretrained import builders

PATTERN: Any = tyro.conf.arg(metavar="PATTERN")
LICENCE = re.compile(r"\b(?:Apache-2\.0|CC BY(?:-SA)?|GPL-\d\+?|MIT)(?![\w-])")


@dataclasses.dataclass
class List:
    """Show the trained models with task, parameters, score, size, licence of their data, and whether this
    version's are on this machine; then the architectures, which have no weights."""

    pattern: Annotated[tyro.conf.Positional[str], PATTERN] = "*"
    """Only names like this: "unet*"."""

    def run(self) -> None:
        """Print one table, and a line."""
        table = rich.table.Table(box=rich.box.SIMPLE, pad_edge=False, collapse_padding=True)
        for column in ("model", "task", "parameters", "score", "MB", "data's licence", "here"):
            right = column in ("parameters", "MB")
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for i in (0, 2, 4, 6):  # names are to be copied, numbers to be read
            table.columns[i].no_wrap = True
        rows = [(name, *row(name)) for name in pretrained.list_pretrained(self.pattern)]
        built = [name for name in builders() if fnmatch.fnmatch(name, self.pattern)]
        for cells in rows:
            table.add_row(*cells)
        if not rows and not built:
            known = [*pretrained.list_pretrained(), *builders()]
            raise ValueError(
                f"no model is like {self.pattern!r}.{terminal.nearest(self.pattern, known)}"
            )
        if rows:
            terminal.show(table)
        if built:
            print(f"To be built, by dnzoo.create_model: {', '.join(built)}")


def row(name: str) -> tuple[str, ...]:
    """What the table says of a pretrained model: task, parameters, score, MB, licence, whether it is here."""
    known = pretrained.read_index().get(name, {})
    try:
        folder, here = pretrained.find(name, download=False), "yes"
    except FileNotFoundError:
        folder, here = None, "no"
    except ValueError:
        folder, here = None, "damaged"
    if folder and not known:  # one's own, in DNZOO_HOME
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        known = {"size": size, **pretrained.facts(pretrained.read_meta(folder))}
    return (
        known.get("task") or "",
        f"{known['parameters']:,}" if known.get("parameters") else "",
        score(known.get("metric"), known.get("value")),
        f"{known['size'] / 1e6:.1f}" if "size" in known else "",
        ", ".join(dict.fromkeys(LICENCE.findall(known.get("licence") or ""))) or "not stated",
        here,
    )
