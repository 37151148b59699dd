"""What a person sees of a search: a table, and a picture of the trials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]  # a trial: {"trial", "values": {...}, "score", "epochs", "seconds"}


def print_table(rows: Sequence[Row]) -> None:
    """The trials on the terminal, in the order given."""
    import rich.table

    names = [name.replace("_", " ") for name in rows[0]["values"]]
    table = rich.table.Table("trial", "score", "epochs", *names, box=rich.box.SIMPLE)
    for row in rows:
        score = "diverged" if row["score"] is None else f"{row['score']:.4f}"
        values = [_words(value) for value in row["values"].values()]
        table.add_row(str(row["trial"]), score, str(row["epochs"]), *values)
    rich.print(table)


def picture(rows: Sequence[Row], title: str) -> "Figure":
    """A matplotlib figure: the score of each trial with the best so far, and against each setting."""
    import matplotlib
    from matplotlib.figure import Figure

    scored = [row for row in rows if row["score"] is not None]
    names = list(rows[0]["values"])
    columns = min(len(names) + 1, 3)
    lines = -(-(len(names) + 1) // columns)
    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.2 * columns, 3.2 * lines), layout="constrained")
        axes = list(figure.subplots(lines, columns, squeeze=False).flat)
        _progress(axes[0], scored)
        for axis, name in zip(axes[1:], names):
            _against(axis, name, scored)
        for axis in axes[len(names) + 1 :]:
            axis.axis("off")
        figure.suptitle(title)
    return figure


def _progress(axis: Any, scored: Sequence[Row]) -> None:
    numbers = [row["trial"] for row in scored]
    scores = [row["score"] for row in scored]
    axis.plot(numbers, scores, "o", color="#4c7fd9", label="trial")
    best = [max(scores[: i + 1]) for i in range(len(scores))]
    axis.step(numbers, best, where="post", color="#c2410c", label="best so far")
    axis.set(xlabel="trial", ylabel="validation score")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False)
    axis.grid(alpha=0.25)


def _against(axis: Any, name: str, scored: Sequence[Row]) -> None:
    values = [row["values"][name] for row in scored]
    scores = [row["score"] for row in scored]
    if all(isinstance(value, float) for value in values):
        axis.plot(values, scores, "o", color="#4c7fd9")
        if min(values) > 0 and max(values) > 10 * min(values):
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter("")  # between powers of ten there is no room for numbers
    else:
        words = sorted({_words(value) for value in values}, key=lambda w: (len(w), w))
        axis.plot([words.index(_words(v)) for v in values], scores, "o", color="#4c7fd9")
        axis.set_xticks(range(len(words)), words, rotation=25, ha="right")
        axis.margins(x=0.15)
    axis.set(xlabel=name.replace("_", " "), ylabel="validation score")
    axis.grid(alpha=0.25)


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
