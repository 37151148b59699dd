"""What the CSV files of benchmarks/upsampling say: means, intervals, tests, tables.

`docs/make_upsampling.py` writes the page from it, `docs/upsampling_plots.py` draws it.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

sys.path.append(str(Path(__file__).parent.parent / "benchmarks/upsampling"))
sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

from nets import REFERENCE
from operators import OPERATORS
from page_table import table
from tasks import SETTINGS

STUDY = Path(__file__).parent.parent / "benchmarks/upsampling"
TASKS = {
    "autoencoder": "autoencoder, CIFAR-10 in grey",
    "super_resolution": "super-resolution x2, photographs",
    "segmentation": "segmentation, garments",
    "gan": "GAN, Fashion-MNIST",
    "vae": "VAE, MNIST",
}
SCORES = {
    "autoencoder": "PSNR, dB",
    "super_resolution": "PSNR of Y, dB",
    "segmentation": "mean IoU",
    "gan": "Fréchet distance",
    "vae": "negative ELBO, nats",
}
DIGITS = {"autoencoder": 2, "super_resolution": 2, "segmentation": 3, "gan": 2, "vae": 1}
LEVEL = 0.05


def short(task):
    """The task's name without its data."""
    return TASKS[task].split(",")[0]


def interval(values):
    """(mean, half the width of its 95 % interval by Student's t)."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return values.mean(), np.nan
    half = stats.sem(values) * stats.t.ppf(1 - LEVEL / 2, len(values) - 1)
    return values.mean(), half


def paired(values, others):
    """(mean difference, half of its 95 % interval, p of the paired t-test) over the seeds that both have."""
    differences = (values - others).dropna()
    p = stats.ttest_1samp(differences, 0).pvalue if len(differences) > 1 else np.nan
    return *interval(differences), 1.0 if np.isnan(p) else p


def pareto(points, best):
    """Those points (cost, quality) that no other beats in both, by cost."""
    sign = 1 if best == "max" else -1
    front, most = [], -np.inf
    for cost, quality in sorted(points, key=lambda p: (p[0], -sign * p[1])):
        if sign * quality > most:
            front.append((cost, quality))
            most = sign * quality
    return front


class Results:
    """The study's rows."""

    def __init__(self, folder=STUDY):
        self.rows = pd.read_csv(folder / "results.csv", keep_default_na=False, na_values=[""])
        self.predictions = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
        self.bounds = pd.read_csv(folder / "bounds.csv")
        self.main = self.rows[self.rows.stage == "main"]
        found = set(self.main.operator)
        self.operators = {name: o for name, o in OPERATORS.items() if name in found}
        self.seeds = sorted(self.main.seed.unique())

    def column(self, task, column, matched="parameters"):
        """A column of the comparison: a frame of seeds x operators.

        Matched by multiply-accumulates, a net that is equal in both stands in both.
        """
        rows = self.main[self.main.task == task]
        rows = rows.sort_values("matched", key=lambda kind: kind == matched)
        rows = rows.drop_duplicates(["operator", "seed"], keep="last")
        frame = rows.pivot(index="seed", columns="operator", values=column)
        return frame[[name for name in self.operators if name in frame]]

    def score(self, task, matched="parameters"):
        return self.column(task, SETTINGS[task].score, matched)

    def activation(self, activation, loss):
        """Rows, by seed, of the reference's autoencoder with an activation and a loss."""
        rows = self.rows[self.rows.stage == "activation"]
        return rows[(rows.activation == activation) & (rows.loss == loss)].set_index("seed")

    def ordered(self, task):
        """Names of the operators, the best mean score first."""
        means = self.score(task).mean()
        return list(means.sort_values(ascending=SETTINGS[task].best == "min").index)

    def against_reference(self):
        """Paired tests of all scores against the reference: a frame with Holm's p over all tasks."""
        found = []
        for task in TASKS:
            score = self.score(task)
            for name in score.columns.drop(REFERENCE):
                found.append((task, name, *paired(score[name], score[REFERENCE])))
        frame = pd.DataFrame(found, columns=["task", "operator", "difference", "half", "p"])
        frame["p_holm"] = multipletests(frame.p, LEVEL, "holm")[1]
        return frame.set_index(["task", "operator"])

    def beside_best(self, task):
        """Names of those that paired tests (Holm's correction) don't tell from the task's best."""
        best, *others = self.ordered(task)
        score = self.score(task)
        p = [paired(score[name], score[best])[2] for name in others]
        behind = multipletests(p, LEVEL, "holm")[0]
        return [name for name, known in zip(others, behind) if not known]

    def ranks(self):
        """Mean rank over the seeds of each operator that all tasks have, and Friedman's p."""
        blocks = []
        for task in TASKS:
            sign = -1 if SETTINGS[task].best == "max" else 1
            blocks.append((sign * self.score(task)).dropna(how="any"))
        table = pd.concat(blocks, join="inner")
        p = stats.friedmanchisquare(*(table[name] for name in table)).pvalue
        return table.rank(axis=1).mean().sort_values(), p

    def best_rates(self):
        """{task: {operator: the learning rate that its validation likes best}} of those that choose."""
        found = {}
        for task, setting in SETTINGS.items():
            rows = self.rows[(self.rows.stage == "rate") & (self.rows.task == task)]
            sign = 1 if setting.best == "max" else -1
            best = (sign * rows.set_index("rate").validation).groupby(rows.operator.values)
            found[task] = best.idxmax().to_dict()
        return found

    def residual(self):
        """The residual block that was chosen."""
        return next(name for name, operator in self.operators.items() if operator.block)

    def front(self, task):
        """Names of the operators that no other beats in both time and score, the fastest first."""
        times, score = self.step_ms(task), self.score(task).mean()
        names = {(times[name], score[name]): name for name in score.index}
        return [names[point] for point in pareto(names, SETTINGS[task].best)]

    def step_ms(self, task):
        """Milliseconds of a training step that were measured alone, by operator."""
        rows = self.predictions[self.predictions.what == "milliseconds of a training step"]
        return rows[rows.task == task].set_index("operator").measured


