"""The tables of docs/upsampling.md."""

import inspect

import keras
import numpy as np
from page_results import (
    DIGITS,
    LEVEL,
    OPERATORS,
    REFERENCE,
    SCORES,
    SETTINGS,
    SIGN,
    TASKS,
    interval,
    short,
)
from page_table import table
from scipy import stats

WHAT = {
    "autoencoder": "32 x 32 grey images through 4 x 4 x 8 numbers; batch normalisation; three upsamplings",
    "super_resolution": "what bicubic upsampling misses, by four small convolutions, the operator and one "
    "large; no normalisation; one upsampling",
    "segmentation": "five classes in composed scenes of 48 x 48; a U-Net; batch normalisation; "
    "three upsamplings",
    "gan": "32 x 32 garments; DCGAN's discriminator; batch normalisation; three upsamplings",
    "vae": "32 x 32 binarised digits through 20 latent numbers; no normalisation; two upsamplings",
}


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
                better = SIGN[task] * tests.difference[task, name] > 0
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
    head = ["operator", *(f"standard deviation, {short(task)}" for task in TASKS)]
    for task in ("autoencoder", "VAE"):
        head += [f"largest stable rate, {task}", f"gradient norm at the start, {task}"]
    return table(head, rows)


def activations(results):
    """PSNR and SSIM of the autoencoder for each activation and loss."""
    made = []
    for (activation, loss), part in results.activations().groupby(["activation", "loss"]):
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


def settings(results):
    rows = []
    for task, setting in SETTINGS.items():
        rate = results.main[results.main.task == task].rate.iloc[0]
        reference = results.column(task, "parameters")[REFERENCE].iloc[0]
        macs = results.column(task, "macs")[REFERENCE].iloc[0]
        rows.append(
            (
                *(TASKS[task], WHAT[task], f"{setting.steps} of {setting.batch}", f"{rate:g}"),
                f"{reference:,.0f}; {macs / 1e6:.1f} M",
            )
        )
    head = [
        *("task", "net", "steps, batch", "learning rate"),
        "parameters and multiply-adds of the reference",
    ]
    return table(head, rows)


def written(layer):
    """The call that makes a layer: C channels, and the arguments that differ from their defaults."""
    config, parts = layer.get_config(), []
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        value = config.get(name, parameter.default)
        if isinstance(value, list | tuple) and len(set(value)) == 1:
            value = value[0]
        if name == "filters":
            parts.append("C")
        elif name in ("data_format", "activation") or value == parameter.default:
            continue
        elif not isinstance(value, dict):
            parts.append(f"{name}={value!r}")
        elif value["class_name"] != type(keras.initializers.get(parameter.default)).__name__:
            parts.append(f"{name}={value['class_name']}()")
    return f"`{type(layer).__name__}({', '.join(parts)})`"


def calls(results):
    rows = []
    for operator in results.operators.values():
        if operator.block:
            call = f"`ResidualUpBlock(C, upsampling={operator.block!r})`"
        else:
            call = ", then ".join(map(written, operator.make(1)))
        rows.append((operator.label, call))
    return table(["operator", "in `dnzoo.layers`"], rows)
