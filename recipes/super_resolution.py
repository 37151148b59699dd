"""Upsample photographs by 2, 3 or 4 with EDSR, ESPCN, FSRCNN or SRCNN.

    dnzoo train super_resolution --scale 2 --out runs/edsr_x2
    dnzoo train super_resolution --scale 4 --start-from runs/edsr_x2/saved_model --out runs/edsr_x4
    dnzoo train super_resolution --model espcn --scale 3 --out runs/espcn_x3
On your own photographs:
    dnzoo train super_resolution FOLDER --out runs/mine
"""

import dataclasses
import functools
from typing import Annotated, Literal

import dnzoo
from dnzoo import training
from dnzoo.models import take_weights
from dnzoo.tasks import SuperResolution
from dnzoo.terminal import FOLDER, MODEL
from dnzoo.zoo import create_model


@dataclasses.dataclass(kw_only=True)
class Config(SuperResolution.Config):
    out: Annotated[str, FOLDER] = "runs/super_resolution"
    model: Literal["edsr", "espcn", "fsrcnn", "srcnn"] = "edsr"
    """edsr reads RGB; the others read Y, and colour is upsampled bicubically."""
    filters: int = 64
    """Channels of EDSR's blocks."""
    blocks: int = 16
    """EDSR's residual blocks."""
    start_from: Annotated[str | None, MODEL] = None
    """A saved model, a name or a folder: layers of the same name start with its weights."""
    usual_epochs = 20
    epochs: int | None = None
    """In each, 8 patches of every tile are seen; none: 20, or as many as 1,000 steps take."""
    learning_rate: float = 5e-4

    @property
    def luma(self):
        return self.model != "edsr"


def build(config, data):
    sizes = {} if config.luma else {"filters": config.filters, "blocks": config.blocks}
    shape = (None, None, 1 if config.luma else 3)
    model = create_model(
        config.model, input_shape=shape, scale=config.scale, include_preprocessing=True, **sizes
    )
    if config.start_from:
        print("Taken:", ", ".join(take_weights(model, dnzoo.load(config.start_from))))
    return model


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 5e-3, sampling="log"),
        "batch_size": hp.Choice("batch_size", [8, 16, 32]),
        "loss": hp.Choice("loss", ["l1", "mse", "charbonnier", "l1+ssim"]),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
