"""How well a linear decoder can write images at all, whatever it is given."""

import numpy as np

from dnzoo.layers import geometry
from dnzoo.layers.base import Tensor

RIDGE: float
TINY: float
RIDGE, TINY = 1e-13, 1e-300  # as a share of a frequency's power; where there is none


def reconstruction_error(kernels: Tensor, power: Tensor, strides: int) -> float:
    """Least mean squared error of a linear upsampling layer for images of a power spectrum.

    A layer with stride S puts out sums of its kernels, moved by multiples of S. The best it can do for an
    image is the projection on their span. For stationary images that splits into one small problem
    for each frequency of the input: the S² frequencies f + (i / S, j / S) of the image that look alike on the
    input's grid, weighed by `power`, against the kernels' transforms D (S² x C) at them,

        error(f) = trace((I - D D⁺) diag(power)),

    and the mean over all is the error of a pixel. No encoder, linear or not, gets below it.

    Args:
        kernels: (k, k, C), what one input pixel of each channel becomes in one output channel.
        power: (n, n), the images' `power_spectrum`, n a multiple of S and at least k.
        strides: S, an integer.

    Returns:
        float, in the square of the unit of the images; their variance, if the kernels reach nothing.

    Raises:
        ValueError: for shapes that do not fit.

    Example:
        >>> white = np.ones((8, 8))
        >>> round(reconstruction_error(np.ones((2, 2, 1)), white, 2), 6)  # 1 of 4 dimensions kept
        0.75
    """
    kernels, power, strides = _checked(kernels, power, strides)
    return error_and_gradient(kernels, power, strides)[0]


def channels_error(channels: int, power: Tensor, strides: int) -> float:
    """The same for the best kernels of any size: of every S² frequencies the strongest remain.

    Args:
        channels: C, channels of the input.
        power, strides: as for `reconstruction_error`.
    """
    _, power, strides = _checked(np.ones((1, 1, channels)), power, strides)
    weakest = np.sort(_folded(power, strides), axis=-1)[..., : max(strides**2 - channels, 0)]
    return float(weakest.sum()) / power.size


def _checked(kernels: Tensor, power: Tensor, strides: int) -> tuple[np.ndarray, np.ndarray, int]:
    strides = geometry.as_tuple(strides, 1, "strides", 1, "reconstruction_error")[0]
    kernels, power = np.asarray(kernels, "float64"), np.asarray(power, "float64")
    size = len(power)
    if kernels.ndim != 3 or power.shape != (size, size) or size % strides or size < len(kernels):
        raise ValueError(
            "reconstruction_error takes kernels (k, k, C) and a power spectrum (n, n), n at least k "
            f"and a multiple of the stride; got {kernels.shape}, {power.shape}, strides={strides}."
        )
    return kernels, power, strides


def _folded(values: np.ndarray, strides: int) -> np.ndarray:
    """(n, n, ...) -> (n / S, n / S, ..., S²): the frequencies that are one on the input's grid."""
    n = len(values) // strides
    split = values.reshape(strides, n, strides, n, *values.shape[2:])
    return np.moveaxis(split, (0, 2), (-2, -1)).reshape(n, n, *values.shape[2:], strides**2)


def _unfolded(values: np.ndarray, strides: int) -> np.ndarray:
    n = len(values)
    split = np.moveaxis(values.reshape(*values.shape[:-1], strides, strides), (-2, -1), (0, 2))
    return split.reshape(strides * n, strides * n, *values.shape[2:-1])


def error_and_gradient(
    kernels: np.ndarray, power: np.ndarray, strides: int
) -> tuple[float, np.ndarray]:
    """The error, and its derivatives with respect to the kernels."""
    size, taps = len(power), len(kernels)
    spectra = np.fft.fft2(kernels, (size, size), axes=(0, 1))
    decoder = _folded(spectra, strides).swapaxes(-1, -2)  # (n, n, S², C)
    # the pseudo-inverse, but for a ridge too small to be seen, at a tenth of the time
    adjoint = decoder.conj().swapaxes(-1, -2)
    gram = adjoint @ decoder
    ridge = np.maximum(RIDGE * np.trace(gram, axis1=-2, axis2=-1).real, TINY)[..., None, None]
    inverse = np.linalg.solve(gram + ridge * np.eye(gram.shape[-1]), adjoint)
    weights = _folded(power, strides)
    missing = np.eye(strides**2) - decoder @ inverse
    error = (np.einsum("...kk->...k", missing).real * weights).sum() / size**2
    # d error = -2 Re <missing diag(power) inverse^H, d decoder>
    slope = -2 * (missing * weights[..., None, :]) @ inverse.conj().swapaxes(-1, -2)
    slope = _unfolded(slope.swapaxes(-1, -2), strides)
    # the adjoint of the transform, at the taps that are free
    gradient = np.fft.ifft2(slope, axes=(0, 1)).real[:taps, :taps]
    return float(error), gradient
