"""The named models, and the parts that they share."""

import fnmatch
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
from dnzoo.terminal import nearest

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
    "create_model",
    "features",
    "list_models",
    "new_head",
    "take_weights",
    "train_all",
    "train_only_head",
    *BUILDERS,
]


def create_model(name: str, **kwargs: Any) -> keras.Model:
    """Build a model by its name: `create_model("unet", classes=3)` is `unet(classes=3)`.

    `dnzoo.create_model` makes trained ones too.

    Args:
        name: one of `list_models()`.
        **kwargs: arguments of the function of that name.

    Raises:
        ValueError: for a name that `list_models()` does not have, and as that function.
    """
    if name not in BUILDERS:
        there = ", ".join(list_models())
        raise ValueError(f"no model {name!r}; there are: {there}.{nearest(name, BUILDERS)}")
    return BUILDERS[name](**kwargs)


def list_models(pattern: str = "*") -> list[str]:
    """The names that `create_model` takes, sorted.

    Args:
        pattern: as in a shell: "u*"; "*" is all.

    Example:
        >>> list_models("u*")
        ['unet']
    """
    return sorted(fnmatch.filter(BUILDERS, pattern))
