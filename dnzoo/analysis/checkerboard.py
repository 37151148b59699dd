"""Why checkerboards appear, and how strong they are."""

import numpy as np

from dnzoo.layers import geometry
from dnzoo.layers.base import Integers, Tensor


def overlap(kernel_size: Integers, strides: Integers, size: Integers | None = None) -> np.ndarray:
    """How often a transposed convolution writes each output row, or each output pixel.

    Away from the border that repeats with the stride: phase r of S gets `ceil((K - r) / S)` products.
    All phases get the same number exactly when the stride divides the kernel size (the rule of
    Odena et al. 2016); then nothing is uneven before training.

    Args:
        kernel_size, strides: an integer for one dimension, or a tuple of one to three.
        size: None: one period, away from the border. An integer, or one per axis: the whole output
            for so many input rows, border included.

    Returns:
        int64, as many dimensions as arguments have numbers: (S, ...) or (S (H - 1) + K, ...).

    Raises:
        ValueError: for a kernel_size, strides or size below 1, or of different numbers of axes.

    Example:
        >>> overlap((3, 3), (2, 2))
        array([[4, 2],
               [2, 1]])
    """
    rank = max(len(v) if isinstance(v, (tuple, list)) else 1 for v in (kernel_size, strides, size))
    kernel = geometry.as_tuple(kernel_size, rank, "kernel_size", 1, "overlap")
    strides = geometry.as_tuple(strides, rank, "strides", 1, "overlap")
    if size is None:
        axes = [
            [-(-(k - r) // s) if r < k else 0 for r in range(s)] for k, s in zip(kernel, strides)
        ]
    else:
        sizes = geometry.as_tuple(size, rank, "size", 1, "overlap")
        axes = []
        for k, s, n in zip(kernel, strides, sizes):
            written = np.zeros(s * (n - 1) + k, "int64")
            for row in range(n):
                written[s * row : s * row + k] += 1
            axes.append(written)
    counts = np.array(axes[0], "int64")
    for axis in axes[1:]:
        counts = np.multiply.outer(counts, np.array(axis, "int64"))
    return counts


def power_spectrum(images: Tensor) -> np.ndarray:
    """Mean power of the frequencies in images, under a Hann window.

    Args:
        images: (N, H, W, C).

    Returns:
        float64 (H, W), the mean over N and C of `|FFT|²` over the window's energy: 1 everywhere for
        white noise of variance 1. Frequency (u / H, v / W) cycles per pixel at [u, v], as numpy has it.

    Raises:
        ValueError: for another number of dimensions.
    """
    images = np.asarray(images, "float64")
    if images.ndim != 4:
        raise ValueError(
            f"power_spectrum: images must be (N, H, W, C); got the shape {images.shape}."
        )
    window = np.multiply.outer(*(hann(size) for size in images.shape[1:3]))
    found = np.fft.fft2(images * window[None, :, :, None], axes=(1, 2))
    return (np.abs(found) ** 2).mean((0, 3)) / (window**2).sum()


def hann(size: int) -> np.ndarray:
    """Hann's window, of whole periods."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def checkerboard(
    x: Tensor | None = None, strides: Integers = 2, *, power: np.ndarray | None = None
) -> float:
    """How much stronger the stride's own frequencies are than those around them.

    The power at the frequencies (i / S, j / S), i and j not both 0, each with the eight beside it (a
    Hann window spreads a line so far), over the power in the rest of the 9 x 9 around. The mean
    over those frequencies: 1 says no checkerboard; every doubling of a pattern's amplitude
    quadruples what is above 1.

    Args:
        x: images (N, H, W, C), at least 16 S rows and columns; what is more than a multiple of the
            stride is cut off at the end.
        strides: S, an integer of at least 2, or one for rows and one for columns; 1 is an axis without.
        power: instead of images: their `power_spectrum`, for example one that
            `dnzoo.analysis.spectrum` predicts.

    Raises:
        ValueError: for neither or both of x and power, images that are not (N, H, W, C) or too
            small, strides below 1, or strides of (1, 1).

    Source: Odena et al. 2016 (distill.pub/2016/deconv-checkerboard) for the pattern; the measure is
    dnzoo's.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(256, 32, 32, 1))
        >>> bool(abs(checkerboard(noise) - 1) < 0.05)
        True
    """
    strides = geometry.as_tuple(strides, 2, "strides", 1, "checkerboard")
    if (x is None) == (power is None):
        raise ValueError("checkerboard: give images or power=, one of the two.")
    if power is None:
        x = np.asarray(x)
        if x.ndim != 4 or any(n < 16 * s for n, s in zip(x.shape[1:3], strides)):
            raise ValueError(
                "checkerboard: images must be (N, H, W, C), with at least 16 rows and columns for "
                f"each of the stride; got the shape {x.shape}, strides={strides}."
            )
        height, width = (n // s * s for n, s in zip(x.shape[1:3], strides))
        power = power_spectrum(x[:, :height, :width])
    ratios = []
    for i, j in np.ndindex(*strides):
        if i or j:
            centre = i * power.shape[0] // strides[0], j * power.shape[1] // strides[1]
            rows, columns = (
                np.arange(at - 4, at + 5) % size for at, size in zip(centre, power.shape)
            )
            around = power[np.ix_(rows, columns)]
            at = around[3:6, 3:6]
            ratios.append(at.mean() / ((around.sum() - at.sum()) / (around.size - at.size)))
    if not ratios:
        raise ValueError("checkerboard: a stride of at least 2 is needed; got strides=(1, 1).")
    return float(np.mean(ratios))
