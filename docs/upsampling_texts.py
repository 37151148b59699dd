"""What docs/upsampling.md says in words, with its numbers from the CSV files.

A `claim` says which way the results point, and stops `docs/make_upsampling.py` where they no longer do.
"""

import numpy as np
from upsampling_results import (
    DIGITS,
    LEVEL,
    OPERATORS,
    REFERENCE,
    SCORES,
    SETTINGS,
    TASKS,
    paired,
    short,
)

BILINEAR = "transposed_bilinear"
MEMORY = 0.15  # how far a prediction may be off


def item(text):
    """A line of a list."""
    return f"* {text}\n"


def claim(text, holds):
    """A line of a list, if it holds.

    Raises:
        AssertionError: if it does not: the page has to be written anew.
    """
    assert holds, f"No longer so: {text}"
    return item(text)


def pair(results, task, better, worse):
    """(mean difference with its sign so that more is better, half of its interval, in words)."""
    score = results.score(task)
    sign = 1 if SETTINGS[task].best == "max" else -1
    difference, half, _ = paired(score[better], score[worse])
    unit = {"psnr": " dB", "mean_iou": "", "frechet_distance": "", "test_loss": " nats"}
    words = f"{difference:+.{DIGITS[task]}f} ± {half:.{DIGITS[task]}f}{unit[SETTINGS[task].score]}"
    return sign * difference, half, words


def _labels(names):
    return ", ".join(OPERATORS[name].label for name in names) or "none"


def answer(results):
    """What to take, for who reads nothing else."""
    lines, means = [], results.ranks()[0]
    for task in TASKS:
        score, beside = results.score(task).mean(), results.beside_best(task)
        best, *_, last = results.ordered(task)
        behind = [name for name in results.ordered(task)[1:] if name not in beside]
        told = (
            f"Behind it for certain: {_labels(behind)}"
            if len(behind) < len(beside)
            else f"Not told from it: {_labels(beside)}"
        )
        times = results.step_ms(task)
        front = ", ".join(
            f"{OPERATORS[name].label} {score[name]:.{DIGITS[task]}f} ({times[name]:.0f} ms)"
            for name in results.front(task)
        )
        lines.append(
            item(
                f"**{short(task)}** ({SCORES[task]}): {OPERATORS[best].label} {score[best]:.{DIGITS[task]}f}; last {OPERATORS[last].label} {score[last]:.{DIGITS[task]}f}. "
                f"{told}. From fast to good: {front}."
            )
        )
    leaders = "; ".join(f"{OPERATORS[name].label} {rank:.1f}" for name, rank in means[:3].items())
    lines.append(
        item(f"**One for all five**: mean ranks, of {len(means)}, are best for {leaders}.")
    )
    return "".join(lines)


def theory(results):
    """How far the predictions are off, where a table alone would mislead."""

    def errors(what):
        rows = results.predictions[results.predictions.what == what]
        return rows.set_index(["task", "operator"]).error.astype(float)

    memory, times = errors("bytes of a training step"), errors("milliseconds of a training step")
    within = memory[memory.abs() <= MEMORY]
    beyond = {
        f"{OPERATORS[name].label}, {short(task)}": f"{error:+.0%}"
        for (task, name), error in memory[memory.abs() > MEMORY].items()
    }
    bounds = results.bounds
    gaps, photographs = bounds.gap_db, bounds.bound_db - bounds.expected_db
    missed = bounds.expected_db - bounds.reached_db
    worst = bounds.loc[missed.idxmax()]
    return "".join(
        [
            claim(
                f"**Memory**: {len(within)} of {len(memory)} nets within {MEMORY:.0%}. Beyond are {'; '.join(f'{where} {error}' for where, error in beyond.items())}. Which of DySample's gathered values live at once "
                "is the choice of XLA's fusions, which no count of values follows; where bilinear alone is off, XLA turns inputs and gradients round for a filter's gradient, and these copies are the peak.",
                len(within) >= 0.9 * len(memory)
                and {name for _, name in memory[memory.abs() > MEMORY].index}
                == {"dysample", "bilinear_fixed"},
            ),
            item(
                f"**Time**: half of the nets within {times.abs().median():.0%}, nine of ten within {times.abs().quantile(0.9):.0%}. A roofline knows no cache, no kernel's shape, and no "
                "gather: it ranks nets of different size, not operators that are near each other.",
            ),
            claim(
                f"**The bound** is never beaten; gaps are {gaps.min():.2f} to {gaps.max():.2f} dB, {gaps.median():.2f} in the median. Of that {photographs.median():.2f} dB are the photographs: kernels that are best for "
                f"the training's spectrum are not for the test's. Training reaches what theory then expects within {missed.abs().median():.2f} dB in the median; the most is missed by {OPERATORS[worst.operator].label} with "
                f"{worst.channels} channels, {missed.max():.2f} dB: smooth kernels ask the encoder to lift what they damp, and it learns that last.",
                gaps.min() >= 0,
            ),
        ]
    )


