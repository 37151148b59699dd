"""Which upsampling? Every operator in five tasks, five seeds each: a row a cell, one CSV.

Says first how long it takes; a second start goes on where the first ended. Two cells run at a time, each
on one core. The default, hours on 2 cores, and a few steps of each kind of cell:
    python benchmarks/upsampling/study.py --out benchmarks/upsampling/results.csv
    python benchmarks/upsampling/study.py --smoke --out runs/upsampling.csv
"""

import dataclasses
import multiprocessing
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import tyro

sys.path.append(str(Path(__file__).parent.parent))

import cells
import nets
import table
import tasks
from cells import Cell, Places
from operators import OPERATORS

from dnzoo.training.environment import environment

SEEDS = 5
CHOOSERS = ("transposed_k4", "subpixel_icnr", "nearest")  # whose validation chooses the rate
ONLY_UNET = ("unpooling",)  # needs an encoder's switches
BY_MACS = ("segmentation", "super_resolution")
ACTIVATIONS, LOSSES = ("relu", "leaky_relu", "tanh"), ("mse", "l1", "ssim")


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data: Places = dataclasses.field(default_factory=Places)
    smoke: bool = False
    """A few steps of a few cells of each kind."""
    workers: int = 2


def operators(task):
    return [name for name in OPERATORS if task == "segmentation" or name not in ONLY_UNET]


def choosing(options):
    """Cells that find each task's learning rate, with a seed of their own."""
    for task, setting in tasks.SETTINGS.items():
        for operator in CHOOSERS[: 1 if options.smoke else None]:
            for rate in setting.rates:
                yield Cell("rate", task, operator, 100, rate)


def main_cells(options, rates):
    """Cells of the comparison, seed by seed: whoever stops early has fewer seeds, not fewer operators."""
    for seed in range(1 if options.smoke else SEEDS):
        for task in tasks.SETTINGS:
            for operator in operators(task)[: 2 if options.smoke else None]:
                yield Cell("main", task, operator, seed, rates[task])
                if task in BY_MACS:
                    yield Cell("main", task, operator, seed, rates[task], matched="macs")
        for activation in ACTIVATIONS:
            for loss in LOSSES:
                yield Cell(
                    "activation",
                    "autoencoder",
                    nets.REFERENCE,
                    seed,
                    rates["autoencoder"],
                    activation=activation,
                    loss=loss,
                )


class Book:
    """The CSV: rows by their cells, written whenever one is done."""

    def __init__(self, path):
        self.path = path
        fields = [field.name for field in dataclasses.fields(Cell)]
        self.rows = {tuple(row[f] for f in fields): row for row in table.read(path)}

    def add(self, cell, row):
        self.rows[cell.key] = {**row, **environment()}
        table.write(self.path, list(self.rows.values()))

    def rate(self, task):
        """The learning rate with the best validation, on average over the operators that choose."""
        found = {}
        for row in self.rows.values():
            if row["stage"] == "rate" and row["task"] == task and row["validation"]:
                found.setdefault(float(row["rate"]), []).append(float(row["validation"]))
        most = max(map(len, found.values()))
        means = {rate: statistics.mean(v) for rate, v in found.items() if len(v) == most}
        best = max if tasks.SETTINGS[task].best == "max" else min
        lower = {"autoencoder": True}.get(task)  # validated by its loss
        return (min if lower else best)(means, key=means.get)


def run_all(wanted, book, options, widths):
    """Run those cells that have no row yet."""
    open_cells = [cell for cell in wanted if cell.key not in book.rows]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context) as pool:
        running = {
            pool.submit(
                cells.run,
                cell,
                widths[cell.task, cell.operator, cell.matched],
                options.data,
                options.smoke,
            ): cell
            for cell in open_cells
        }
        for number, done in enumerate(as_completed(running), start=1):
            cell = running[done]
            book.add(cell, done.result())
            row = book.rows[cell.key]
            print(
                f"{number} of {len(open_cells)}:",
                *cell.key,
                row["score"],
                row["seconds"],
                flush=True,
            )


def find_widths(options):
    """{(task, operator, matched by): widths}, kept in a CSV of their own."""
    path = Path(options.out).with_name("widths.csv")
    rows = {(r["task"], r["operator"], r["matched"]): r for r in table.read(path)}
    wanted = [
        (task, operator, by)
        for task in nets.NETS
        for operator in operators(task)
        for by in (("parameters", "macs") if task in BY_MACS else ("parameters",))
    ]
    missing = [key for key in wanted if key not in rows]
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for key, found in zip(missing, pool.map(_matched, missing)):
            rows[key] = dict(zip(("task", "operator", "matched"), key)) | found
            table.write(path, list(rows.values()))
    return {key: tuple(map(int, row["widths"].split())) for key, row in rows.items()}


def _matched(key):
    widths = nets.matched(*key)
    parameters, macs = nets.cost(*key[:2], widths)
    return {"widths": " ".join(map(str, widths)), "parameters": parameters, "macs": macs}


def main(options):
    first = list(choosing(options))
    later = list(main_cells(options, dict.fromkeys(tasks.SETTINGS, 0.0)))
    book = Book(options.out)
    seconds = sum(tasks.SETTINGS[cell.task].seconds for cell in [*first, *later])
    if not options.smoke:
        hours = seconds / options.workers / 3600
        print(
            f"{len(first) + len(later)} cells, about {hours:.1f} hours; {len(book.rows)} are done."
        )
    widths = find_widths(options)
    run_all(first, book, options, widths)
    rates = {task: book.rate(task) for task in tasks.SETTINGS}
    print("Learning rates:", rates)
    run_all(main_cells(options, rates), book, options, widths)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # a core for each worker
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    main(tyro.cli(Options, description=__doc__))
