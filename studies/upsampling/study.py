"""Which upsampling? Every operator in five tasks, five seeds each: a row a cell, one CSV.

Says first how long it takes; a second start goes on where the first ended. Two cells run at a time, each
on one core. The default, hours on 2 cores, and a few steps of each kind of cell on noise:
    python studies/upsampling/study.py --out studies/upsampling/results.csv
    python studies/upsampling/study.py --smoke --out runs/upsampling/results.csv
Beside the CSV it writes widths.csv, and samples/ with what the nets of the first seed make.
"""

import dataclasses
import itertools
import multiprocessing
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import tyro

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import cells
import nets
import table
import tasks
from cells import Cell, Places
from operators import OPERATORS, RESIDUAL

from dnzoo.training.environment import environment

SEEDS = 5
CHOOSING = 100  # the seed by which rates and the residual block's operator are chosen
CHOOSERS = tuple(RESIDUAL)
FURTHER = 2  # rates that are tried at most beyond a task's, where the best is at an end
ONLY = {"unpooling": ("segmentation",)}  # it needs an encoder's switches at every level
BY_MACS = ("segmentation", "super_resolution")
ACTIVATIONS, LOSSES = ("relu", "leaky_relu", "tanh"), ("mse", "l1", "ssim")
STABILITY = ("autoencoder", "vae")  # with batch normalisation and without
STABILITY_SECONDS = 25
CELLS_A_PROCESS = 40  # about


@dataclasses.dataclass
class Options:
    out: str
    """CSV to write."""
    data: Places = dataclasses.field(default_factory=Places)
    smoke: bool = False
    """A few steps of a few cells of each kind."""
    workers: int = 2


def operators(task, residual):
    """Names of the operators in a task, `residual` the residual block that was chosen."""
    return [
        name
        for name, operator in OPERATORS.items()
        if task in ONLY.get(name, (task,)) and (not operator.block or name == residual)
    ]


def choosing(options, tried):
    """Cells that find each task's learning rate among those tried, with a seed of their own."""
    few = 1 if options.smoke else None
    for task, rates in tried.items():
        for operator in CHOOSERS[:few]:
            for rate in rates[:few]:
                yield Cell("rate", task, operator, CHOOSING, rate)


def main_cells(options, rates, residual):
    """Cells of the comparison, seed by seed: whoever stops early has fewer seeds, not fewer operators."""
    few = 1 if options.smoke else None
    for seed in range(SEEDS)[:few]:
        for task in tasks.SETTINGS:
            for operator in operators(task, residual)[:few]:
                yield Cell("main", task, operator, seed, rates[task])
                if task in BY_MACS and operator != nets.REFERENCE:
                    yield Cell("main", task, operator, seed, rates[task], matched="macs")
        # ReLU with the mean squared error is in the comparison already
        for activation, loss in list(itertools.product(ACTIVATIONS, LOSSES))[-1 if few else 1 :]:
            yield Cell(
                "activation",
                "autoencoder",
                nets.REFERENCE,
                seed,
                rates["autoencoder"],
                activation=activation,
                loss=loss,
            )
        for task in STABILITY[:few]:
            for operator in operators(task, residual)[:few]:
                yield Cell("stability", task, operator, seed, rates[task])


class Book:
    """The CSV: rows by their cells, written whenever one is done."""

    def __init__(self, path):
        self.path = path
        self.rows = {tuple(row[f] for f in cells.FIELDS): row for row in table.read(path)}

    def add(self, cell, row):
        self.rows[cell.key] = {**row, **environment()}
        table.write(self.path, list(self.rows.values()))

    def validations(self, task):
        """{rate: {operator: validation}} of the cells that choose."""
        found = {}
        for row in self.rows.values():
            if row["stage"] == "rate" and row["task"] == task and row["validation"]:
                value = float(row["validation"])
                if tasks.SETTINGS[task].best == "min":
                    value = -value
                found.setdefault(float(row["rate"]), {})[row["operator"]] = value
        return found

    def rate(self, task):
        """The learning rate with the best validation, on average over the operators that choose."""
        found = self.validations(task)
        most = max(map(len, found.values()))
        means = {r: statistics.mean(v.values()) for r, v in found.items() if len(v) == most}
        return max(means, key=means.get)

    def residual(self, rates):
        """The residual block on the operator whose rank in validation is the best, over all tasks."""
        ranks = {}
        for task, rate in rates.items():
            values = self.validations(task)[rate]
            for rank, operator in enumerate(sorted(values, key=values.get, reverse=True)):
                ranks[operator] = ranks.get(operator, 0) + rank
        return f"residual_{RESIDUAL[min(ranks, key=ranks.get)]}"


