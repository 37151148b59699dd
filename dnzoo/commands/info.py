"""`dnzoo info`: what is known of one model, from its card."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import rich.box
import rich.markup
import rich.table
import tyro

from dnzoo import terminal
from dnzoo.commands.listing import builders, score
from dnzoo.storage import pretrained
from dnzoo.words import label

FREE = {4: ("N", "H", "W", "C"), 5: ("N", "D", "H", "W", "C")}  # names of free sizes, by rank


@dataclasses.dataclass
class Info:
    """Show a model's card: task, input and output, classes, metrics, licence, and how it was made."""

    model: Annotated[tyro.conf.Positional[str], terminal.MODEL]
    """A pretrained model's name, or the folder of a SavedModel or a run."""

    def run(self) -> None:
        """Print the card as a table."""
        table = rich.table.Table(box=rich.box.SIMPLE, show_header=False)
        for key, value in said(self.model).items():
            table.add_row(label(key), rich.markup.escape(value))
        terminal.show(table)


def said(name: str) -> dict[str, str]:
    """{what: words} of a model, from its folder or, where that is not here, from the index.

    Raises:
        FileNotFoundError: for a name that nobody knows.
        ValueError: for a damaged folder, or a model that has to be built first.
    """
    index = pretrained.read_index().get(name, {})
    try:
        folder = pretrained.find(name, download=False)
    except FileNotFoundError as error:
        if name in builders():
            raise ValueError(
                f"{name} is a model to be built, dnzoo.create_model({name!r}), and no trained one: "
                f"help(dnzoo.{name}) in Python says all of it."
            ) from error
        if not index:
            raise
        return {
            "name": name,
            "task": index["task"],
            "parameters": f"{index['parameters']:,}",
            "size": f"{index['size'] / 1e6:.1f} MB",
            "score": score(index["metric"], index["value"]),
            "licence of the data": index["licence"] or "not stated",
            "where": str(error),
        }
    return {"where": str(folder), **described(pretrained.read_meta(folder), index)}


def described(meta: Mapping[str, Any], index: Mapping[str, Any]) -> dict[str, str]:
    """{what: words} of what a folder's dnzoo.json says; `index`: what is known besides."""
    provenance = {key: str(value) for key, value in (meta.get("provenance") or {}).items()}
    metrics, labels = meta.get("metrics") or {}, meta.get("labels")
    output = meta.get("output") or {}
    found = {"name": meta["name"], "task": provenance.pop("task", index.get("task")) or ""}
    found["parameters"] = f"{meta['parameters']:,}"
    for signature, inputs in meta["signatures"].items():
        found["input" if signature == "serve" else f"input of {signature}"] = "; ".join(
            _tensor(*one) for one in inputs
        )
    found["output"] = ", ".join(
        value if key == "kind" else f"{key} {value}" for key, value in output.items()
    )
    found["classes"] = ", ".join(meta.get("class_names") or [])
    for key, value in metrics.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {_number(one)}" for name, one in value.items())
        found[label(key, labels)] = _number(value)
    return {key: value for key, value in {**found, **provenance}.items() if value}


def _tensor(name: str, dtype: str, shape: list[int | None]) -> str:
    names = FREE.get(len(shape), ("N", *"RSTUV"))
    sizes = [free if size is None else str(size) for size, free in zip(shape, names)]
    return f"{name}, {dtype} ({', '.join(sizes)})"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "absent" if value is None else f"{value:,}" if type(value) is int else str(value)
