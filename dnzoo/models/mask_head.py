"""Mask R-CNN's mask head, and the branch that feeds it (He et al. 2017)."""

from pathlib import Path

import keras

from dnzoo.layers import MatchSize, Output, PerRoI, Resize2D, RoIAlign, upsample
from dnzoo.layers.geometry import as_tuple
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models import _encoders
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._heads import is_linear

ROI = 14  # rows of a region that the head reads; it puts out twice as many


@named
def mask_head(
    input_shape: tuple[int | None, int | None, int] = (14, 14, 256),
    classes: int = 80,
    *,
    filters: int = 256,
    convolutions: int = 4,
    upsampling: Upsampling = "transposed",
    activation: str | None = None,
    name: str = "mask_head",
) -> keras.Model:
    """Mask R-CNN's mask head: 2,643,280 parameters with the defaults (He et al. 2017, figure 4).

    Four 3x3 convolutions, a 2x2 transposed convolution with stride 2, and a mask for every class:
    which one counts is for the class of the box to say (`dnzoo.losses.MaskLoss`).

    Args:
        input_shape: (height, width, channels) of a region's features.
        classes: masks per region.
        filters: channels of the convolutions.
        convolutions: how many.
        upsampling: "transposed" (the paper's) or another name of `dnzoo.layers.upsample`.
        activation: of the output; None puts out logits.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, 2 H, 2 W, classes), float32.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), classes or filters
            below 1, negative convolutions, or an unknown upsampling.

    Source: arXiv:1703.06870.

    Example:
        >>> mask_head().count_params()
        2643280
    """
    classes = as_tuple(classes, 1, "classes", 1)[0]
    filters = as_tuple(filters, 1, "filters", 1)[0]
    convolutions = as_tuple(convolutions, 1, "convolutions")[0]
    input_shape = checked_input_shape(input_shape)
    features = x = keras.Input(input_shape, name="features")
    for number in range(1, convolutions + 1):
        x = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"conv_{number}",
        )(x)
    x = upsample(upsampling, filters, activation="relu", kernel_initializer="he_normal", name="up")(
        x
    )
    # float32 under mixed precision, as every head
    head = keras.layers.Conv2D(classes, 1, activation=activation, dtype="float32", name="masks")
    outputs = Output("classes", logits=is_linear(activation))(head(x))
    return keras.Model(features, outputs, name=name)


@named
def mask_branch(
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 80,
    *,
    encoder: str | keras.Model = "resnet50",
    encoder_weights: str | Path | None = None,
    stride: int = 4,
    filters: int = 256,
    include_preprocessing: bool | None = None,
    activation: str | None = None,
    name: str = "mask_branch",
) -> keras.Model:
    """Masks for boxes that are given: encoder, one level of an FPN, RoIAlign and `mask_head`.

    What Mask R-CNN (He et al. 2017) does after its boxes, with the finest level of the feature
    pyramid (Lin et al. 2017) for boxes of all sizes: boxes come from a detector or a person.

    Args:
        input_shape: (height, width, channels) of the images; height and width may be None.
        classes: masks per box.
        encoder: a keras.applications name, "efficientnet_lite0", or a functional Keras model.
        encoder_weights: None, "imagenet" or a weights file, for a named encoder.
        stride: of the level that regions are cut from; the encoder must have it.
        filters: channels of the pyramid and the head.
        include_preprocessing: as for `unet`.
        activation: of the output; None puts out logits.
        name: of the model.

    Returns:
        `keras.Model`, [image (N, H, W, channels), boxes (N, R, 4)] -> (N, R, 28, 28, classes),
        float32. Boxes are (left, top, right, bottom) in pixels. `dnzoo.inference.paste_masks`
        brings masks back into the image.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), classes or filters
            below 1, an unknown encoder, or one without the stride.
        OSError: when encoder weights can't be had.

    Source: arXiv:1703.06870, arXiv:1612.03144.

    Example:
        >>> mask_branch(encoder="efficientnet_lite0", classes=3, filters=8).output_shape
        (None, None, 28, 28, 3)
    """
    filters = as_tuple(filters, 1, "filters", 1)[0]
    input_shape = checked_input_shape(input_shape)
    look = _encoders.build(encoder, input_shape[-1], encoder_weights, include_preprocessing)
    if stride not in look.strides:
        raise ValueError(
            f"stride must be one of the encoder's, {look.strides}; got stride={stride!r}."
        )
    image = keras.Input(input_shape, name="image")
    boxes = keras.Input((None, 4), name="boxes")
    features = look(look.preprocessed(image))
    levels = [found for found in features if found >= stride]
    laterals = {
        level: keras.layers.Conv2D(filters, 1, name=f"lateral_{level}")(features[level])
        for level in levels
    }
    x = laterals[levels[-1]]
    for coarse, level in zip(levels[:0:-1], levels[-2::-1]):
        x = Resize2D(coarse // level, interpolation="nearest", name=f"up_{level}")(x)
        x = MatchSize(missing=coarse // level - 1, name=f"match_{level}")([x, laterals[level]])
        x = keras.layers.Add(name=f"sum_{level}")([x, laterals[level]])
    x = keras.layers.Conv2D(filters, 3, padding="same", name="level")(x)
    x = RoIAlign(ROI, stride, name="roi_align")([x, boxes])
    head = mask_head((ROI, ROI, filters), classes, filters=filters, activation=activation)
    x = PerRoI(head, dtype="float32", name="head")(x)
    outputs = Output("masks", logits=is_linear(activation))(x)
    return keras.Model([image, boxes], outputs, name=name)
