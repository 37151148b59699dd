"""What docs/upsampling.md says in words, with its numbers from the CSV files.

A `claim` says which way the results point, and stops `studies/upsampling/make_page.py` where they no longer do.
"""

from page_results import (
    DIGITS,
    LEVEL,
    OPERATORS,
    REFERENCE,
    SCORES,
    SETTINGS,
    SIGN,
    TASKS,
    paired,
    short,
)

BILINEAR = "transposed_bilinear"


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


def words(results, task, better, worse):
    """How much better one is than the other: what its score has more or less."""
    gain, half = results.gain(task, better, worse)
    unit = {"psnr": " dB", "mean_iou": "", "frechet_distance": "", "test_loss": " nats"}
    difference = f"{SIGN[task] * gain:+.{DIGITS[task]}f} ± {half:.{DIGITS[task]}f}"
    return difference + unit[SETTINGS[task].score]


def labels(names):
    """The operators' names in the page's words."""
    return ", ".join(OPERATORS[name].label for name in names) or "none"


def _gains(results, better, worse, tasks=TASKS):
    """In words, for each task: how much better."""
    return ", ".join(f"{short(task)} {words(results, task, better, worse)}" for task in tasks)


def _better(results, better, worse, certain=False):
    """Names of the tasks in which one is better in the mean, or with its whole 95 % interval."""
    gains = {task: results.gain(task, better, worse) for task in TASKS}
    names = [short(t) for t, (gain, half) in gains.items() if gain > certain * half]
    return ", ".join(names) or "none"


def _filters_help(results):
    """The tasks where starting as a filter is significantly better, and those where it is worse."""
    better, worse = set(), set()
    for start, free in ((BILINEAR, REFERENCE), ("subpixel_icnr", "subpixel")):
        for task in TASKS:
            gain, half = results.gain(task, start, free)
            if abs(gain) > half:
                (better if gain > 0 else worse).add(task)
    return better, worse


def _checkerboards(results, task, name):
    """(before, after) training."""
    return [
        results.column(task, c)[name].median() for c in ("checkerboard_at_start", "checkerboard")
    ]


def answer(results):
    """What to take, for who reads nothing else."""
    lines, means = [], results.ranks()[0]
    for task in TASKS:
        score, beside = results.score(task).mean(), results.beside_best(task)
        best, *_, last = results.ordered(task)
        behind = [name for name in results.ordered(task)[1:] if name not in beside]
        told = (
            f"Significantly worse: {labels(behind)}"
            if len(behind) < len(beside)
            else f"Not significantly different: {labels(beside)}"
        )
        times = results.step_ms(task)
        front = ", ".join(
            f"{OPERATORS[name].label} {score[name]:.{DIGITS[task]}f} ({times[name]:.0f} ms)"
            for name in results.front(task)
        )
        lines.append(
            item(
                f"**{short(task)}** ({SCORES[task]}): {OPERATORS[best].label} {score[best]:.{DIGITS[task]}f}; last {OPERATORS[last].label} {score[last]:.{DIGITS[task]}f}. "
                f"{told}. Pareto front: {front}."
            )
        )
    leaders = "; ".join(f"{OPERATORS[name].label} {rank:.1f}" for name, rank in means[:3].items())
    lines.append(
        item(f"**All five tasks**: the best mean ranks, of {len(means)}, are those of {leaders}.")
    )
    return "".join(lines)


def literature(results):
    """How the results compare with the papers."""
    boards = results.column("gan", "checkerboard").median()
    noh = results.gain("segmentation", "unpooling", REFERENCE)
    shi = results.gain("super_resolution", "subpixel", "nearest")
    macs = results.column("super_resolution", "macs").iloc[0]
    first = {short(t): OPERATORS[results.ordered(t)[0]].label for t in TASKS}
    residual = results.residual()
    return "".join(
        [
            item(
                "**Zeiler et al. 2010** infer sparse maps that a sum of scattered kernels turns into the image; what today's layers kept of it is the sum, $y = W^\\top x$, "
                "trained through and without the inference. Nothing here measures theirs.",
            ),
            claim(
                "**Noh et al. 2015** put values back where the encoder's maxima were and let transposed convolutions fill the rest; their net has no skips, so the pooling indices carry all detail. "
                f"With a U-Net's skips they gain nothing significant: {words(results, 'segmentation', 'unpooling', REFERENCE)} of mean IoU against {OPERATORS[REFERENCE].label}.",
                noh[0] < noh[1],
            ),
            claim(
                "**Odena et al. 2016** blame uneven overlap, and propose nearest-neighbour resizing and a convolution. It leaves generators with a checkerboard of "
                f"{boards['nearest']:.1f} instead of {boards[REFERENCE]:.1f}, which the images above show. Difference in score: {_gains(results, 'nearest', REFERENCE)}; significant: {_better(results, 'nearest', REFERENCE, certain=True)}.",
                boards["nearest"] < boards[REFERENCE],
            ),
            claim(
                "**Shi et al. 2016** convolve before they upsample, to save work: at equal parameters the sub-pixel net has "
                f"{macs['subpixel'] / macs['nearest']:.2f} of the multiply-adds of nearest and a convolution, and no significantly lower quality ({words(results, 'super_resolution', 'subpixel', 'nearest')}).",
                macs["subpixel"] < macs["nearest"] and shi[0] > -shi[1],
            ),
            item(
                "**Aitken et al. 2017** start sub-pixel layers as nearest-neighbour resizing (ICNR), and find smaller errors than with either. On average better than freely drawn kernels: "
                f"{_better(results, 'subpixel_icnr', 'subpixel')} (significant: {_better(results, 'subpixel_icnr', 'subpixel', certain=True)}); better than resizing: "
                f"{_better(results, 'subpixel_icnr', 'nearest')} (significant: {_better(results, 'subpixel_icnr', 'nearest', certain=True)}).",
            ),
            claim(
                "**Wojna et al. 2017** compare decoders over many tasks, find that the choice matters and that residual-like connections are good everywhere. The choice matters here too, and no operator is best in "
                f"all tasks ({'; '.join(f'{task}: {name}' for task, name in first.items())}). "
                f"The residual block has a mean rank of {results.ranks()[0][residual]:.1f} of {len(results.ranks()[0])}. Their bilinear additive upsampling is not among the operators.",
                len(set(first.values())) > 1,
            ),
        ]
    )


