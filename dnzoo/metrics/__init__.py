"""Metrics that Keras lacks or has wrong."""

from dnzoo.metrics.image import PSNR, SSIM, MultiScaleSSIM
from dnzoo.metrics.segmentation import (
    BoundaryIoU,
    ClassIoU,
    ConfusionMatrix,
    MeanDice,
    MeanIoU,
    PixelAccuracy,
    scores,
)

__all__ = [
    "PSNR",
    "SSIM",
    "BoundaryIoU",
    "ClassIoU",
    "ConfusionMatrix",
    "MeanDice",
    "MeanIoU",
    "MultiScaleSSIM",
    "PixelAccuracy",
    "scores",
]
