"""EDSR: residual blocks without normalisation, then pixel shuffles (Lim et al. 2017)."""

from typing import Any

import keras

from dnzoo.layers import Output, Preprocessing, upsample
from dnzoo.layers.base import Tensor
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models.espcn import SCALES

MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K's training images, as the authors subtract it


@named
def edsr(
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    scale: int = 2,
    *,
    filters: int = 64,
    blocks: int = 16,
    residual_scale: float = 1.0,
    upsampling: Upsampling = "subpixel",
    include_preprocessing: bool = False,
    name: str = "edsr",
) -> keras.Model:
    """EDSR, by default the paper's baseline: 16 residual blocks of 64 channels (Lim et al. 2017).

    1,369,859 parameters for scale 2, 1,517,571 for scale 4. The paper's large net is `filters=256,
    blocks=32, residual_scale=0.1`. The authors start the net for 3 and 4 from the trained one for
    2: `take_weights(edsr(scale=4), trained)`.

    Args:
        input_shape: (height, width, channels) of the small image; height and width may be None.
        scale: 2, 3 or 4; for 4, upsampling by 2 is done twice.
        filters: channels everywhere.
        blocks: residual blocks (convolution, ReLU, convolution).
        residual_scale: what a block's residue is multiplied by; below 1 keeps wide nets stable.
        upsampling: "subpixel" (the paper's) or another name of `dnzoo.layers.upsample`.
        include_preprocessing: True: pixels from 0 to 255 in and out, and [0, 1] less the mean of
            DIV2K's images inside.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, scale H, scale W, channels), float32.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), another scale, filters
            or blocks below 1, or an unknown upsampling.

    Source: arXiv:1707.02921.

    Example:
        >>> edsr().count_params()
        1369859
    """
    input_shape = checked_input_shape(input_shape)
    one_of(scale, SCALES, "scale")
    filters = as_tuple(filters, 1, "filters", 1)[0]
    blocks = as_tuple(blocks, 1, "blocks", 1)[0]
    channels = input_shape[-1]
    mean = MEAN if channels == 3 else (sum(MEAN) / 3,) * channels
    image = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(1 / 255, [-value for value in mean], name="preprocessing")(x)
    x = first = _conv(x, filters, "first")
    for number in range(1, blocks + 1):
        x = _block(x, filters, residual_scale, f"block_{number}")
    x = _conv(x, filters, "last")
    x = keras.layers.Add(name="skip")([x, first])
    for number, factor in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        x = upsample(upsampling, filters, factor, name=f"up_{factor}_{number}")(x)
    # float32 under mixed precision: an image has more than bfloat16's 8 bits
    x = _conv(x, channels, "head", dtype="float32")
    if include_preprocessing:
        offset = [255 * value for value in mean]
        x = Preprocessing(255.0, offset, dtype="float32", name="pixels")(x)
    pixels = [0, 255] if include_preprocessing else None
    outputs = Output("image", scale=scale, range=pixels)(x)
    return keras.Model(image, outputs, name=name)


def _block(x: Tensor, filters: int, residual_scale: float, name: str) -> Tensor:
    residue = _conv(x, filters, f"{name}_conv_1", activation="relu")
    residue = _conv(residue, filters, f"{name}_conv_2")
    if residual_scale != 1:
        residue = Preprocessing(residual_scale, 0.0, name=f"{name}_scale")(residue)
    return keras.layers.Add(name=f"{name}_add")([x, residue])


def _conv(x: Tensor, filters: int, name: str, **kwargs: Any) -> Tensor:
    return keras.layers.Conv2D(filters, 3, padding="same", name=name, **kwargs)(x)