def limits(results):
    """What can't be concluded."""
    halves = {
        task: float(np.median(results.against_reference().half[task].dropna())) for task in TASKS
    }
    seen = "; ".join(f"{short(task)} {half:.{DIGITS[task]}f}" for task, half in halves.items())
    best = results.best_rates()
    split = [task for task, rates in best.items() if len(set(rates.values())) > 1]
    example = split[0]
    wanted = ", ".join(f"{OPERATORS[name].label} {rate:g}" for name, rate in best[example].items())
    steps = [setting.steps for setting in SETTINGS.values()]
    parameters = results.main.parameters
    dead = results.main[results.main.diverged == 1]
    names = "; ".join(
        f"{short(task)}: {_labels(part.operator.unique())}" for task, part in dead.groupby("task")
    )
    return "".join(
        [
            item(
                f"**Where long trainings end.** These nets have {parameters.min():,.0f} to {parameters.max():,.0f} parameters and learned for {min(steps)} to {max(steps):,} steps; their curves "
                "still fall. The table says which operator gets how far in a minute, and what starts well has an advantage there that days of training may take away.",
            ),
            item(
                f"**Small differences.** Half of the 95 % interval of a difference to the reference is, in the median: {seen}. What is smaller than that, five seeds don't show. The intervals are over seeds; "
                "the test pictures are the same for all, so they say nothing about other pictures.",
            ),
            item(
                f"**What bad luck does.** {len(dead)} of {len(results.main)} trainings ended where they began ({names or 'none'}); they count in means and intervals, and make both say "
                "less about the operator than about the rate, which is the largest that most bear.",
            ),
            claim(
                f"**The best that each operator can do.** One learning rate serves all operators of a task. Of the four that chose it, {len(split)} of five tasks have operators that would have liked another "
                f"({short(example)}: {wanted}).",
                len(split) >= 1,
            ),
            item(
                "**What parameters do elsewhere.** Equal parameters favour operators that need few: their convolutions are wider. That is what a net of a given size is free to do, and "
                "the table at equal multiply-accumulates shows how much of it remains.",
            ),
            item(
                "**Other scales, sizes, devices.** Everything is 2-D, doubles, and ends at 32 to 64 pixels. Times are of CPU cores; a GPU gives large convolutions away more cheaply, and "
                "gathering (CARAFE, DySample) dearly without a kernel of its own.",
            ),
            item(
                "**Unpooling elsewhere.** It needs an encoder's switches, which only the segmentation net has at every level.",
            ),
        ]
    )


