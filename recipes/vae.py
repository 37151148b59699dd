"""Learn MNIST, or other small images, with a variational autoencoder.

    dnzoo train vae --filters 32 64 --epochs 20
    dnzoo train vae --filters --hidden 500 --epochs 10      # the dense 784-500-20
On your own images:
    dnzoo train vae FOLDER --image-size 64 --likelihood gaussian --out runs/mine
"""

import dataclasses
import functools
from typing import Annotated

from dnzoo import training
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models import vae
from dnzoo.tasks import Autoencoding
from dnzoo.terminal import FOLDER


@dataclasses.dataclass(kw_only=True)
class Config(Autoencoding.Config):
    out: Annotated[str, FOLDER] = "runs/vae"
    latent_dim: int = 20
    """Numbers that describe an image."""
    filters: tuple[int, ...] = (32, 64)
    """Channels of the strided convolutions; none: dense layers alone."""
    hidden: int = 256
    """Width of the dense layer before the latent."""
    upsampling: Upsampling = "transposed"
    """How the decoder upsamples."""
    beta: float = 1.0
    """Weight of the KL."""


def build(config, data):
    return vae(
        data.shape,
        config.latent_dim,
        filters=config.filters,
        hidden=config.hidden,
        upsampling=config.upsampling,
        beta=config.beta,
        likelihood=config.likelihood,
        include_preprocessing=True,
    )


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "latent_dim": hp.Int("latent_dim", 8, 64, step=8),
        "hidden": hp.Choice("hidden", [128, 256, 512]),
        "upsampling": hp.Choice("upsampling", ["transposed", "subpixel", "nearest", "bilinear"]),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
