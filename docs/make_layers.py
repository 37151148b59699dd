"""Write docs/layers.md and its figures from the code, fifteen seconds on 2 cores:
python docs/make_layers.py
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from dnzoo import analysis, storage, unet
from dnzoo import layers as L

HERE = Path(__file__).parent
C = F = 64  # channels in and out
H = 32  # rows and columns in
SEEDS = 8


@dataclasses.dataclass
class Row:
    """A line of the table; formulas are Python, of the names below and of `symbols`."""

    name: str
    make: Callable
    rows: str
    parameters: str
    macs: str
    why: str
    symbols: dict = dataclasses.field(default_factory=dict)
    inputs: tuple | list = (H, H, C)
    upsamples: bool = False


def up(name, make, rows, parameters, macs, why, **symbols):
    return Row(name, make, rows, parameters, macs, why, {"s": 2, **symbols}, upsamples=True)


FORMULA = "s (H - 1) + D (k - 1) + 1 - 2 P + O_P"
ROWS = [
    up("Conv2DTranspose, k4 s2", lambda: L.Conv2DTranspose(F, 4, 2, 1), FORMULA, "k*k*C*F + F", "n*k*k*C*F",
       "the standard; give it a kernel that the stride divides. 1-D and 3-D too", k=4),
    up("Conv2DTranspose, k3 s2", lambda: L.Conv2DTranspose(F, 3, 2, 1, 1), FORMULA, "k*k*C*F + F", "n*k*k*C*F",
       "only to load weights that have it: it writes pixels unequally often", k=3),
    up("Conv2DTranspose, k2 s2", lambda: L.Conv2DTranspose(F, 2, 2), FORMULA, "k*k*C*F + F", "n*k*k*C*F",
       "cheapest learned one; pixels of a block know nothing of the next", k=2),
    up("Conv2DTranspose, Bilinear", lambda: L.Conv2DTranspose(F, 4, 2, 1, kernel_initializer=L.Bilinear()), FORMULA,
       "k*k*C*F + F", "n*k*k*C*F", "FCN's: starts as bilinear upsampling, for few channels (class scores)", k=4),
    up("Conv2DTranspose, groups=4", lambda: L.Conv2DTranspose(F, 4, 2, 1, groups=4), FORMULA,
       "k*k*C*F // g + F", "n*k*k*C*F // g", "between full and depthwise", k=4, g=4),
    up("FractionalConv2D", lambda: L.FractionalConv2D(F, 4, 2, 1), FORMULA, "k*k*C*F + F", "s*s*n*k*k*C*F",
       "to read papers by: equals the transposed one with the mirrored kernel, at s² times the work", k=4),
    up("DepthwiseConv2DTranspose", lambda: L.DepthwiseConv2DTranspose(4, 2, 1), FORMULA, "k*k*C + C", "n*k*k*C",
       "a filter for each channel; inside separable decoders", k=4),
    up("SeparableConv2DTranspose", lambda: L.SeparableConv2DTranspose(F, 4, 2, 1), FORMULA, "k*k*C + C*F + F",
       "n*k*k*C + s*s*n*C*F", "small decoders for phones", k=4),
    up("SubpixelConv2D", lambda: L.SubpixelConv2D(F), "s H", "k*k*C*s*s*F + s*s*F", "n*k*k*C*s*s*F",
       "super-resolution; ICNR: starts as nearest-neighbour resizing, exactly. 1-D and 3-D too", k=3),
    up("SubpixelConv2D, icnr=False", lambda: L.SubpixelConv2D(F, icnr=False), "s H", "k*k*C*s*s*F + s*s*F", "n*k*k*C*s*s*F",
       "as in the paper; checkerboards from the first step on", k=3),
    up("ResizeConv2D, nearest", lambda: L.ResizeConv2D(F), "H', given or rounded down from s H", "k*k*C*F + F", "s*s*n*k*k*C*F",
       "no checkerboard before training; s² times the work of a transposed kernel of the same size. 1-D and 3-D too", k=3),
    up("ResizeConv2D, bilinear", lambda: L.ResizeConv2D(F, interpolation="bilinear"), "as above", "k*k*C*F + F",
       "2*(s*n + s*s*n)*C + s*s*n*k*k*C*F", "smoothest start", k=3),
    up("Resize2D, nearest", lambda: L.Resize2D(2), "as above", "0", "0", "feature pyramids. 1-D and 3-D too"),
    up("Resize2D, bilinear", lambda: L.Resize2D(2, interpolation="bilinear"), "as above", "0", "2*(s*n + s*s*n)*C",
       "logits and depth to full size; antialias=True to shrink as Pillow does"),
    up("Resize2D, bicubic", lambda: L.Resize2D(2, interpolation="bicubic"), "as above", "0", "4*(s*n + s*s*n)*C",
       "images; a = -0.5 is Pillow's, TensorFlow's and JAX's, -0.75 PyTorch's and OpenCV's"),
    Row("ResizeLike, bilinear", lambda: L.ResizeLike("bilinear"), "a reference's", "0", "2*(s*n + s*s*n)*C", "pyramids and skips of any size; align_corners=True for weights trained with it. 1-D and 3-D too", {"s": 2},
        inputs=[(H, H, C), (2 * H, 2 * H, C)]),
    Row("AdaptiveAveragePooling2D", lambda: L.AdaptiveAveragePooling2D(6), "given", "0", "0", "pyramid pooling; PyTorch's bins, any size at run time. 1-D and 3-D too"),
    up("PixelShuffle2D", lambda: L.PixelShuffle2D(2), "s H", "0", "0",
       "rearranges only; channel (i s + j) C + c goes to row i, column j (PyTorch: c s s + i s + j). 1-D and 3-D too"),
    Row("PixelUnshuffle2D", lambda: L.PixelUnshuffle2D(2), "H / s", "0", "0", "its inverse, to the bit: less resolution, nothing lost"),
    Row("MaxPoolWithSwitches2D", lambda: L.MaxPoolWithSwitches2D(), "⌊H / p⌋", "0", "0", "encoders of SegNet and DeconvNet; of equal maxima the first"),
    Row("MaxUnpool2D", lambda: L.MaxUnpool2D(), "p H, or a reference's", "0", "0", "their decoders: values back where the maxima were",
        inputs=[(H, H, C), (H, H, C)]),
    up("CARAFE", lambda: L.CARAFE(), "s H", "C*m + m + (e*e*m + 1)*s*s*k*k", "n*(C*m + e*e*m*s*s*k*k) + s*s*n*C*k*k",
       "content decides the kernel; detection and segmentation", k=5, e=3, m=64),
    up("DySample", lambda: L.DySample(), "s H", "(C + 1)*2*g*s*s", "n*C*2*g*s*s + 4*s*s*n*C",
       "content decides where to sample; starts as bilinear, cheap", g=4),
    up("ResidualUpBlock, nearest", lambda: L.ResidualUpBlock(F), "s H", "3*(k*k*C*F + F) + 8*F", "2*s*s*n*k*k*C*F + s*s*n*k*k*F*F",
       "deep decoders and generators; any upsampling, the shortcut upsampled the same way. 1-D and 3-D too", k=3),
    Row("Blur", lambda: L.Blur(), "H", "0", "n*k*k*C", "behind a transposed convolution: takes the stride-2 pattern away, and sharpness", {"k": 3}),
    Row("ConvBlock", lambda: L.ConvBlock(F), "H, or H - d (k - 1)", "d*(k*k*C*F + F + 4*F)", "d*n*k*k*C*F", "the U-Net's double convolution; residual=True. 1-D and 3-D too", {"k": 3, "d": 2}),
    Row("AttentionGate", lambda: L.AttentionGate(), "H", "C*C // 2 + C // 2 + C*C // 2 + C // 2 + 1", "n*(C*C + C // 2)", "skips that carry more than the decoder wants. 1-D and 3-D too", inputs=[(H, H, C), (H, H, C)]),
    Row("SqueezeExcite", lambda: L.SqueezeExcite(), "H", "2*C*C // r + C // r + C", "2*C*C // r", "channels weighed by the whole image. 1-D and 3-D too", {"r": 16}),
    Row("SelfAttention2D", lambda: L.SelfAttention2D(), "H", "2*(C + 1)*C // r + (C + 1)*C // 2 + C*C // 2 + C + 1", "n*C*(2*C // r + C) + n*n*(C // r + C // 2)",
        "GANs and diffusion; chunk=64 keeps memory linear in pixels", {"r": 8}),
    Row("SkipFusion", lambda: L.SkipFusion(), "H", "0", "0", "concat, add or attention. 1-D and 3-D too", inputs=[(H, H, C), (H, H, C)]),
    Row("MultiScaleFusion", lambda: L.MultiScaleFusion(F), "H of the finest", "2*(C*F + F)", "n*C*F + n // 4*C*F + 2*(n // 2 + n)*F", "several levels to one: FPN heads", inputs=[(H, H, C), (H // 2, H // 2, C)]),
    Row("MatchSize", lambda: L.MatchSize(), "the reference's", "0", "0", "odd sizes, and the U-Net paper's crops. 1-D and 3-D too", inputs=[(H, H, C), (H - 1, H - 1, C)]),
    Row("FadeIn", lambda: L.FadeIn(), "H", "1", "0", "progressive growing; FadeInSchedule moves alpha", inputs=[(H, H, C), (H, H, C)]),
    Row("SpectralNormalization", lambda: L.SpectralNormalization(L.Conv2DTranspose(F, 4, 2, 1)), "of the layer inside", "k*k*C*F + F + F", "n*k*k*C*F",
        "critics and generators; transposed kernels too", {"k": 4}),
    Row("BatchNormalization", lambda: L.BatchNormalization(), "H", "4*C", "0", "Keras's, on TensorFlow's fused kernel"),
    Row("RoIAlign", lambda: L.RoIAlign(14), "given", "0", "4*q*q*R*p*p*C", "boxes to features of one size; equal to ONNX Runtime's, `roi_align` as a function", {"p": 14, "q": 2, "R": 8},
        inputs=[(H, H, C), (8, 4)]),
    Row("PerRoI", lambda: L.PerRoI(keras.layers.Conv2D(F, 3, padding="same", name="conv")), "of the layer inside", "k*k*C*F + F", "R*p*p*k*k*C*F", "a layer or model for each box: mask heads",
        {"k": 3, "p": 14, "R": 8}, inputs=(8, 14, 14, C)),
    Row("DifferentiableAugmentation", lambda: L.DifferentiableAugmentation(), "H", "0", "0", "GANs on few images: inside the discriminator, in training only. 1-D and 3-D too"),
    Row("Preprocessing", lambda: L.Preprocessing(), "H", "0", "0", "raw images in, the normalisation in the graph"),
]  # fmt: skip


def value(formula, row):
    """A formula's number for the table's sizes."""
    return eval(formula, {}, {"n": H * H, "C": C, "F": F, **row.symbols})


def shown(formula):
    """As mathematics: k² C F."""
    for name in "kseCFn":
        formula = formula.replace(f"{name}*{name}", f"{name}²")
    return formula.replace("//", "/").replace("*", " ").replace("n²", "n²")


def images(chain, seed, rng):
    """What a layer at initialisation makes of an image that is nearly even: 1, and noise of 0.1."""
    keras.utils.set_random_seed(seed)
    x = rng.normal(1, 0.1, (2, 44, 44, C)).astype("float32")
    for layer in chain() if isinstance(chain(), list) else [chain()]:
        x = layer(x)
    return np.asarray(x)[:, 12:76, 12:76]


def checkerboards(make):
    """(measured over seeds, predicted in closed form or None)."""
    rng = np.random.default_rng(0)
    power = np.mean([analysis.power_spectrum(images(make, seed, rng)) for seed in range(SEEDS)], 0)
    try:
        predicted = analysis.checkerboard(power=analysis.spectrum(make(), 64, C, 1, 0.1))
    except ValueError:
        predicted = None
    return analysis.checkerboard(power=power), predicted


def checked(row):
    """The costs of a layer; ValueError where a formula of the table is not what the code counts."""
    cost = analysis.complexity(row.make(), row.inputs)
    for formula, found in ((row.parameters, cost.parameters), (row.macs, cost.macs)):
        if value(formula, row) != found:
            raise ValueError(f"{row.name}: {formula} is {value(formula, row)}, counted {found}.")
    return cost


def table():
    yield "| layer | rows out | parameters | multiply-accumulates | for 64 channels, 32 x 32 in | checkerboard at step 0 | when |"
    yield "|---|---|---|---|---|---|---|"
    for row in ROWS:
        cost = checked(row)
        numbers = f"{cost.parameters:,}; {cost.macs / 1e6:,.1f} M"
        board = ""
        if row.upsamples:
            measured, predicted = checkerboards(row.make)
            board = number(measured) + (f" ({number(predicted)})" if predicted is not None else "")
        cells = [f"`{row.name.split(',')[0]}`" + row.name[len(row.name.split(",")[0]) :], row.rows]
        cells += [shown(row.parameters), shown(row.macs), numbers, board, row.why]
        yield "| " + " | ".join(cells) + " |"


def number(x):
    return f"{x:.0f}" if x >= 10 else f"{x:.2f}"


PAGE = """# Layers

