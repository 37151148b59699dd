"""The layers. Importing this module registers every one of them with Keras, as `dnzoo>Name`."""

from dnzoo.layers.attention import AttentionGate, SelfAttention2D, SqueezeExcite
from dnzoo.layers.augmentation import DifferentiableAugmentation
from dnzoo.layers.blocks import ConvBlock, ResidualUpBlock
from dnzoo.layers.blur import Blur
from dnzoo.layers.fade import FadeIn, FadeInSchedule
from dnzoo.layers.fusion import MatchSize, MultiScaleFusion, SkipFusion
from dnzoo.layers.initializers import ICNR, Bilinear
from dnzoo.layers.learned import CARAFE, DySample
from dnzoo.layers.normalization import BatchNormalization, normalize
from dnzoo.layers.output import Output
from dnzoo.layers.pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
)
from dnzoo.layers.preprocessing import Preprocessing
from dnzoo.layers.resize import (
    Resize1D,
    Resize2D,
    Resize3D,
    ResizeConv1D,
    ResizeConv2D,
    ResizeConv3D,
)
from dnzoo.layers.resize_like import ResizeLike
from dnzoo.layers.roi import PerRoI, RoIAlign, roi_align
from dnzoo.layers.separable import DepthwiseConv2DTranspose, SeparableConv2DTranspose
from dnzoo.layers.spectral import SpectralNormalization
from dnzoo.layers.subpixel import (
    PixelShuffle1D,
    PixelShuffle2D,
    PixelShuffle3D,
    PixelUnshuffle1D,
    PixelUnshuffle2D,
    PixelUnshuffle3D,
    SubpixelConv1D,
    SubpixelConv2D,
    SubpixelConv3D,
)
from dnzoo.layers.transposed import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    FractionalConv2D,
)
from dnzoo.layers.unpool import MaxPoolWithSwitches2D, MaxUnpool2D
from dnzoo.layers.upsampling import upsample

__all__ = [
    "CARAFE",
    "ICNR",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AttentionGate",
    "BatchNormalization",
    "Bilinear",
    "Blur",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "ConvBlock",
    "DepthwiseConv2DTranspose",
    "DifferentiableAugmentation",
    "DySample",
    "FadeIn",
    "FadeInSchedule",
    "FractionalConv2D",
    "MatchSize",
    "MaxPoolWithSwitches2D",
    "MaxUnpool2D",
    "MultiScaleFusion",
    "Output",
    "PerRoI",
    "PixelShuffle1D",
    "PixelShuffle2D",
    "PixelShuffle3D",
    "PixelUnshuffle1D",
    "PixelUnshuffle2D",
    "PixelUnshuffle3D",
    "Preprocessing",
    "ResidualUpBlock",
    "Resize1D",
    "Resize2D",
    "Resize3D",
    "ResizeConv1D",
    "ResizeConv2D",
    "ResizeConv3D",
    "ResizeLike",
    "RoIAlign",
    "SelfAttention2D",
    "SeparableConv2DTranspose",
    "SkipFusion",
    "SpectralNormalization",
    "SqueezeExcite",
    "SubpixelConv1D",
    "SubpixelConv2D",
    "SubpixelConv3D",
    "normalize",
    "roi_align",
    "upsample",
]
