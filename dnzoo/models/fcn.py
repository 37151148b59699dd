"""FCN-32s, FCN-16s, FCN-8s: a classifier turned into a net that labels pixels (Long et al. 2015)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import keras

from dnzoo.layers import Bilinear, Conv2DTranspose, MatchSize, Output
from dnzoo.layers.base import Shape, Tensor
from dnzoo.layers.blocks import seeded_dropout
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.models import _encoders
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._heads import is_linear

COARSEST = 32
PAD = 99  # around the image, for "valid"; the first convolution's own row makes it the paper's 100


@named
def fcn8s(
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3),
    classes: int = 21,
    *,
    encoder: str | keras.Model = "vgg16",
    encoder_weights: str | Path | None = None,
    fc_filters: int = 4096,
    fc_kernel_size: int = 7,
    dropout: float = 0.5,
    padding: Literal["same", "valid"] = "same",
    include_preprocessing: bool | None = None,
    activation: str | Callable[..., Any] | None = None,
    name: str = "fcn8s",
) -> keras.Model:
    """FCN-8s: class scores at strides 32, 16 and 8, added up from coarse to fine (Long et al. 2015).

    A classifier's dense layers become convolutions (`fc6`, `fc7`), 1x1 convolutions score the
    classes at each stride, and transposed convolutions, bilinear at first, bring the scores to the
    next finer stride and at last to the image. With VGG16 and 21 classes: 134,489,759 parameters.

    The paper trains FCN-32s, then from its weights FCN-16s, then FCN-8s; `take_weights(finer,
    coarser)` hands them on. New scores begin at zero, so that the finer net begins as the coarser
    one. Training this one at once works too.

    Args:
        input_shape: (height, width, channels) of the images; height and width may be None.
        classes: channels out. 1 is one sigmoid logit.
        encoder: a keras.applications name, "efficientnet_lite0", or a functional Keras model with
            features at strides 8, 16 and 32.
        encoder_weights: None, "imagenet" or a weights file, for a named encoder.
        fc_filters: channels of `fc6` and `fc7`.
        fc_kernel_size: of `fc6`: 7, because VGG16's first dense layer reads 7x7.
        dropout: rate after `fc6` and `fc7`.
        padding: "same", or "valid" for the paper's way: the image is padded by 100, `fc6` is not,
            and what is too much is cut off, so that scores lie where they belong.
        include_preprocessing: True: raw images (0 to 255) in, and the normalisation is in the
            graph (a named encoder's own, else to [-1, 1]). None: with a named encoder only.
        activation: of the output; None puts out logits.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, H, W, classes), float32 under any precision.

    Raises:
        ValueError: for an input_shape that is not (height, width, channels), classes, fc_filters or
            fc_kernel_size below 1, an unknown padding, an fc_kernel_size other than 5 or 7 with
            "valid", an unknown encoder, or one without the strides.
        OSError: when encoder weights can't be had.

    Source: arXiv:1411.4038.

    Example:
        >>> fcn8s((64, 96, 3), encoder="efficientnet_lite0", fc_filters=8).output_shape
        (None, 64, 96, 21)
    """
    return _fcn(
        input_shape,
        classes,
        8,
        encoder=encoder,
        encoder_weights=encoder_weights,
        fc_filters=fc_filters,
        fc_kernel_size=fc_kernel_size,
        dropout=dropout,
        padding=padding,
        include_preprocessing=include_preprocessing,
        activation=activation,
        name=name,
    )


@named
def fcn16s(
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3),
    classes: int = 21,
    **kwargs: Any,
) -> keras.Model:
    """FCN-16s: scores at strides 32 and 16; arguments as for `fcn8s`.

    Example:
        >>> fcn16s((64, 96, 3), encoder="efficientnet_lite0", fc_filters=8).output_shape
        (None, 64, 96, 21)
    """
    return _fcn(input_shape, classes, 16, **{"name": "fcn16s", **kwargs})


@named
def fcn32s(
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3),
    classes: int = 21,
    **kwargs: Any,
) -> keras.Model:
    """FCN-32s: scores at stride 32 alone; arguments as for `fcn8s`.

    Example:
        >>> fcn32s((64, 96, 3), encoder="efficientnet_lite0", fc_filters=8).output_shape
        (None, 64, 96, 21)
    """
    return _fcn(input_shape, classes, 32, **{"name": "fcn32s", **kwargs})


def _fcn(
    input_shape: Shape,
    classes: int,
    finest: int,
    encoder: str | keras.Model = "vgg16",
    encoder_weights: str | Path | None = None,
    fc_filters: int = 4096,
    fc_kernel_size: int = 7,
    dropout: float = 0.5,
    padding: Literal["same", "valid"] = "same",
    include_preprocessing: bool | None = None,
    activation: str | Callable[..., Any] | None = None,
    name: str | None = None,
) -> keras.Model:
    classes = as_tuple(classes, 1, "classes", 1)[0]
    fc_filters = as_tuple(fc_filters, 1, "fc_filters", 1)[0]
    fc_kernel_size = as_tuple(fc_kernel_size, 1, "fc_kernel_size", 1)[0]
    input_shape = checked_input_shape(input_shape)
    one_of(padding, ("same", "valid"), "padding")
    if padding == "valid" and fc_kernel_size not in (5, 7):
        raise ValueError(
            f'fc_kernel_size must be 5 or 7 with padding="valid"; got {fc_kernel_size}.'
        )
    look = _encoders.build(
        encoder, input_shape[-1], encoder_weights, include_preprocessing, pooled=True
    )
    needed = [stride for stride in (8, 16, COARSEST) if stride >= finest]
    if not {*needed} <= {*look.strides}:
        raise ValueError(f"needs features at strides {needed}; the encoder has {look.strides}.")

    image = keras.Input(input_shape, name="image")
    x = look.preprocessed(image)
    if padding == "valid":
        # more at the end, because Keras's poolings round down where Caffe's round up
        x = keras.layers.ZeroPadding2D(((PAD, PAD + 31),) * 2, name="pad_image")(x)
    features = look(x)

    x = features[COARSEST]
    for layer, kernel in (("fc6", fc_kernel_size), ("fc7", 1)):
        x = keras.layers.Conv2D(
            fc_filters,
            kernel,
            padding=padding,
            activation="relu",
            kernel_initializer="he_normal",
            name=layer,
        )(x)
        x = seeded_dropout(dropout, f"{layer}_dropout")(x)
    x = _score(x, classes, COARSEST)
    stride = COARSEST
    first = fc_kernel_size // 2  # with "valid", the feature at this stride that x begins with
    for finer in needed[-2::-1]:
        x = _enlarge(x, classes, 2, padding, f"up_{finer}")
        score = _score(features[finer], classes, finer)
        stride, first = finer, 2 * first - 1
        if padding == "valid":
            score = keras.layers.Cropping2D(((first, 0),) * 2, name=f"cut_{finer}")(score)
            score = MatchSize(missing=0, name=f"match_{finer}")([score, x])
        else:
            x = MatchSize(missing=1, name=f"match_{finer}")([x, score])
        x = keras.layers.Add(name=f"fuse_{finer}")([x, score])
    # float32 under mixed precision, as every head
    x = _enlarge(x, classes, stride, padding, "up_1", dtype="float32", activation=activation)
    if padding == "valid":
        cut = stride // 2 + PAD - stride * first  # the paper's 19, 27 and 31
        x = keras.layers.Cropping2D(((cut, 0),) * 2, dtype="float32", name="cut_1")(x)
    x = MatchSize(missing=stride - 1, dtype="float32", name="match_1")([x, image])
    outputs = Output("classes", logits=is_linear(activation))(x)
    return keras.Model(image, outputs, name=name)


def _score(x: Tensor, classes: int, stride: int) -> Tensor:
    return keras.layers.Conv2D(classes, 1, kernel_initializer="zeros", name=f"score_{stride}")(x)


def _enlarge(
    x: Tensor,
    classes: int,
    factor: int,
    padding: Literal["same", "valid"],
    name: str,
    **kwargs: Any,
) -> Tensor:
    """Bilinear at first: kernel 2 S, and S / 2 rows less at each side unless they are cut later."""
    return Conv2DTranspose(
        classes,
        2 * factor,
        strides=factor,
        padding=0 if padding == "valid" else factor // 2,
        use_bias=False,
        kernel_initializer=Bilinear(),
        name=name,
        **kwargs,
    )(x)