*Made by `python docs/make_layers.py`, which stops where a formula is not what the code counts.*

H rows in, H' out, n = H W pixels in, k taps, stride or scale s, padding P, output padding O_P, dilation D, C channels in, F out, g groups; p a pool's size,
m and e CARAFE's compressed channels and encoder kernel, r a ratio, d a depth. Columns go the same way. What each layer takes, computes and refuses is in its docstring.

{table}

Checkerboard: `analysis.checkerboard`, the power at the stride's frequencies over that around them, of what eight fresh layers make of a nearly even image (1, with
noise of 0.1); in brackets what `analysis.spectrum` predicts in closed form. 1 is none. Layers with nothing to learn and layers that begin as interpolation have zeros
there, far below 1. DySample and CARAFE have no closed form.

Kernels of 2, 3 and 4 with stride 2 begin with the same expected pattern: while weights are random it does not matter to the power whether the stride divides the kernel.
The rule of even overlap (below) is about how unequally often pixels are written.

![How often a transposed convolution writes each pixel](images/overlap.png)

*How often a transposed convolution writes each output pixel (`analysis.overlap`): even inside wherever the stride divides the kernel, the kernel-stride rule.*

![Power spectra at initialisation](images/spectra.png)

*What layers at initialisation make of the nearly even image: expected power, in closed form. Bright points away from the middle are checkerboards.*

