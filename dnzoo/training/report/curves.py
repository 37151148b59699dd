"""Curves over the epochs as SVG: sharp at any size, in the page's colours, epochs as whole numbers."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from dnzoo.words import label, number

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 30, 34  # of the axes, in the same units
POINTS = 100  # epochs of which each is a point that says its value


def panels(
    history: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    labels: Mapping[str, str] | None = None,
    best: int | None = None,
) -> list[str]:
    """An SVG for each number that training or validation has.

    Args:
        history: a dict of numbers an epoch.
        names: of the numbers, without "val_".
        labels: words for them.
        best: number of the best epoch, which is marked.
    """
    epochs = [int(row["epoch"]) for row in history]
    made = []
    for name in names:
        series = {
            split: [(e, row[column]) for e, row in zip(epochs, history) if _finite(row.get(column))]
            for column, split in ((name, "training"), (f"val_{name}", "validation"))
        }
        series = {split: points for split, points in series.items() if points}
        if series:
            made.append(panel(label(name, labels), series, best))
    return made


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def panel(
    title: str, series: Mapping[str, Sequence[tuple[int, float]]], best: int | None = None
) -> str:
    """One SVG; series: {name: (epoch, value) ...}."""
    points = [point for line in series.values() for point in line]
    first, last = min(e for e, _ in points), max(e for e, _ in points)
    low, high = min(v for _, v in points), max(v for _, v in points)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    low, high = low - margin, high + margin

    def x(epoch: float) -> float:
        share = (epoch - first) / (last - first) if last > first else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f"<text class=title x={LEFT} y=16>{escape(title)}</text>"]
    for value in ticks(low, high):
        parts.append(f"<path class=grid d='M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}'/>")
        parts.append(
            f"<text class=tick text-anchor=end x={LEFT - 6} y={y(value) + 4:.1f}>{short(value)}</text>"
        )
    for epoch in ticks(first, last, whole=True):
        parts.append(
            f"<text class=tick text-anchor=middle x={x(epoch):.1f} y={HEIGHT - 16}>{epoch:.0f}</text>"
        )
    parts.append(
        f"<text class=tick text-anchor=middle x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 2}>epoch</text>"
    )
    if best is not None and first <= best <= last:
        parts.append(
            f"<path class=best d='M{x(best):.1f} {TOP}V{HEIGHT - BOTTOM}'><title>best epoch: {best}"
            "</title></path>"
        )
    for split, line in series.items():
        path = "L".join(f"{x(e):.1f} {y(v):.1f}" for e, v in line)
        parts.append(f"<path class='line {split}' d='M{path}'/>")
        if len(line) <= POINTS:
            parts += [
                f"<circle class={split} cx={x(e):.1f} cy={y(v):.1f} r=2.5><title>epoch {e}, {split}: "
                f"{number(float(v))}</title></circle>"
                for e, v in line
            ]
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{escape(title)} by epoch'>"
        f"{''.join(parts)}</svg>"
    )


def ticks(low: float, high: float, count: int = 5, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, about so many; `whole`: whole ones.

    Example:
        >>> ticks(1, 3, whole=True), ticks(0.13, 0.41)
        ([1.0, 2.0, 3.0], [0.2, 0.3, 0.4])
    """
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span / count * 0.999)
    step = max(step, 1.0) if whole else step
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(n * step, digits) for n in numbers]


def short(value: float) -> str:
    """A number beside an axis.

    Example:
        >>> [short(value) for value in (0.00005, 0.25, 120000.0, 0.0)]
        ['0.00005', '0.25', '120000', '0']
    """
    if value and not 1e-6 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return np.format_float_positional(value, precision=6, fractional=False, trim="-")
