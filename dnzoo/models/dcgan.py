"""DCGAN: a generator and a discriminator of strided convolutions alone (Radford et al. 2015)."""

from typing import Any

import keras

from dnzoo.layers import (
    Conv2DTranspose,
    DifferentiableAugmentation,
    Output,
    Preprocessing,
    SpectralNormalization,
    normalize,
    upsample,
)
from dnzoo.layers.augmentation import Policy
from dnzoo.layers.base import Tensor
from dnzoo.layers.geometry import as_tuple
from dnzoo.layers.normalization import Normalization
from dnzoo.layers.upsampling import Upsampling
from dnzoo.losses.generative import Adversarial
from dnzoo.models._checks import checked_input_shape, named
from dnzoo.models._gan import GAN

COARSEST = 4  # rows of the smallest feature map
SIZES = (16, 32, 64, 128, 256)


@named
def dcgan_generator(
    latent_dim: int = 100,
    filters: int = 64,
    output_shape: tuple[int, int, int] = (64, 64, 3),
    upsampling: Upsampling = "transposed",
    *,
    normalization: Normalization | None = "batch",
    classes: int | None = None,
    include_preprocessing: bool = False,
    name: str = "generator",
) -> keras.Model:
    """DCGAN's generator: 3,576,704 trainable parameters with the defaults (Radford et al. 2015).

    Args:
        latent_dim: normal numbers that an image is made of.
        filters: channels of the last feature map; each coarser one has twice as many.
        output_shape: (height, width, channels). The shorter side is 16, 32, 64, 128 or 256, and
            the other a multiple of a fourth of a sixteenth of it, so that halving ends at 4 rows.
        upsampling: "transposed" (4x4, stride 2, the paper's) or another name of
            `dnzoo.layers.upsample`.
        normalization: "batch" (the paper's) or another of `dnzoo.layers.normalize`, or None.
        classes: also read a class number, embedded and multiplied with the latent.
        include_preprocessing: True: pixels from 0 to 255 come out; False: from -1 to 1 (tanh).
        name: of the model.

    Returns:
        `keras.Model`, (N, latent_dim), and (N,) with `classes`, -> (N, H, W, channels), float32.

    Raises:
        ValueError: for an output_shape outside the sizes above, a latent_dim or filters below 1, or
            an unknown upsampling or normalization.

    Source: arXiv:1511.06434.

    Example:
        >>> dcgan_generator(filters=8).output_shape
        (None, 64, 64, 3)
    """
    latent_dim = as_tuple(latent_dim, 1, "latent_dim", 1)[0]
    start, widths = _levels(output_shape, filters, "output_shape")
    inputs = x = keras.Input((latent_dim,), name="latent")
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [inputs, label]
        x = keras.layers.Multiply(name="condition")(
            [x, keras.layers.Embedding(classes, latent_dim, name="embedding")(label)]
        )
    x = keras.layers.Reshape((1, 1, latent_dim), name="reshape")(x)
    x = Conv2DTranspose(widths[-1], start, name=f"up_{len(widths)}", **_plain())(x)
    for level in range(len(widths) - 1, -1, -1):
        x = _normalize(x, normalization, f"norm_{level + 1}")
        x = keras.layers.ReLU(name=f"relu_{level + 1}")(x)
        width = widths[level - 1] if level else output_shape[-1]
        # float32 under mixed precision: an image has more than bfloat16's 8 bits
        last = {} if level else {"activation": "tanh", "dtype": "float32"}
        x = _enlarge(upsampling, width, name=f"up_{level}", **last)(x)
    if include_preprocessing:
        x = Preprocessing(127.5, 127.5, dtype="float32", name="pixels")(x)
    outputs = Output("image", range=[0, 255] if include_preprocessing else [-1, 1])(x)
    return keras.Model(inputs, outputs, name=name)


