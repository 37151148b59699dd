"""The layers. Importing this module registers every one of them with Keras, as `dnzoo>Name`."""

from dnzoo.layers.attention import AttentionGate
from dnzoo.layers.blocks import ConvBlock, MatchSize, SkipFusion
from dnzoo.layers.initializers import ICNR
from dnzoo.layers.normalization import BatchNormalization, normalize
from dnzoo.layers.preprocessing import Preprocessing
from dnzoo.layers.resize import ResizeConv2D
from dnzoo.layers.subpixel import PixelShuffle2D, SubpixelConv2D
from dnzoo.layers.transposed import Conv2DTranspose
from dnzoo.layers.upsampling import upsample

__all__ = [
    "ICNR",
    "AttentionGate",
    "BatchNormalization",
    "Conv2DTranspose",
    "ConvBlock",
    "MatchSize",
    "PixelShuffle2D",
    "Preprocessing",
    "ResizeConv2D",
    "SkipFusion",
    "SubpixelConv2D",
    "normalize",
    "upsample",
]
