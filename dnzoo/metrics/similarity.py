"""How like one image is to another: PSNR, SSIM and MS-SSIM, image by image, on any backend.

Images are (N, H, W, C), C = 1 or 3, from 0 to `max_value`; results are (N,), float32. All are
differentiable. `dnzoo.metrics` averages them over a data set, `dnzoo.losses` learns by them.
"""

from typing import Any

import numpy as np
from keras import ops

# the Gaussian of Wang et al. 2004
WINDOW: int = 11
SIGMA: float = 1.5
K1: float = 0.01
K2: float = 0.03
SCALE_WEIGHTS: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Y of ITU-R BT.601 in studio range, for R, G, B from 0 to 255: what papers on super-resolution use
LUMA: tuple[float, ...] = (65.481 / 255, 128.553 / 255, 24.966 / 255)
LUMA_OFFSET: float = 16.0


def luma(images: Any) -> Any:
    """Y of RGB images from 0 to 255, (N, H, W, 3) -> (N, H, W, 1), 16 to 235 (ITU-R BT.601).

    Example:
        >>> float(luma(ops.full((1, 1, 1, 3), 255.0))[0, 0, 0, 0])
        235.0
    """
    if isinstance(images, np.ndarray):  # stays one: batches are made of it
        return images.astype("float32") @ np.array(LUMA, "float32")[:, None] + LUMA_OFFSET
    weights = ops.convert_to_tensor(LUMA, "float32")
    images = ops.cast(images, "float32")
    return ops.sum(images * weights, axis=-1, keepdims=True) + LUMA_OFFSET


def psnr(y_true: Any, y_pred: Any, max_value: float = 255.0) -> Any:
    """Peak signal-to-noise ratio of each image in dB: `10 log10(max_value^2 / MSE)`; 100 at most.

    Example:
        >>> psnr(ops.zeros((1, 4, 4, 1)), ops.full((1, 4, 4, 1), 25.5)).numpy().item()
        20.0...
    """
    error = (ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")) / max_value
    squared = ops.mean(ops.square(error), axis=(1, 2, 3))
    return -10.0 * ops.log10(ops.maximum(squared, 1e-10))


def ssim(y_true: Any, y_pred: Any, max_value: float = 255.0) -> Any:
    """Structural similarity of each image (Wang et al. 2004): Gaussian window of 11, sigma 1.5.

    The mean over all whole windows and channels; at most 1.

    Raises:
        ValueError: for images smaller than the window.

    Example:
        >>> round(float(ssim(ops.ones((1, 16, 16, 3)), ops.ones((1, 16, 16, 3)))[0]), 5)
        1.0
    """
    luminance, contrast = _parts(y_true, y_pred, max_value)
    return ops.mean(luminance * contrast, axis=(1, 2, 3))


def ms_ssim(y_true: Any, y_pred: Any, max_value: float = 255.0) -> Any:
    """Multi-scale structural similarity of each image (Wang et al. 2003): five scales.

    Raises:
        ValueError: for images of less than 161 rows or columns.

    Example:
        >>> round(float(ms_ssim(ops.ones((1, 176, 176, 1)), ops.ones((1, 176, 176, 1)))[0]), 5)
        1.0
    """
    total = 1.0
    for level, weight in enumerate(SCALE_WEIGHTS):
        if level:
            y_true, y_pred = _halve(y_true), _halve(y_pred)
        luminance, contrast = _parts(y_true, y_pred, max_value)
        if level == len(SCALE_WEIGHTS) - 1:
            contrast = luminance * contrast
        score = ops.relu(ops.mean(contrast, axis=(1, 2)))  # a channel at a time
        total = total * (score + 1e-12) ** weight
    return ops.mean(total, axis=-1)


def _halve(images: Any) -> Any:
    """The mean of 2x2 pixels; an odd size repeats its last row."""
    images = ops.cast(images, "float32")
    for axis in (1, 2):
        if images.shape[axis] % 2:
            last = ops.take(images, [images.shape[axis] - 1], axis=axis)
            images = ops.concatenate([images, last], axis=axis)
    return ops.average_pool(images, 2, 2, "valid", data_format="channels_last")


def _parts(y_true: Any, y_pred: Any, max_value: float) -> tuple[Any, Any]:
    """The luminance term and the product of contrast and structure, each (N, H', W', C)."""
    sizes = [size for size in y_true.shape[1:3] if size is not None]
    if sizes and min(sizes) < WINDOW:
        raise ValueError(
            f"SSIM needs at least {WINDOW} rows and columns at every scale; got "
            f"{tuple(y_true.shape)}."
        )
    a, b = (ops.cast(images, "float32") / max_value for images in (y_true, y_pred))
    # variances do not change with a shift, and lose less of float32's digits around zero
    shift = ops.stop_gradient(ops.mean(0.5 * (a + b), axis=(1, 2), keepdims=True))
    a, b = a - shift, b - shift
    mean_a, mean_b = _blur(a), _blur(b)
    variances = _blur(a * a) + _blur(b * b) - mean_a**2 - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + shift, mean_b + shift
    luminance = (2 * mean_a * mean_b + K1**2) / (mean_a**2 + mean_b**2 + K1**2)
    return luminance, (2 * covariance + K2**2) / (variances + K2**2)


def _blur(images: Any) -> Any:
    """The Gaussian's means where the window lies inside, one axis after the other."""
    taps = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / SIGMA) ** 2)
    channels = images.shape[-1]
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        kernel = np.tile((taps / taps.sum()).reshape(shape), (1, 1, channels, 1))
        kernel = ops.convert_to_tensor(kernel, "float32")
        images = ops.depthwise_conv(images, kernel, 1, "valid", data_format="channels_last")
    return images
