"""How far the study of docs/upsampling.md carries: where theory is off, and its limitations."""

import numpy as np
from page_results import DIGITS, OPERATORS, SETTINGS, TASKS, short
from page_texts import claim, item, labels

MEMORY = 0.15  # how far a prediction may be off


def theory(results):
    """How far the predictions are off, where a table alone would mislead."""

    memory = results.predicted("bytes of a training step").error
    times = results.predicted("milliseconds of a training step").error
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
    """Limitations of the study."""
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
        f"{short(task)}: {labels(part.operator.unique())}" for task, part in dead.groupby("task")
    )
    return "".join(
        [
            item(
                f"**Where long trainings end.** These nets have {parameters.min():,.0f} to {parameters.max():,.0f} parameters and learned for {min(steps)} to {max(steps):,} steps; their curves "
                "still fall. The table says which operator gets how far in a minute, and what starts well has an advantage there that days of training may take away.",
            ),
            item(
                f"**Small differences.** Half of the 95 % interval of a difference to the reference is, in the median: {seen}. What is smaller than that, five seeds don't show. The intervals are over seeds; "
                "the test images are the same for all, so they say nothing about other images.",
            ),
            item(
                f"**What bad luck does.** {len(dead)} of {len(results.main)} trainings ended where they began ({names or 'none'}); they count in means and intervals, and make both say "
                "less about the operator than about the rate, which is the largest that most bear.",
            ),
            claim(
                f"**The best that each operator can do.** One learning rate serves all operators of a task. Of the four that chose it, {len(split)} of five tasks have operators that did better with another "
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
                "**Unpooling elsewhere.** It needs an encoder's pooling indices, which only the segmentation net has at every level.",
            ),
        ]
    )


def stuck(results):
    """Trainings that fell behind others of their kind, under the table of activations and losses."""
    rows = results.activations()
    median = rows.groupby(["activation", "loss"]).psnr.transform("median")
    behind = rows[rows.psnr < median - 3]
    names = "; ".join(
        f"{row.activation.replace('_', ' ')} with {row.loss.upper()}, seed {row.seed}, {row.psnr:.1f} dB"
        for row in behind.itertuples()
    )
    return f"{len(behind)} of {len(rows)} trainings ended more than 3 dB below the median of their row, and widen its interval: {names or 'none'}."
