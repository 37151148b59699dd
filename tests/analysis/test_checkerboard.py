"""Overlap, spectra and the checkerboard measure: formulas against what layers put out."""

import keras
import numpy as np
import pytest

from dnzoo import layers as L
from dnzoo.analysis import (
    checkerboard,
    overlap,
    plot_overlap,
    plot_receptive_field,
    plot_spectrum,
    power_spectrum,
    spectrum,
)
from dnzoo.analysis.spectrum import variance


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 5))
def test_overlap_is_what_a_kernel_of_ones_writes(kernel, stride):
    arguments = (1, kernel, stride, 0)
    square = L.Conv2DTranspose(*arguments, kernel_initializer="ones")(
        np.ones((1, 5, 4, 1), "float32")
    )
    assert np.array_equal(overlap((kernel, kernel), stride, (5, 4)), np.asarray(square)[0, ..., 0])
    row = L.Conv1DTranspose(*arguments, kernel_initializer="ones")(np.ones((1, 5, 1), "float32"))
    assert np.array_equal(overlap(kernel, stride, 5), np.asarray(row)[0, :, 0])
    inside = overlap(kernel, stride, 20)[10 * stride : 11 * stride]
    period = overlap(kernel, stride)
    assert period.shape == (stride,) and np.array_equal(inside, period)
    assert (len(set(period)) == 1) == (kernel % stride == 0)  # the kernel-stride rule
    assert np.array_equal(overlap((kernel, 2), (stride, 1)), np.outer(period, [2]))


def test_power_spectrum_of_noise_and_waves():
    noise = np.random.default_rng(0).normal(0, 2, (200, 24, 16, 1))
    assert abs(power_spectrum(noise).mean() - 4) < 0.1
    rows = np.arange(24)[:, None, None] * np.ones((1, 16, 1))
    power = power_spectrum(np.cos(2 * np.pi * rows / 4)[None])
    assert np.unravel_index(power.argmax(), power.shape) in ((6, 0), (18, 0))


FILTERS = 384

UPSAMPLERS = {
    "transposed k2": lambda: [L.Conv2DTranspose(FILTERS, 2, 2)],
    "transposed k3": lambda: [L.Conv2DTranspose(FILTERS, 3, 2, 1, 1)],
    "transposed k4": lambda: [L.Conv2DTranspose(FILTERS, 4, 2, 1)],
    "transposed by 3": lambda: [L.Conv2DTranspose(FILTERS, 5, 3, 1)],
    "dilated, grouped": lambda: [L.Conv2DTranspose(FILTERS, 3, 2, 1, dilation_rate=2, groups=2)],
    "bilinear kernel": lambda: [L.Conv2DTranspose(8, 4, 2, 1, kernel_initializer=L.Bilinear())],
    "blurred": lambda: [L.Conv2DTranspose(FILTERS, 4, 2, 1), L.Blur(3)],
    "fractional": lambda: [L.FractionalConv2D(FILTERS, 4, 2, 1, kernel_initializer="he_normal")],
    "depthwise": lambda: [L.DepthwiseConv2DTranspose(4, 2, 1, depth_multiplier=48)],
    "separable": lambda: [L.SeparableConv2DTranspose(FILTERS, 4, 2, 1, depth_multiplier=32)],
    "sub-pixel": lambda: [L.SubpixelConv2D(FILTERS, kernel_initializer="lecun_normal")],
    "sub-pixel, no ICNR": lambda: [L.SubpixelConv2D(FILTERS, icnr=False)],
    "nearest": lambda: [L.ResizeConv2D(FILTERS, kernel_initializer=keras.initializers.RandomNormal(0, 0.1))],
    "bilinear": lambda: [L.ResizeConv2D(FILTERS, interpolation="bilinear")],
    "bicubic": lambda: [L.ResizeConv2D(FILTERS, interpolation="bicubic")],
    "resize, then convolution": lambda: [L.Resize2D(3, interpolation="bilinear"), keras.layers.Conv2D(FILTERS, 3)],
}  # fmt: skip


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_closed_form_spectrum_is_the_measured_one(name):
    """White noise and a constant, within 5 %: 16 initialisations, eight channels in, 384 out."""
    make, size, rng = UPSAMPLERS[name], 36, np.random.default_rng(0)
    measured = {"white": [], "constant": []}
    for seed in range(16):
        keras.utils.set_random_seed(seed)
        chain = make()
        for kind in measured:
            x = rng.normal(0, 1, (1, 30, 30, 8)) if kind == "white" else np.ones((1, 30, 30, 8))
            y = x.astype("float32")
            for layer in chain:
                y = layer(y)
            inside = (y.shape[1] - size) // 2 // 6 * 6
            window = slice(inside, inside + size)
            measured[kind].append(power_spectrum(np.asarray(y)[:, window, window]))
    for kind, mean, deviation, parts in (("white", 0, 1, 2), ("constant", 1, 0, 6)):
        expected = spectrum(make(), size, 8, mean, deviation)
        found = np.mean(measured[kind], 0)
        assert abs(found.sum() / expected.sum() - 1) < 0.05, kind
        # and where it is: low and high frequencies, or each of the stride's lines
        for block in blocks(size, parts):
            if expected[block].sum() > 0.01 * expected.sum():
                assert abs(found[block].sum() / expected[block].sum() - 1) < 0.05, (kind, block)