def shown(values, digits):
    """mean ± half of the interval."""
    values = values.dropna()
    if not len(values):
        return "diverged"
    mean, half = interval(values)
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def choice(results):
    """The table to choose from: the score of every operator in every task."""
    tests, rows = results.against_reference(), []
    best = {task: results.ordered(task)[0] for task in TASKS}
    for name, operator in results.operators.items():
        row = [operator.label]
        for task in TASKS:
            score = results.score(task)
            if name not in score:
                row.append("")
                continue
            text = shown(score[name], DIGITS[task])
            if name == best[task]:
                text = f"**{text}**"
            if (task, name) in tests.index and tests.p_holm[task, name] < LEVEL:
                better = (tests.difference[task, name] > 0) == (SETTINGS[task].best == "max")
                text += " ▲" if better else " ▼"
            dead = results.column(task, "diverged")[name] == 1
            if dead.any():
                text += f" ({dead.sum()} dead; others {score[name][~dead].mean():.{DIGITS[task]}f})"
            row.append(text)
        rows.append(row)
    return table(["operator", *(f"{TASKS[t]}: {SCORES[t]}" for t in TASKS)], rows)


def by_macs(results):
    """Scores at equal multiply-accumulates, of the tasks that were trained so."""
    rows = []
    tasks = ("super_resolution", "segmentation")
    for name, operator in results.operators.items():
        row = [operator.label]
        for task in tasks:
            for matched in ("parameters", "macs"):
                score = results.score(task, matched)
                row.append(shown(score[name], DIGITS[task]) if name in score else "")
            macs = results.column(task, "macs")
            row.append(
                f"{macs[name].iloc[0] / macs[REFERENCE].iloc[0]:.2f}" if name in macs else ""
            )
        rows.append(row)
    head = ["operator"]
    for task in tasks:
        head += [
            f"{short(task)}, equal parameters",
            "equal multiply-adds",
            "multiply-adds at equal parameters",
        ]
    return table(head, rows)


