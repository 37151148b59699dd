"""What all losses here share: one number per image, and weights of images alone."""

from typing import Any

import keras
from keras import ops


class ImageLoss(keras.losses.Loss):
    """A loss whose `call` gives one number per image, (N,).

    `sample_weight` is one number per image too, (N,) or (N, 1). Keras would multiply weights of pixels,
    (N, H, W), with (N,), which is wrong where N = W and an obscure error elsewhere.
    """

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, reduced over the images.

        Raises:
            ValueError: for weights of pixels.
        """
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight)
            shape = tuple(sample_weight.shape)
            if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
                raise ValueError(
                    f"{type(self).__name__}: sample_weight must be one number an image, (N,); got the "
                    f"shape {shape}. For weights of classes there is class_weights=, for pixels that "
                    "do not count ignore_index=."
                )
            sample_weight = ops.reshape(sample_weight, (-1,)) if len(shape) == 2 else sample_weight
        return super().__call__(y_true, y_pred, sample_weight)
