"""The power spectrum that an upsampling layer puts out at initialisation, in closed form."""

from collections.abc import Sequence

import keras
import numpy as np

from dnzoo import layers
from dnzoo.analysis.checkerboard import hann
from dnzoo.layers import geometry
from dnzoo.layers.interpolation import interpolation_matrix
from dnzoo.layers.transposed import ConvTranspose


def spectrum(
    upsampling: keras.Layer | Sequence[keras.Layer],
    size: int,
    depth: int = 1,
    mean: float = 0.0,
    deviation: float = 1.0,
) -> np.ndarray:
    """Expected `power_spectrum` of what a layer makes of white noise, or of a constant.

    The output of a layer with stride S at frequency f has the power `|H(f)|² / S² deviation²` of its
    input's noise, and lines of `|H(f)|² / S⁴ mean²` at the frequencies (i / S, j / S): H is the transform
    of what one input pixel becomes. For a kernel with independent weights of mean 0 and variance v,
    E|H|² is `C_in k² v` at every frequency; interpolation, ICNR and blur multiply it by the transform
    of their fixed kernels, which is 0 at the stride's frequencies for nearest and bilinear.

    Args:
        upsampling: a layer that was not built yet (or built: its weights do not count), or a list of
            one and what follows it: Conv2DTranspose, FractionalConv2D, DepthwiseConv2DTranspose,
            SeparableConv2DTranspose, SubpixelConv2D, ResizeConv2D, Resize2D by an integer; then any
            of Blur and keras.layers.Conv2D of stride 1.
        size: rows and columns of the output, a multiple of the stride.
        depth: channels of the input.
        mean, deviation: of the input's pixels, independent of each other. White noise: 0 and 1.
            A constant: 1 and 0.

    Returns:
        float64 (size, size), as `power_spectrum` measures it away from the border, under its
        Hann window.

    Raises:
        ValueError: for a layer, an initialiser or a size that no formula is known for.

    Example:
        >>> flat = spectrum(layers.Conv2DTranspose(8, 4, 2), 64, depth=8)
        >>> bool(np.allclose(flat, flat[0, 0]))  # white stays white, on average over kernels
        True
    """
    chain = list(upsampling) if isinstance(upsampling, (list, tuple)) else [upsampling]
    first, *rest = chain
    fine = 2 * size
    stride, gain, depth = _upsampling(first, fine, depth)
    if size % stride:
        raise ValueError(
            f"spectrum: size must be a multiple of the stride {stride}; got size={size}."
        )
    for layer in rest:
        factor, depth = _filtering(layer, fine, depth)
        gain = gain * factor
    power = deviation**2 * gain / stride**2
    lines = slice(None, None, fine // stride)
    # a line of amplitude a holds a² for each of the pixels
    power[lines, lines] += mean**2 * fine**2 * gain[lines, lines] / stride**4
    return _under_hann(power, size)


def _under_hann(power: np.ndarray, size: int) -> np.ndarray:
    """What `power_spectrum` sees of a process, from its spectrum at 2 `size` frequencies.

    A window multiplies the autocorrelation by its own, which is 0 beyond `size` pixels.
    """
    window = hann(size)
    kept = np.fft.ifft(np.abs(np.fft.fft(window, 2 * size)) ** 2).real / (window**2).sum()
    for axis, shape in enumerate(((-1, 1), (1, -1))):
        lags = np.fft.ifft(power, axis=axis) * kept.reshape(shape)
        before, after = np.split(lags, 2, axis)
        power = np.fft.fft(before + after, axis=axis)
    return power.real


def _transform(kernel: np.ndarray, size: int) -> np.ndarray:
    """|transform|² of a 1-D kernel, on both axes."""
    one = np.abs(np.fft.fft(kernel, size)) ** 2
    return np.multiply.outer(one, one)


def _upsampling(layer: keras.Layer, size: int, depth: int) -> tuple[int, np.ndarray, int]:
    """(stride, E|H|² summed over the channels in, channels out)."""
    flat = np.ones((size, size))
    if isinstance(layer, layers.SeparableConv2DTranspose):
        stride, gain, middle = _upsampling(layer.depthwise, size, depth)
        return stride, gain * _mean_square(layer.pointwise, depth=middle), layer.pointwise.filters
    if isinstance(layer, ConvTranspose):
        if isinstance(layer, layers.DepthwiseConv2DTranspose):
            groups, filters = depth, depth * layer.depth_multiplier
        else:
            groups, filters = layer.groups, layer.filters
        shape = (*layer.kernel_size, filters // groups, depth)
        if isinstance(layer, layers.FractionalConv2D):
            shape = (*layer.kernel_size, depth // groups, filters)
        stride = _same(layer.strides)
        if isinstance(layer.kernel_initializer, layers.Bilinear):
            kernel = np.zeros(geometry.reach(layer.kernel_size[0], layer.dilation_rate[0]))
            weights = np.asarray(layers.Bilinear()((layer.kernel_size[0], 1, 1)), "float64")
            kernel[:: layer.dilation_rate[0]] = weights[:, 0, 0]
            return (
                stride,
                _transform(kernel, size) * (depth // groups) / (filters // groups),
                filters,
            )
        return (
            stride,
            flat
            * np.prod(layer.kernel_size)
            * (depth // groups)
            * variance(layer.kernel_initializer, shape),
            filters,
        )
    if isinstance(layer, layers.SubpixelConv2D):
        scale, taps = layer.scale, np.prod(layer.conv.kernel_size)
        if layer.icnr:
            shape = (*layer.conv.kernel_size, depth, layer.filters)
            fixed = _transform(np.ones(scale), size)
        else:
            shape = (*layer.conv.kernel_size, depth, layer.filters * scale**2)
            fixed = flat * scale**2
        gain = fixed * taps * depth * variance(layer.kernel_initializer, shape)
        return scale, gain, layer.filters
    if isinstance(layer, layers.ResizeConv2D):
        stride, gain, _ = _upsampling(layer.resize, size, depth)
        return stride, gain * _mean_square(layer.conv, depth=depth), layer.conv.filters
    if isinstance(layer, layers.Resize2D) and layer.scale and not layer.align_corners:
        scale = _same(layer.scale)
        method = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[
            layer.interpolation
        ]
        rows = 9  # the middle one is away from the border
        matrix = interpolation_matrix(rows, rows * scale, method, a=layer.cubic_coefficient)
        return scale, _transform(matrix[:, rows // 2], size), depth
    raise ValueError(
        f"spectrum: no formula is known for {type(layer).__name__} as the first layer."
    )


def _filtering(layer: keras.Layer, size: int, depth: int) -> tuple[np.ndarray | float, int]:
    """(|H|² of a layer that does not upsample, channels out)."""
    if isinstance(layer, layers.Blur):
        kernel = np.array([1.0])
        for _ in range(layer.kernel_size - 1):
            kernel = np.convolve(kernel, [0.5, 0.5])
        return _transform(kernel, size), depth
    if isinstance(layer, keras.layers.Conv2D) and layer.strides == (1, 1):
        return _mean_square(layer, depth), layer.filters
    raise ValueError(
        f"spectrum: no formula is known for {type(layer).__name__} after the first layer."
    )


def _mean_square(conv: keras.Layer, depth: int) -> float:
    """Sum of the weights' variances that a convolution's output pixel collects."""
    shape = (*conv.kernel_size, depth // conv.groups, conv.filters)
    return np.prod(shape[:-1]) * variance(conv.kernel_initializer, shape)


def _same(numbers: Sequence[float]) -> int:
    if len(set(numbers)) != 1 or int(numbers[0]) != numbers[0]:
        raise ValueError(f"spectrum: one integer for both axes is needed; got {tuple(numbers)}.")
    return int(numbers[0])


def variance(initializer: keras.initializers.Initializer, shape: Sequence[int]) -> float:
    """Variance of the weights that an initialiser draws for a kernel of `shape` (their mean is 0)."""
    kinds = keras.initializers
    if isinstance(initializer, kinds.VarianceScaling):
        taps = np.prod(shape[:-2])
        fan_in, fan_out = taps * shape[-2], taps * shape[-1]
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        return initializer.scale / max(1.0, fans[initializer.mode])
    if isinstance(initializer, kinds.RandomNormal) and initializer.mean == 0:
        return initializer.stddev**2
    if isinstance(initializer, kinds.RandomUniform) and initializer.minval == -initializer.maxval:
        return initializer.maxval**2 / 3
    raise ValueError(f"spectrum: no variance is known for {type(initializer).__name__}.")
