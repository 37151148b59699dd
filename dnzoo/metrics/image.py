"""Metrics of images against images: the mean of PSNR, SSIM, MS-SSIM over a data set."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from dnzoo.metrics import similarity
from dnzoo.metrics.direction import Directed


class _ImageMetric(Directed, keras.metrics.Mean):
    """The mean over images of `measure(y_true, y_pred, max_value)`.

    Args:
        max_value: of a pixel; the least is 0.
        luma: compare Y of RGB images (ITU-R BT.601), from 0 to 255.
        crop: rows and columns left out at each edge; papers on super-resolution leave out `scale`.
    """

    measure: Callable[[Any, Any, float], Any] | None = None

    def __init__(
        self,
        max_value: float = 255.0,
        luma: bool = False,
        crop: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name or type(self).default_name, **kwargs)
        if luma and max_value != 255:
            raise ValueError(f"{type(self).__name__}: luma needs images from 0 to 255.")
        self.max_value: float = max_value
        self.luma: bool = luma
        self.crop: int = crop

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        pair = [ops.convert_to_tensor(images) for images in (y_true, y_pred)]
        if len({tuple(images.shape[1:]) for images in pair}) > 1 or len(pair[0].shape) != 4:
            raise ValueError(
                f"{type(self).__name__}: images must be (N, H, W, C), both alike; got "
                f"{tuple(pair[0].shape)} and {tuple(pair[1].shape)}."
            )
        if self.crop:
            inside = slice(self.crop, -self.crop)
            pair = [images[:, inside, inside] for images in pair]
        if self.luma and pair[0].shape[-1] == 3:
            pair = [similarity.luma(images) for images in pair]
        super().update_state(type(self).measure(*pair, self.max_value), sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {"max_value": self.max_value, "luma": self.luma, "crop": self.crop}
        return {"name": self.name, "dtype": self.dtype, **config}


@keras.saving.register_keras_serializable("dnzoo")
class PSNR(_ImageMetric):
    """Mean peak signal-to-noise ratio in dB, higher is better; 100 for equal images.

    Args:
        max_value: of a pixel; the least is 0.
        luma: compare Y of RGB images (ITU-R BT.601, 16 to 235), which must be from 0 to 255.
        crop: rows and columns left out at each edge; papers on super-resolution leave out the scale.

    Example:
        >>> metric = PSNR()
        >>> metric.update_state(ops.zeros((1, 4, 4, 1)), ops.full((1, 4, 4, 1), 25.5))
        >>> float(metric.result())
        20.0...
    """

    default_name: str = "psnr"
    higher_is_better: bool = True
    measure: Callable[[Any, Any, float], Any] | None = staticmethod(similarity.psnr)


@keras.saving.register_keras_serializable("dnzoo")
class SSIM(_ImageMetric):
    """Mean structural similarity (Wang et al. 2004, window 11, sigma 1.5), at most 1.

    Equal to scikit-image's with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
    Arguments as for `PSNR`.

    Example:
        >>> metric = SSIM(max_value=1.0)
        >>> metric.update_state(ops.ones((1, 16, 16, 1)), ops.ones((1, 16, 16, 1)))
        >>> round(float(metric.result()), 5)
        1.0
    """

    default_name: str = "ssim"
    higher_is_better: bool = True
    measure: Callable[[Any, Any, float], Any] | None = staticmethod(similarity.ssim)


@keras.saving.register_keras_serializable("dnzoo")
class MultiScaleSSIM(_ImageMetric):
    """Mean multi-scale structural similarity (Wang et al. 2003), at most 1; arguments as for `PSNR`.

    Example:
        >>> metric = MultiScaleSSIM(max_value=1.0)
        >>> metric.update_state(ops.ones((1, 176, 176, 1)), ops.ones((1, 176, 176, 1)))
        >>> round(float(metric.result()), 5)
        1.0
    """

    default_name: str = "ms_ssim"
    higher_is_better: bool = True
    measure: Callable[[Any, Any, float], Any] | None = staticmethod(similarity.ms_ssim)
