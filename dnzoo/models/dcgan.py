"""DCGAN: a generator and a discriminator of strided convolutions alone (Radford et al. 2015)."""

import keras
import numpy as np
from keras import ops

from dnzoo.layers import (
    Conv2DTranspose,
    DifferentiableAugmentation,
    Preprocessing,
    SpectralNormalization,
    normalize,
    upsample,
)
from dnzoo.layers.geometry import as_tuple
from dnzoo.losses import discriminator_loss, generator_loss, gradient_penalty, input_gradient
from dnzoo.losses.generative import check_adversarial

COARSEST = 4  # rows of the smallest feature map
SIZES = (16, 32, 64, 128, 256)


def dcgan_generator(
    latent_dim: int = 100,
    filters: int = 64,
    output_shape: tuple[int, int, int] = (64, 64, 3),
    upsampling: str = "transposed",
    *,
    normalization: str | None = "batch",
    classes: int | None = None,
    include_preprocessing: bool = False,
    name: str = "generator",
) -> keras.Model:
    """DCGAN's generator: 3,576,704 trainable parameters with the defaults (Radford et al. 2015).

    Args:
        latent_dim: normal numbers that a picture is made of.
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
        ValueError: for an illegal argument.

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
        # float32 under mixed precision: a picture has more than bfloat16's 8 bits
        last = {} if level else {"activation": "tanh", "dtype": "float32"}
        x = _enlarge(upsampling, width, name=f"up_{level}", **last)(x)
    if include_preprocessing:
        x = Preprocessing(127.5, 127.5, dtype="float32", name="pixels")(x)
    return keras.Model(inputs, x, name=name)


def dcgan_discriminator(
    input_shape: tuple[int, int, int] = (64, 64, 3),
    filters: int = 64,
    *,
    normalization: str | None = "batch",
    spectral_normalization: bool = False,
    classes: int | None = None,
    augmentation: tuple[str, ...] = (),
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
        ValueError: for an illegal argument.

    Source: arXiv:1511.06434.

    Example:
        >>> dcgan_discriminator(filters=8).output_shape
        (None, 1)
    """
    start, widths = _levels(input_shape, filters, "input_shape")
    wrap = SpectralNormalization if spectral_normalization else lambda layer, name: layer

    def conv(x, width, name, *args, **kwargs):
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
    return keras.Model(inputs, logit, name=name)


def dcgan(
    image_shape: tuple[int, int, int] = (64, 64, 3),
    latent_dim: int = 100,
    *,
    filters: int = 64,
    upsampling: str = "transposed",
    normalization: str | None = "batch",
    discriminator_normalization: str | None = "batch",
    spectral_normalization: bool = False,
    classes: int | None = None,
    augmentation: tuple[str, ...] = (),
    loss: str = "bce",
    label_smoothing: float = 0.0,
    penalty_weight: float = 10.0,
    average: float = 0.999,
    include_preprocessing: bool = False,
    name: str = "dcgan",
) -> "GAN":
    """DCGAN as a pair that `fit` trains: `dcgan_generator` and `dcgan_discriminator`.

    Args:
        image_shape: (height, width, channels); 16 to 256 rows.
        latent_dim, filters, upsampling, normalization: of the generator.
        discriminator_normalization, spectral_normalization, augmentation: of the discriminator.
        classes: of images with labels: `fit((images, labels))`, and `generate(..., labels=...)`.
        loss, label_smoothing, penalty_weight, average: see `GAN`.
        include_preprocessing: True: pixels from 0 to 255 in and out; False: from -1 to 1.
        name: of the model.

    Raises:
        ValueError: for an illegal argument.

    Example:
        >>> model = dcgan((16, 16, 1), filters=4)
        >>> model.generate(2, seed=0).shape
        (2, 16, 16, 1)
    """
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
    return GAN(generator, discriminator, loss, label_smoothing, penalty_weight, average, name=name)