def checkerboards(results, columns=("checkerboard_at_start", "checkerboard"), digits=2):
    """Of outputs, before and after training, the median over the seeds."""
    rows = []
    for name, operator in results.operators.items():
        row = [operator.label]
        for task in TASKS:
            pair = [results.column(task, column) for column in columns]
            known = name in pair[0]
            row.append(
                " → ".join(f"{frame[name].median():.{digits}f}" for frame in pair) if known else ""
            )
        rows.append(row)
    return table(["operator", *(TASKS[task] for task in TASKS)], rows)


def stability(results):
    """Spread over seeds, the largest stable rate, and how gradients begin."""
    rows = []
    stable = results.rows[results.rows.stage == "stability"]
    for name, operator in results.operators.items():
        row = [operator.label]
        for task in TASKS:
            score = results.score(task)
            row.append(f"{score[name].std():.{DIGITS[task] + 1}f}" if name in score else "")
        for task in ("autoencoder", "vae"):
            rates = stable[(stable.task == task) & (stable.operator == name)].largest_stable_rate
            row.append(f"{stats.gmean(rates):.2g}" if len(rates) else "")
            norms = results.column(task, "gradient_norm_at_start")
            row.append(f"{norms[name].median():.3g}" if name in norms else "")
        rows.append(row)
    head = ["operator", *(f"deviation, {short(task)}" for task in TASKS)]
    for task in ("autoencoder", "VAE"):
        head += [f"largest stable rate, {task}", f"gradient norm at the start, {task}"]
    return table(head, rows)


def activations(results):
    """PSNR and SSIM of the autoencoder for each activation and loss."""
    same = results.main[(results.main.task == "autoencoder") & (results.main.operator == REFERENCE)]
    rows = pd.concat([results.rows[results.rows.stage == "activation"], same.assign(loss="mse")])
    made = []
    for (activation, loss), part in rows.groupby(["activation", "loss"], sort=False):
        made.append(
            (
                *(activation.replace("_", " "), loss.upper()),
                *(shown(part[column], digits) for column, digits in (("psnr", 2), ("ssim", 3))),
                f"{part.checkerboard.median():.2f}",
                f"{part.gradient_norm_at_start.median():.3g}",
            )
        )
    head = ["activation", "loss", "PSNR, dB", "SSIM", "checkerboard", "gradient norm at the start"]
    order = ["relu", "leaky relu", "tanh"], ["MSE", "L1", "SSIM"]
    made.sort(key=lambda row: (order[0].index(row[0]), order[1].index(row[1])))
    return table(head, made)


def predicted(results):
    """How far theory is off, by kind of prediction."""
    rows = []
    for what, part in results.predictions.groupby("what", sort=False):
        error = part.error.replace("", np.nan).astype(float).abs()
        worst = error.idxmax()
        where = [OPERATORS[part.operator[worst]].label]
        if task := part.task[worst]:
            where.append(short(task))
        rows.append(
            (
                *(what, len(part), f"{error.median():.1%}", f"{error.max():.1%}"),
                ", ".join(where) if error.max() else "",
            )
        )
    return table(["prediction", "nets or layers", "median error", "largest", "of"], rows)


def bounds(results):
    """The least error that a kernel allows, and what training reaches."""
    rows = []
    for name, part in results.bounds.groupby("operator", sort=False):
        row = [OPERATORS[name].label]
        for channels in sorted(results.bounds.channels.unique()):
            (found,) = part[part.channels == channels].to_dict("records")
            row.append(
                " / ".join(
                    f"{found[name]:.2f}" for name in ("bound_db", "expected_db", "reached_db")
                )
            )
        rows.append(row)
    most = results.bounds.groupby("channels").any_kernel_db.first()
    rows.append(["any kernel", *(f"{value:.2f}" for value in most)])
    return table(
        ["operator", *(f"{c} channels" if c > 1 else "1 channel" for c in most.index)], rows
    )
