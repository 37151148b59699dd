"""What a person sees of a search: a table, and a picture of the trials."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# a trial: {"trial", "values": {...}, "score", "epochs", "seconds"}; "pruned" where an engine prunes
Row = dict[str, Any]


def print_table(rows: Sequence[Row]) -> None:
    """The trials on the terminal, in the order given."""
    import rich.table

    names = [name.replace("_", " ") for name in rows[0]["values"]]
    table = rich.table.Table("trial", "score", "epochs", *names, box=rich.box.SIMPLE)
    for row in rows:
        score = "diverged" if row["score"] is None else f"{row['score']:.4f}"
        values = [_words(value) for value in row["values"].values()]
        epochs = f"{row['epochs']}{', pruned' if row.get('pruned') else ''}"
        table.add_row(str(row["trial"]), score, epochs, *values)
    rich.print(table)


def picture(
    rows: Sequence[Row], title: str, importances: Mapping[str, float] | None = None
) -> "Figure":
    """A matplotlib figure: the score of each trial with the best so far, and against each setting.

    Args:
        rows: of the trials.
        title: above all.
        importances: {setting: its share of what mattered}, drawn as well.
    """
    import matplotlib
    from matplotlib.figure import Figure

    scored = [row for row in rows if row["score"] is not None]
    drawn = [functools.partial(_progress, scored=scored)]
    drawn += [functools.partial(_against, name=name, scored=scored) for name in rows[0]["values"]]
    if importances:
        drawn.append(functools.partial(_shares, importances=importances))
    columns = min(len(drawn), 3)
    lines = -(-len(drawn) // columns)
    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.2 * columns, 3.2 * lines), layout="constrained")
        axes = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axis, draw in zip(axes, drawn):
            draw(axis)
        for axis in axes[len(drawn) :]:
            axis.axis("off")
        figure.suptitle(title)
    return figure


def _points(axis: Any, places: Sequence[Any], scored: Sequence[Row]) -> None:
    """Each trial's score, hollow where it was cut short."""
    for pruned in (False, True):
        chosen = [i for i, row in enumerate(scored) if bool(row.get("pruned")) == pruned]
        if chosen:
            axis.plot(
                [places[i] for i in chosen],
                [scored[i]["score"] for i in chosen],
                "o",
                color="#4c7fd9",
                fillstyle="none" if pruned else "full",
                label="pruned" if pruned else "trial",
            )


def _progress(axis: Any, scored: Sequence[Row]) -> None:
    numbers = [row["trial"] for row in scored]
    scores = [row["score"] for row in scored]
    _points(axis, numbers, scored)
    best = [max(scores[: i + 1]) for i in range(len(scores))]
    axis.step(numbers, best, where="post", color="#c2410c", label="best so far")
    axis.set(xlabel="trial", ylabel="validation score")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False)
    axis.grid(alpha=0.25)


def _against(axis: Any, name: str, scored: Sequence[Row]) -> None:
    values = [row["values"][name] for row in scored]
    if all(isinstance(value, float) for value in values):
        _points(axis, values, scored)
        if min(values) > 0 and max(values) > 10 * min(values):
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter("")  # between powers of ten there is no room for numbers
    else:
        words = sorted({_words(value) for value in values}, key=lambda w: (len(w), w))
        _points(axis, [words.index(_words(v)) for v in values], scored)
        axis.set_xticks(range(len(words)), words, rotation=25, ha="right")
        axis.margins(x=0.15)
    axis.set(xlabel=name.replace("_", " "), ylabel="validation score")
    axis.grid(alpha=0.25)


def _shares(axis: Any, importances: Mapping[str, float]) -> None:
    names = [name.replace("_", " ") for name in importances]
    axis.barh(names, list(importances.values()), color="#4c7fd9")
    axis.invert_yaxis()  # the largest on top
    axis.set(xlabel="share of what mattered", xlim=(0, 1))


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