def blocks(size, parts):
    """The frequencies in squares, the first around 0."""
    order = np.roll(np.arange(size), size // parts // 2).reshape(parts, -1)
    return [np.ix_(rows, columns) for rows in order for columns in order]


def test_checkerboard_of_patterns():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (16, 64, 64, 2))
    assert abs(checkerboard(noise) - 1) < 0.15
    board = np.indices((64, 64)).sum(0)[None, ..., None] % 2 - 0.5
    weak, strong = checkerboard(noise + 0.5 * board), checkerboard(noise + board)
    assert 1.5 < weak < strong and abs((strong - 1) / (weak - 1) - 4) < 0.6
    assert abs(checkerboard(noise + board, strides=3) - 1) < 0.15  # not that stride's pattern
    stripes = np.arange(64)[:, None, None] % 4 == 0
    assert checkerboard(noise + stripes, strides=(4, 1)) > 3 > checkerboard(noise + stripes, (1, 4))
    assert checkerboard(noise[:, :63] + board[:, :63]) > 1.5  # what is over the multiple is cut off
    assert checkerboard(noise) == checkerboard(power=power_spectrum(noise))


def test_transposed_convolution_makes_them_and_icnr_does_not():
    """A smooth picture, one layer at initialisation."""
    x = np.random.default_rng(0).normal(0, 0.1, (8, 32, 32, 4)).astype("float32") + 1
    for layer, low, high in (
        (L.Conv2DTranspose(16, 3, 2, "same"), 10, np.inf),
        (L.SubpixelConv2D(16, icnr=False), 10, np.inf),
        (L.SubpixelConv2D(16), 0, 1.2),
        (L.ResizeConv2D(16, interpolation="bilinear"), 0, 1.2),
    ):
        y = np.asarray(layer(x))[:, 4:-4, 4:-4]
        assert low < checkerboard(y) < high, type(layer).__name__


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal"]
)
def test_variance_of_initialisers(name):
    initializer = keras.initializers.get(name)
    shape = (3, 3, 64, 128)
    assert abs(np.asarray(initializer(shape)).var() / variance(initializer, shape) - 1) < 0.02


BAD = [
    (lambda: overlap(0, 2), "overlap: kernel_size must be"),
    (lambda: overlap((3, 3), (2, 2, 2)), "overlap: kernel_size must be an integer or 3 integers"),
    (lambda: overlap(3, 2, 0), "overlap: size must be"),
    (lambda: checkerboard(), "give images or power="),
    (lambda: checkerboard(np.zeros((64, 64))), "images must be (N, H, W, C)"),
    (lambda: checkerboard(np.zeros((1, 31, 64, 1))), "at least 16 rows and columns"),
    (lambda: checkerboard(np.zeros((1, 32, 32, 1)), 1), "a stride of at least 2"),
    (lambda: checkerboard(np.zeros((1, 32, 32, 1)), 0), "strides must be"),
    (lambda: power_spectrum(np.zeros((4, 4))), "images must be (N, H, W, C); got the shape (4, 4)"),
    (lambda: spectrum(L.CARAFE(), 8), "no formula is known for CARAFE as the first layer"),
    (lambda: spectrum([L.Conv2DTranspose(4, 2, 2), L.CARAFE()], 8), "for CARAFE after the first"),
    (lambda: spectrum(L.Conv2DTranspose(4, 2, (2, 1)), 8), "one integer for both axes"),
    (lambda: spectrum(L.Conv2DTranspose(4, 2, 3), 8), "a multiple of the stride 3; got size=8"),
    (lambda: spectrum(L.Conv2DTranspose(4, 2, 2, kernel_initializer="ones"), 8), "no variance is known for Ones"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input(number):
    call, message = BAD[number]
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_plots(tmp_path):
    spectra = {"k4": spectrum(L.Conv2DTranspose(4, 4, 2), 32, 4, 1, 1)}
    field = plot_receptive_field(L.ConvBlock(4), (32, 32, 3))
    for i, figure in enumerate((plot_overlap(), plot_spectrum(spectra), field)):
        figure.savefig(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").stat().st_size > 5000