![Receptive field of a U-Net](images/receptive_field.png)

*The receptive field of a small U-Net with four levels, in an input of 128 x 128 (`analysis.plot_receptive_field`).*

## Sizes

Transposed convolutions follow two rules, because there are two conventions. `padding="valid"` and `"same"` keep Keras's sizes, H s + max(K - s, 0) and H s, with
K = D (k - 1) + 1; integer padding follows the formula of the papers and of PyTorch. They differ for "valid" with K < s, where Keras adds s - K rows. Output padding
is below max(s, D), as in PyTorch. `analysis.output_size`, `input_size` and `valid_sizes` answer for layers and whole models.

Resizing puts output row i at (i + 1/2) H / H' - 1/2 of the input, for every interpolation. TensorFlow's own bilinear resizing does so too, but XLA compiles it to something
else for odd factors (2.21: by 3 the largest error is of the size of the values); dnzoo uses it for 2 and 4 only.

## Tests and accuracy

Kernels of transposed convolutions are (k, k, F / g, C), as in Keras; moved to (C, F / g, k, k) they give PyTorch's values without a flip. Output and both gradients equal PyTorch's on 5,000 random
geometries for each of 1, 2 and 3 dimensions, to {error} of the largest value ([`benchmarks/geometry.csv`](../benchmarks/geometry.csv)). Layers are tested against sums written out in numpy, Pillow, TensorFlow, JAX, PyTorch and scipy,
and give the same numbers and gradients on the three backends. {mutation}