@named
def dcgan_discriminator(
    input_shape: tuple[int, int, int] = (64, 64, 3),
    filters: int = 64,
    *,
    normalization: Normalization | None = "batch",
    spectral_normalization: bool = False,
    classes: int | None = None,
    augmentation: tuple[Policy, ...] = (),
    include_preprocessing: bool = False,
    name: str = "discriminator",
) -> keras.Model:
    """DCGAN's discriminator: 2,765,568 trainable parameters with the defaults (Radford et al. 2015).

    Args:
        input_shape: as the generator's `output_shape`.
        filters: channels of the first feature map; each coarser one has twice as many.
        normalization: "batch" (the paper's; not in the first layer), another of
            `dnzoo.layers.normalize`, or None, which spectral normalisation and "wgan-gp" want.
        spectral_normalization: of every convolution (Miyato et al. 2018).
        classes: also read a class number: the projection of Miyato and Koyama 2018.
        augmentation: of "color", "translation", "cutout": what training images pass first, real
            and generated alike, with gradients (Zhao et al. 2020), for small data sets.
        include_preprocessing: True: reads pixels from 0 to 255; False: from -1 to 1.
        name: of the model.

    Returns:
        `keras.Model`, (N, H, W, channels), and (N,) with `classes`, -> (N, 1) logits, float32.

    Raises:
        ValueError: for an input_shape outside the generator's sizes, filters below 1, or an unknown
            normalization or augmentation.

    Source: arXiv:1511.06434.

    Example:
        >>> dcgan_discriminator(filters=8).output_shape
        (None, 1)
    """
    start, widths = _levels(input_shape, filters, "input_shape")
    wrap = SpectralNormalization if spectral_normalization else lambda layer, name: layer

    def conv(x: Tensor, width: int, name: str, *args: Any, **kwargs: Any) -> Tensor:
        layer = keras.layers.Conv2D(width, *args, name=name, **_plain(), **kwargs)
        return wrap(layer, name=f"spectral_{name}")(x)

    inputs = x = keras.Input(input_shape, name="image")
    if include_preprocessing:
        x = Preprocessing(name="preprocessing")(x)
    if augmentation:
        x = DifferentiableAugmentation(augmentation, name="augmentation")(x)
    for level, width in enumerate(widths):
        x = keras.layers.ZeroPadding2D(1, name=f"pad_{level}")(x)  # as PyTorch and the paper's code
        x = conv(x, width, f"conv_{level}", 4, 2)
        if level:
            x = _normalize(x, normalization, f"norm_{level}")
        x = keras.layers.LeakyReLU(0.2, name=f"relu_{level}")(x)
    # float32 under mixed precision, as every head
    logit = conv(x, 1, "head", start, dtype="float32")
    logit = keras.layers.Reshape((1,), dtype="float32", name="logit")(logit)
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [inputs, label]
        pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
        embedded = keras.layers.Embedding(classes, widths[-1], dtype="float32", name="embedding")(
            label
        )
        projected = keras.layers.Dot(1, dtype="float32", name="projection")([pooled, embedded])
        logit = keras.layers.Add(dtype="float32", name="sum")([logit, projected])
    return keras.Model(inputs, Output("labels", logits=True)(logit), name=name)


@named
def dcgan(
    image_shape: tuple[int, int, int] = (64, 64, 3),
    latent_dim: int = 100,
    *,
    filters: int = 64,
    upsampling: Upsampling = "transposed",
    normalization: Normalization | None = "batch",
    discriminator_normalization: Normalization | None = "batch",
    spectral_normalization: bool = False,
    classes: int | None = None,
    augmentation: tuple[Policy, ...] = (),
    loss: Adversarial = "bce",
    label_smoothing: float = 0.0,
    penalty_weight: float = 10.0,
    average: float = 0.999,
    critic_steps: int | None = None,
    include_preprocessing: bool = False,
    name: str = "dcgan",
) -> GAN:
    """DCGAN as a pair that `fit` trains: `dcgan_generator` and `dcgan_discriminator`.

    Args:
        image_shape: (height, width, channels); 16 to 256 rows.
        latent_dim, filters, upsampling, normalization: of the generator.
        discriminator_normalization, spectral_normalization, augmentation: of the discriminator.
        classes: of images with labels: `fit((images, labels))`, and `generate(..., labels=...)`.
        loss, label_smoothing, penalty_weight, average, critic_steps: see `GAN`.
        include_preprocessing: True: pixels from 0 to 255 in and out; False: from -1 to 1.
        name: of the model.

    Raises:
        ValueError: for what the two nets or `GAN` refuse.

    Example:
        >>> model = dcgan((16, 16, 1), filters=4)
        >>> model.generate(2, seed=0).shape
        (2, 16, 16, 1)
    """
    _levels(image_shape, filters, "image_shape")
    shared = {"classes": classes, "include_preprocessing": include_preprocessing}
    generator = dcgan_generator(
        latent_dim, filters, image_shape, upsampling, normalization=normalization, **shared
    )
    discriminator = dcgan_discriminator(
        image_shape,
        filters,
        normalization=discriminator_normalization,
        spectral_normalization=spectral_normalization,
        augmentation=augmentation,
        **shared,
    )
    return GAN(
        generator,
        discriminator,
        loss,
        label_smoothing,
        penalty_weight,
        average,
        critic_steps,
        name=name,
    )


def _levels(
    shape: tuple[int, int, int], filters: int, argument: str
) -> tuple[tuple[int, ...], list[int]]:
    """Rows and columns of the coarsest feature map, and the channels of each level, finest first."""
    filters = as_tuple(filters, 1, "filters", 1)[0]
    shape = checked_input_shape(shape, known=True, argument=argument)
    if min(shape[:2]) not in SIZES:
        raise ValueError(
            f"{argument} must be (height, width, channels), the shorter side one of "
            f"{', '.join(map(str, SIZES))}; got {shape}."
        )
    levels = (min(shape[:2]) // COARSEST).bit_length() - 1
    if any(size % 2**levels for size in shape[:2]):
        raise ValueError(
            f"{argument}: the longer side must be a multiple of {2**levels}; got {shape}."
        )
    return tuple(size // 2**levels for size in shape[:2]), [filters * 2**i for i in range(levels)]


def _plain() -> dict[str, Any]:
    """A convolution without bias, initialised as the paper does."""
    return {"use_bias": False, "kernel_initializer": keras.initializers.RandomNormal(0.0, 0.02)}


def _normalize(x: Tensor, normalization: Normalization | None, name: str) -> Tensor:
    layer = normalize(normalization, x.shape[-1], name=name)
    return x if layer is None else layer(x)


def _enlarge(upsampling: Upsampling, width: int, **kwargs: Any) -> keras.layers.Layer:
    if upsampling == "transposed":
        return Conv2DTranspose(width, 4, 2, padding=1, **_plain(), **kwargs)
    return upsample(upsampling, width, **_plain(), **kwargs)
