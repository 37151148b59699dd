"""The page that a run leaves: curves, pictures, tables, and how to make it again. One file."""

import base64
import html as markup
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from dnzoo.words import label

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2430;max-width:1080px;margin:2.5rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin-top:2.2rem}.big{font-size:2.4rem;font-weight:600}
.small{color:#5a6472}img{width:100%}img.pixels{image-rendering:pixelated}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.25rem .9rem .25rem 0;text-align:left;
border-bottom:1px solid #e3e7ee;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
.c{display:inline-block;width:1em;height:1em;border-radius:3px;margin-right:.5em;vertical-align:-.1em}
.bar{display:inline-block;height:.7em;background:#4c7fd9;border-radius:2px}
code{background:#f2f4f8;padding:.1rem .3rem;border-radius:3px;overflow-wrap:anywhere}
"""


def html(
    name: str,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    metrics: Mapping[str, Any],
    provenance: Mapping[str, Any],
    task: Any,
    picture: Image.Image,
    progress: tuple[Image.Image, str] | None = None,
) -> str:
    """The page as text.

    Args:
        name: of the model.
        config: what config.json holds.
        history: a dict of numbers an epoch.
        metrics: of the test split; a dict inside is a table by class.
        provenance: how it was made.
        task: for `monitor`, `labels`, `caption` and `published`.
        picture: a Pillow image.
        progress: what `task.progress` gives.
    """
    numbers = {key: value for key, value in metrics.items() if not isinstance(value, dict)}
    parts = [
        f"<h1>{markup.escape(name)}</h1>",
        f"<p class=small>{markup.escape(provenance['data'])}</p>",
        f"<p><span class=big>{_number(next(iter(numbers.values())))}</span> "
        f"{label(next(iter(numbers)), task.labels)} on the test split</p>",
        f"<h2>Predictions</h2>{_png(picture)}<p class=small>{markup.escape(task.caption)}</p>",
        _legend(task),
        f"<h2>Training</h2>{_curves(history, task)}",
        f"{_png(progress[0])}<p class=small>{markup.escape(progress[1])}</p>" if progress else "",
        "<h2>Test split</h2>" + _rows(numbers, task.labels),
        *(_by_class(key, value, task) for key, value in metrics.items() if isinstance(value, dict)),
        _data(task.data.look),
        "<h2>How it was made</h2>" + _rows(provenance),
        "<h2>Config</h2>" + _rows(config),
    ]
    head = f"<meta charset=utf-8><title>{markup.escape(name)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def print_metrics(metrics: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> None:
    """The metrics as tables for the terminal; `labels`: words for identifiers."""
    import rich.table

    tables = {"test split": {k: v for k, v in metrics.items() if not isinstance(v, dict)}}
    tables |= {key: value for key, value in metrics.items() if isinstance(value, dict)}
    for title, values in tables.items():
        table = rich.table.Table(label(title, labels), "", box=rich.box.SIMPLE)
        table.columns[1].justify = "right"
        for key, value in values.items():
            table.add_row(label(key, labels), _number(value))
        rich.print(table)


def _number(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if type(value) is int else str(value)


def _rows(values: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> str:
    rows = (
        f"<tr><th>{markup.escape(label(key, labels))}</th><td>{_cell(key, value)}</td></tr>"
        for key, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _data(look: Any) -> str:
    """What a look at the data found."""
    if look is None:
        return ""
    rows = [f"<tr><th>{'</th><th>'.join(['', *look.splits])}</th></tr>"]
    for what, *cells in look.rows:
        columns = "".join(f"<td>{markup.escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr><th>{markup.escape(what)}</th>{columns}</tr>")
    notes = "".join(f"<li>{markup.escape(note)}</li>" for note in look.notes)
    return f"<h2>Data</h2><table>{''.join(rows)}</table><ul>{notes}</ul>"


def _cell(key: str, value: Any) -> str:
    text = markup.escape(_number(value))
    return f"<code>{text}</code>" if key == "command" else text


def _legend(task: Any) -> str:
    colours = zip(task.published.get("class_names", ()), task.published.get("palette", ()))
    return "<p>" + " &nbsp; ".join(f"{_swatch(c)}{markup.escape(n)}" for n, c in colours) + "</p>"


def _swatch(colour: Sequence[int]) -> str:
    return f"<span class=c style='background:rgb{tuple(colour)}'></span>"


def _by_class(title: str, values: Mapping[str, float | None], task: Any) -> str:
    rows, largest = [], max([1.0, *(value or 0 for value in values.values())])
    colours = task.published.get("palette") or []
    for number, (name, value) in enumerate(values.items()):
        bar = f"<span class=bar style='width:{200 * (value or 0) / largest:.0f}px'></span>"
        swatch = _swatch(colours[number]) if number < len(colours) else ""
        rows.append(
            f"<tr><td>{swatch}{markup.escape(name)}</td>"
            f"<td class=n>{_number(value)}</td><td>{bar}</td></tr>"
        )
    return f"<h3>{markup.escape(label(title, task.labels))}</h3><table>{''.join(rows)}</table>"


def _curves(history: Sequence[Mapping[str, float]], task: Any) -> str:
    """A panel for each number that training or validation has."""
    import matplotlib
    from matplotlib.figure import Figure  # no pyplot: it keeps global state and wants a display

    epochs = [row["epoch"] for row in history]
    wanted = dict.fromkeys(["loss", task.monitor, *task.curves])
    names = [name for name in wanted if name in history[0] or f"val_{name}" in history[0]]
    with matplotlib.rc_context(
        {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
            for column, split in ((name, "training"), (f"val_{name}", "validation")):
                if column in history[0]:
                    axis.plot(epochs, [row[column] for row in history], ".-", label=split)
            axis.set(xlabel="epoch", title=label(name, task.labels))
            axis.grid(alpha=0.25)
            axis.legend(frameon=False)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=110)
    return _image(data)


def _png(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "png")
    return _image(data, "pixels")


def _image(data: io.BytesIO, kind: str = "plot") -> str:
    return f"<img class={kind} src='data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}'>"
