"""The five networks, the same for every operator but for the operator and the widths."""

import functools
import itertools

import keras
import numpy as np
from operators import MOMENTUM, OPERATORS, enlarge

from dnzoo import analysis, layers
from dnzoo.models import GAN, VAE, dcgan_discriminator

K = keras.layers
ENCODER = (16, 32, 64)
UNET = (8, 16, 32, 64)
CLASSES = 5
DETAIL = 16.0  # grey levels: the size of what bicubic enlargement misses
LATENT = {"gan": 64, "vae": 20}


def _activate(x, activation, normalization=True):
    if normalization:
        x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    if activation == "leaky_relu":
        return K.LeakyReLU(negative_slope=0.2)(x)
    return K.Activation(activation)(x)


def _conv(x, filters, activation, normalization=True):
    x = K.Conv2D(filters, 3, padding="same")(x)
    return _activate(x, activation, normalization)


def _stage(x, operator, filters, activation, normalization=True, skip=None, switches=None):
    """Twice as large: the operator, then a convolution that sees the skip too."""
    x = enlarge(x, operator, filters, "batch" if normalization else None, switches)
    if not OPERATORS[operator].block:
        x = _activate(x, activation, normalization)
    if skip is not None:
        x = K.Concatenate()([skip, x])
    return _conv(x, filters, activation, normalization)


def autoencoder(operator, widths, activation="relu"):
    """32 x 32 grey pictures through 4 x 4 x 8 numbers, an eighth of theirs."""
    image = keras.Input((32, 32, 1))
    x = layers.Preprocessing(1 / 127.5, -1.0)(image)
    for filters in ENCODER:
        x = _activate(K.Conv2D(filters, 4, 2, "same")(x), activation)
    x = code = K.Conv2D(8, 3, padding="same", name="code")(x)
    x = _conv(x, widths[0], activation)
    for filters in widths:
        x = _stage(x, operator, filters, activation)
    x = K.Conv2D(1, 3, padding="same", dtype="float32")(x)
    x = layers.Preprocessing(127.5, 127.5, dtype="float32")(x)
    assert code.shape[1:] == (4, 4, 8)
    return keras.Model(image, x, name="autoencoder")


def super_resolution(operator, widths, activation="relu"):
    """Five convolutions, of which one sees large pictures: what bicubic enlargement misses."""
    image = keras.Input((None, None, 3))
    usual = layers.Resize2D(2, interpolation="bicubic")(image)
    x = layers.Preprocessing(1 / 127.5, -1.0)(image)
    for filters in np.repeat(widths, 2).tolist():
        x = _conv(x, filters, activation, normalization=False)
    x = enlarge(x, operator, filters)
    if not OPERATORS[operator].block:
        x = _activate(x, activation, normalization=False)
    x = K.Conv2D(3, 3, padding="same", dtype="float32")(x)
    x = layers.Preprocessing(DETAIL, 0.0, dtype="float32")(x)
    x = K.Add(dtype="float32")([usual, x])
    return keras.Model(image, x, name="super_resolution")


def segmentation(operator, widths, activation="relu"):
    """A U-Net whose encoder is the same for all."""
    image = keras.Input((48, 48, 3))
    x, skips = layers.Preprocessing(1 / 127.5, -1.0)(image), []
    for filters in UNET[:-1]:
        x = skip = _conv(_conv(x, filters, activation), filters, activation)
        x, switches = layers.MaxPoolWithSwitches2D(2)(x)
        skips.append((skip, switches))
    x = _conv(_conv(x, UNET[-1], activation), UNET[-1], activation)
    for filters, (skip, switches) in zip(widths, reversed(skips)):
        x = _stage(x, operator, filters, activation, skip=skip, switches=switches)
    x = K.Conv2D(CLASSES, 1, dtype="float32")(x)
    return keras.Model(image, x, name="segmentation")


