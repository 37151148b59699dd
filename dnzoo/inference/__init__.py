"""Use a trained model: on arrays, in tiles, and on image files."""

from dnzoo.inference.arrays import predict
from dnzoo.inference.kinds.classes import classes
from dnzoo.inference.kinds.image import scale, upscale
from dnzoo.inference.kinds.masks import paste_masks, predict_masks

__all__ = ["classes", "paste_masks", "predict", "predict_masks", "scale", "upscale"]
