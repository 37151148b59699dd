"""SRCNN: upsample bicubically, then three convolutions (Dong et al. 2014)."""

from collections.abc import Sequence
from typing import Any

import keras

from dnzoo.layers import Output, Preprocessing, Resize2D
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models.espcn import SCALES


@named
def srcnn(
    input_shape: tuple[int | None, int | None, int] = (None, None, 1),
    scale: int = 3,
    *,
    filters: Sequence[int] = (64, 32),
    kernel_sizes: Sequence[int] = (9, 1, 5),
    include_preprocessing: bool = False,
    name: str = "srcnn",
) -> keras.Model:
    """SRCNN, the first convolutional network for super-resolution, to the parameter (Dong et al. 2014).

    8,129 parameters for one channel with 9-1-5 (8,032 weights and the biases), 57,281 with
    `kernel_sizes=(9, 5, 5)`. The paper upsamples each image bicubically before the network; here the
    network does, so that it reads small images as every other one, and trains with padding where the
    authors cut the rim.

    Args:
        input_shape: (height, width, channels) of the small image; height and width may be None.
            The paper's one channel is Y; colour is upsampled bicubically.
        scale: 2, 3 or 4; it has no weights.
        filters: channels of the first two convolutions.
        kernel_sizes: rows of the three; (9, 1, 5), (9, 3, 5) and (9, 5, 5) are the paper's.
        include_preprocessing: True: pixels from 0 to 255 in and out, and [0, 1] inside.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, scale H, scale W, channels), float32.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), another scale, or not
            two filters and three kernel_sizes of at least 1.

    Source: arXiv:1501.00092.

    Example:
        >>> srcnn().count_params(), srcnn(kernel_sizes=(9, 5, 5)).count_params()
        (8129, 57281)
    """
    input_shape = checked_input_shape(input_shape)
    one_of(scale, SCALES, "scale")
    widths = as_tuple(tuple(filters), 2, "filters", 1)
    kernels = as_tuple(tuple(kernel_sizes), 3, "kernel_sizes", 1)
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 255, 0.0, name="preprocessing")(x)
    x = Resize2D(scale, interpolation="bicubic", name="bicubic")(x)
    for number, (width, kernel) in enumerate(zip(widths, kernels), start=1):
        x = _conv(width, kernel, activation="relu", name=f"conv_{number}")(x)
    # float32 under mixed precision: an image has more than bfloat16's 8 bits
    x = _conv(input_shape[-1], kernels[-1], dtype="float32", name="head")(x)
    if include_preprocessing:
        x = Preprocessing(255.0, 0.0, dtype="float32", name="pixels")(x)
    pixels = [0, 255] if include_preprocessing else None
    return keras.Model(image, Output("image", scale=scale, range=pixels)(x), name=name)


def _conv(filters: int, kernel: int, **kwargs: Any) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        filters, kernel, padding="same", data_format="channels_last", **kwargs
    )
