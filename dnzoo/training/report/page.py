"""A run as one HTML file: `page.html`, which escapes whatever comes from a user, filled."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dnzoo.training.report import curves
from dnzoo.training.report.parts import Part, Picture, Table
from dnzoo.words import label, number


@dataclasses.dataclass
class Standing:
    """How far a run is.

    Attributes:
        epoch, epochs: done, and to do in all.
        best: number of the best epoch yet.
        live: whether the page is going to be written again: it reloads itself then.
        words: what is to be said beside.
        seconds: of each epoch, validation included; None where they are not known.
    """

    epoch: int
    epochs: int
    best: int | None = None
    live: bool = False
    words: str = ""
    seconds: Sequence[float | None] = ()

    @property
    def every(self) -> float:
        """Seconds after which news may be expected."""
        return next((float(s) for s in reversed(self.seconds) if s is not None), 60.0)


def html(
    name: str,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    task: Any,
    standing: Standing,
    *,
    data: Sequence[Part] = (),
    results: Sequence[Part] = (),
    metrics: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    picture: Any = None,
    progress: tuple[Any, str] | None = None,
) -> str:
    """The page as text.

    Args:
        name: of the model and its data.
        config: what config.json holds.
        history: a dict of numbers an epoch.
        task: for `monitor`, `curves`, `labels`, `caption`, `published` and `description`.
        standing: how far the run is.
        data: what `task.shown_data` gives.
        results: what `task.shown_results` gives.
        metrics: of the test split; a dict inside is a table by class. None: it is not tested yet.
        provenance: how it was made.
        picture: a Pillow image of predictions.
        progress: what `task.progress` gives.
    """
    metrics, labels = metrics or {}, task.labels
    numbers = {key: value for key, value in metrics.items() if not isinstance(value, dict)}
    rows = [
        {**row, **({"seconds": seconds} if seconds is not None else {})}
        for row, seconds in zip(history, [*standing.seconds, *[None] * len(history)])
    ]
    wanted = dict.fromkeys(["loss", task.monitor, *task.curves, "learning_rate", "seconds"])
    shown = {**(labels or {}), "seconds": "seconds per epoch"}
    return _template().render(
        name=name,
        description=task.description,
        standing=standing,
        written=round(time.time() * 1000),
        headline=_headline(numbers, history, task, standing),
        pictures=[Picture("Predictions", picture, task.caption)] if picture is not None else [],
        results=[*results, *_by_class(metrics, results, task)],
        curves=[Markup(svg) for svg in curves.panels(rows, list(wanted), shown, standing.best)],
        progress=[Picture("", *progress)] if progress else [],
        metrics={label(key, labels): number(value) for key, value in numbers.items()},
        data=data,
        look=task.data.look,
        provenance={label(key): _setting(value) for key, value in (provenance or {}).items()},
        config={label(key): _setting(value) for key, value in config.items()},
        classes=list(zip(task.published.get("class_names", ()), task.published.get("palette", ()))),
    )


@functools.cache
def _template() -> Any:
    import jinja2

    here = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=here, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": number, "zip": zip}
    environment.filters["rgb"] = lambda colour: f"rgb({', '.join(str(int(c)) for c in colour)})"
    return environment.get_template("page.html")


def _headline(
    numbers: Mapping[str, Any], history: Sequence[Mapping[str, Any]], task: Any, standing: Standing
) -> tuple[str, str] | None:
    """(the number to look at first, its words)."""
    if numbers:
        key = next(iter(numbers))
        return number(numbers[key]), f"{label(key, task.labels)} on the test split"
    if standing.best is None or standing.best > len(history):
        return None
    value = history[standing.best - 1].get(f"val_{task.monitor}")
    words = (
        f"{label(task.monitor, task.labels)} on the validation split, best epoch: {standing.best}"
    )
    return number(value), words


def _by_class(metrics: Mapping[str, Any], results: Sequence[Part], task: Any) -> list[Table]:
    """Tables of the metrics that are dicts, but for those that a part of the results has already."""
    there = {word for part in results for word in part.words}
    tables = {label(key, task.labels): v for key, v in metrics.items() if isinstance(v, dict)}
    colours = task.published.get("palette") or ()
    return [
        Table(title, [title], {name: [value] for name, value in values.items()}, colours)
        for title, values in tables.items()
        if title not in there
    ]


def _setting(value: Any) -> str:
    """A value as a person would type it."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "none" if value is None else str(value)


def print_metrics(metrics: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> None:
    """The metrics as tables for the terminal; `labels`: words for identifiers."""
    import rich.box
    import rich.markup
    import rich.table

    tables = {"test split": {k: v for k, v in metrics.items() if not isinstance(v, dict)}}
    tables |= {key: value for key, value in metrics.items() if isinstance(value, dict)}
    for title, values in tables.items():
        table = rich.table.Table(label(title, labels), "", box=rich.box.SIMPLE)
        table.columns[1].justify = "right"
        for key, value in values.items():
            table.add_row(rich.markup.escape(label(key, labels)), number(value))
        rich.print(table)
