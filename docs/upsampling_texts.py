"""What docs/upsampling.md says in words, with its numbers from the CSV files.

Each statement is held to the files: `docs/make_upsampling.py` stops where one no longer holds.
"""

import numpy as np
from upsampling_results import DIGITS, OPERATORS, SETTINGS, TASKS, interval

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


def literature(results):
    """How it stands to the papers."""
    odena = [
        pair(results, "gan", "nearest", RANDOM),
        pair(results, "autoencoder", "nearest", RANDOM),
    ]
    aitken = {
        task: (
            pair(results, task, "subpixel_icnr", "subpixel"),
            pair(results, task, "subpixel_icnr", "nearest"),
        )
        for task in TASKS
    }
    icnr = [TASKS[t].split(",")[0] for t, (p, _) in aitken.items() if p[0] > 0]
    beats = [TASKS[t].split(",")[0] for t, (_, p) in aitken.items() if p[0] > 0]
    macs = results.column("super_resolution", "macs").iloc[0]
    first = {TASKS[t].split(",")[0]: OPERATORS[results.ordered(t)[0]].label for t in TASKS}
    residual = results.residual()
    return "".join(
        [
            claim(
                "**Zeiler et al. 2010** infer sparse maps that a sum of scattered kernels turns into the picture; what today's layers kept of it is the sum, $y = W^\\top x$, "
                "trained through and without the inference. Nothing here measures theirs.",
                True,
            ),
            claim(
                "**Noh et al. 2015** put values back where the encoder's maxima were and let transposed convolutions fill the rest; their net has no skips, so the switches carry all detail. "
                f"Beside a U-Net's skips they carry little news: {pair(results, 'segmentation', 'unpooling', RANDOM)[2]} of mean IoU against {OPERATORS[RANDOM].label!r}.",
                pair(results, "segmentation", "unpooling", RANDOM)[0] < 0.02,
            ),
            claim(
                "**Odena et al. 2016** blame uneven overlap, and propose nearest-neighbour resizing and a convolution. Its outputs are free of checkerboards here too, before training and after, "
                f"and generators gain by it (Fréchet distance {odena[0][2]}); an autoencoder loses ({odena[1][2]}).",
                odena[0][0] > 0 > odena[1][0],
            ),
            claim(
                "**Shi et al. 2016** convolve before they enlarge, for the price: at equal parameters the sub-pixel net has "
                f"{macs['subpixel'] / macs['nearest']:.2f} of the multiply-adds of nearest and a convolution, and no less quality ({pair(results, 'super_resolution', 'subpixel', 'nearest')[2]}).",
                macs["subpixel"] < macs["nearest"],
            ),
            claim(
                f"**Aitken et al. 2017** start sub-pixel layers as nearest-neighbour resizing (ICNR), and find smaller errors than with either. Better than freely drawn kernels: {', '.join(icnr) or 'nowhere'}; "
                f"better than resizing: {', '.join(beats) or 'nowhere'}.",
                True,
            ),
            claim(
                "**Wojna et al. 2017** compare decoders over many tasks, find that the choice matters, and residual-like connections good everywhere. The choice matters here too, and no operator is best in "
                f"all tasks ({'; '.join(f'{task}: {name}' for task, name in first.items())}). "
                f"The residual block is at rank {results.ranks()[0][residual]:.1f} of {len(results.ranks()[0])} in the mean. Their bilinear additive upsampling is not among the operators.",
                len(set(first.values())) > 1,
            ),
        ]
    )
