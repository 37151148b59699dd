"""Every illegal call gives one ValueError that names the layer, the argument, what was given and what is legal."""

import keras
import numpy as np
import pytest

from dnzoo import layers as L
from dnzoo.layers import normalize, upsample


def feed(layer, *shapes, dtype="float32"):
    """Call a layer on zeros; several shapes are several inputs."""
    inputs = [np.zeros(shape, dtype) for shape in shapes]
    return layer(inputs if len(inputs) > 1 else inputs[0])


IMAGE = (1, 4, 4, 4)
TRANSPOSED = "Conv2DTranspose: "
BAD = [
    # arguments of transposed convolutions
    (lambda: L.Conv2DTranspose(0, 3), TRANSPOSED + "filters must be an integer, at least 1; got filters=0"),
    (lambda: L.Conv2DTranspose(-4, 3), "filters must be an integer, at least 1; got filters=-4"),
    (lambda: L.Conv2DTranspose(2.5, 3), "got filters=2.5"),
    (lambda: L.Conv2DTranspose("8", 3), "got filters='8'"),
    (lambda: L.Conv2DTranspose(True, 3), "got filters=True"),
    (lambda: L.Conv2DTranspose(4, (3, 3, 3)), "kernel_size must be an integer or 2 integers, each at least 1; got kernel_size=(3, 3, 3)"),
    (lambda: L.Conv1DTranspose(4, (3, 3)), "Conv1DTranspose: kernel_size must be an integer, at least 1; got kernel_size=(3, 3)"),
    (lambda: L.Conv3DTranspose(4, (3, 3)), "Conv3DTranspose: kernel_size must be an integer or 3 integers"),
    (lambda: L.Conv2DTranspose(4, 0), "got kernel_size=0"),
    (lambda: L.Conv2DTranspose(4, 3, strides=0), "strides must be an integer or 2 integers, each at least 1; got strides=0"),
    (lambda: L.Conv2DTranspose(4, 3, dilation_rate=0), "dilation_rate must be"),
    (lambda: L.Conv2DTranspose(4, 3, groups=0), "groups must be an integer, at least 1; got groups=0"),
    (lambda: L.Conv2DTranspose(4, 3, groups=3), "filters must be a multiple of groups; got filters=4, groups=3"),
    (lambda: L.Conv2DTranspose(4, 3, padding="causal"), "padding must be one of 'valid', 'same'; got padding='causal'"),
    (lambda: L.Conv2DTranspose(4, 3, padding=-1), "padding must be an integer or 2 integers, each at least 0; got padding=-1"),
    (lambda: L.Conv2DTranspose(4, 3, padding=1.0), "got padding=1.0"),
    (lambda: L.Conv2DTranspose(4, 3, strides=2, output_padding=2), "output_padding must be smaller than strides or dilation_rate, whichever is larger; got output_padding=(2, 2), strides=(2, 2), dilation_rate=(1, 1)"),
    (lambda: L.Conv2DTranspose(4, 3, strides=(2, 3), output_padding=(0, 3)), "output_padding must be smaller"),
    (lambda: L.Conv2DTranspose(4, 3, output_padding=-1), "output_padding must be an integer or 2 integers, each at least 0"),
    (lambda: L.Conv2DTranspose(4, 3, data_format="NCHW"), "data_format must be one of 'channels_last', 'channels_first'; got data_format='NCHW'"),
    (lambda: L.FractionalConv2D(4, 3, strides=-2), "FractionalConv2D: strides must be"),
    (lambda: L.DepthwiseConv2DTranspose(3, depth_multiplier=0), "DepthwiseConv2DTranspose: depth_multiplier must be"),
    (lambda: L.SeparableConv2DTranspose(0, 3), "SeparableConv2DTranspose: filters must be"),
    (lambda: L.SeparableConv2DTranspose(4, 3, strides=0), "strides must be"),
    # inputs of transposed convolutions
    (lambda: feed(L.Conv2DTranspose(4, 3), (4, 4, 4)), "Conv2DTranspose: the input must have 4 dimensions (batch, 2 spatial, channels); got the shape (4, 4, 4)"),
    (lambda: feed(L.Conv1DTranspose(4, 3), IMAGE), "Conv1DTranspose: the input must have 3 dimensions"),
    (lambda: feed(L.Conv3DTranspose(4, 3), IMAGE), "Conv3DTranspose: the input must have 5 dimensions"),
    (lambda: feed(L.Conv2DTranspose(4, 3), IMAGE, dtype="int32"), "the input must be floating point; got int32. Convert it first: keras.ops.cast(x, \"float32\")"),
    (lambda: L.Conv2DTranspose(4, 3)(keras.Input((4, 4, 4), dtype="uint8")), "got uint8"),
    (lambda: L.Conv2DTranspose(4, 3)(keras.Input((4, 4, None))), "the number of input channels must be known; got the shape (None, 4, 4, None)"),
    (lambda: feed(L.Conv2DTranspose(4, 3), (1, 0, 4, 4)), "every dimension must have at least 1 row; got the shape (1, 0, 4, 4)"),
    (lambda: feed(L.Conv2DTranspose(4, 3, groups=2), (1, 4, 4, 5)), "the input channels must be a multiple of groups; got 5 channels, groups=2"),
    (lambda: feed(L.Conv2DTranspose(4, 1, padding=2), IMAGE), "is too small for padding=(2, 2): it leaves (0, 0) rows"),
    # rearranging
    (lambda: L.PixelShuffle2D(0), "PixelShuffle2D: block_size must be an integer, at least 1; got block_size=0"),
    (lambda: L.PixelShuffle2D((2, 2)), "got block_size=(2, 2)"),
    (lambda: feed(L.PixelShuffle2D(2), (1, 4, 4, 6)), "PixelShuffle2D: channels must be a multiple of block_size ** 2 = 4; got the input shape (1, 4, 4, 6)"),
    (lambda: feed(L.PixelShuffle1D(2), (1, 4, 3)), "multiple of block_size ** 1 = 2"),
    (lambda: feed(L.PixelShuffle3D(2), (1, 2, 2, 2, 4)), "multiple of block_size ** 3 = 8"),
    (lambda: feed(L.PixelUnshuffle2D(2), (1, 5, 4, 3)), "PixelUnshuffle2D: sizes must be multiples of block_size = 2; got the input shape (1, 5, 4, 3)"),
    (lambda: L.SubpixelConv2D(4, scale=0), "SubpixelConv2D: scale must be an integer, at least 1; got scale=0"),
    (lambda: L.SubpixelConv2D(4, scale=1.5), "got scale=1.5"),
    (lambda: L.SubpixelConv3D(0), "SubpixelConv3D: filters must be"),
    (lambda: L.SubpixelConv2D(4, kernel_size=0), "kernel_size must be"),
    (lambda: feed(L.SubpixelConv2D(4), IMAGE, dtype="uint8"), "SubpixelConv2D: the input must be floating point; got uint8"),
    (lambda: L.ICNR(scale=0), "ICNR: scale must be"),
    (lambda: L.ICNR(scale=2)((3, 3, 1, 6)), "ICNR: the kernel's last dimension must be a multiple of scale ** rank = 4; got the shape (3, 3, 1, 6)"),
    (lambda: L.Bilinear()((4, 4, 2, 3)), "Bilinear: the kernel must be (k, ..., out / groups, in)"),
    # resizing
    (lambda: L.Resize2D(), "Resize2D: give scale or size, one of the two; got scale=None, size=None"),
    (lambda: L.Resize2D(2, size=(4, 4)), "give scale or size"),
    (lambda: L.Resize2D(0), "scale must be a positive number, or 2 of them; got scale=0"),
    (lambda: L.Resize2D(-1.5), "got scale=-1.5"),
    (lambda: L.Resize2D(float("nan")), "got scale=nan"),
    (lambda: L.Resize2D((2, 2, 2)), "got scale=(2, 2, 2)"),
    (lambda: L.Resize2D(size=0), "size must be an integer or 2 integers, each at least 1; got size=0"),
    (lambda: L.Resize2D(2, interpolation="lanczos"), "interpolation must be one of 'nearest', 'bilinear', 'bicubic'; got interpolation='lanczos'"),
    (lambda: L.Resize1D(2, interpolation="bilinear"), "Resize1D: interpolation must be one of 'nearest', 'linear'"),
    (lambda: L.Resize3D(2, interpolation="bicubic"), "Resize3D: interpolation must be one of 'nearest', 'trilinear'"),
    (lambda: L.Resize2D(2, interpolation="bicubic", cubic_coefficient=-1), "cubic_coefficient must be one of -0.5, -0.75; got cubic_coefficient=-1"),
    (lambda: L.Resize2D(0.5, antialias=True), "antialias goes with linear interpolation"),
    (lambda: L.Resize2D(0.5, interpolation="bicubic", cubic_coefficient=-0.75, antialias=True), "antialias goes with"),
    (lambda: feed(L.Resize2D(0.1), IMAGE), "Resize2D: scale=(0.1, 0.1) leaves (0, 0) rows of the input (1, 4, 4, 4)"),
    (lambda: L.ResizeConv2D(4, interpolation="lanczos"), "interpolation must be one of"),
    (lambda: L.ResizeConv2D(0), "ResizeConv2D: filters must be"),
    (lambda: feed(L.ResizeConv2D(4), (1, 4, 4)), "ResizeConv2D: the input must have 4 dimensions"),
    # unpooling
    (lambda: L.MaxPoolWithSwitches2D(0), "MaxPoolWithSwitches2D: pool_size must be"),
    (lambda: feed(L.MaxPoolWithSwitches2D(5), IMAGE), "the input must have at least pool_size rows and columns; got the shape (1, 4, 4, 4), pool_size=5"),
    (lambda: L.MaxUnpool2D(-2), "MaxUnpool2D: pool_size must be"),
    (lambda: feed(L.MaxUnpool2D(), IMAGE, (1, 4, 4, 3)), "values and switches must have the same shape; got (1, 4, 4, 4) and (1, 4, 4, 3)"),
    (lambda: feed(L.MaxUnpool2D(), IMAGE, IMAGE, (1, 10, 8, 1)), "(8, 8) can't be unpooled to (10, 8): fewer than pool_size=2 rows may be missing"),
    # learned, attention, blur, fading
    (lambda: L.CARAFE(0), "CARAFE: scale must be"),
    (lambda: L.CARAFE(2, 4), "CARAFE: kernel_size must be odd; got kernel_size=4"),
    (lambda: L.CARAFE(2, 5, 2), "encoder_kernel_size must be odd"),
    (lambda: L.DySample(groups=0), "DySample: groups must be"),
    (lambda: feed(L.DySample(groups=3), IMAGE), "the channels must be a multiple of groups; got 4 channels, groups=3"),
    (lambda: L.SqueezeExcite(0), "SqueezeExcite: ratio must be"),
    (lambda: L.AttentionGate(0), "AttentionGate: filters must be"),
    (lambda: L.SelfAttention2D(8, chunk=0), "SelfAttention2D: chunk must be an integer, at least 1; got chunk=0"),
    (lambda: L.Blur(1), "Blur: kernel_size must be an integer, at least 2; got kernel_size=1"),
    (lambda: feed(L.Blur(11), IMAGE), "the input must have at least kernel_size // 2 = 5 rows and columns; got the shape (1, 4, 4, 4)"),
    (lambda: L.FadeIn(1.5), "FadeIn: alpha must be a number from 0 to 1; got alpha=1.5"),
    (lambda: feed(L.FadeIn(), IMAGE, (1, 4, 4, 3)), "FadeIn: both inputs must have the same shape; got (1, 4, 4, 4) and (1, 4, 4, 3)"),
    (lambda: L.FadeInSchedule([], 0), "FadeInSchedule: steps must be an integer, at least 1; got steps=0"),
    # blocks, fusion, normalisation
    (lambda: L.ConvBlock(0), "ConvBlock: filters must be"),
    (lambda: L.ConvBlock(4, padding="full"), "ConvBlock: padding must be one of 'same', 'valid'; got padding='full'"),
    (lambda: L.ConvBlock(4, normalization="spectral"), "normalization must be one of 'batch', 'instance', 'group', 'layer', None; got normalization='spectral'"),
    (lambda: L.ConvBlock(4, depth=0), "depth must be"),
    (lambda: L.ResidualUpBlock(4, upsampling="unpool"), "upsampling must be one of 'transposed', 'separable', 'subpixel', 'nearest', 'bilinear', 'bicubic', 'carafe', 'dysample'; got upsampling='unpool'"),
    (lambda: L.ResidualUpBlock(4, 0), "ResidualUpBlock: scale must be"),
    (lambda: L.ResidualUpBlock(4, normalization="none"), "got normalization='none'"),
    (lambda: upsample("bilinear", 0), "filters must be"),
    (lambda: normalize("weight", 4), "got normalization='weight'"),
    (lambda: L.SkipFusion("multiply"), "SkipFusion: mode must be one of 'concat', 'add', 'attention'; got mode='multiply'"),
    (lambda: L.MatchSize("end"), "MatchSize: anchor must be one of 'start', 'center'; got anchor='end'"),
    (lambda: L.MultiScaleFusion(4, "mean"), "MultiScaleFusion: mode must be one of 'add', 'concat'"),
    (lambda: L.MultiScaleFusion(4, normalization="none"), "got normalization='none'"),
    (lambda: L.MultiScaleFusion(4, interpolation="area"), "MultiScaleFusion: interpolation must be one of"),
    (lambda: L.SpectralNormalization(L.Blur(), power_iterations=0), "SpectralNormalization: power_iterations must be"),
    (lambda: feed(L.SpectralNormalization(L.Blur()), IMAGE), "SpectralNormalization: the layer must have a kernel; got a Blur"),
]  # fmt: skip


def test_the_table_is_long_enough():
    assert len(BAD) >= 60


@pytest.mark.parametrize("number", range(len(BAD)))
def test_says_what_is_wrong(number):
    call, message = BAD[number]
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1 or "Exception encountered" in str(error.value)