def literature(results):
    """How it stands to the papers."""
    boards = results.column("gan", "checkerboard").median()
    noh = pair(results, "segmentation", "unpooling", REFERENCE)
    shi = pair(results, "super_resolution", "subpixel", "nearest")
    macs = results.column("super_resolution", "macs").iloc[0]
    first = {short(t): OPERATORS[results.ordered(t)[0]].label for t in TASKS}
    residual = results.residual()
    return "".join(
        [
            item(
                "**Zeiler et al. 2010** infer sparse maps that a sum of scattered kernels turns into the picture; what today's layers kept of it is the sum, $y = W^\\top x$, "
                "trained through and without the inference. Nothing here measures theirs.",
            ),
            claim(
                "**Noh et al. 2015** put values back where the encoder's maxima were and let transposed convolutions fill the rest; their net has no skips, so the switches carry all detail. "
                f"Beside a U-Net's skips they gain nothing that could be seen: {noh[2]} of mean IoU against {OPERATORS[REFERENCE].label}.",
                noh[0] - noh[1] < 0,
            ),
            claim(
                "**Odena et al. 2016** blame uneven overlap, and propose nearest-neighbour resizing and a convolution. It leaves generators with a checkerboard of "
                f"{boards['nearest']:.1f} instead of {boards[REFERENCE]:.1f}, which the pictures above show. What scores make of it: {_gains(results, 'nearest', REFERENCE)}; for certain: {_certain(results, 'nearest', REFERENCE)}.",
                boards["nearest"] < boards[REFERENCE],
            ),
            claim(
                "**Shi et al. 2016** convolve before they enlarge, for the price: at equal parameters the sub-pixel net has "
                f"{macs['subpixel'] / macs['nearest']:.2f} of the multiply-adds of nearest and a convolution, and no less quality that could be seen ({shi[2]}).",
                macs["subpixel"] < macs["nearest"] and shi[0] + shi[1] > 0,
            ),
            item(
                "**Aitken et al. 2017** start sub-pixel layers as nearest-neighbour resizing (ICNR), and find smaller errors than with either. In the mean better than freely drawn kernels: "
                f"{_better(results, 'subpixel_icnr', 'subpixel')} (for certain: {_certain(results, 'subpixel_icnr', 'subpixel')}); better than resizing: "
                f"{_better(results, 'subpixel_icnr', 'nearest')} (for certain: {_certain(results, 'subpixel_icnr', 'nearest')}).",
            ),
            claim(
                "**Wojna et al. 2017** compare decoders over many tasks, find that the choice matters, and residual-like connections good everywhere. The choice matters here too, and no operator is best in "
                f"all tasks ({'; '.join(f'{task}: {name}' for task, name in first.items())}). "
                f"The residual block is at rank {results.ranks()[0][residual]:.1f} of {len(results.ranks()[0])} in the mean. Their bilinear additive upsampling is not among the operators.",
                len(set(first.values())) > 1,
            ),
        ]
    )


def stuck(results):
    """Trainings that fell behind others of their kind, under the table of activations and losses."""
    rows = results.rows[results.rows.stage == "activation"]
    median = rows.groupby(["activation", "loss"]).psnr.transform("median")
    behind = rows[rows.psnr < median - 3]
    names = "; ".join(
        f"{row.activation.replace('_', ' ')} with {row.loss.upper()}, seed {row.seed}, {row.psnr:.1f} dB"
        for row in behind.itertuples()
    )
    return f"{len(behind)} of {len(rows)} trainings ended more than 3 dB below the median of their row, and widen its interval: {names or 'none'}."


def _gains(results, better, worse, tasks=TASKS):
    """In words, for each task that has both: how much better."""
    return ", ".join(
        f"{short(task)} {pair(results, task, better, worse)[2]}"
        for task in tasks
        if {better, worse} <= set(results.score(task))
    )


def _tasks(results, holds):
    return ", ".join(short(task) for task in TASKS if holds(task)) or "none"


def _better(results, better, worse):
    """Names of the tasks in which one is better than the other in the mean."""
    return _tasks(results, lambda task: pair(results, task, better, worse)[0] > 0)


def _certain(results, better, worse):
    """Names of the tasks in which the 95 % interval of the difference is on its better side."""
    return _tasks(results, lambda task: np.subtract(*pair(results, task, better, worse)[:2]) > 0)


def _filters_help(results):
    """The tasks where starting as a filter is better for certain, and those where it is worse."""
    better, worse = set(), set()
    for start, free in ((BILINEAR, REFERENCE), ("subpixel_icnr", "subpixel")):
        for task in TASKS:
            gain, half, _ = pair(results, task, start, free)
            if abs(gain) > half:
                (better if gain > 0 else worse).add(task)
    return better, worse


def _median(results, task, name, column):
    return results.column(task, column)[name].median()


