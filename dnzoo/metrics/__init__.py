"""Metrics that Keras lacks or has wrong."""

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
    "BoundaryIoU",
    "ClassIoU",
    "ConfusionMatrix",
    "MeanDice",
    "MeanIoU",
    "PixelAccuracy",
    "scores",
]
