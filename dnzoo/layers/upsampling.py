"""`upsampling=`: one string for every way to enlarge a feature map."""

from typing import Literal, get_args

import keras

from dnzoo.layers.interpolation import INTERPOLATIONS
from dnzoo.layers.learned import CARAFE, DySample
from dnzoo.layers.resize import ResizeConv2D
from dnzoo.layers.separable import SeparableConv2DTranspose
from dnzoo.layers.subpixel import SubpixelConv2D
from dnzoo.layers.transposed import Conv2DTranspose

LEARNED = {"carafe": CARAFE, "dysample": DySample}
Upsampling = Literal[
    "transposed", "separable", "subpixel", "nearest", "bilinear", "bicubic", "carafe", "dysample"
]


def upsample(upsampling: Upsampling, filters: int, scale: int = 2, **kwargs) -> keras.layers.Layer:
    """The layer (N, H, W, C) -> (N, scale H, scale W, filters) that `upsampling` names.

    Args:
        upsampling: "transposed" (kernel = stride = `scale`: nothing overlaps, as in the U-Net
            paper), "separable" (depthwise transposed with kernel 2 `scale`, then 1x1), "subpixel"
            (3x3 and pixel shuffle), "nearest", "bilinear" or "bicubic" (resize, then 3x3),
            "carafe" or "dysample" (channels last, for DySample a multiple of 4; then 3x3).
        filters: channels out.
        scale: upsampling factor, an integer of at least 1.
        **kwargs: what these layers have in common: `activation`, `use_bias`,
            `kernel_initializer`, `data_format`, `name`, `dtype`.

    Raises:
        ValueError: for another name.

    Example:
        >>> upsample("bilinear", 8).resize.interpolation
        'bilinear'
    """
    if upsampling == "transposed":
        return Conv2DTranspose(filters, scale, strides=scale, **kwargs)
    if upsampling == "separable":
        initializer = kwargs.pop("kernel_initializer", "glorot_uniform")
        return SeparableConv2DTranspose(
            filters,
            2 * scale,
            scale,
            "same",
            depthwise_initializer=initializer,
            pointwise_initializer=initializer,
            **kwargs,
        )
    if upsampling == "subpixel":
        return SubpixelConv2D(filters, scale=scale, **kwargs)
    if upsampling in INTERPOLATIONS[2]:
        return ResizeConv2D(filters, scale=scale, interpolation=upsampling, **kwargs)
    if upsampling in LEARNED:
        name, dtype = kwargs.pop("name", None), kwargs.get("dtype")
        enlarge = LEARNED[upsampling](scale, dtype=dtype, name=upsampling)
        conv = keras.layers.Conv2D(filters, 3, padding="same", name="conv", **kwargs)
        return keras.Sequential([enlarge, conv], name=name)
    raise ValueError(
        f"upsampling must be one of {', '.join(get_args(Upsampling))}; got upsampling={upsampling!r}."
    )
