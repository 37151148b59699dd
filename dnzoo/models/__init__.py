"""The named models, and the parts that they share."""

from collections.abc import Callable
from typing import Any

import keras

from dnzoo.models._encoders import features
from dnzoo.models._gan import GAN
from dnzoo.models._heads import train_all, train_only_head
from dnzoo.models._parts import InParts, Part
from dnzoo.models._transfer import new_head, take_weights
from dnzoo.models._vae import VAE
from dnzoo.models.dcgan import dcgan, dcgan_discriminator, dcgan_generator
from dnzoo.models.edsr import edsr
from dnzoo.models.espcn import espcn
from dnzoo.models.fcn import fcn8s, fcn16s, fcn32s
from dnzoo.models.fsrcnn import fsrcnn
from dnzoo.models.mask_head import mask_branch, mask_head
from dnzoo.models.srcnn import srcnn
from dnzoo.models.unet import unet
from dnzoo.models.vae import vae

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    builder.__name__: builder
    for builder in (
        dcgan,
        dcgan_discriminator,
        dcgan_generator,
        edsr,
        espcn,
        fcn8s,
        fcn16s,
        fcn32s,
        fsrcnn,
        mask_branch,
        mask_head,
        srcnn,
        unet,
        vae,
    )
}

__all__ = [
    "GAN",
    "VAE",
    "InParts",
    "Part",
    "features",
    "new_head",
    "take_weights",
    "train_all",
    "train_only_head",
    *BUILDERS,
]


def __getattr__(name: str) -> Any:
    if name in (
        "create_model",
        "list_models",
    ):  # they were here, before trained models had a part in it
        from dnzoo import zoo

        return getattr(zoo, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