def run_all(wanted, book, options):
    """Run those cells that have no row yet."""
    open_cells = [cell for cell in wanted if cell.key not in book.rows]
    widths = find_widths(open_cells, options)
    # one net that is equal in both needs to be trained once
    open_cells = [
        cell
        for cell in open_cells
        if cell.matched == "parameters"
        or widths[cell.task, cell.operator, "parameters"]
        != widths[cell.task, cell.operator, "macs"]
    ]
    folder, number = Path(options.out).parent, 0
    # what graphs leave behind goes with their process (max_tasks_per_child can hang: CPython #115634)
    many = CELLS_A_PROCESS * options.workers
    for first in range(0, len(open_cells), many):
        with _pool(options) as pool:
            running = {}
            for cell in open_cells[first : first + many]:
                shown = (cell.stage, cell.seed, cell.matched) == ("main", 0, "parameters")
                job = pool.submit(
                    cells.run,
                    cell,
                    widths[cell.task, cell.operator, cell.matched],
                    options.data,
                    options.smoke,
                    folder / "samples" if shown else None,
                )
                running[job] = cell
            try:
                for done in as_completed(running):
                    cell, row, number = running[done], done.result(), number + 1
                    book.add(cell, row)
                    result = row[tasks.SETTINGS[cell.task].score] or row["largest_stable_rate"]
                    print(f"{number} of {len(open_cells)}:", *cell.key, "->", result, flush=True)
            except BaseException:  # which would be seen only when all the others are done
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def choose(book, options):
    """Each task's learning rate. Where the best is the largest or the smallest, one more is tried."""
    tried = {task: list(setting.rates) for task, setting in tasks.SETTINGS.items()}
    while True:
        run_all(choosing(options, tried), book, options)
        found = {task: book.rate(task) for task in tried}
        if options.smoke or tried == (wider := {t: _wider(t, found[t], book) for t in tried}):
            return found
        tried = wider


def _wider(task, best, book):
    rates = sorted({*tasks.SETTINGS[task].rates, *book.validations(task)})
    factors = {rates[0]: 0.3, rates[-1]: 10 / 3}
    if best not in factors or len(rates) >= len(tasks.SETTINGS[task].rates) + FURTHER:
        return rates
    return sorted([*rates, float(f"{factors[best] * best:.1g}")])


def find_widths(wanted, options):
    """{(task, operator, matched by): widths}, kept in a CSV of their own."""
    path = Path(options.out).with_name("widths.csv")
    rows = {(r["task"], r["operator"], r["matched"]): r for r in table.read(path)}
    keys = dict.fromkeys(
        (cell.task, cell.operator, by) for cell in wanted for by in ("parameters", cell.matched)
    )
    missing = [key for key in keys if key not in rows]
    with _pool(options) as pool:
        for key, found in zip(missing, pool.map(_matched, missing)):
            rows[key] = dict(zip(("task", "operator", "matched"), key)) | found
            table.write(path, list(rows.values()))
    return {key: tuple(map(int, row["widths"].split())) for key, row in rows.items()}


def _pool(options):
    return ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn"))


def _matched(key):
    widths = nets.matched(*key)
    parameters, macs = nets.cost(*key[:2], widths)
    return {"widths": " ".join(map(str, widths)), "parameters": parameters, "macs": macs}


def seconds(cell):
    usual = STABILITY_SECONDS if cell.stage == "stability" else tasks.SETTINGS[cell.task].seconds
    return usual * (3 if cell.operator == "carafe" else 1)


def main(options):
    first = list(choosing(options, {t: setting.rates for t, setting in tasks.SETTINGS.items()}))
    later = list(main_cells(options, dict.fromkeys(tasks.SETTINGS, 0.0), "residual_nearest"))
    book = Book(options.out)
    if not options.smoke:
        hours = sum(map(seconds, [*first, *later])) / options.workers / 3600
        print(
            f"About {len(first) + len(later)} cells and {hours:.1f} hours in all; "
            f"{len(book.rows)} cells are done."
        )
    rates = choose(book, options)
    residual = book.residual(rates)
    print("Learning rates:", rates, "- residual block:", residual, flush=True)
    run_all(main_cells(options, rates, residual), book, options)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # a core for each worker
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    main(tyro.cli(Options, description=__doc__))
