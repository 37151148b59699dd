"""An encoder and a decoder, trained together by plain `fit` (Kingma and Welling 2013)."""

from typing import Any, ClassVar, Literal, get_args

import keras
import numpy as np
from keras import ops

from dnzoo.layers.base import Tensor
from dnzoo.layers.geometry import one_of
from dnzoo.losses import kl_divergence
from dnzoo.models._pictures import OfPictures

Likelihood = Literal["bernoulli", "gaussian"]
LOG_2PI = float(np.log(2 * np.pi))
ACTIVE = 0.01  # nats of KL that a latent unit must carry on average to count as active


@keras.saving.register_keras_serializable("dnzoo")
class VAE(OfPictures):
    """An encoder and a decoder that are trained together; `vae` makes one.

    `fit(images)` minimises the negative evidence lower bound, in nats per image (with `beta`). Its
    logs are `loss`, and `nelbo`, `reconstruction` and `kl`, which do not contain beta. Pixels are
    in [0, `max_value`].

    Args:
        encoder: `keras.Model`, images -> [mean, log_variance], each (N, latent_dim).
        decoder: `keras.Model`, (N, latent_dim) -> logits ("bernoulli") or means ("gaussian") of
            pixels from 0 to 1.
        beta, likelihood: as for `vae`.
        max_value: of a pixel that the encoder reads.

    Raises:
        ValueError: for another likelihood, or a negative beta.

    Example:
        >>> from dnzoo import vae
        >>> model = vae((8, 8, 1), latent_dim=2, filters=(4,), hidden=None)
        >>> model.sample(3, seed=0).shape
        (3, 8, 8, 1)
    """

    nets: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    encoder: keras.Model
    decoder: keras.Model
    beta: float
    likelihood: Likelihood
    max_value: float
    latent_dim: int
    seeds: keras.random.SeedGenerator
    log_deviation: keras.Variable  # of "gaussian"
    trackers: list[keras.metrics.Metric]

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        beta: float = 1.0,
        likelihood: Likelihood = "bernoulli",
        max_value: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        one_of(likelihood, get_args(Likelihood), "likelihood")
        if beta < 0:
            raise ValueError(f"beta must be at least 0; got beta={beta}.")
        self.encoder, self.decoder = encoder, decoder
        self.beta, self.likelihood, self.max_value = beta, likelihood, max_value
        self.latent_dim = decoder.input_shape[-1]
        self.seeds = keras.random.SeedGenerator(np.random.randint(2**31))
        if likelihood == "gaussian":
            self.log_deviation = self.add_weight(
                shape=(), initializer="zeros", dtype="float32", name="log_deviation"
            )
        self.trackers = [keras.metrics.Mean(name) for name in ("nelbo", "reconstruction", "kl")]
        self.built = True

    output_kind: ClassVar[str] = "samples"

    @property
    def range(self) -> tuple[float, float]:
        """(lowest, highest) value of a pixel."""
        return 0.0, self.max_value

    @property
    def picture_shape(self) -> tuple[int | None, ...]:
        """(H, W, C) that the encoder reads."""
        return tuple(self.encoder.inputs[0].shape[1:])

    def call(self, images: Tensor, training: bool = False) -> dict[str, Tensor]:
        """{"mean", "log_variance", "pixels"} of a latent drawn for each image."""
        self._check_pictures(images)
        mean, log_variance = self.encoder(images, training=training)
        noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.seeds)
        latent = mean + ops.exp(0.5 * log_variance) * noise
        pixels = self.decoder(latent, training=training)
        return {"mean": mean, "log_variance": log_variance, "pixels": pixels}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Negative evidence lower bound, in nats per image, with `beta`."""
        reconstruction = -self._log_likelihood(x, y_pred["pixels"])
        kl = ops.sum(kl_divergence(y_pred["mean"], y_pred["log_variance"]), axis=-1)
        for tracker, value in zip(self.trackers, (reconstruction + kl, reconstruction, kl)):
            tracker.update_state(value)
        return ops.mean(reconstruction + self.beta * kl)

    def _log_likelihood(self, images: Tensor, pixels: Tensor) -> Tensor:
        """Of each image, in nats, (N,)."""
        target = ops.cast(images, "float32") / self.max_value
        if self.likelihood == "bernoulli":
            each = target * pixels - ops.softplus(pixels)
        else:
            log_deviation = ops.convert_to_tensor(self.log_deviation)
            error = (target - pixels) * ops.exp(-log_deviation)
            each = -0.5 * error**2 - log_deviation - 0.5 * LOG_2PI
        return ops.sum(each, axis=(1, 2, 3))

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(mean, log_variance) of the latent of each image, (N, H, W, C) -> 2 x (N, latent_dim)."""
        mean, log_variance = self.encoder(ops.convert_to_tensor(images, "float32"), training=False)
        return ops.convert_to_numpy(mean), ops.convert_to_numpy(log_variance)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Expected pixels, from 0 to `max_value`: (N, latent_dim) -> (N, H, W, C)."""
        pixels = self.decoder(ops.convert_to_tensor(latents, "float32"), training=False)
        pixels = ops.sigmoid(pixels) if self.likelihood == "bernoulli" else ops.clip(pixels, 0, 1)
        return ops.convert_to_numpy(pixels) * self.max_value

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """Images of latents drawn from the prior, (count, H, W, C); a seed gives the same latents."""
        return self.decode(np.random.default_rng(seed).normal(size=(count, self.latent_dim)))

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """What is left of images after the latent's mean: as the images."""
        return self.decode(self.encode(images)[0])

    def interpolate(self, a: np.ndarray, b: np.ndarray, steps: int = 8) -> np.ndarray:
        """Images on the straight line between the latents of two images (H, W, C): (steps, H, W, C)."""
        start, end = self.encode(np.stack([a, b]))[0]
        share = np.linspace(0, 1, steps)[:, None]
        return self.decode((1 - share) * start + share * end)

    def bound(self, images: np.ndarray, samples: int = 64, seed: int = 0) -> np.ndarray:
        """Importance-weighted bound on -log p(image) in nats, (N,) (Burda et al. 2015, arXiv:1509.00519).

        With one sample it is the negative ELBO; it falls towards -log p with more.

        Args:
            images: (N, H, W, C).
            samples: latents per image.
            seed: fixes them.
        """
        rng = np.random.default_rng(seed)
        images = ops.convert_to_tensor(images, "float32")
        mean, log_variance = self.encoder(images, training=False)
        weights = []
        for _ in range(samples):
            noise = ops.convert_to_tensor(rng.normal(size=mean.shape).astype("float32"))
            latent = mean + ops.exp(0.5 * log_variance) * noise
            prior = -0.5 * ops.sum(latent**2, axis=-1)
            posterior = -0.5 * ops.sum(noise**2 + log_variance, axis=-1)
            likelihood = self._log_likelihood(images, self.decoder(latent, training=False))
            weights.append(ops.convert_to_numpy(likelihood + prior - posterior))
        weights = np.array(weights, "float64")
        top = weights.max(axis=0)
        return -(top + np.log(np.mean(np.exp(weights - top), axis=0)))

    def latent_kl(self, images: np.ndarray) -> np.ndarray:
        """Nats that each latent unit carries on average, (latent_dim,): one below 0.01 has collapsed.

        Such a unit says nothing about the image, and the decoder has learned not to listen to it.
        """
        return ops.convert_to_numpy(kl_divergence(*self.encode(images))).mean(axis=0)

    def served(self) -> dict[str, keras.Model]:
        """The parts that a SavedModel serves: {signature: functional model}."""
        image, latent = self.encoder.inputs[0], self.decoder.inputs[0]
        to_pixels = keras.Sequential(
            [
                keras.layers.Activation("sigmoid", dtype="float32")
                if self.likelihood == "bernoulli"
                else keras.layers.ReLU(max_value=1.0, dtype="float32"),
                keras.layers.Rescaling(self.max_value, dtype="float32"),
            ],
            name="to_pixels",
        )
        mean, log_variance = self.encoder(image)
        outputs = {
            "reconstruction": to_pixels(self.decoder(mean)),
            "mean": mean,
            "log_variance": log_variance,
        }
        return {
            "serve": keras.Model(image, outputs, name=self.name),
            "decode": keras.Model(latent, {"images": to_pixels(self.decoder(latent))}),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta": self.beta,
            "likelihood": self.likelihood,
            "max_value": self.max_value,
        }
