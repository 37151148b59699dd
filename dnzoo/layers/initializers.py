"""Kernel initialisers for upsampling layers."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("dnzoo")
class ICNR(keras.initializers.Initializer):
    """Initialisation to convolution nearest-neighbour resize (Aitken et al. 2017, arXiv:1707.02937).

    All `scale ** rank` sub-pixels of a channel start with the same kernel, so that a sub-pixel
    convolution begins as a nearest-neighbour upsampling of a convolution, free of checkerboards.

    Args:
        initializer: the initialiser of the kernel that is repeated: a name or an object.
        scale: the block size of the pixel shuffle that follows.

    Raises:
        ValueError: when the kernel's channels are no multiple of `scale ** rank`.

    Example:
        >>> kernel = ICNR("glorot_uniform", scale=2)((3, 3, 8, 16))
        >>> bool((kernel[..., :4] == kernel[..., 4:8]).numpy().all())
        True
    """

    def __init__(self, initializer="glorot_uniform", scale=2):
        self.initializer = keras.initializers.get(initializer)
        self.scale = scale

    def __call__(self, shape, dtype=None):
        copies = self.scale ** (len(shape) - 2)
        if shape[-1] % copies:
            raise ValueError(
                f"ICNR: the kernel's last dimension must be a multiple of scale ** rank = {copies}; "
                f"got the shape {tuple(shape)}."
            )
        kernel = self.initializer((*shape[:-1], shape[-1] // copies), dtype=dtype)
        return ops.tile(kernel, (1,) * (len(shape) - 1) + (copies,))

    def get_config(self):
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "scale": self.scale,
        }
