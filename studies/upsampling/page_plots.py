"""The figures of docs/upsampling.md; the same operator has always the same colour and dash."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator
from page_results import DOCS, OPERATORS, SCORES, SETTINGS, STUDY, TASKS, interval
from PIL import Image, ImageDraw, ImageFont

from dnzoo import analysis, storage

IMAGES = DOCS / "images"
# what tells operators of one colour apart where there is no line
MARKERS = {"-": "o", "--": "s", ":": "^"}
# of Okabe and Ito; the classes' own colours are not safe for the colour-blind
CLASSES = np.array(
    [(0, 0, 0), (0, 114, 178), (230, 159, 0), (0, 158, 115), (240, 228, 66)], "uint8"
)
SIZE = 64
PICTURE = (SIZE, 8, 1.0, 0.3)  # rows, channels, mean and deviation of what spectra are of


def save(figure, name):
    with storage.new_file(IMAGES / f"upsampling_{name}.png", overwrite=True) as path:
        figure.savefig(path, dpi=110)


def panels(rows, columns, width=3.6, height=3.0, **kwargs):
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, axes


def plain_ticks(axis):
    """1, 2, 5, 10... where matplotlib would write 2 x 10^1, on an axis with a logarithmic scale."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(EngFormatter(sep=""))
    axis.set_minor_formatter("")


def legend(axis, operators, marker=True):
    """The operators' names where a panel is free."""
    axis.set_axis_off()
    handles = [
        Line2D(
            [],
            [],
            color=operator.colour,
            linestyle=operator.dash,
            marker=MARKERS[operator.dash] if marker else "",
            label=operator.label,
        )
        for operator in operators.values()
    ]
    axis.legend(handles=handles, fontsize=8, loc="center", frameon=False)


def quality_and_cost(results):
    """Quality against the time of a training step, with the Pareto front."""
    figure, axes = panels(2, 3)
    for axis, task in zip(axes, TASKS):
        times, score, front = results.step_ms(task), results.score(task), results.front(task)
        for name, scores in score.items():
            mean, half = interval(scores.dropna())
            operator = OPERATORS[name]
            axis.errorbar(
                *(times[name], mean, half),
                color=operator.colour,
                marker=MARKERS[operator.dash],
                markersize=6,
                linewidth=1,
            )
        axis.plot(times[front], score.mean()[front], color="0.6", linewidth=1, zorder=0)
        if SETTINGS[task].best == "min":
            axis.invert_yaxis()
        axis.set_xscale("log")
        axis.set_xlabel("ms per training step of 16", fontsize=8)
        plain_ticks(axis.xaxis)
        axis.set_ylabel(
            SCORES[task] + (" (up: better)" if axis.yaxis_inverted() else ""), fontsize=8
        )
        axis.set_title(TASKS[task], fontsize=9)
    legend(axes[-1], results.operators)
    save(figure, "pareto")


def curves(results):
    """Training loss in tenths of the training: the mean over seeds, and its 95 % interval."""
    figure, axes = panels(2, 3)
    for axis, task in zip(axes, TASKS):
        for name, column in results.column(task, "curve").items():
            curve = np.array([text.split() for text in column.dropna()], float)
            means, halves = np.array([interval(point) for point in curve.T]).T
            operator, tenths = OPERATORS[name], np.arange(1, len(means) + 1) / len(means)
            axis.plot(tenths, means, color=operator.colour, linestyle=operator.dash, linewidth=1.2)
            axis.fill_between(
                tenths,
                means - halves,
                means + halves,
                color=operator.colour,
                alpha=0.12,
                linewidth=0,
            )
        if task in ("autoencoder", "vae"):  # the others fall by less than that
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
        axis.set_xlabel("share of the training", fontsize=8)
        axis.set_ylabel("training loss", fontsize=8)
        axis.set_title(TASKS[task], fontsize=9)
    legend(axes[-1], results.operators, marker=False)
    save(figure, "curves")


def before_and_after(results):
    """Checkerboards of outputs at the start (hollow) and after training (full)."""
    figure, axes = panels(1, len(TASKS), 2.6, 4.2, sharey=True)
    names = list(results.operators)
    for axis, task in zip(axes, TASKS):
        frames = [results.column(task, c) for c in ("checkerboard_at_start", "checkerboard")]
        for place, name in enumerate(names):
            if name not in frames[0]:
                continue
            start, end = (frame[name].median() for frame in frames)
            operator = OPERATORS[name]
            axis.plot([start, end], [place, place], color=operator.colour, linewidth=1)
            axis.plot(start, place, "o", color=operator.colour, markerfacecolor="white")
            axis.plot(end, place, "o", color=operator.colour)
        axis.axvline(1, color="0.6", linewidth=0.8, zorder=0)
        axis.set_xscale("log")
        axis.set_title(TASKS[task].replace(", ", "\n"), fontsize=9)
    axes[0].set_yticks(range(len(names)), [results.operators[name].label for name in names])
    axes[0].invert_yaxis()
    figure.supxlabel(
        "checkerboard of outputs: 1 is none; hollow before training, full after", fontsize=9
    )
    save(figure, "checkerboards")