def _levels(shape, filters, argument):
    """Rows and columns of the coarsest feature map, and the channels of each level, finest first."""
    filters = as_tuple(filters, 1, "filters", 1)[0]
    if len(shape) != 3 or None in shape or min(shape[:2]) not in SIZES:
        raise ValueError(
            f"{argument} must be (height, width, channels), the shorter side one of "
            f"{', '.join(map(str, SIZES))}; got {tuple(shape)}."
        )
    levels = (min(shape[:2]) // COARSEST).bit_length() - 1
    if any(size % 2**levels for size in shape[:2]):
        raise ValueError(
            f"{argument}: the longer side must be a multiple of {2**levels}; got {tuple(shape)}."
        )
    return tuple(size // 2**levels for size in shape[:2]), [filters * 2**i for i in range(levels)]


def _plain():
    """A convolution without bias, initialised as the paper does."""
    return {"use_bias": False, "kernel_initializer": keras.initializers.RandomNormal(0.0, 0.02)}


def _normalize(x, normalization, name):
    layer = normalize(normalization, x.shape[-1], name=name)
    return x if layer is None else layer(x)


def _enlarge(upsampling, width, **kwargs):
    if upsampling == "transposed":
        return Conv2DTranspose(width, 4, 2, padding=1, **_plain(), **kwargs)
    return upsample(upsampling, width, **_plain(), **kwargs)


@keras.saving.register_keras_serializable("dnzoo")
class GAN(keras.Model):
    """A generator and a discriminator that one `compute_loss` trains, on every backend.

    `fit(images)`, or `fit((images, labels))` for nets with classes, does one step of both at once,
    with one optimiser: Goodfellow et al. and Radford et al. update the discriminator first and
    then the generator, Arjovsky et al. the critic five times. Each net's gradient comes from its
    own loss alone. What `generate` shows is the moving average of the generator's weights.

    Args:
        generator: `keras.Model`, (N, latent_dim), and labels, -> images.
        discriminator: `keras.Model`, images, and labels, -> (N, 1) logits.
        loss: "bce" (Goodfellow et al. 2014, non-saturating), "hinge" (Lim and Ye 2017) or "wgan-gp"
            (Gulrajani et al. 2017; a discriminator without batch normalisation).
        label_smoothing: for "bce": real images count as 1 - label_smoothing.
        penalty_weight: of the gradient penalty, for "wgan-gp".
        average: how much of the moving average a step keeps, after a start in which it is less;
            0 keeps the generator itself.

    Raises:
        ValueError: for an illegal argument.

    Example:
        >>> model = GAN(dcgan_generator(8, 4, (16, 16, 1)), dcgan_discriminator((16, 16, 1), 4))
        >>> model.generate(2, seed=0).shape
        (2, 16, 16, 1)
    """

    def __init__(
        self,
        generator,
        discriminator,
        loss="bce",
        label_smoothing=0.0,
        penalty_weight=10.0,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_adversarial(loss, label_smoothing)
        if not 0 <= average < 1:
            raise ValueError(f"average must be at least 0 and below 1; got average={average}.")
        self.generator, self.discriminator = generator, discriminator
        self.kind, self.label_smoothing = loss, label_smoothing
        self.penalty_weight, self.average = penalty_weight, average
        self.latent_dim = generator.inputs[0].shape[-1]
        self.conditional = len(generator.inputs) > 1
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.seeds = keras.random.SeedGenerator(np.random.randint(2**31))
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", trainable=False, name="steps"
        )
        names = ("discriminator_loss", "generator_loss")
        self.trackers = [keras.metrics.Mean(name) for name in names]
        self.built = True

    def call(self, inputs, training=False):
        """{"generated", "real", "fake", "judged"}: images, and logits to train either net by."""
        images, labels = inputs if self.conditional else (inputs, None)
        images = ops.cast(images, "float32")
        shape = (ops.shape(images)[0], self.latent_dim)
        latent = keras.random.normal(shape, dtype="float32", seed=self.seeds)
        generated = self.generator(self._with(latent, labels), training=training)
        still = ops.stop_gradient(generated)
        return {
            "generated": generated,
            "real": self.discriminator(self._with(images, labels), training=training),
            "fake": self.discriminator(self._with(still, labels), training=training),
            "judged": self._judge(self._with(generated, labels), training),
        }

    def _with(self, x, labels):
        return [x, labels] if self.conditional else x

    def _judge(self, inputs, training, gradients=False):
        """The discriminator's logits, without a trace in its variables or, mostly, gradients."""
        hold = ops.convert_to_tensor if gradients else ops.stop_gradient
        logits, _ = self.discriminator.stateless_call(
            [hold(ops.convert_to_tensor(v)) for v in self.discriminator.trainable_variables],
            [ops.convert_to_tensor(v) for v in self.discriminator.non_trainable_variables],
            inputs,
            training=training,
        )
        return logits

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both nets' losses; each net has gradients of its own alone."""
        real, fake = y_pred["real"], y_pred["fake"]
        critic = discriminator_loss(self.kind, real, fake, self.label_smoothing)
        if self.kind == "wgan-gp":
            critic = critic + self.penalty_weight * self._penalty(x, y_pred["generated"], training)
        maker = generator_loss(self.kind, y_pred["judged"])
        for tracker, value in zip(self.trackers, (critic, maker)):
            tracker.update_state(value)
        if training:
            self._average()
        return critic + maker

    def _penalty(self, inputs, generated, training):
        images, labels = inputs if self.conditional else (inputs, None)
        images = ops.cast(images, "float32")
        share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seeds)
        mixed = images + share * (ops.stop_gradient(generated) - images)
        return gradient_penalty(
            input_gradient(lambda x: self._judge(self._with(x, labels), training, True), mixed)
        )

    def _average(self):
        """Move the average on; the first steps count more, so that it forgets the random start."""
        keep = ops.minimum(self.average, (self.steps + 1.0) / (self.steps + 10.0))
        self.steps.assign(self.steps + 1.0)
        trainable = {id(variable) for variable in self.generator.trainable_variables}
        for mean, weight in zip(self.averaged.variables, self.generator.variables):
            value = ops.convert_to_tensor(weight)
            if id(weight) in trainable:
                value = keep * ops.convert_to_tensor(mean) + (1.0 - keep) * value
            mean.assign(ops.stop_gradient(value))

    def generate(self, count, seed=0, labels=None):
        """Pictures, (count, H, W, C) float32, in the generator's range; a seed gives the same latents.

        Args:
            count: how many.
            seed: of the latents.
            labels: class numbers, for nets with classes; None: one after the other.
        """
        latent = np.random.default_rng(seed).normal(size=(count, self.latent_dim))
        return self.decode(latent.astype("float32"), labels)

    def decode(self, latents, labels=None):
        """Pictures of given latents, (N, latent_dim); labels as for `generate`."""
        if self.conditional and labels is None:
            classes = self.averaged.get_layer("embedding").input_dim
            labels = np.arange(len(latents)) % classes
        labels = None if labels is None else np.asarray(labels, "int32")
        parts = []
        for i in range(0, len(latents), 256):
            chunk = slice(i, i + 256)
            inputs = self._with(latents[chunk], None if labels is None else labels[chunk])
            parts.append(ops.convert_to_numpy(self.averaged(inputs, training=False)))
        return np.concatenate(parts)

    def served(self):
        """The parts that a SavedModel serves: {signature: functional model}."""
        return {"serve": self.averaged}

    def get_config(self):
        return {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "loss": self.kind,
            "label_smoothing": self.label_smoothing,
            "penalty_weight": self.penalty_weight,
            "average": self.average,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            part: keras.saving.deserialize_keras_object(config[part])
            for part in ("generator", "discriminator")
        }
        return cls(**{**config, **parts})
