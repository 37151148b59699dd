"""Use a trained model: on arrays, in tiles, and on image files."""

from dnzoo.inference.arrays import (
    classes,
    paste_masks,
    predict,
    predict_masks,
    scale,
    upscale,
)

__all__ = ["classes", "paste_masks", "predict", "predict_masks", "scale", "upscale"]
