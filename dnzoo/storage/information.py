"""What is known of a model: read from its folder or the index, and kept beside the model that was loaded."""

import dataclasses
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnzoo.storage import pretrained
from dnzoo.words import label, number

FREE = {4: ("N", "H", "W", "C"), 5: ("N", "D", "H", "W", "C")}  # names of free sizes, by rank
CARD = "assets.extra/README.md"
_KNOWN: "weakref.WeakKeyDictionary[Any, Info]" = weakref.WeakKeyDictionary()  # of loaded models


@dataclasses.dataclass(frozen=True, kw_only=True)
class Info:
    """What is known of a model; printed, it is a table. What nobody said is None or empty.

    Attributes:
        name: its title.
        where: its folder, or in words why there is none.
        kind: of its output: "classes", "image", "masks", "labels", "samples", or one of the user's own.
        task: what it learned, in words: "segmentation".
        parameters: how many numbers it has.
        inputs: what its functions read: {signature: [(name, dtype, shape with None for what is free)]}.
        output: what is said of the output beside the kind: whether it is logits, the scale, the unit.
        class_names: a name for each class, in the order of their numbers.
        palette: a colour for each class, (red, green, blue) from 0 to 255.
        metrics: what was measured, {identifier: number, or {class: number}}.
        labels: words for identifiers of metrics.
        provenance: how it was made: data, command, seed, date and so on.
        licence: of what it was trained on.
        size: of its folder, in bytes.
        card: the model card, Markdown.
    """

    name: str
    where: str | None = None
    kind: str | None = None
    task: str | None = None
    parameters: int | None = None
    inputs: dict[str, list[list[Any]]] = dataclasses.field(default_factory=dict)
    output: dict[str, Any] = dataclasses.field(default_factory=dict)
    class_names: list[str] | None = None
    palette: list[list[int]] | None = None
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    licence: str | None = None
    size: int | None = None
    card: str = ""

    def rows(self) -> dict[str, str]:
        """{what: words}, of what is known."""
        facts = [self.kind or "", *(f"{key} {value}" for key, value in self.output.items())]
        found = {"name": self.name, "where": self.where, "task": self.task}
        found["parameters"] = None if self.parameters is None else f"{self.parameters:,}"
        found["size"] = None if self.size is None else f"{self.size / 1e6:.1f} MB"
        for signature, inputs in self.inputs.items():
            key = "input" if signature == "serve" else f"input of {signature}"
            found[key] = "; ".join(_tensor(*one) for one in inputs)
        found["output"] = ", ".join(filter(None, facts))
        found["classes"] = ", ".join(self.class_names or [])
        for key, value in self.metrics.items():
            if isinstance(value, dict):
                value = ", ".join(f"{name} {number(one)}" for name, one in value.items())
            found[label(key, self.labels)] = number(value)
        found |= {label(key): str(value) for key, value in self.provenance.items() if key != "task"}
        found["licence of the data"] = self.licence
        return {key: value for key, value in found.items() if value}

    def __str__(self) -> str:
        rows = self.rows()
        width = max(map(len, rows))
        return "\n".join(f"{key:{width}}  {value}" for key, value in rows.items())


def named(name_or_path: str | os.PathLike[str]) -> Info:
    """What is known of a model by its name or folder, without Keras, and without a download.

    Raises:
        FileNotFoundError: for a name that nobody knows, or one of a model that has to be built first.
        ValueError: for a damaged folder.
    """
    name = str(name_or_path)
    index = pretrained.read_index().get(name)
    try:
        folder = pretrained.find(name_or_path, download=False)
    except FileNotFoundError as error:
        if index is None:
            raise
        return Info(
            name=name,
            where=str(error),
            task=index["task"],
            parameters=index["parameters"],
            metrics={index["metric"]: index["value"]} if index["metric"] else {},
            licence=index["licence"],
            size=index["size"],
        )
    return of_folder(folder, pretrained.read_meta(folder))


def of_folder(folder: Path, meta: Mapping[str, Any]) -> Info:
    """What the `dnzoo.json` of a folder says, which `pretrained.read_meta` has read."""
    provenance, output = dict(meta.get("provenance") or {}), dict(meta.get("output") or {})
    index = pretrained.read_index().get(folder.name, {})  # of older ones it knows more
    card = folder / CARD
    return Info(
        name=meta["name"],
        where=str(folder),
        kind=output.pop("kind", None),
        task=provenance.pop("task", None) or index.get("task"),
        parameters=meta.get("parameters"),
        inputs=meta["signatures"],
        output=output,
        class_names=meta.get("class_names"),
        palette=meta.get("palette"),
        metrics=meta.get("metrics") or {},
        labels=meta.get("labels") or {},
        licence=provenance.pop("licence of the data", None),
        provenance=provenance,
        size=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        card=card.read_text("utf-8") if card.is_file() else "",
    )


def remember(model: Any, info: Info) -> None:
    """Keep beside a model what is known of it, as long as it lives."""
    _KNOWN[model] = info


def known(model: Any) -> Info | None:
    """What `remember` was told of a model; None of one that was not loaded."""
    return _KNOWN.get(model)


def score(metric: str | None, value: Any) -> str:
    """A metric and its value, with the unit that may follow a comma: "PSNR of Y 32.01 dB"."""
    words, _, unit = (metric or "").partition(", ")
    return f"{words} {number(value)} {unit}".rstrip() if metric else ""


def _tensor(name: str, dtype: str, shape: list[int | None]) -> str:
    names = FREE.get(len(shape), ("N", *"RSTUV"))
    sizes = [free if size is None else str(size) for size, free in zip(shape, names)]
    return f"{name}, {dtype} ({', '.join(sizes)})"