`BatchNormalization` is Keras's layer on TensorFlow's fused kernel. That kernel returns the unbiased batch variance, n / (n - 1) times the biased one; Keras keeps the biased one in
its moving variance, and so does this layer.

## Speed

Forward, and forward with backward, against PyTorch doing the same ({device}, {date}; `python benchmarks/layers.py --out benchmarks/layers.csv`).
Most layers that are slower take little time: a call of a `tf.function` with fresh memory for its output costs 0.1 to 0.2 ms, as `SkipFusion add`, one addition, shows.

| layer | input | forward, ms (PyTorch) | ratio | with backward, ms (PyTorch) | ratio | why, above 1.2 |
|---|---|---|---|---|---|---|
{speed}
"""


def rows_of(name):
    import csv

    with open(HERE.parent / "benchmarks" / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def speed(rows):
    for row in rows:
        cells = [f"`{row['layer']}`", row["input"]]
        for kind in ("forward", "forward and backward"):
            ours, theirs = row[f"{kind}, dnzoo ms"], row[f"{kind}, PyTorch ms"]
            cells += [f"{ours} ({theirs})", row[f"{kind}, ratio"]]
        yield "| " + " | ".join([*cells, row["reason"]]) + " |"


def mutation():
    rows = rows_of("mutation.csv")
    killed = sum(row["killed"] == "True" for row in rows)
    return (
        f"Of {len(rows)} mutants of the size arithmetic, the initialisers and the segmentation metrics, tests kill {killed} "
        f"({killed / len(rows):.1%}); the others are listed with the reason in [`benchmarks/mutation.csv`](../benchmarks/mutation.csv)."
    )


def figures():
    chains = {
        "transposed k4 s2": L.Conv2DTranspose(F, 4, 2),
        "k4 s2 and Blur": [L.Conv2DTranspose(F, 4, 2), L.Blur()],
        "sub-pixel, no ICNR": L.SubpixelConv2D(F, icnr=False),
        "sub-pixel, ICNR": L.SubpixelConv2D(F),
        "bilinear, then 3x3": L.ResizeConv2D(F, interpolation="bilinear"),
    }
    spectra = {name: analysis.spectrum(chain, 64, C, 1, 0.1) for name, chain in chains.items()}
    net = unet((128, 128, 3), filters=(8, 16, 32, 64))
    yield "overlap", analysis.plot_overlap()
    yield "spectra", analysis.plot_spectrum(spectra)
    yield "receptive_field", analysis.plot_receptive_field(net)


def main():
    for name, figure in figures():
        with storage.new_file(HERE / "images" / f"{name}.png", overwrite=True) as partial:
            figure.savefig(partial, format="png")
    measured, geometry = rows_of("layers.csv"), rows_of("geometry.csv")
    dates = sorted({row["date"] for row in measured})
    text = PAGE.format(
        table="\n".join(table()),
        error=max((row["largest_relative_error"] for row in geometry), key=float),
        mutation=mutation(),
        device=measured[0]["device"],
        date=" to ".join(dict.fromkeys((dates[0], dates[-1]))),
        speed="\n".join(speed(measured)),
    )
    with storage.new_file(HERE / "layers.md", overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
