"""What the CSV files of studies/upsampling say: means, intervals, tests."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

sys.path.append(str(Path(__file__).parents[2] / "docs"))
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from nets import REFERENCE
from operators import OPERATORS
from tasks import SETTINGS

STUDY = Path(__file__).parent
DOCS = STUDY.parents[1] / "docs"
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
# what makes of a score one of which more is better
SIGN = {task: 1 if setting.best == "max" else -1 for task, setting in SETTINGS.items()}
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


def pareto(costs, scores):
    """Names of those that no other beats in both (of scores more is better), the cheapest first."""
    front = []
    for name in sorted(scores.index, key=lambda name: (costs[name], -scores[name])):
        if not front or scores[name] > scores[front[-1]]:
            front.append(name)
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

    def activations(self):
        """Rows of activations and losses; the comparison's net has ReLU and the mean squared error."""
        same = self.main[(self.main.task == "autoencoder") & (self.main.operator == REFERENCE)]
        return pd.concat([self.rows[self.rows.stage == "activation"], same.assign(loss="mse")])

    def ordered(self, task):
        """Names of the operators, the best mean score first."""
        means = SIGN[task] * self.score(task).mean()
        return list(means.sort_values(ascending=False).index)

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
            blocks.append((-SIGN[task] * self.score(task)).dropna(how="any"))
        table = pd.concat(blocks, join="inner")
        p = stats.friedmanchisquare(*(table[name] for name in table)).pvalue
        return table.rank(axis=1).mean().sort_values(), p

    def best_rates(self):
        """{task: {operator: the learning rate that its validation likes best}} of those that choose."""
        found = {}
        for task in SETTINGS:
            rows = self.rows[(self.rows.stage == "rate") & (self.rows.task == task)]
            best = (SIGN[task] * rows.set_index("rate").validation).groupby(rows.operator.values)
            found[task] = best.idxmax().to_dict()
        return found

    def residual(self):
        """The residual block that was chosen."""
        return next(name for name, operator in self.operators.items() if operator.block)

    def gain(self, task, better, worse):
        """(mean gain in the score, negative where it is a loss, half of its 95 % interval)."""
        score = SIGN[task] * self.score(task)
        return paired(score[better], score[worse])[:2]

    def predicted(self, what):
        """Rows of a kind of prediction for whole nets, by task and operator."""
        rows = self.predictions[self.predictions.what == what].set_index(["task", "operator"])
        return rows[["predicted", "measured", "error"]].astype(float)

    def step_ms(self, task):
        """Milliseconds of a training step that were measured alone, by operator."""
        return self.predicted("milliseconds of a training step").measured[task]

    def front(self, task):
        """Names of the operators that no other beats in both time and score, the fastest first."""
        return pareto(self.step_ms(task), SIGN[task] * self.score(task).mean())
