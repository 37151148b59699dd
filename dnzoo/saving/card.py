"""The model card: what `assets.extra/dnzoo.json` says, as Markdown for a person."""

from collections.abc import Mapping
from typing import Any

from dnzoo.words import label


def markdown(meta: Mapping[str, Any]) -> str:
    """The card of a saved model, from the dict that `saving` stores beside it."""
    lines = [f"# {meta['name']}", "", f"{meta['parameters']:,} parameters."]
    provenance = dict(meta.get("provenance") or {})
    if "description" in provenance:
        lines += ["", provenance.pop("description")]
    lines += ["", "## Use", "", "```python", *USE.format(name=meta["name"]).splitlines()]
    lines += [*map(_call, *zip(*meta["signatures"].items())), "```"]
    if provenance:
        lines += ["", "## How it was made", "", "| | |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {_cell(v)} |" for key, v in provenance.items()]
    metrics, labels = dict(meta.get("metrics") or {}), meta.get("labels")
    tables = {key: metrics.pop(key) for key in list(metrics) if isinstance(metrics[key], dict)}
    if metrics:
        lines += ["", "## Metrics", "", "| metric | value |", "|---|---|"]
        lines += [f"| {label(key, labels)} | {_cell(v)} |" for key, v in metrics.items()]
    for name, table in tables.items():
        lines += ["", f"| class | {label(name, labels)} |", "|---|---|"]
        lines += [f"| {key} | {_cell(v)} |" for key, v in table.items()]
    if meta.get("class_names"):
        lines += ["", "## Classes", "", "| number | class | colour |", "|---|---|---|"]
        colours = meta.get("palette") or [[]] * len(meta["class_names"])
        for number, (name, colour) in enumerate(zip(meta["class_names"], colours)):
            lines.append(f"| {number} | {name} | {' '.join(map(str, colour))} |")
    return "\n".join(lines) + "\n"


USE = """\
import dnzoo
import tensorflow as tf

model = dnzoo.load("{name}")  # the trainable Keras model, by name or path
module = tf.saved_model.load("{name}")  # or plain TensorFlow, without dnzoo:"""


def _call(name: str, inputs: list[list[Any]]) -> str:
    """outputs = module.serve(image)  # image: float32 (N, H, W, 3)"""
    free = iter({4: "HW", 5: "DHW"}.get(len(inputs[0][2]), ""))
    described = []
    for argument, dtype, shape in inputs:
        sizes = ["N", *(size or next(free, "R") for size in shape[1:])]
        described.append(f"{argument}: {dtype} ({', '.join(map(str, sizes))})")
    arguments = ", ".join(argument for argument, _, _ in inputs)
    return f"outputs = module.{name}({arguments})  # {'; '.join(described)}"


def _cell(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
    if isinstance(value, int):
        return f"{value:,}"
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
