"""Autoencoding as a task: a variational autoencoder's bound, and what it makes of pictures."""

import keras
import numpy as np

from dnzoo.imaging import drawing
from dnzoo.models.vae import ACTIVE
from dnzoo.tasks.base import Task

BOUND_IMAGES, BOUND_SAMPLES = 1000, 500


class Autoencoding(Task):
    """Learn a `dnzoo.models.VAE`; judged by its negative evidence lower bound, in nats a picture.

    Args:
        data: `dnzoo.data.pictures.Pictures`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        binarise: draw each pixel 0 or 255, with its grey value as the probability: anew in each
            training batch, once for validation and test (Salakhutdinov and Murray 2008).
    """

    monitor, curves = "nelbo", ("kl",)

    def __init__(self, data, config, binarise=True):
        self.binarise = binarise
        super().__init__(data, config, self._pictures, self._pictures)
        if binarise:
            self.description += ", pixels drawn 0 or 1"

    caption = (
        "Top: held-out pictures and, below each, what is left of it after the latent's mean. "
        "Then ways between two of them, and samples of the prior."
    )

    def _pictures(self, pictures, labels, rng):
        if self.binarise:
            pictures = 255 * (pictures > rng.uniform(0, 255, pictures.shape))
        return (np.asarray(pictures, "float32"),)

    def evaluate(self, model):
        """Bounds in nats a picture on the test split, and how many latent units are in use."""
        model.compile(jit_compile="auto" if keras.backend.backend() == "jax" else False)
        found = model.evaluate(self.test.dataset(), verbose=0, return_dict=True)
        limit = 4 if self.config.smoke else BOUND_IMAGES
        pictures = np.concatenate([self.test.batch(i)[0] for i in range(self.test.steps)])
        parts = [pictures[i : i + 500] for i in range(0, min(limit, len(pictures)), 500)]
        samples = 8 if self.config.smoke else BOUND_SAMPLES
        bounds = [model.bound(part, samples, self.config.seed) for part in parts]
        kl = model.latent_kl(pictures)
        active = int(np.sum(kl > ACTIVE))
        return {
            "negative elbo": found["nelbo"],
            "reconstruction": found["reconstruction"],
            "kl": found["kl"],
            f"importance-weighted bound, {samples} samples": float(np.mean(np.concatenate(bounds))),
            "latent units in use": active,
            "verdict": verdict(active, len(kl)),
            "nats of each latent unit": {str(i): float(value) for i, value in enumerate(kl)},
        }

    def pictures(self, model, columns=16):
        """Reconstructions, interpolations and samples, as a Pillow image."""
        (pictures,) = self.test.prepare(
            *(array[: 2 * columns] for array in self.test.arrays), np.random.default_rng(0)
        )
        rows = []
        for i in range(0, len(pictures) - columns + 1, columns):
            part = pictures[i : i + columns]
            rows += [part, model.reconstruct(part)]
        rows += [
            model.interpolate(pictures[2 * i], pictures[2 * i + 1], columns)
            for i in range(min(4, len(pictures) // 2))
        ]
        rows.append(model.sample(4 * columns, self.config.seed))
        return drawing.sheet(np.concatenate(rows) * (255 / model.max_value), columns)


def verdict(active, units):
    """Posterior collapse in words."""
    if active == 0:
        return "posterior collapse: no latent unit carries information; lower beta"
    if active < units / 2:
        return f"partial posterior collapse: {active} of {units} latent units are in use"
    return f"no posterior collapse: {active} of {units} latent units are in use"
