"""`predict`: the one verb for every kind of model, on arrays."""

from typing import Any

import keras

from dnzoo.inference import kinds


def predict(model: keras.Model, x: Any, *args: Any, **options: Any) -> Any:
    """What a model says of one input, whatever its kind: `dnzoo.inference.kinds.of(model).name`.

    | kind | x | result |
    |---|---|---|
    | "classes" | image (H, W, C) | scores (H, W, classes) float32: logits, or probabilities |
    | "image" | image (H, W, C) | image (S H, S W, channels) float32, S the scale |
    | "masks" | (image (H, W, C), boxes (R, 4)) | (masks (R, H, W) boolean, classes (R,)) |
    | "labels" | image (H, W, C) | scores (classes,) float32 |
    | "samples" | latents (N, latent_dim) | images (N, H, W, C) float32, in the model's range |

    Volumes (D, H, W, C) and signals (H, C) are images too, with another number of axes. Large images
    are computed in tiles. Each brings the pixels around it that the model's receptive
    field takes in, so that the result is that of the whole image, to float precision. With the image
    and `out` memory-mapped, memory does not grow with the image. A progress bar shows
    on a terminal. The model reads raw values, 0 to 255, if it was saved by a recipe.

    Args:
        model: a `keras.Model` of dnzoo's, or one whose last layer is a `dnzoo.layers.Output`; what
            another one puts out is guessed, with a warning that says so.
        x: see the table; any number type, anything with a shape that can be sliced.
        tile: of "classes" and "image": the most rows along each axis that are computed
            at once; "auto": as many as have 0.5 GB of activations; None: all.
        out: of "classes" and "image": an array to write to, as a `numpy.memmap`; None: a new one.
        finish: of "classes" and "image": what to do with each tile's output, (h, w, channels) ->
            (h, w, ...), as `dnzoo.inference.classes`, which makes 1 byte of all logits of a pixel.
        classes: of "masks": the objects' classes; None: of each box the one whose mask is the fullest.
        labels: of "samples" with classes: class numbers (N,).

    Returns:
        See the table; `out` where one is given.

    Raises:
        ValueError: for an input of another shape than the model reads, an `out` of another shape; or
            where tiles are needed, for a model that looks at the whole image, with the name of the
            layer that does.
        TypeError: for an option that the kind does not have.

    Example:
        >>> import numpy as np
        >>> from dnzoo import unet
        >>> predict(unet((None, None, 3), filters=(4, 8)), np.zeros((33, 47, 3))).shape
        (33, 47, 2)
    """
    return kinds.of(model).predict(x, *args, **options)
