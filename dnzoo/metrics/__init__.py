"""Metrics that are missing from Keras, or fixed here."""

from dnzoo.metrics.direction import higher_is_better
from dnzoo.metrics.generation import FID, FrechetDistance, frechet_distance
from dnzoo.metrics.image import PSNR, SSIM, MultiScaleSSIM
from dnzoo.metrics.instances import MaskAP
from dnzoo.metrics.matrix import by_class, confusion, scores
from dnzoo.metrics.segmentation import (
    BoundaryIoU,
    ClassIoU,
    ConfusionMatrix,
    MeanDice,
    MeanIoU,
    PixelAccuracy,
)
from dnzoo.words import label

__all__ = [
    "FID",
    "PSNR",
    "SSIM",
    "BoundaryIoU",
    "ClassIoU",
    "ConfusionMatrix",
    "FrechetDistance",
    "MaskAP",
    "MeanDice",
    "MeanIoU",
    "MultiScaleSSIM",
    "PixelAccuracy",
    "by_class",
    "confusion",
    "frechet_distance",
    "higher_is_better",
    "label",
    "scores",
]
