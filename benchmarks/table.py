"""The CSV that a benchmark keeps its rows in, and what is said of two columns."""

import csv
from pathlib import Path

from dnzoo import storage


def read(path):
    """The rows, dicts of strings; none when there is no file yet."""
    if not Path(path).is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    """Write the rows, whole or not at all; the first one's keys are the columns."""
    with (
        storage.new_file(path, overwrite=True) as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def difference(a, b):
    """The mean of a - b, pair by pair, and its 95 % interval by Student's t: (mean, low, high)."""
    from scipy import stats

    result = stats.ttest_rel(a, b)
    interval = result.confidence_interval(0.95)
    mean = sum(x - y for x, y in zip(a, b)) / len(a)
    return mean, interval.low, interval.high