def spectra(results):
    """Along one axis of frequencies, at initialisation: closed form, and fresh layers measured."""
    from predictions import fresh  # found once page_results has been imported

    known = {}
    for name, operator in results.operators.items():
        try:
            power = analysis.spectrum(operator.make(4), *PICTURE)
        except (TypeError, ValueError):  # no formula is known
            continue
        known[name] = power, fresh(lambda o=operator: o.make(4), *PICTURE)
    figure, axes = panels(2, -(-len(known) // 2), 2.3, 2.3, sharex=True, sharey=True)
    frequencies = np.arange(SIZE // 2 + 1) / SIZE
    for axis, (name, (power, measured)) in zip(axes, known.items()):
        operator = OPERATORS[name]
        for values, style in (
            (power, {"linestyle": "-"}),
            (measured, {"marker": "."}),
        ):
            line = 10 * np.log10(values[0, : len(frequencies)] + 1e-8)
            axis.plot(
                frequencies,
                line,
                color=operator.colour if "linestyle" in style else "black",
                linewidth=1.6 if "linestyle" in style else 0,
                markersize=3,
                **style,
            )
        axis.set_title(operator.label, fontsize=8)
        axis.set_xticks([0, 0.25, 0.5])
    for axis in axes[len(known) :]:
        axis.set_axis_off()
    figure.supxlabel(
        "cycles per pixel, along the rows (line: closed form; points: measured)", fontsize=9
    )
    figure.supylabel("power, dB", fontsize=9)
    save(figure, "spectra")


def theory_and_measurement(results):
    """Predicted against measured, of whole nets."""
    whats = ("multiply-accumulates", "bytes of a training step", "milliseconds of a training step")
    figure, axes = panels(1, 4)
    for axis, what in zip(axes, whats):
        pairs = results.predicted(what)[["predicted", "measured"]]
        for (_, name), (predicted, measured) in pairs.iterrows():
            operator = OPERATORS[name]
            axis.plot(
                predicted, measured, MARKERS[operator.dash], color=operator.colour, markersize=4
            )
        ends = [pairs.to_numpy().min(), pairs.to_numpy().max()]
        axis.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
        axis.set(xscale="log", yscale="log")
        plain_ticks(axis.xaxis)
        plain_ticks(axis.yaxis)
        axis.set_title(what, fontsize=9)
        axis.set_xlabel("predicted", fontsize=8)
        axis.set_ylabel("measured", fontsize=8)
    legend(axes[-1], results.operators)
    save(figure, "predictions")


def recoloured(picture):
    """A picture of classes, in colours that all can tell."""
    truth = np.asarray(Image.open(STUDY / "samples/segmentation-truth.png"))  # it has every class
    known = np.unique(truth.reshape(-1, 3), axis=0)
    return CLASSES[(picture[..., None, :] == known).all(-1).argmax(-1)]


def samples(results, columns=3, margin=8, line=22):
    """What nets of the first seed make of the same held-out inputs, each pixel enlarged."""
    font = ImageFont.load_default(size=15)
    labels = {"truth": "ground truth"} | {name: o.label for name, o in results.operators.items()}
    for task in TASKS:
        crop, factor = (148, 3) if task == "super_resolution" else (204, 2)
        tiles = []
        for name, label in labels.items():
            path = STUDY / f"samples/{task}-{name}.png"
            if path.is_file():
                tile = np.asarray(Image.open(path))[:, :crop]
                if task == "segmentation":
                    tile = recoloured(tile)
                tiles.append((label, tile.repeat(factor, 0).repeat(factor, 1)))
        if not tiles:
            continue
        height, width = (size + margin for size in tiles[0][1].shape[:2])
        rows = -(-len(tiles) // columns)
        sheet = Image.new("RGB", (columns * width, rows * (height + line)), "white")
        for number, (label, tile) in enumerate(tiles):
            left, top = number % columns * width, number // columns * (height + line)
            ImageDraw.Draw(sheet).text((left + 2, top + 2), label, "black", font)
            sheet.paste(Image.fromarray(tile), (left, top + line))
        with storage.new_file(IMAGES / f"upsampling_samples_{task}.png", overwrite=True) as path:
            sheet.save(path)


def all_of(results):
    for draw in (
        quality_and_cost,
        curves,
        before_and_after,
        spectra,
        theory_and_measurement,
        samples,
    ):
        draw(results)
