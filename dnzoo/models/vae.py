"""Variational autoencoder: an image as a few normal numbers, and back (Kingma and Welling 2013)."""

from collections.abc import Sequence

import keras
import numpy as np

from dnzoo.layers import Preprocessing, upsample
from dnzoo.layers.base import Shape
from dnzoo.layers.geometry import as_tuple
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._vae import VAE, Likelihood


@named
def vae(
    input_shape: tuple[int, int, int] = (28, 28, 1),
    latent_dim: int = 20,
    *,
    filters: Sequence[int] = (32, 64),
    hidden: int | None = 256,
    beta: float = 1.0,
    likelihood: Likelihood = "bernoulli",
    upsampling: Upsampling = "transposed",
    include_preprocessing: bool = False,
    name: str = "vae",
) -> "VAE":
    """A convolutional VAE; `filters=(), hidden=500` is the dense 784-500-20 of the paper's figures.

    Args:
        input_shape: (height, width, channels), all known.
        latent_dim: numbers that describe an image.
        filters: channels of the strided convolutions, each of which halves height and width; the
            decoder mirrors them. (): none.
        hidden: width of the dense layer between the convolutions and the latent; None: no such layer.
        beta: weight of the KL in what is minimised (Higgins et al. 2017); 1 is the bound itself.
        likelihood: "bernoulli" (pixels are 0 or 1, or probabilities) or "gaussian" (one standard
            deviation for all pixels, which is learned).
        upsampling: how the decoder upsamples, a name of `dnzoo.layers.upsample`.
        include_preprocessing: True: pixels from 0 to 255 in and out; False: from 0 to 1.
        name: of the model.

    Returns:
        `VAE`.

    Raises:
        ValueError: for sizes that are unknown or below 1, filters or a latent_dim below 1, a
            negative beta, or an unknown likelihood or upsampling.

    Source: arXiv:1312.6114; beta: openreview.net/forum?id=Sy2fzU9gl.

    Example:
        >>> vae(filters=(), hidden=500).count_params()
        815824
    """
    input_shape = checked_input_shape(input_shape, known=True)
    latent_dim = as_tuple(latent_dim, 1, "latent_dim", 1)[0]
    filters = as_tuple(tuple(filters), len(filters), "filters", 1)
    encoder, deepest = _encoder(input_shape, latent_dim, filters, hidden, include_preprocessing)
    decoder = _decoder(input_shape, latent_dim, filters, hidden, upsampling, deepest)
    return VAE(
        encoder, decoder, beta, likelihood, 255.0 if include_preprocessing else 1.0, name=name
    )


def _encoder(
    input_shape: Shape,
    latent_dim: int,
    filters: Sequence[int],
    hidden: int | None,
    include_preprocessing: bool,
) -> tuple[keras.Model, Shape]:
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 255, 0.0, name="preprocessing")(x)
    for level, width in enumerate(filters, start=1):
        x = keras.layers.Conv2D(width, 4, 2, "same", activation="relu", name=f"conv_{2**level}")(x)
    deepest = x.shape[1:]
    x = keras.layers.Flatten(name="flatten")(x)
    if hidden:
        x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    # float32 under mixed precision: exponentials of it are taken
    outputs = [
        keras.layers.Dense(latent_dim, dtype="float32", name=part)(x)
        for part in ("mean", "log_variance")
    ]
    return keras.Model(image, outputs, name="encoder"), deepest


def _decoder(
    input_shape: Shape,
    latent_dim: int,
    filters: Sequence[int],
    hidden: int | None,
    upsampling: Upsampling,
    deepest: Shape,
) -> keras.Model:
    latent = x = keras.Input((latent_dim,), name="latent")
    if hidden:
        x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    if not filters:
        size = int(np.prod(input_shape))
        x = keras.layers.Dense(size, dtype="float32", name="head")(x)
        x = keras.layers.Reshape(input_shape, dtype="float32", name="picture")(x)
        return keras.Model(latent, x, name="decoder")
    x = keras.layers.Dense(int(np.prod(deepest)), activation="relu", name="project")(x)
    x = keras.layers.Reshape(deepest, name="reshape")(x)
    for level in range(len(filters), 0, -1):
        width = filters[max(level - 2, 0)]
        x = upsample(upsampling, width, activation="relu", name=f"up_{2**level}")(x)
        sizes = [-(-size // 2 ** (level - 1)) for size in input_shape[:2]]
        surplus = [(0, has - wanted) for has, wanted in zip(x.shape[1:3], sizes)]
        if surplus != [(0, 0), (0, 0)]:
            x = keras.layers.Cropping2D(surplus, name=f"crop_{2**level}")(x)
    x = keras.layers.Conv2D(input_shape[-1], 3, padding="same", dtype="float32", name="head")(x)
    return keras.Model(latent, x, name="decoder")