def gan(operator, widths, activation="relu"):
    """A generator of 32 x 32 garments; the discriminator is DCGAN's for all."""
    latent = keras.Input((LATENT["gan"],), name="latent")
    x = K.Dense(16 * widths[0])(latent)
    x = _activate(K.Reshape((4, 4, widths[0]))(x), activation)
    for filters in widths:
        x = _stage(x, operator, filters, activation)
    x = K.Conv2D(1, 3, padding="same", activation="tanh", dtype="float32")(x)
    x = layers.Preprocessing(127.5, 127.5, dtype="float32")(x)
    discriminator = dcgan_discriminator((32, 32, 1), 16, include_preprocessing=True)
    generator = keras.Model(latent, x, name="generator")
    return GAN(generator, discriminator, label_smoothing=0.1, average=0.99, critic_steps=0)


def vae(operator, widths, activation="relu"):
    """32 x 32 digits (28 x 28 and a black border) through 20 normal numbers; one encoder for all."""
    image = keras.Input((32, 32, 1))
    x = layers.Preprocessing(1 / 255, 0.0)(image)
    for filters in (16, 32):
        x = K.Conv2D(filters, 4, 2, "same", activation="relu")(x)
    x = K.Dense(128, activation="relu")(K.Flatten()(x))
    code = [K.Dense(LATENT["vae"], name=part)(x) for part in ("mean", "log_variance")]
    latent = keras.Input((LATENT["vae"],), name="latent")
    x = K.Dense(64 * widths[0], activation="relu")(latent)
    x = K.Reshape((8, 8, widths[0]))(x)
    for filters in widths:
        x = _stage(x, operator, filters, activation, normalization=False)
    x = K.Conv2D(1, 3, padding="same", dtype="float32")(x)
    decoder = keras.Model(latent, x, name="decoder")
    return VAE(keras.Model(image, code, name="encoder"), decoder, max_value=255.0)


NETS = {
    "autoencoder": (autoencoder, (64, 32, 16), (32, 32, 1)),
    "super_resolution": (super_resolution, (24, 24), (32, 32, 3)),
    "segmentation": (segmentation, (32, 16, 8), (48, 48, 3)),
    "gan": (gan, (64, 32, 16), (LATENT["gan"],)),
    "vae": (vae, (32, 16), (LATENT["vae"],)),
}
REFERENCE = "transposed_k4"  # whose parameters and multiply-accumulates the others get


def decoder(model):
    """The part that differs between operators, which has one input."""
    return getattr(model, "generator", getattr(model, "decoder", model))


@functools.cache
def cost(task, operator, widths):
    """(parameters, multiply-accumulates) of the net that has the operator."""
    build, _, shape = NETS[task]
    found = analysis.complexity(decoder(build(operator, widths)), shape)
    return found.parameters, found.macs


def matched(task, operator, by="parameters"):
    """Widths with which the net costs what the reference does.

    Args:
        by: "parameters" or "macs".

    Raises:
        ValueError: where no widths come within 2 %.
    """
    place = ("parameters", "macs").index(by)
    _, usual, _ = NETS[task]
    wanted = cost(task, REFERENCE, usual)[place]

    def off(widths):
        return cost(task, operator, widths)[place] / wanted - 1

    near = usual if by == "parameters" else matched(task, operator)
    if abs(off(near)) <= 0.02:
        return near
    low, high = 0.1, 4.0
    for _ in range(10):  # the scale at which the cost is right, but for rounding
        scale = (low * high) ** 0.5
        tried = tuple(max(round(scale * width), 1) for width in usual)
        low, high = (scale, high) if off(tried) < 0 else (low, scale)
    for reach in (1, 2, 3):  # widths are whole numbers: look around
        near = itertools.product(*[range(width - reach, width + reach + 1) for width in tried])
        best = min((w for w in near if min(w) > 0), key=lambda widths: abs(off(widths)))
        if abs(off(best)) <= 0.02:
            return best
    raise ValueError(f"{task}, {operator}: {best} is {off(best):+.1%} off in {by}.")
