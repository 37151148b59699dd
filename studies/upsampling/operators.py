"""The operators under test: ways to enlarge a feature map by 2, with names, colours and layers."""

import dataclasses
from collections.abc import Callable

import keras

from dnzoo import layers

MOMENTUM = 0.9  # of batch normalisation: short trainings can't wait for 0.99


@dataclasses.dataclass(frozen=True)
class Operator:
    """A way to enlarge.

    Attributes:
        label: for tables and plots.
        colour, dash: in every plot the same; colour-blind safe with the line's style.
        make: channels out -> layers, one after the other; channels stay where nothing is learned.
        block: what a residual block takes as `upsampling`; such a block has its normalisation and
            activation inside.
    """

    label: str
    colour: str
    dash: str
    make: Callable
    block: str = ""


def _transposed(kernel, **kwargs):
    return lambda filters: [layers.Conv2DTranspose(filters, kernel, 2, "same", **kwargs)]


OPERATORS = {
    "transposed_k2": Operator("transposed k2", "#000000", "-", _transposed(2)),
    "transposed_k3": Operator("transposed k3", "#000000", "--", _transposed(3)),
    "transposed_k4": Operator("transposed k4", "#e69f00", "-", _transposed(4)),
    "transposed_bilinear": Operator(
        "transposed k4 (starts bilinear)",
        "#e69f00",
        "--",
        _transposed(4, kernel_initializer=layers.Bilinear()),
    ),
    "transposed_blur": Operator(
        "transposed k4 (blurred)",
        "#e69f00",
        ":",
        lambda filters: [*_transposed(4)(filters), layers.Blur(3)],
    ),
    "subpixel": Operator(
        "sub-pixel",
        "#56b4e9",
        "--",
        lambda filters: [layers.SubpixelConv2D(filters, icnr=False)],
    ),
    "subpixel_icnr": Operator(
        "sub-pixel (ICNR)", "#56b4e9", "-", lambda filters: [layers.SubpixelConv2D(filters)]
    ),
    "nearest": Operator(
        "nearest + convolution", "#009e73", "-", lambda filters: [layers.ResizeConv2D(filters)]
    ),
    "bilinear": Operator(
        "bilinear + convolution",
        "#009e73",
        "--",
        lambda filters: [layers.ResizeConv2D(filters, interpolation="bilinear")],
    ),
    "bilinear_fixed": Operator(
        "bilinear alone",
        "#009e73",
        ":",
        lambda filters: [layers.Resize2D(2, interpolation="bilinear")],
    ),
    "separable": Operator(
        "separable transposed k4",
        "#cc79a7",
        "-",
        lambda filters: [layers.SeparableConv2DTranspose(filters, 4, 2, "same")],
    ),
    "carafe": Operator("CARAFE", "#d55e00", "-", lambda filters: [layers.CARAFE(2, compressed=8)]),
    "dysample": Operator(
        "DySample", "#d55e00", "--", lambda filters: [layers.DySample(2, groups=1)]
    ),
    "unpooling": Operator("unpooling", "#cc79a7", ":", lambda filters: [layers.MaxUnpool2D(2)]),
}


# A residual block on one of these: the study takes the best
RESIDUAL = {
    "transposed_k4": "transposed",
    "subpixel_icnr": "subpixel",
    "nearest": "nearest",
    "bilinear": "bilinear",
}
OPERATORS |= {
    f"residual_{block}": Operator(f"residual block ({block})", "#0072b2", "-", None, block)
    for block in RESIDUAL.values()
}


def enlarge(x, operator, filters, normalization=None, switches=None):
    """(N, H, W, C) -> (N, 2 H, 2 W, `filters`, or C where nothing is learned).

    `normalization` is what a residual block takes, `switches` what unpooling does.
    """
    if operator == "unpooling":  # puts values where the encoder's maxima were
        x = keras.layers.Conv2D(switches.shape[-1], 1)(x)
        return layers.MaxUnpool2D(2)([x, switches])
    if block := OPERATORS[operator].block:
        return layers.ResidualUpBlock(
            filters,
            upsampling=block,
            normalization=normalization,
            normalization_momentum=MOMENTUM,
            kernel_initializer="glorot_uniform",
        )(x)
    for layer in OPERATORS[operator].make(filters):
        x = layer(x)
    return x
