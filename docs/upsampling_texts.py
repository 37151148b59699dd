"""What docs/upsampling.md says in words, with its numbers from the CSV files.

Each statement is held to the files: `docs/make_upsampling.py` stops where one no longer holds.
"""

import numpy as np
from upsampling_results import DIGITS, LEVEL, OPERATORS, REFERENCE, SETTINGS, TASKS, interval

RANDOM, BILINEAR = "transposed_k4", "transposed_bilinear"


def claim(text, holds):
    """The text as an item of a list, if it holds.

    Raises:
        AssertionError: if it does not: the page has to be written anew.
    """
    assert holds, f"No longer so: {text}"
    return f"* {text}\n"


def pair(results, task, better, worse):
    """(mean difference with its sign so that more is better, half of its interval, in words)."""
    score = results.score(task)
    sign = 1 if SETTINGS[task].best == "max" else -1
    difference, half = interval((score[better] - score[worse]).dropna())
    unit = {"psnr": " dB", "mean_iou": "", "frechet_distance": "", "test_loss": " nats"}
    words = f"{difference:+.{DIGITS[task]}f} ± {half:.{DIGITS[task]}f}{unit[SETTINGS[task].score]}"
    return sign * difference, half, words


def listed(names):
    return ", ".join(OPERATORS[name].label for name in names)


def limits(results):
    """What can't be concluded."""
    halves = {
        task: float(np.median(results.against_reference().half[task].dropna())) for task in TASKS
    }
    seen = "; ".join(
        f"{TASKS[task].split(',')[0]} {half:.{DIGITS[task]}f}" for task, half in halves.items()
    )
    best = results.best_rates()
    split = [task for task, rates in best.items() if len(set(rates.values())) > 1]
    example = split[0]
    wanted = ", ".join(f"{OPERATORS[name].label} {rate:g}" for name, rate in best[example].items())
    steps = [setting.steps for setting in SETTINGS.values()]
    parameters = results.main.parameters
    return "".join(
        [
            claim(
                f"**Where long trainings end.** These nets have {parameters.min():,.0f} to {parameters.max():,.0f} parameters and learned for {min(steps)} to {max(steps):,} steps; their curves "
                "still fall. The table says which operator gets how far in a minute, and what starts well has an advantage there that days of training may take away.",
                True,
            ),
            claim(
                f"**Small differences.** Half of the 95 % interval of a difference to the reference is, in the median: {seen}. What is smaller than that, five seeds don't show. The intervals are over seeds; "
                "the test pictures are the same for all, so they say nothing about other pictures.",
                True,
            ),
            claim(
                f"**The best that each operator can do.** One learning rate serves all operators of a task. Of the four that chose it, {len(split)} of five tasks have operators that would have liked another "
                f"({TASKS[example].split(',')[0]}: {wanted}).",
                len(split) >= 1,
            ),
            claim(
                "**What parameters do elsewhere.** Equal parameters favour operators that need few: their convolutions are wider. That is what a net of a given size is free to do, and "
                "the table at equal multiply-accumulates shows how much of it remains.",
                True,
            ),
            claim(
                "**Other scales, sizes, devices.** Everything is 2-D, doubles, and ends at 32 to 64 pixels. Times are of CPU cores; a GPU gives large convolutions away more cheaply, and "
                "gathering (CARAFE, DySample) dearly without a kernel of its own.",
                True,
            ),
            claim(
                "**CARAFE in autoencoders and generators.** It takes about four times the step of the others on a CPU and was left out there to keep five seeds for all; "
                "unpooling needs an encoder's switches, which only the segmentation net has at every level.",
                "carafe" not in results.score("gan"),
            ),
        ]
    )
