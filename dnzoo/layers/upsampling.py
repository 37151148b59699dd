"""`upsampling=`: one string for every way to double a feature map."""

import keras

from dnzoo.layers.resize import INTERPOLATIONS, ResizeConv2D
from dnzoo.layers.subpixel import SubpixelConv2D
from dnzoo.layers.transposed import Conv2DTranspose

UPSAMPLINGS = ("transposed", "subpixel", *INTERPOLATIONS)


def upsample(upsampling: str, filters: int, scale: int = 2, **kwargs) -> keras.layers.Layer:
    """The layer (N, H, W, C) -> (N, scale H, scale W, filters) that `upsampling` names.

    Args:
        upsampling: "transposed" (kernel = stride = `scale`: nothing overlaps, as in the U-Net
            paper), "subpixel" (3x3 and pixel shuffle), "nearest", "bilinear" or "bicubic"
            (resize, then 3x3).
        filters: channels out.
        scale: upsampling factor, an integer of at least 1.
        **kwargs: what these layers have in common: `activation`, `use_bias`,
            `kernel_initializer`, `data_format`, `name`, `dtype`.

    Raises:
        ValueError: for another name.

    Example:
        >>> upsample("bilinear", 8).interpolation
        'bilinear'
    """
    if upsampling == "transposed":
        return Conv2DTranspose(filters, scale, strides=scale, **kwargs)
    if upsampling == "subpixel":
        return SubpixelConv2D(filters, scale=scale, **kwargs)
    if upsampling in INTERPOLATIONS:
        return ResizeConv2D(filters, scale=scale, interpolation=upsampling, **kwargs)
    raise ValueError(
        f"upsampling must be one of {', '.join(UPSAMPLINGS)}; got upsampling={upsampling!r}."
    )