def surprises(results):
    """Surprising results."""
    tests = results.against_reference()
    helped, _ = _filters_help(results)
    fixed = "bilinear_fixed"
    places = {task: 1 + results.ordered(task).index(fixed) for task in TASKS}
    healed = {
        name: _checkerboards(results, "vae", name)
        for name in (REFERENCE, "subpixel", "transposed_k3")
    }
    three, four = (
        _checkerboards(results, "autoencoder", name)[0] for name in ("transposed_k3", REFERENCE)
    )
    grown = {
        task: _checkerboards(results, task, "subpixel_icnr") for task in TASKS if task != "vae"
    }
    best = results.ordered("autoencoder")[0]
    grid = results.activations().pivot(index="seed", columns=["activation", "loss"], values="psnr")
    tanh, half, _ = paired(grid["tanh", "mse"], grid["relu", "mse"])
    return "".join(
        [
            claim(
                "**Learning nothing can be the best upsampling.** At equal parameters bilinear upsampling gives its kernels' share to the convolutions behind it, and ranks "
                + ", ".join(
                    f"{place} of {len(results.ordered(task))} ({short(task)})"
                    for task, place in places.items()
                )
                + ".",
                min(places.values()) == 1,
            ),
            claim(
                "**The activation matters more than the operator** in the autoencoder: tanh instead of ReLU, everything else the same, "
                f"{tanh:+.2f} ± {half:.2f} dB; the best operator instead of {OPERATORS[REFERENCE].label}, {words(results, 'autoencoder', best, REFERENCE)}.",
                tanh - half > results.gain("autoencoder", best, REFERENCE)[0] > 0,
            ),
            claim(
                f"**Where training begins** decides some tasks and is forgotten in others. The same kernels of four taps that start as bilinear interpolation, against Glorot's: {_gains(results, BILINEAR, REFERENCE)}. "
                f"The same sub-pixel layer with ICNR: {_gains(results, 'subpixel_icnr', 'subpixel')}.",
                bool(helped),
            ),
            claim(
                "**A kernel size that the stride divides gives no significant gain.** Three taps against four: "
                f"{_gains(results, 'transposed_k3', REFERENCE)}. Fresh kernels write checkerboards with either ({three:.0f} and {four:.0f} in the autoencoder), and uneven overlap adds to that only what kernels "
                f"have of a mean ([theory](theory.md#3-checkerboards)). Two taps against four in the autoencoder: {words(results, 'autoencoder', 'transposed_k2', REFERENCE)}.",
                not any(
                    tests.p_holm[task, "transposed_k3"] < LEVEL
                    and results.gain(task, "transposed_k3", REFERENCE)[0] < 0
                    for task in TASKS
                ),
            ),
            claim(
                "**Training takes checkerboards away where the loss sees them, and puts them there where they pay.** Digits: "
                + ", ".join(
                    f"{OPERATORS[name].label} from {a:.1f} to {b:.1f}"
                    for name, (a, b) in healed.items()
                )
                + ". What is left elsewhere is no rest of the start, since ICNR, which begins nearly without, ends with it too: "
                + ", ".join(f"{short(t)} from {a:.1f} to {b:.1f}" for t, (a, b) in grown.items())
                + ".",
                all(b < a for a, b in healed.values())
                and all(b > max(a, 1.5) for a, b in grown.values()),
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
                f"**Start as a low-pass filter, then learn freely**: it costs nothing, helps significantly ({', '.join(map(short, sorted(helped)))}), and harms significantly nowhere. Any kernel of four taps or a sub-pixel layer of "
                "three (six as a transposed one) can hold bilinear interpolation. ICNR starts as the box, the weaker of the two filters; a sub-pixel layer that starts as the tent is the hybrid to try.",
                helped and not harmed,
            ),
            claim(
                "**Put parameters behind the upsampling, not into it**: bilinear without learning and wider convolutions, above all in generators and where skips bring the detail "
                f"({_gains(results, fixed, REFERENCE, ['segmentation', 'gan'])}).",
                all(
                    gain > half
                    for gain, half in (
                        results.gain(task, fixed, REFERENCE) for task in ("segmentation", "gan")
                    )
                ),
            ),
            item(
                "**Learn where to look instead of what to write**: DySample starts as bilinear and moves its points. Against bilinear without learning: "
                f"{_gains(results, 'dysample', fixed)}.",
            ),
            item(
                "**Learn only the detail that is added to an upsampled image.** All super-resolution nets of this study add what they learn to the bicubic image, and reach "
                f"{results.score('super_resolution').mean().max():.1f} dB with {results.column('super_resolution', 'parameters')[REFERENCE].iloc[0]:,.0f} parameters.",
            ),
        ]
    )
