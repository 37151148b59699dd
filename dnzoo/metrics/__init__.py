"""Metrics that Keras lacks or has wrong."""

from dnzoo.metrics.segmentation import (
    ClassIoU,
    ConfusionMatrix,
    MeanDice,
    MeanIoU,
    PixelAccuracy,
    scores,
)

__all__ = ["ClassIoU", "ConfusionMatrix", "MeanDice", "MeanIoU", "PixelAccuracy", "scores"]
