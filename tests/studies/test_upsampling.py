"""The study of upsampling: its choices, its statistics, and what its CSV files claim."""

import functools
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.conftest import ROOT, child, slow

sys.path.append(str(ROOT / "studies/upsampling"))

import cells
import make_page
import nets
import page_results
import study
import tasks

STUDY = ROOT / "studies/upsampling"


def book(tmp_path, validations):
    """A CSV of the choosing stage: {(task, operator, rate): validation}."""
    made = study.Book(tmp_path / "results.csv")
    for (task, operator, rate), value in validations.items():
        cell = cells.Cell("rate", task, operator, study.CHOOSING, rate)
        row = dict.fromkeys(cells.COLUMNS, "") | dict(zip(cells.FIELDS, cell.key))
        made.add(cell, row | {"validation": str(value)})
    return study.Book(tmp_path / "results.csv")  # as an interrupted study reads it


def test_rates_and_the_residual_block_are_chosen_by_validation(tmp_path):
    found = book(
        tmp_path,
        {
            ("vae", "nearest", 1e-3): 110,  # nats: less is better
            ("vae", "transposed_k4", 1e-3): 130,
            ("vae", "nearest", 3e-3): 112,
            ("vae", "transposed_k4", 3e-3): 115,
            ("autoencoder", "nearest", 1e-2): 20,  # dB: more is
            ("autoencoder", "transposed_k4", 1e-2): 21,
            ("autoencoder", "transposed_k4", 1e-3): 25,  # not all operators have this rate
            ("gan", "nearest", 2e-3): 9,
            ("gan", "transposed_k4", 2e-3): 12,
        },
    )
    assert found.rate("vae") == 3e-3 and found.rate("autoencoder") == 1e-2
    rates = {"vae": 3e-3, "autoencoder": 1e-2, "gan": 2e-3}
    assert found.residual(rates) == "residual_nearest"


def test_where_the_best_rate_is_at_an_end_one_more_is_tried(tmp_path):
    usual = list(tasks.SETTINGS["vae"].rates)
    assert study._wider("vae", usual[1], book(tmp_path, {})) == usual
    assert study._wider("vae", usual[2], book(tmp_path, {})) == [*usual, 0.03]
    assert study._wider("vae", usual[0], book(tmp_path, {})) == [0.0003, *usual]
    tried = book(tmp_path, {("vae", "nearest", rate): 100 for rate in (3e-2, 1e-1)})
    assert study._wider("vae", 1e-1, tried) == [*usual, 3e-2, 1e-1]  # two more at most


def test_nets_are_matched_within_2_percent():
    for row in study.table.read(STUDY / "widths.csv"):
        reference = nets.cost(row["task"], nets.REFERENCE, nets.NETS[row["task"]][1])
        wanted = dict(zip(("parameters", "macs"), reference))[row["matched"]]
        assert abs(int(row[row["matched"]]) / wanted - 1) <= 0.02, row


def test_costs_in_the_file_are_those_of_the_nets():
    rows = study.table.read(STUDY / "widths.csv")
    for row in rows[::9]:
        widths = tuple(map(int, row["widths"].split()))
        found = nets.cost(row["task"], row["operator"], widths)
        assert found == (int(row["parameters"]), int(row["macs"]))


def test_intervals_and_correction(tmp_path):
    """Against scipy alone: Student's interval, and Holm's p by hand."""
    values = np.array([1.0, 2.0, 4.0, 4.0, 5.0])
    mean, half = page_results.interval(values)
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert np.allclose((mean - half, mean + half), (low, high))

    rng, rows = np.random.default_rng(0), []
    score = {task: setting.score for task, setting in tasks.SETTINGS.items()}
    shift = {"transposed_k4": 0.0, "nearest": 1.0, "bilinear": 0.0}
    for task in tasks.SETTINGS:
        for seed in range(5):
            for operator, more in shift.items():
                cell = cells.Cell("main", task, operator, seed, 0.1)
                row = dict.fromkeys(cells.COLUMNS, "") | dict(zip(cells.FIELDS, cell.key))
                rows.append(row | {score[task]: more + 0.1 * rng.normal()})
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    for name in ("predictions", "bounds"):
        (tmp_path / f"{name}.csv").write_text("what\n")
    results = page_results.Results(tmp_path)
    found = results.against_reference()
    frame = results.score("vae")
    expected = stats.ttest_rel(frame["nearest"], frame["transposed_k4"])
    assert np.isclose(found.p["vae", "nearest"], expected.pvalue)
    ordered = np.sort(found.p)
    holm = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)).clip(max=1)
    assert np.allclose(np.sort(found.p_holm), holm)
    assert (found.p_holm[:, "nearest"] < 0.05).all() and (found.p_holm[:, "bilinear"] > 0.05).all()
    assert (
        results.ordered("vae")[-1] == "nearest" and results.ordered("autoencoder")[0] == "nearest"
    )


