"""FSRCNN: shrink, map, expand, and upsample by a transposed convolution (Dong et al. 2016)."""

import keras

from dnzoo.layers import Conv2DTranspose, Output, Preprocessing
from dnzoo.layers.base import Tensor
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models.espcn import SCALES


@named
def fsrcnn(
    input_shape: tuple[int | None, int | None, int] = (None, None, 1),
    scale: int = 3,
    *,
    filters: int = 56,
    shrunk: int = 12,
    mappings: int = 4,
    include_preprocessing: bool = False,
    name: str = "fsrcnn",
) -> keras.Model:
    """FSRCNN(d, s, m), by default the paper's (56, 12, 4), to the parameter (Dong et al. 2016).

    12,809 parameters for one channel at every scale: the paper's 12,464 weights, 173 biases and 172
    slopes of PReLU. `filters=32, shrunk=5, mappings=1` is FSRCNN-s, of 3,937 weights.

    Args:
        input_shape: (height, width, channels) of the small image; height and width may be None.
            The paper's one channel is Y; colour is upsampled bicubically.
        scale: 2, 3 or 4: stride of the last layer, 9 x 9 at any scale, so that a net for one starts from
            that for another (`take_weights`).
        filters: d, channels of the features.
        shrunk: s, channels of the mapping.
        mappings: m, convolutions of the mapping.
        include_preprocessing: True: pixels from 0 to 255 in and out, and [0, 1] inside.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, scale H, scale W, channels), float32.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), another scale, or
            filters, shrunk or mappings below 1.

    Source: arXiv:1608.00367.

    Example:
        >>> fsrcnn().count_params()
        12809
    """
    input_shape = checked_input_shape(input_shape)
    one_of(scale, SCALES, "scale")
    filters = as_tuple(filters, 1, "filters", 1)[0]
    shrunk = as_tuple(shrunk, 1, "shrunk", 1)[0]
    mappings = as_tuple(mappings, 1, "mappings", 1)[0]
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 255, 0.0, name="preprocessing")(x)
    x = _block(x, filters, 5, "features")
    x = _block(x, shrunk, 1, "shrink")
    for number in range(1, mappings + 1):
        x = _block(x, shrunk, 3, f"map_{number}")
    x = _block(x, filters, 1, "expand")
    # float32 under mixed precision: an image has more than bfloat16's 8 bits
    x = Conv2DTranspose(
        input_shape[-1],
        9,
        strides=scale,
        padding=4,
        output_padding=scale - 1,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.001),
        dtype="float32",
        name="head",
    )(x)
    if include_preprocessing:
        x = Preprocessing(255.0, 0.0, dtype="float32", name="pixels")(x)
    pixels = [0, 255] if include_preprocessing else None
    return keras.Model(image, Output("image", scale=scale, range=pixels)(x), name=name)


def _block(x: Tensor, filters: int, kernel: int, name: str) -> Tensor:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        padding="same",
        data_format="channels_last",
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return keras.layers.PReLU(shared_axes=[1, 2], name=f"{name}_prelu")(x)
