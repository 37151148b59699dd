"""Learn MNIST, or other small pictures, with a variational autoencoder.

    python recipes/vae.py --filters 32 64 --epochs 20
    python recipes/vae.py --filters --hidden 500 --epochs 10      # the dense 784-500-20
On your own pictures:
    python recipes/vae.py --data FOLDER --image-size 64 --likelihood gaussian --out runs/mine
"""

import dataclasses
from typing import Literal

from dnzoo import training
from dnzoo.data import pictures
from dnzoo.models import vae
from dnzoo.tasks import Autoencoding


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "mnist"
    """mnist, fashion_mnist, cifar10, celeb_a, or a folder of their raw files or of pictures."""
    out: str = "runs/vae"
    """The folder that gets everything the run makes."""
    image_size: int | None = None
    """Rows and columns of the pictures; none: as they are."""
    latent_dim: int = 20
    """Numbers that describe a picture."""
    filters: tuple[int, ...] = (32, 64)
    """Channels of the strided convolutions; none: dense layers alone."""
    hidden: int = 256
    """Width of the dense layer before the latent."""
    upsampling: str = "transposed"
    """transposed, subpixel, nearest, bilinear or bicubic."""
    beta: float = 1.0
    """Weight of the KL."""
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    """bernoulli: pixels are drawn 0 or 1; gaussian: grey values."""
    epochs: int = 10
    """How often each picture is seen."""
    batch_size: int = 128
    """Pictures a step, all devices together."""


def setup(config):
    data = pictures.load(config.data, config.data_dir, config.image_size, config.seed)

    def build():
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

    return Autoencoding(data, config, config.likelihood == "bernoulli"), build


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "latent_dim": hp.Int("latent_dim", 8, 64, step=8),
        "hidden": hp.Choice("hidden", [128, 256, 512]),
        "upsampling": hp.Choice("upsampling", ["transposed", "subpixel", "nearest", "bilinear"]),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
