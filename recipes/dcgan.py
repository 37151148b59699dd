"""Generate garments, digits or other small pictures with a DCGAN.

python recipes/dcgan.py --data fashion_mnist --epochs 20
"""

import dataclasses
from typing import Literal

from dnzoo import training
from dnzoo.data import pictures
from dnzoo.models import dcgan
from dnzoo.tasks import Generation


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_mnist"
    """mnist, fashion_mnist, cifar10, celeb_a, or a folder of their raw files or of pictures."""
    out: str = "runs/dcgan"
    """The folder that gets everything the run makes."""
    classifier: str = "classifier_fashion_mnist"
    """A saved classifier of such pictures (recipes/classifier.py), which judges."""
    image_size: int = 32
    """Rows and columns of the pictures: 16, 32, 64, 128 or 256."""
    latent_dim: int = 100
    """Numbers that a picture is made of."""
    filters: int = 64
    """Channels of the finest feature maps."""
    upsampling: str = "transposed"
    """transposed, subpixel, nearest, bilinear or bicubic."""
    loss: Literal["bce", "hinge", "wgan-gp"] = "bce"
    """What both nets learn by."""
    label_smoothing: float = 0.1
    """For bce: real pictures count as 1 less this."""
    discriminator_normalization: str | None = "batch"
    """batch, instance, group, layer or None, which wgan-gp and spectral normalisation want."""
    critic_steps: int | None = None
    """Updates of the discriminator to one of the generator; none: the papers', 0: both in each step."""
    spectral_normalization: bool = False
    """Of the discriminator's convolutions."""
    augmentation: tuple[str, ...] = ()
    """Of color, translation, cutout: for few pictures."""
    conditional: bool = False
    """Whether the nets read the labels."""
    epochs: int = 20
    """How often each picture is seen."""
    batch_size: int = 128
    """Pictures a step, all devices together."""
    learning_rate: float = 2e-4
    """Highest learning rate, of AdamW."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate after the warm-up; cosine ends at 0."""
    beta_1: float = 0.5
    """How much of its first moment AdamW keeps."""


def setup(config):
    data = pictures.load(config.data, config.data_dir, config.image_size, config.seed)

    def build():
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

    return Generation(data, config, config.classifier, config.conditional), build


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 5e-5, 1e-3, sampling="log"),
        "upsampling": hp.Choice("upsampling", ["transposed", "subpixel", "nearest"]),
        "label_smoothing": hp.Float("label_smoothing", 0.0, 0.2, step=0.05),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