def surprises(results):
    """What surprised."""
    tests = results.against_reference()
    helped, _ = _filters_help(results)
    fixed = "bilinear_fixed"
    places = {task: 1 + results.ordered(task).index(fixed) for task in TASKS}
    start, end = "checkerboard_at_start", "checkerboard"
    free = [name for name in (REFERENCE, "subpixel", "transposed_k3") if name in results.operators]
    three, four = (
        _median(results, "autoencoder", name, start) for name in ("transposed_k3", REFERENCE)
    )
    healed = {
        name: [_median(results, "vae", name, column) for column in (start, end)] for name in free
    }
    grown = [_median(results, "super_resolution", "subpixel_icnr", c) for c in (start, end)]
    best = results.ordered("autoencoder")[0]
    tanh, half, _ = paired(
        results.activation("tanh", "mse").psnr, results.score("autoencoder")[REFERENCE]
    )
    return "".join(
        [
            claim(
                "**Learning nothing can be the best upsampling.** At equal parameters bilinear enlargement gives its kernels' share to the convolutions behind it, and is at place "
                + ", ".join(
                    f"{place} of {len(results.ordered(task))} ({short(task)})"
                    for task, place in places.items()
                )
                + ".",
                min(places.values()) == 1,
            ),
            claim(
                "**The activation matters more than the operator** in the autoencoder: tanh instead of ReLU, everything else the same, "
                f"{tanh:+.2f} ± {half:.2f} dB; the best operator instead of {OPERATORS[REFERENCE].label}, {pair(results, 'autoencoder', best, REFERENCE)[2]}.",
                tanh - half > pair(results, "autoencoder", best, REFERENCE)[0] > 0,
            ),
            claim(
                f"**Where training begins** decides some tasks and is forgotten in others. The same kernels of four taps that start as bilinear interpolation, against Glorot's: {_gains(results, BILINEAR, REFERENCE)}. "
                f"The same sub-pixel layer with ICNR: {_gains(results, 'subpixel_icnr', 'subpixel')}.",
                bool(helped),
            ),
            claim(
                "**A kernel that the stride divides saves nobody.** Three taps against four: "
                f"{_gains(results, 'transposed_k3', REFERENCE)}. Fresh kernels write checkerboards with either ({three:.0f} and {four:.0f} in the autoencoder), and uneven overlap adds to that only what kernels "
                f"have of a mean ([theory](theory.md#3-checkerboards)). Two taps, the cheapest, against four in the autoencoder: {pair(results, 'autoencoder', 'transposed_k2', REFERENCE)[2]}.",
                not any(
                    tests.p_holm[task, "transposed_k3"] < LEVEL
                    and pair(results, task, "transposed_k3", REFERENCE)[0] < 0
                    for task in TASKS
                ),
            ),
            claim(
                "**Training takes checkerboards away where the loss sees them, and puts them there where they pay.** Digits: "
                + ", ".join(
                    f"{OPERATORS[name].label} from {a:.1f} to {b:.1f}"
                    for name, (a, b) in healed.items()
                )
                + f". Super-resolution: ICNR begins at {grown[0]:.1f} and ends at {grown[1]:.1f}, as free kernels do: what is left of the grid there is no rest of the start; training puts it in.",
                grown[1] > 2 * grown[0] and all(b < a for a, b in healed.values()),
            ),
        ]
    )


def directions(results):
    """Which hybrids and directions the results suggest."""
    fixed = "bilinear_fixed"
    helped, harmed = _filters_help(results)
    return "".join(
        [
            claim(
                f"**Start as a low-pass filter, then learn freely**: it costs nothing, helps for certain ({', '.join(map(short, sorted(helped)))}), and harms nowhere for certain. Any kernel of four taps or a sub-pixel layer of "
                "three (six as a transposed one) can hold bilinear interpolation. ICNR starts as the box, the weaker of the two filters; a sub-pixel layer that starts as the tent is the hybrid to try.",
                helped and not harmed,
            ),
            claim(
                "**Put parameters behind the enlargement, not into it**: bilinear without learning and wider convolutions, above all in generators and where skips bring the detail "
                f"({_gains(results, fixed, REFERENCE, ['segmentation', 'gan'])}).",
                all(
                    gain > half
                    for gain, half, _ in (
                        pair(results, task, fixed, REFERENCE) for task in ("segmentation", "gan")
                    )
                ),
            ),
            item(
                "**Learn where to look instead of what to write**: DySample starts as bilinear and moves its points. Against bilinear without learning: "
                f"{_gains(results, 'dysample', fixed)}.",
            ),
            item(
                "**Give enlarged pictures the detail alone.** All super-resolution nets of this study add what they learn to the bicubic picture, and reach "
                f"{results.score('super_resolution').mean().max():.1f} dB with {results.column('super_resolution', 'parameters')[REFERENCE].iloc[0]:,.0f} parameters.",
            ),
        ]
    )
