"""U-Net: contract, expand, and hand each level across (Ronneberger et al. 2015)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import keras

from dnzoo.layers import ConvBlock, MatchSize, Output, Preprocessing, SkipFusion, upsample
from dnzoo.layers.base import CONVOLUTIONS, Shape, Tensor
from dnzoo.layers.blocks import seeded_dropout
from dnzoo.layers.fusion import SKIPS, Skip
from dnzoo.layers.geometry import as_tuple, one_of
from dnzoo.layers.normalization import Normalization
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models import _encoders
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._heads import is_linear

WIDTHS: tuple[int, ...] = (64, 128, 256, 512, 1024)  # the paper's
DECODER_WIDTHS: tuple[int, ...] = (16, 32, 64, 128, 256)  # behind an encoder
POOLINGS = {
    1: keras.layers.MaxPooling1D,
    2: keras.layers.MaxPooling2D,
    3: keras.layers.MaxPooling3D,
}


@named
def unet(
    input_shape: Shape = (256, 256, 3),
    classes: int = 2,
    *,
    filters: Sequence[int] | None = None,
    upsampling: Upsampling = "transposed",
    normalization: Normalization | None = "batch",
    normalization_momentum: float = 0.99,
    padding: Literal["same", "valid"] = "same",
    skip: Skip = "concat",
    residual: bool = False,
    dropout: float = 0.0,
    encoder: str | keras.Model | None = None,
    encoder_weights: str | Path | None = None,
    include_preprocessing: bool | None = None,
    activation: str | Callable[..., Any] | None = None,
    name: str = "unet",
) -> keras.Model:
    """U-Net: contract, expand, and hand each level across (Ronneberger et al. 2015).

    The paper's network, to the parameter: `unet((572, 572, 1), classes=2, padding="valid",
    normalization=None)` has 31,030,658 weights and puts out 388 x 388. It has a bias in every
    convolution, followed here by batch normalisation unless `normalization` says otherwise.

    The rank is that of the input: volumes (depth, height, width, channels) give the network with
    3x3x3 convolutions (as Çiçek et al. 2016, arXiv:1606.06650), signals (length, channels) the 1-D one.

    Args:
        input_shape: (height, width, channels) of the images, (depth, height, width, channels) or
            (length, channels); all sizes but the channels may be None.
        classes: channels out. 1 is one sigmoid logit.
        filters: channels of each level, deepest last; None: the paper's 64 to 1,024. With
            `encoder`: the decoder's widths, deepest last, of which a network with n doublings uses
            the first n; None: 16 to 256.
        upsampling: "transposed" (2x2, the paper's) or another name of `dnzoo.layers.upsample` for
            the rank.
        normalization: "batch", "instance", "group", "layer" or None (the paper's).
        normalization_momentum: how much of the moving statistics of "batch" a step keeps, as in
            `dnzoo.layers.ConvBlock`: 0.9 for trainings of fewer than some hundred steps, where
            0.99 would predict with statistics of the first ones. A named encoder keeps its own.
        padding: "same" (any size: the decoder follows the skip's) or "valid"
            (the paper's: the output is smaller, and only some sizes are possible).
        skip: "concat" (the paper's), "add" or "attention".
        residual: a shortcut around every double convolution.
        dropout: rate after the two deepest blocks (the paper's place), or after the encoder.
        encoder: None, a keras.applications name, "efficientnet_lite0", or a functional Keras model
            with features at powers of two; strides it lacks are upsampled without a skip. For
            images alone.
        encoder_weights: None, "imagenet" or a weights file, for a named encoder. Those of
            "efficientnet_lite0" come from dnzoo; Keras fetches the others.
        include_preprocessing: True: raw images (0 to 255) in, and the normalisation is in the
            graph (a named encoder's own, else to [-1, 1]). None: with a named encoder only.
        activation: of the output; None puts out logits.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels) -> (N, H', W', classes), or as many sizes as come in,
        float32 under any precision.
        The contracting half is one layer named "encoder": `model.get_layer("encoder").trainable
        = False` freezes it, batch normalisation included.

    Raises:
        ValueError: for an input_shape of another rank, classes or filters below 1, fewer than two
            levels or fewer widths than the encoder has doublings, an unknown skip, padding,
            normalization, upsampling or encoder, an encoder with "valid" or for anything but
            images, encoder_weights without a named encoder, or a size that "valid" can't take (the
            message names the nearest that it can).
        OSError: when encoder weights can't be had.

    Source: arXiv:1505.04597.

    Example:
        >>> model = unet((64, 64, 3), classes=11, filters=(8, 16, 32))
        >>> model.output_shape
        (None, 64, 64, 11)
        >>> unet((None, None, None, 1), classes=3, filters=(8, 16)).output_shape
        (None, None, None, None, 3)
    """
    classes = as_tuple(classes, 1, "classes", 1)[0]
    if filters is None:
        filters = WIDTHS if encoder is None else DECODER_WIDTHS
    filters = tuple(filters) if isinstance(filters, Sequence) else (filters,)
    filters = as_tuple(filters, len(filters), "filters", 1)
    input_shape = checked_input_shape(input_shape, rank=(1, 2, 3))
    rank = len(input_shape) - 1
    one_of(skip, SKIPS, "skip")
    one_of(padding, ("same", "valid"), "padding")
    block = {
        "padding": padding,
        "normalization": normalization,
        "normalization_momentum": normalization_momentum,
        "residual": residual,
    }

    image = keras.Input(input_shape, name="image")
    if encoder is None:
        if encoder_weights is not None:
            raise ValueError("encoder_weights needs encoder=; got encoder=None.")
        _check_sizes(input_shape, filters, padding)
        look = _encoders.Encoder(
            _contract(input_shape, filters, dropout, block),
            [2**level for level in range(len(filters))],
            Preprocessing(name="preprocessing") if include_preprocessing else None,
        )
        filters = filters[:-1]
    else:
        if rank != 2:
            raise ValueError(
                "encoder= is for images, (height, width, channels); volumes and signals take "
                f"encoder=None. Got input_shape={input_shape!r}."
            )
        if padding != "same":
            raise ValueError('encoders are padded: padding="valid" needs encoder=None.')
        look = _encoders.build(encoder, input_shape[-1], encoder_weights, include_preprocessing)
        deepest = look.strides[-1]
        if 2 ** len(filters) < deepest:
            raise ValueError(
                f"the encoder's deepest stride is {deepest}: filters needs at least "
                f"{deepest.bit_length() - 1} widths; got filters={filters}."
            )
        filters = filters[: deepest.bit_length() - 1]

    features = look(look.preprocessed(image))
    x = features.pop(look.strides[-1])
    if encoder is not None and dropout:
        x = seeded_dropout(dropout, "dropout")(x)
    missing = 0
    for level, width in reversed(list(enumerate(filters))):
        stride = 2**level
        x = upsample(
            upsampling, width, rank=rank, kernel_initializer="he_normal", name=f"up_{stride}"
        )(x)
        missing = 2 * missing + 1  # rows that poolings of odd sizes may have lost since the skip
        across = features.get(stride)
        if across is not None and padding == "valid":
            across = _match(across, x, stride, anchor="center")
        elif across is not None or level == 0:
            x = _match(x, image if across is None else across, stride, missing=missing)
            missing = 0
        if across is not None:
            x = SkipFusion(skip, name=f"fuse_{stride}")([x, across])
        x = ConvBlock(width, name=f"decoder_{stride}", **block)(x)
    # float32 under mixed precision: a softmax over bfloat16 logits loses what training needs
    head = CONVOLUTIONS[rank](
        classes,
        1,
        data_format="channels_last",
        activation=activation,
        dtype="float32",
        name="head",
    )
    outputs = Output("classes", logits=is_linear(activation))(head(x))
    return keras.Model(image, outputs, name=name)


def _contract(
    input_shape: Shape, filters: Sequence[int], dropout: float, block: dict[str, Any]
) -> keras.Model:
    pooling = POOLINGS[len(input_shape) - 1]
    image = x = keras.Input(input_shape)
    features = []
    for level, width in enumerate(filters):
        if level:
            # "same": ceil(H / 2), so that an odd size loses no row
            x = pooling(2, padding="same", data_format="channels_last", name=f"pool_{2**level}")(x)
        x = ConvBlock(width, name=f"encoder_{2**level}", **block)(x)
        if dropout and level >= len(filters) - 2:
            x = seeded_dropout(dropout, f"dropout_{2**level}")(x)
        features.append(x)
    return keras.Model(image, features, name="encoder")


def _match(x: Tensor, reference: Tensor, stride: int, **kwargs: Any) -> Tensor:
    """`MatchSize` where the sizes differ, or may differ at run time."""
    if None not in x.shape[1:-1] and x.shape[1:-1] == reference.shape[1:-1]:
        return x
    return MatchSize(name=f"match_{stride}", **kwargs)([x, reference])


def _check_sizes(input_shape: Shape, filters: Sequence[int], padding: str) -> None:
    if len(filters) < 2:
        raise ValueError(f"filters needs at least two levels; got filters={filters}.")
    for size in input_shape[:-1] if padding == "valid" else ():
        if size is not None and not _fits(size, len(filters)):
            near = [n for d in range(2**12) for n in (size - d, size + d) if _fits(n, len(filters))]
            raise ValueError(
                f'padding="valid" with {len(filters)} levels can\'t take {size} rows; the '
                f"nearest that works is {near[0]}."
            )


def _fits(size: int, levels: int) -> bool:
    """Whether two convolutions of 3 rows per level leave an even size to every pooling, and an output."""
    for _ in range(levels - 1):
        size -= 4
        if size < 2 or size % 2:
            return False
        size //= 2
    size -= 4
    for _ in range(levels - 1):
        if size < 1:
            return False
        size = 2 * size - 4
    return size >= 1
