"""Write docs/upsampling.md and its images from the CSV files of studies/upsampling, a minute on 2 cores:
python studies/upsampling/make_page.py
"""

import page_limits
import page_plots
import page_texts
from page_results import DOCS, OPERATORS, REFERENCE, Results
from page_tables import (
    activations,
    bounds,
    by_macs,
    calls,
    checkerboards,
    choice,
    predicted,
    settings,
    stability,
)

from dnzoo import storage


def ranks(results):
    means, p = results.ranks()
    listed = ", ".join(f"{OPERATORS[name].label} {rank:.1f}" for name, rank in means.items())
    return f"{listed} (Friedman's test over all tasks and seeds: p = {p:.1g})"


def page(results):
    row = results.main.iloc[0]
    devices = ", ".join(sorted(set(results.rows.device)))
    dates = sorted(set(results.rows.date))
    gradients = ("checkerboard_of_gradients_at_start", "checkerboard_of_gradients")
    return f"""# Upsampling operators compared

Written by `python studies/upsampling/make_page.py` from what `studies/upsampling` measured; the formulas are in [`theory.md`](theory.md). {len(results.operators)} operators in five tasks, {len(results.seeds)} seeds each,
{len(results.rows)} trainings. {devices}; {row.versions}; {dates[0]} to {dates[-1]}.

Best and worst of each task, and the Pareto front of score and time (milliseconds per training step); [the table](#scores-per-operator-and-task) has the intervals.

{page_texts.answer(results)}
```
python studies/upsampling/study.py --out studies/upsampling/results.csv              # hours; goes on where it stopped
python studies/upsampling/predictions.py --out studies/upsampling/predictions.csv    # a quarter of an hour
python studies/upsampling/bounds.py --out studies/upsampling/bounds.csv              # half an hour
python studies/upsampling/make_page.py                                                             # this page
```

## Scores per operator and task

Means over {len(results.seeds)} seeds with their 95 % intervals (Student's t), on held-out data. Nets have equal parameters (within 2 %). The best of a column is bold. ▲ and ▼: better and worse than "{OPERATORS[REFERENCE].label}", by paired t-tests over
the seeds, corrected for all comparisons of the table (Holm, 5 %). Dead: trainings whose loss ended no lower than it began, as they do when ReLUs die; they count, and beside them stands the mean of the others.

{choice(results)}

Mean ranks of the operators that all tasks have (1 is best): {ranks(results)}.

{calls(results)}

{settings(results)}

Only the operator and the widths differ; data order and the encoder's weights depend on the seed. A learning rate is chosen per task by the validation of four operators with a seed of
their own, and is the same for all. The residual block uses the best of these four ({OPERATORS[results.residual()].label}). Adam, cosine decay after 50 steps of warm-up, float32, one core per training.

A fractionally strided convolution is the transposed one with its kernel mirrored (`test_fractional_strides_are_the_transposed_convolution_with_the_mirrored_kernel`), at four times the multiply-accumulates,
so it has no row of its own. The autoencoder's images are grey because in colour these short trainings find the colours late or never, by chance, which decides more than any operator does.
In [`results.csv`](../studies/upsampling/results.csv) `step_ms` was taken while a second training ran, and `training_bytes` is computed; those of the figures were measured.

![Quality against the time of a training step](images/upsampling_pareto.png)

*Milliseconds of a training step on 16 examples, on both cores, measured alone ([`predictions.csv`](../studies/upsampling/predictions.csv)); the grey line is the Pareto front.*

### At equal multiply-accumulates

{by_macs(results)}

## Sample outputs

The same held-out inputs, first seed, magnified; all at equal parameters.

![Super-resolution](images/upsampling_samples_super_resolution.png)

![Garments of the GAN, from the same latents](images/upsampling_samples_gan.png)

![Segmentation](images/upsampling_samples_segmentation.png)

![Digits of the VAE](images/upsampling_samples_vae.png)

![Photographs of 32 x 32 through the autoencoder, which knows CIFAR-10 alone](images/upsampling_samples_autoencoder.png)

## Checkerboards, before and after

`analysis.checkerboard` of 64 held-out outputs (of logits for segmentation): how much stronger the stride's frequencies are than their neighbours. 1 is none, below 1 they are weaker. Medians over the seeds. Outputs are of whole
nets: ReLUs and convolutions behind the operator write at these frequencies too, so that a net can have a checkerboard whose operator has none, as resizing's in super-resolution.

![Checkerboards before and after training](images/upsampling_checkerboards.png)

{checkerboards(results)}

Of the gradient of the image, which the encoder, the network or the discriminator hands back:

{checkerboards(results, gradients)}

## Theory and measurement

{predicted(results)}

{page_limits.theory(results)}
![Predicted and measured](images/upsampling_predictions.png)

Multiply-accumulates are held to TensorFlow's profiler, bytes to XLA's plan for a step on 16 examples, milliseconds to the clock: a roofline (a time for each multiply-accumulate, each byte of activations, and each step) fitted to
all other nets. Layers without a formula (CARAFE, DySample, unpooling, the residual block) have no closed form for the checkerboard.

![Spectra at initialisation](images/upsampling_spectra.png)

### The reconstruction bound

A linear autoencoder of grey photographs, from `bounds.py`. PSNR in dB: the most that the operator's kernels allow for the test photographs' spectrum / what kernels that are best for the training photographs' spectrum
allow there, which training can be expected to reach / what training reaches. "any kernel" is the limit of all operators with so many channels.

{bounds(results)}

## Learning and its stability

![Learning curves](images/upsampling_curves.png)

*Mean training loss in tenths of the training, with the 95 % interval over seeds.*

Standard deviation of the score over seeds; the largest of the rates 1, 2, 4... times the task's with which 100 steps lower the loss (geometric mean over seeds); norm of the decoder's gradient before training.

{stability(results)}

### Activation and loss

The autoencoder with "{OPERATORS[REFERENCE].label}":

{activations(results)}

{page_limits.stuck(results)}

## Surprising results

{page_texts.surprises(results)}
## Limitations

{page_limits.limits(results)}
## Hybrids and directions

{page_texts.directions(results)}
## Related work

{page_texts.literature(results)}"""


if __name__ == "__main__":
    found = Results()
    page_plots.all_of(found)
    with storage.new_file(DOCS / "upsampling.md", overwrite=True) as path:
        path.write_text(page(found), "utf-8")
