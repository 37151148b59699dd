"""ESPCN: convolve the small image, and upsample it in the last layer only (Shi et al. 2016)."""

import keras

from dnzoo.layers import Output, Preprocessing, SubpixelConv2D
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.models._checks import checked_input_shape, named

SCALES = (2, 3, 4)


@named
def espcn(
    input_shape: tuple[int | None, int | None, int] = (None, None, 1),
    scale: int = 3,
    *,
    filters: tuple[int, int] = (64, 32),
    activation: str = "tanh",
    include_preprocessing: bool = False,
    name: str = "espcn",
) -> keras.Model:
    """ESPCN: three convolutions of the small image, then a pixel shuffle (Shi et al. 2016).

    The paper's network, to the parameter: 22,729 for one channel and scale 3.

    Args:
        input_shape: (height, width, channels) of the small image; height and width may be None.
            The paper's one channel is Y; colour is upsampled bicubically.
        scale: 2, 3 or 4.
        filters: channels of the first convolution (5x5) and the second (3x3).
        activation: of these two.
        include_preprocessing: True: pixels from 0 to 255 in and out, and [0, 1] inside.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, scale H, scale W, channels), float32.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), another scale, or not
            two filters of at least 1.

    Source: arXiv:1609.05158.

    Example:
        >>> espcn(scale=3).count_params()
        22729
    """
    input_shape = checked_input_shape(input_shape)
    one_of(scale, SCALES, "scale")
    widths = as_tuple(filters, 2, "filters", 1)
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 255, 0.0, name="preprocessing")(x)
    for number, (width, kernel) in enumerate(zip(widths, (5, 3)), start=1):
        x = keras.layers.Conv2D(
            width, kernel, padding="same", activation=activation, name=f"conv_{number}"
        )(x)
    # float32 under mixed precision: an image has more than bfloat16's 8 bits
    x = SubpixelConv2D(input_shape[-1], 3, scale, dtype="float32", name="head")(x)
    if include_preprocessing:
        x = Preprocessing(255.0, 0.0, dtype="float32", name="pixels")(x)
    pixels = [0, 255] if include_preprocessing else None
    outputs = Output("image", scale=scale, range=pixels)(x)
    return keras.Model(image, outputs, name=name)
