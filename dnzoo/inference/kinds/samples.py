"""Images of latents: of generators, which read no image."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dnzoo.imaging import drawing
from dnzoo.inference.kinds.base import Kind, Target


class Samples(Kind):
    """Of models that `decode` latents, (N, latent_dim) -> (N, H, W, C), as `VAE` and `GAN` do.

    Such a model has `decode`, `latent_dim`, `range` ((low, high) of its pixels) and `served()`, the
    functional parts that a SavedModel serves.
    """

    name: str = "samples"
    options: tuple[str, ...] = ("count", "seed")
    reads_images: bool = False

    def served(self) -> dict[str, keras.Model]:
        """The model's own."""
        return self.model.served()

    def outputs(self, outputs: Any) -> dict[str, Any]:
        """{"images": pixels}, or the names that a part has given."""
        return outputs if isinstance(outputs, dict) else {"images": outputs}

    def read(self, x: Any, white: float | None = None) -> Any:
        """Latents, as they are."""
        return x

    def predict(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Images of latents."""
        latents = np.asarray(x, "float32")
        return self.model.decode(latents) if labels is None else self.model.decode(latents, labels)

    def endings(self) -> Sequence[str]:
        """One sheet."""
        return ["samples.png"]

    def write(self, image: None, target: Target, count: int = 64, seed: int = 0) -> list[str]:
        """A sheet of images of random latents."""
        latents = np.random.default_rng(seed).normal(size=(count, self.model.latent_dim))
        images = self.predict(latents)
        with target(self.endings()[0]) as partial:
            self.draw(images, None).save(partial)
        height, width = images.shape[1:3]
        target.say(f"{len(images)} images of {width} x {height} pixels")
        return list(self.endings())

    def draw(self, prediction: np.ndarray, image: None) -> Any:
        """The images on a sheet, eight in a row."""
        low, high = self.model.range
        return drawing.sheet((prediction - low) * (255 / (high - low)), 8)
