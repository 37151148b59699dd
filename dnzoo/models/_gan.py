"""A generator and a discriminator, trained together by plain `fit` (Goodfellow et al. 2014)."""

from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from dnzoo.layers import Output
from dnzoo.layers.base import Tensor
from dnzoo.losses import discriminator_loss, generator_loss, gradient_penalty, input_gradient
from dnzoo.losses.generative import Adversarial, check_adversarial
from dnzoo.models._parts import InParts, Part
from dnzoo.models._pictures import OfPictures


@keras.saving.register_keras_serializable("dnzoo")
class GAN(OfPictures, InParts):
    """A generator and a discriminator that one `compute_loss` trains, on every backend.

    `fit(images)`, or `fit((images, labels))` for nets with classes, takes turns, as the papers do:
    `critic_steps` steps update the discriminator, each on new images and latents; the next step
    updates the generator, on new latents, judged by the discriminator as it is then. Each net has an
    optimiser of its own, made like the one that `compile` gets, and its gradient comes from its own
    loss alone. What `generate` shows is the moving average of the generator's weights, Keras's own
    (`use_ema`), as it was at the end of the last `fit`.

    Args:
        generator: `keras.Model`, (N, latent_dim), and labels, -> images.
        discriminator: `keras.Model`, images, and labels, -> (N, 1) logits.
        loss: "bce" (Goodfellow et al. 2014, non-saturating), "hinge" (Lim and Ye 2017) or "wgan-gp"
            (Gulrajani et al. 2017; a discriminator without batch normalisation).
        label_smoothing: for "bce": real images count as 1 - label_smoothing.
        penalty_weight: of the gradient penalty, for "wgan-gp".
        average: how much of the moving average an update of the generator keeps; 0 keeps the
            generator itself.
        critic_steps: updates of the discriminator to one of the generator. None: the papers', 5 for
            "wgan-gp", else 1. 0: each step updates both at once.

    Raises:
        ValueError: for an unknown loss, label_smoothing outside 0 (included) to 1 (excluded) or for
            a loss other than "bce", an average outside that range, or critic_steps that are
            negative or no whole number.

    Example:
        >>> from dnzoo import dcgan_discriminator, dcgan_generator
        >>> model = GAN(dcgan_generator(8, 4, (16, 16, 1)), dcgan_discriminator((16, 16, 1), 4))
        >>> model.generate(2, seed=0).shape
        (2, 16, 16, 1)
    """

    nets: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    generator: keras.Model
    discriminator: keras.Model
    averaged: keras.Model
    kind: Adversarial
    label_smoothing: float
    penalty_weight: float
    average: float
    critic_steps: int
    latent_dim: int
    conditional: bool
    seeds: keras.random.SeedGenerator
    steps: keras.Variable
    trackers: list[keras.metrics.Metric]

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: Adversarial = "bce",
        label_smoothing: float = 0.0,
        penalty_weight: float = 10.0,
        average: float = 0.999,
        critic_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_adversarial(loss, label_smoothing)
        if not 0 <= average < 1:
            raise ValueError(f"average must be at least 0 and below 1; got average={average}.")
        if critic_steps is None:
            critic_steps = 5 if loss == "wgan-gp" else 1
        if critic_steps != int(critic_steps) or critic_steps < 0:
            raise ValueError(
                f"critic_steps must be a whole number, at least 0; got {critic_steps}."
            )
        self.generator, self.discriminator = generator, discriminator
        self.kind, self.label_smoothing = loss, label_smoothing
        self.penalty_weight, self.average = penalty_weight, average
        self.critic_steps = int(critic_steps)
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

    output_kind: ClassVar[str] = "samples"

    @property
    def range(self) -> tuple[float, float]:
        """(lowest, highest) value of a pixel: what the generator's `Output` says, else of tanh."""
        said = [
            layer.facts["range"] for layer in self.generator.layers if isinstance(layer, Output)
        ]
        pixels = any(layer.name == "pixels" for layer in self.generator.layers)
        return tuple(said[0]) if said else (0, 255) if pixels else (-1, 1)

    @property
    def picture_shape(self) -> tuple[int | None, ...]:
        """(H, W, C) that the discriminator reads."""
        return tuple(self.discriminator.inputs[0].shape[1:])

    def parts(self) -> dict[str, Part]:
        """The two nets: `critic_steps` turns of the discriminator, then one of the generator."""
        turns = [True] * self.critic_steps + [False]
        critic = tuple(turns) if self.critic_steps else (True,)
        maker = tuple(not turn for turn in turns)
        return {
            "discriminator": Part(self.discriminator, critic),
            "generator": Part(self.generator, maker, self.averaged, self.average),
        }

    def call(self, inputs: Any, training: bool = False) -> dict[str, Tensor]:
        """{"generated", "real", "fake", "judged"}: images, and logits to train either net by."""
        images, labels = inputs if self.conditional else (inputs, None)
        self._check_pictures(images)
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

    def _with(self, x: Tensor, labels: Tensor | None) -> Any:
        return [x, labels] if self.conditional else x

    def _judge(self, inputs: Any, training: bool, gradients: bool = False) -> Tensor:
        """The discriminator's logits, without a trace in its variables or, mostly, gradients."""
        hold = ops.convert_to_tensor if gradients else ops.stop_gradient
        logits, _ = self.discriminator.stateless_call(
            [hold(ops.convert_to_tensor(v)) for v in self.discriminator.trainable_variables],
            [ops.convert_to_tensor(v) for v in self.discriminator.non_trainable_variables],
            inputs,
            training=training,
        )
        return logits

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The sum of both nets' losses; each net has gradients of its own alone."""
        real, fake = y_pred["real"], y_pred["fake"]
        critic = discriminator_loss(self.kind, real, fake, self.label_smoothing)
        if self.kind == "wgan-gp":
            critic = critic + self.penalty_weight * self._penalty(x, y_pred["generated"], training)
        maker = generator_loss(self.kind, y_pred["judged"])
        for tracker, value in zip(self.trackers, (critic, maker)):
            tracker.update_state(value)
        if training:
            self.steps.assign(self.steps + 1.0)
        return critic + maker

    def _penalty(self, inputs: Any, generated: Tensor, training: bool) -> Tensor:
        images, labels = inputs if self.conditional else (inputs, None)
        self._check_pictures(images)
        images = ops.cast(images, "float32")
        share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seeds)
        mixed = images + share * (ops.stop_gradient(generated) - images)
        return gradient_penalty(
            input_gradient(lambda x: self._judge(self._with(x, labels), training, True), mixed)
        )

    def generate(self, count: int, seed: int = 0, labels: Any = None) -> np.ndarray:
        """Pictures, (count, H, W, C) float32, in the generator's range; a seed gives the same latents.

        Args:
            count: how many.
            seed: of the latents.
            labels: class numbers, for nets with classes; None: one after the other.
        """
        latent = np.random.default_rng(seed).normal(size=(count, self.latent_dim))
        return self.decode(latent.astype("float32"), labels)

    def decode(self, latents: np.ndarray, labels: Any = None) -> np.ndarray:
        """Images of given latents, (N, latent_dim); labels as for `generate`."""
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

    def served(self) -> dict[str, keras.Model]:
        """The parts that a SavedModel serves: {signature: functional model}."""
        return {"serve": self.averaged}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "loss": self.kind,
            "label_smoothing": self.label_smoothing,
            "penalty_weight": self.penalty_weight,
            "average": self.average,
            "critic_steps": self.critic_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        # those saved before there was a choice were trained with both nets at once
        return super().from_config({"critic_steps": 0, **config})
