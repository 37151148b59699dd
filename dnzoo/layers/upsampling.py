"""`upsampling=`: one string for every way to upsample a feature map."""

from typing import Any, Literal

import keras

from dnzoo.layers.interpolation import INTERPOLATIONS
from dnzoo.layers.learned import CARAFE, DySample
from dnzoo.layers.resize import ResizeConv1D, ResizeConv2D, ResizeConv3D
from dnzoo.layers.separable import SeparableConv2DTranspose
from dnzoo.layers.subpixel import SubpixelConv1D, SubpixelConv2D, SubpixelConv3D
from dnzoo.layers.transposed import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose

Upsampling = Literal[
    "transposed",
    "separable",
    "subpixel",
    "nearest",
    "bilinear",
    "bicubic",
    "carafe",
    "dysample",
    "linear",
    "trilinear",
]
LEARNED: dict[str, type[Any]] = {"carafe": CARAFE, "dysample": DySample}
TRANSPOSED: dict[int, type[Any]] = {
    1: Conv1DTranspose,
    2: Conv2DTranspose,
    3: Conv3DTranspose,
}
SUBPIXEL: dict[int, type[Any]] = {
    1: SubpixelConv1D,
    2: SubpixelConv2D,
    3: SubpixelConv3D,
}
RESIZED: dict[int, type[Any]] = {1: ResizeConv1D, 2: ResizeConv2D, 3: ResizeConv3D}
# The names that each rank knows.
UPSAMPLINGS: dict[int, tuple[str, ...]] = {
    1: ("transposed", "subpixel", *INTERPOLATIONS[1]),
    2: ("transposed", "separable", "subpixel", *INTERPOLATIONS[2], *LEARNED),
    3: ("transposed", "subpixel", *INTERPOLATIONS[3]),
}


def upsample(
    upsampling: Upsampling, filters: int, scale: int = 2, *, rank: int = 2, **kwargs: Any
) -> keras.layers.Layer:
    """The layer (N, H, W, C) -> (N, scale H, scale W, filters) that `upsampling` names.

    Args:
        upsampling: "transposed" (kernel = stride = `scale`: nothing overlaps, as in the U-Net
            paper), "separable" (depthwise transposed with kernel 2 `scale`, then 1x1), "subpixel"
            (3x3 and pixel shuffle), "nearest", "bilinear" or "bicubic" (resize, then 3x3),
            "carafe" or "dysample" (channels last, for DySample a multiple of 4; then 3x3).
            Volumes know "transposed", "subpixel", "nearest" and "trilinear"; signals "linear" in
            its place.
        filters: channels out.
        scale: upsampling factor, an integer of at least 1.
        rank: spatial dimensions: 1 for signals (N, H, C), 2 for images, 3 for volumes
            (N, D, H, W, C).
        **kwargs: what these layers have in common: `activation`, `use_bias`,
            `kernel_initializer`, `data_format`, `name`, `dtype`.

    Raises:
        ValueError: for another name, one that the rank does not know, or another rank.

    Example:
        >>> upsample("trilinear", 8, rank=3)(keras.ops.ones((1, 2, 3, 4, 5))).shape
        TensorShape([1, 4, 6, 8, 8])
    """
    if rank not in UPSAMPLINGS:
        raise ValueError(f"upsample: rank must be 1, 2 or 3; got rank={rank!r}.")
    if upsampling not in UPSAMPLINGS[rank]:
        raise ValueError(
            f"upsampling must be one of {', '.join(UPSAMPLINGS[rank])} in {rank}-D; "
            f"got upsampling={upsampling!r}."
        )
    if upsampling == "transposed":
        return TRANSPOSED[rank](filters, scale, strides=scale, **kwargs)
    if upsampling == "separable":
        return _separable(filters, scale, **kwargs)
    if upsampling == "subpixel":
        return SUBPIXEL[rank](filters, scale=scale, **kwargs)
    if upsampling in LEARNED:
        return _learned(upsampling, filters, scale, **kwargs)
    return RESIZED[rank](filters, scale=scale, interpolation=upsampling, **kwargs)


def _separable(
    filters: int, scale: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
) -> SeparableConv2DTranspose:
    return SeparableConv2DTranspose(
        filters,
        2 * scale,
        scale,
        "same",
        depthwise_initializer=kernel_initializer,
        pointwise_initializer=kernel_initializer,
        **kwargs,
    )


def _learned(
    upsampling: str, filters: int, scale: int, name: str | None = None, **kwargs: Any
) -> keras.Sequential:
    upsampled = LEARNED[upsampling](scale, dtype=kwargs.get("dtype"), name=upsampling)
    conv = keras.layers.Conv2D(filters, 3, padding="same", name="conv", **kwargs)
    return keras.Sequential([upsampled, conv], name=name)
