"""Segment garments, pets, or your own images with a U-Net.

Reaches test mean IoU 0.503 (500 scenes of unseen garments, seed 0) in 57 minutes on 2 busy CPU cores:
    dnzoo train unet --scenes 6000 --epochs 12 --filters 32 64 128 256 320 \\
        --loss cross_entropy+dice --learning-rate 0.002 --warmup 200 --precision mixed_bfloat16
Reaches 0.355 on photographs (500 scenes of unseen cut-outs, seed 0) in 26 minutes:
    dnzoo train unet --data cutout_scenes --scenes 5000 --epochs 10 --warmup 200 \\
        --encoder efficientnet_lite0 --encoder-weights imagenet --filters 16 32 64 96 128 \\
        --loss cross_entropy+dice --dropout 0.2 --precision float32
On your own images:
    dnzoo train unet FOLDER --out runs/mine
"""

import dataclasses
import functools
from typing import Annotated

from dnzoo import training, unet
from dnzoo.layers.fusion import Skip
from dnzoo.layers.upsampling import Upsampling
from dnzoo.models.unet import DECODER_WIDTHS
from dnzoo.tasks import Segmentation
from dnzoo.terminal import FOLDER, NAME, NAME_OR_FILE, NUMBERS

WIDTHS = (24, 48, 96, 192)  # a fraction of the paper's, for a CPU


@dataclasses.dataclass(kw_only=True)
class Config(Segmentation.Config, training.Normalized):
    left_open = (*training.Normalized.left_open, "filters")

    out: Annotated[str, FOLDER] = "runs/unet"
    filters: Annotated[tuple[int, ...] | None, NUMBERS] = None
    """Channels of each level, deepest last; none: 24 48 96 192, with --encoder 16 32 64 128 256."""
    upsampling: Upsampling = "transposed"
    """How the expanding half upsamples."""
    skip: Skip = "concat"
    """How a level joins the one below."""
    residual: bool = False
    """A shortcut around every double convolution."""
    dropout: float = 0.0
    """Rate after the two deepest blocks."""
    encoder: Annotated[str | None, NAME] = None
    """efficientnet_lite0, or a keras.applications name, in place of the contracting half."""
    encoder_weights: Annotated[str | None, NAME_OR_FILE] = None
    """imagenet, or a weights file, for --encoder."""

    @property
    def widths(self):
        return self.filters or (DECODER_WIDTHS if self.encoder else WIDTHS)

    def settle(self, pass_steps):
        super().settle(pass_steps)
        self.filters = self.widths


def build(config, data):
    return unet(
        (None, None, data.channels),
        classes=len(data.class_names),
        filters=config.widths,
        upsampling=config.upsampling,
        normalization_momentum=config.momentum,
        skip=config.skip,
        residual=config.residual,
        dropout=config.dropout,
        encoder=config.encoder,
        encoder_weights=config.encoder_weights,
        include_preprocessing=True,
    )


def search_space(hp):
    width = hp.Int("width", 8, 32, step=8)
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "upsampling": hp.Choice("upsampling", ["transposed", "subpixel", "nearest", "bilinear"]),
        "filters": [width, 2 * width, 4 * width, 8 * width],
        "loss": hp.Choice("loss", ["cross_entropy", "cross_entropy+dice", "lovasz"]),
    }


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, Config, __doc__, search_space)
