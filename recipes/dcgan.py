"""Generate garments, digits or other small images with a DCGAN.

dnzoo train dcgan --data fashion_mnist --epochs 20
"""

import dataclasses
import functools
from typing import Annotated, Literal

from dnzoo import training
from dnzoo.layers.augmentation import Policy
from dnzoo.layers.normalization import Normalization
from dnzoo.layers.upsampling import Upsampling
from dnzoo.losses.generative import Adversarial
from dnzoo.models import dcgan
from dnzoo.tasks import Generation
from dnzoo.terminal import FOLDER


@dataclasses.dataclass(kw_only=True)
class Config(Generation.Config):
    out: Annotated[str, FOLDER] = "runs/dcgan"
    image_size: int = 32
    """Rows and columns of the images: 16, 32, 64, 128 or 256."""
    latent_dim: int = 100
    """Numbers that an image is made of."""
    filters: int = 64
    """Channels of the finest feature maps."""
    upsampling: Upsampling = "transposed"
    """How the generator upsamples."""
    loss: Adversarial = "bce"
    """What both nets learn by."""
    label_smoothing: float = 0.1
    """For bce: real images count as 1 less this."""
    discriminator_normalization: Normalization | None = "batch"
    """None is what wgan-gp and spectral normalisation want."""
    critic_steps: int | None = None
    """Updates of the discriminator to one of the generator; none: the papers', 0: both in each step."""
    spectral_normalization: bool = False
    """Of the discriminator's convolutions."""
    augmentation: tuple[Policy, ...] = ()
    """Changes of what the discriminator sees: for few images."""
    usual_epochs = 20
    epochs: int | None = None
    """How often each training image is seen; none: 20, or as often as 1,000 steps take."""
    learning_rate: float = 2e-4
    schedule: Literal["constant", "cosine"] = "constant"
    beta_1: float = 0.5


def build(config, data):
    return dcgan(
        data.shape,
        config.latent_dim,
        filters=config.filters,
        upsampling=config.upsampling,
        discriminator_normalization=config.discriminator_normalization,
        spectral_normalization=config.spectral_normalization,
        classes=data.classes if config.conditional else None,
        augmentation=config.augmentation,
        loss=config.loss,
        critic_steps=config.critic_steps,
        label_smoothing=config.label_smoothing if config.loss == "bce" else 0.0,
        include_preprocessing=True,
    )


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 5e-5, 1e-3, sampling="log"),
        "upsampling": hp.Choice("upsampling", ["transposed", "subpixel", "nearest"]),
        "label_smoothing": hp.Float("label_smoothing", 0.0, 0.2, step=0.05),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
