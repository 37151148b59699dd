"""Enlarge photographs by 2, 3 or 4 with EDSR or ESPCN.

    python recipes/super_resolution.py --scale 2 --out runs/edsr_x2
    python recipes/super_resolution.py --scale 4 --start-from runs/edsr_x2/saved_model --out runs/edsr_x4
    python recipes/super_resolution.py --model espcn --scale 3 --out runs/espcn_x3
On your own photographs:
    python recipes/super_resolution.py --data FOLDER --out runs/mine
"""

import dataclasses
from typing import Literal

import dnzoo
from dnzoo import training
from dnzoo.data import photographs
from dnzoo.models import edsr, espcn, take_weights
from dnzoo.tasks import SuperResolution


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "photographs"
    """photographs (Debian's), div2k, or a folder of PNG and JPEG files."""
    out: str = "runs/super_resolution"
    """The folder that gets everything the run makes."""
    model: Literal["edsr", "espcn"] = "edsr"
    """edsr reads RGB; espcn reads Y, and colour is enlarged bicubically."""
    scale: int = 2
    """2, 3 or 4."""
    filters: int = 64
    """Channels of EDSR's blocks."""
    blocks: int = 16
    """EDSR's residual blocks."""
    patch: int = 48
    """Rows and columns of the small patches to train on."""
    start_from: str | None = None
    """A saved model, a name or a folder: layers of the same name start with its weights."""
    loss: str = "l1"
    """l1, mse, charbonnier or l1+ssim."""
    epochs: int = 20
    """In each, 8 patches of every tile are seen."""
    learning_rate: float = 5e-4
    """Highest learning rate, of AdamW."""


def setup(config):
    data = photographs.load(config.data, config.data_dir, config.scale, config.seed)
    luma = config.model == "espcn"

    def build():
        if luma:
            model = espcn((None, None, 1), config.scale, include_preprocessing=True)
        else:
            model = edsr(
                (None, None, 3),
                config.scale,
                filters=config.filters,
                blocks=config.blocks,
                include_preprocessing=True,
            )
        if config.start_from:
            print("Taken:", ", ".join(take_weights(model, dnzoo.load(config.start_from))))
        return model

    return SuperResolution(data, config, config.loss, luma), build


def search_space(hp):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 5e-3, sampling="log"),
        "batch_size": hp.Choice("batch_size", [8, 16, 32]),
        "loss": hp.Choice("loss", ["l1", "mse", "charbonnier", "l1+ssim"]),
    }


if __name__ == "__main__":
    training.command(setup, Config, __doc__, search_space)
