"""Autoencoding as a task: a variational autoencoder's bound, and what it makes of images."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
from PIL import Image

from dnzoo import training
from dnzoo.data.pictures import Pictures
from dnzoo.imaging import drawing
from dnzoo.models._vae import ACTIVE, VAE, Likelihood
from dnzoo.tasks.sources import SmallImages, load_for
from dnzoo.terminal import DATA
from dnzoo.training import report
from dnzoo.training.task import Task

BOUND_IMAGES, BOUND_SAMPLES = 1000, 500
SAMPLED = 16  # images of which the report shows what becomes of them


class Autoencoding(Task):
    """Learn a `dnzoo.models.VAE`; judged by its negative evidence lower bound, in nats per image.

    Args:
        data: `dnzoo.data.pictures.Pictures`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        binarise: draw each pixel 0 or 255, with its grey value as the probability: anew in each
            training batch, once for validation and test (Salakhutdinov and Murray 2008).
    """

    kind: ClassVar[str] = "samples"
    monitor: str = "nelbo"
    curves: tuple[str, ...] = ("kl",)
    options: ClassVar[tuple[str, ...]] = ("binarise",)
    fixed: ClassVar[tuple[str, ...]] = ("image_size", "channels", "likelihood")
    labels: Mapping[str, str] = {
        "nelbo": "negative ELBO, nats per image",
        "reconstruction": "reconstruction, nats per image",
        "kl": "KL divergence, nats per image",
        "importance_weighted_bound": "importance-weighted bound, nats per image",
        "bound_samples": "samples of that bound",
        "active_units": "active latent units",
        "unit_kl": "nats of each latent unit",
    }
    caption: str = (
        "Top: held-out images and, below each, its reconstruction from the latent's mean. "
        "Then interpolations between two of them, and samples of the prior."
    )

    sampled: ClassVar[str] = "Validation images, and below them their reconstructions"

    @dataclasses.dataclass(kw_only=True)
    class Config(SmallImages):
        """Flags of autoencoding and its data."""

        data: Annotated[str, DATA] = "mnist"
        likelihood: Likelihood = "bernoulli"
        """bernoulli: pixels are drawn 0 or 1; gaussian: grey values."""

        @property
        def binarise(self) -> bool:
            """Whether pixels are drawn."""
            return self.likelihood == "bernoulli"

    @classmethod
    def load(cls, config: Config) -> Pictures:
        """The images that the config names."""
        return load_for(config)

    @classmethod
    def teaches(cls, model: keras.Model) -> bool:
        """Whether it is a `VAE`."""
        return isinstance(model, VAE)

    @classmethod
    def settings_of(cls, model: VAE) -> dict[str, Any]:
        """The size, the channels and the likelihood that the model has."""
        size, channels = model.encoder.input_shape[1], model.encoder.input_shape[-1]
        return {"image_size": size, "channels": channels, "likelihood": model.likelihood}

    binarise: bool
    description: str

    def __init__(self, data: Pictures, config: training.Config, binarise: bool = True) -> None:
        self.binarise = binarise
        super().__init__(data, config, self._pictures, self._pictures)
        if binarise:
            self.description += ", pixels drawn 0 or 1"

    def _pictures(
        self, pictures: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray]:
        if self.binarise:
            pictures = 255 * (pictures > rng.uniform(0, 255, pictures.shape))
        return (np.asarray(pictures, "float32"),)

    def evaluate(self, model: VAE) -> dict[str, Any]:
        """Bounds in nats per image on the test split, and how many latent units are in use.

        Returns:
            `nelbo`, `reconstruction`, `kl`, `importance_weighted_bound` of so many `bound_samples`
            (Burda et al. 2016), `active_units`, `verdict`, and the table `unit_kl`.
        """
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
            "nelbo": found["nelbo"],
            "reconstruction": found["reconstruction"],
            "kl": found["kl"],
            "importance_weighted_bound": float(np.mean(np.concatenate(bounds))),
            "bound_samples": samples,
            "active_units": active,
            "verdict": verdict(active, len(kl)),
            "unit_kl": {str(i): float(value) for i, value in enumerate(kl)},
        }

    def pictures(self, model: VAE, columns: int = 16) -> Image.Image:
        """Reconstructions, interpolations and samples."""
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
        return self._sheet(model, np.concatenate(rows), columns)

    def shown_results(
        self,
        model: VAE,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[report.Part]:
        """The images with the largest and the smallest negative ELBO, and their reconstructions."""
        part: Any = getattr(self, split)
        count = min(limit or BOUND_IMAGES, len(part))
        steps = range(-(-count // part.batch_size))
        images = np.concatenate([part.batch(step)[0] for step in steps])[:count]
        scores = model.bound(images, 1, self.config.seed).tolist()

        def example(i: int) -> report.Example:
            pair = images[i : i + 1], model.reconstruct(images[i : i + 1])
            shown = [self._sheet(model, image, 1) for image in pair]
            name = self.data.called(split, i)
            return report.Example(name, scores[i], dict(zip(("image", "reconstruction"), shown)))

        return [
            report.Examples.of(
                f"Images of the {split} split",
                "negative ELBO in nats, with one sample",
                scores,
                [self.data.called(split, i) for i in range(count)],
                example,
                higher_is_better=False,
                compare="wipe",
            )
        ]

    @staticmethod
    def _sheet(model: VAE, images: np.ndarray, columns: int) -> Image.Image:
        return drawing.sheet(images * (255 / model.max_value), columns)

    def reference(self) -> Image.Image:
        """Validation images, as the net gets them."""
        images = self.validation.batch(0)[0][:SAMPLED]
        return drawing.sheet(images, len(images))

    def sample(self, model: VAE) -> Image.Image:
        """Their reconstructions."""
        images = self.validation.batch(0)[0][:SAMPLED]
        return self._sheet(model, model.reconstruct(images), len(images))


def verdict(active: int, units: int) -> str:
    """Posterior collapse in words."""
    if active == 0:
        return "posterior collapse: no latent unit carries information; lower beta"
    if active < units / 2:
        return f"partial posterior collapse: {active} of {units} latent units are in use"
    return f"no posterior collapse: {active} of {units} latent units are in use"