def test_pareto_front():
    costs = pd.Series({"a": 1, "b": 2, "c": 3, "d": 4, "e": 3})
    scores = pd.Series({"a": 5, "b": 4, "c": 7, "d": 6, "e": 8})
    assert page_results.pareto(costs, scores) == ["a", "e"]
    assert page_results.pareto(costs, -scores) == ["a", "b"]


@slow
def test_smoke_runs_every_kind_of_cell_and_resumes(tmp_path):
    out = tmp_path / "results.csv"
    arguments = ("--smoke", "--out", out)
    script = f"import sys, runpy; sys.argv[0] = {str(STUDY / 'study.py')!r}; "
    script += (
        "sys.path.insert(0, sys.argv[0][:-9]); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    child(script, *arguments)
    rows = study.table.read(out)
    assert {row["stage"] for row in rows} == {"rate", "main", "activation", "stability"}
    assert {row["task"] for row in rows} == set(tasks.SETTINGS)
    assert (tmp_path / "samples/gan-transposed_k2.png").is_file()
    study.table.write(out, rows[:-1])  # as an interrupted study leaves it
    before = out.read_text()
    assert "1 of 1:" in child(script, *arguments).stdout
    assert out.read_text().startswith(before)


class NothingToDo:
    """In place of the pool of processes: whatever it gets to do is missing in the files."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def map(self, function, items):
        assert not items, items
        return []

    def submit(self, function, cell, *rest):
        raise AssertionError(f"no row of {cell}")


def test_the_study_is_complete(monkeypatch):
    monkeypatch.setattr(study, "_pool", lambda options: NothingToDo())
    study.main(study.Options(str(STUDY / "results.csv")))


def test_nothing_is_missing_is_noticed(monkeypatch, tmp_path):
    """The test before this one can fail."""
    monkeypatch.setattr(study, "_pool", lambda options: NothingToDo())
    for name in ("results.csv", "widths.csv"):
        rows = study.table.read(STUDY / name)
        study.table.write(tmp_path / name, rows[:-1] if name == "results.csv" else rows)
    with pytest.raises(AssertionError, match="no row of Cell"):
        study.main(study.Options(str(tmp_path / "results.csv")))


def test_predictions_hold():
    """What the page promises of theory, in the file of measurements."""
    rows = pd.read_csv(STUDY / "predictions.csv", keep_default_na=False)
    of = {what: part for what, part in rows.groupby("what")}
    nets_there = {
        (row["task"], row["operator"])
        for row in study.table.read(STUDY / "widths.csv")
        if row["matched"] == "parameters"
    }
    for what in (
        "multiply-accumulates",
        "bytes of a training step",
        "milliseconds of a training step",
    ):
        assert set(zip(of[what].task, of[what].operator)) == nets_there
    products = of["multiply-accumulates"]
    assert (products.predicted == products.measured).all()
    memory = of["bytes of a training step"]
    error = memory.set_index(["task", "operator"]).error.astype(float).abs()
    # what XLA keeps that no count of values follows: docs/upsampling.md names them
    named = [name for name in error.index if name[1] == "dysample"] + [("vae", "bilinear_fixed")]
    assert (error.drop(named) <= 0.15).all() and (error[named] <= 0.3).all()
    boards = of["checkerboard at initialisation"]
    assert len(boards) >= 10 and (boards.error.astype(float).abs() <= 0.05).all()


def test_bounds_are_never_beaten():
    rows = pd.read_csv(STUDY / "bounds.csv")
    assert len(rows) >= 24 and (rows.gap_db >= 0).all()
    assert (rows.any_kernel_db >= rows.bound_db).all()


def test_the_page_is_what_its_files_say(monkeypatch):
    for name in ("column", "against_reference"):  # the page asks for the same often
        once = functools.cache(getattr(page_results.Results, name))
        monkeypatch.setattr(page_results.Results, name, once)
    page = (ROOT / "docs/upsampling.md").read_text("utf-8")
    assert page == make_page.page(page_results.Results())
