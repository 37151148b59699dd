"""How large signals and gradients are behind each layer of a chain at initialisation."""

from collections.abc import Iterable

import keras
import numpy as np

from dnzoo import layers
from dnzoo.analysis.spectrum import variance
from dnzoo.layers.transposed import ConvTranspose

POINTS: np.ndarray
WEIGHTS: np.ndarray
POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)  # of the standard normal distribution


def propagation(
    chain: Iterable[keras.Layer], depth: int, mean_square: float = 1.0
) -> list[tuple[float, float]]:
    """Expected mean squares through a chain of layers that was not trained, in closed form.

    Weights are independent of what they multiply, with mean 0: each output pixel sums so many products of
    one size, whatever the inputs have to do with each other. Gradients are taken as white.

    Args:
        chain: layers of one input: Conv2D of stride 1, Conv2DTranspose, SubpixelConv2D, ResizeConv2D
            (nearest), then activations "relu", "leaky_relu", "tanh", as layers, in any order. Biases
            count as 0, as they begin.
        depth: channels of the first input.
        mean_square: of the first input.

    Returns:
        For each layer (mean square of its output, by what it multiplies the mean square of
        gradients on the way back).

    Raises:
        ValueError: for a layer or an initialiser without a formula.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3, kernel_initializer="he_normal")
        >>> [(forward, backward)] = propagation([layer], depth=4)
        >>> round(forward, 6), round(backward, 6)
        (2.0, 4.0)
    """
    found = []
    for layer in chain:
        forward, backward, depth = _gains(layer, depth, mean_square)
        mean_square = mean_square * forward
        found.append((float(mean_square), float(backward)))
    return found


def _gains(layer: keras.Layer, depth: int, mean_square: float) -> tuple[float, float, int]:
    """(gain of mean squares forward, backward, channels out)."""
    if isinstance(layer, (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.Activation)):
        return *_of_activation(layer, mean_square), depth
    if isinstance(layer, layers.FractionalConv2D) or getattr(layer, "groups", 1) != 1:
        raise _unknown(layer)
    if isinstance(layer, layers.Conv2DTranspose):
        taps, scale = np.prod(layer.kernel_size), np.prod(layer.strides)
        shape = (*layer.kernel_size, layer.filters, depth)
        v = variance(layer.kernel_initializer, shape)
        return taps * depth * v / scale, taps * layer.filters * v, layer.filters
    if isinstance(layer, layers.SubpixelConv2D):
        scale, taps = layer.scale**2, np.prod(layer.conv.kernel_size)
        filters = layer.filters * (1 if layer.icnr else scale)
        v = variance(layer.kernel_initializer, (*layer.conv.kernel_size, depth, filters))
        return taps * depth * v, scale * taps * layer.filters * v, layer.filters
    if isinstance(layer, layers.ResizeConv2D) and layer.resize.interpolation == "nearest":
        forward, backward, filters = _gains(layer.conv, depth, mean_square)
        return forward, backward * np.prod(layer.resize.scale), filters
    if isinstance(layer, keras.layers.Conv2D) and not isinstance(layer, ConvTranspose):
        taps = np.prod(layer.kernel_size)
        v = variance(layer.kernel_initializer, (*layer.kernel_size, depth, layer.filters))
        return taps * depth * v, taps * layer.filters * v, layer.filters
    raise _unknown(layer)


def _of_activation(layer: keras.Layer, mean_square: float) -> tuple[float, float]:
    """Of an input that is symmetric around 0, normal for tanh."""
    if isinstance(layer, keras.layers.LeakyReLU):
        return ((1 + layer.negative_slope**2) / 2,) * 2
    if isinstance(layer, keras.layers.ReLU) or layer.activation is keras.activations.relu:
        return 0.5, 0.5
    if layer.activation is keras.activations.tanh:
        made = np.tanh(np.sqrt(mean_square) * POINTS)
        share = WEIGHTS / WEIGHTS.sum()
        return share @ made**2 / mean_square, share @ (1 - made**2) ** 2
    raise _unknown(layer)


def _unknown(layer: keras.Layer) -> ValueError:
    return ValueError(f"propagation: no formula is known for {type(layer).__name__} as it is set.")
