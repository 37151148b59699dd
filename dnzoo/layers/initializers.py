"""Kernel initialisers for upsampling layers."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Initializer, Tensor


@keras.saving.register_keras_serializable("dnzoo")
class ICNR(keras.initializers.Initializer):
    """Initialisation to convolution nearest-neighbour resize (Aitken et al. 2017, arXiv:1707.02937).

    All `scale ** rank` sub-pixels of a channel start with the same kernel, so that a sub-pixel
    convolution begins as a nearest-neighbour upsampling of a convolution, free of checkerboards.

    Args:
        initializer: the initialiser of the kernel that is repeated: a name or an object.
        scale: the block size of the pixel shuffle that follows, at least 1.

    Raises:
        ValueError: when the kernel's channels are no multiple of `scale ** rank`.

    Example:
        >>> kernel = ICNR("glorot_uniform", scale=2)((3, 3, 8, 16))
        >>> bool((kernel[..., :4] == kernel[..., 4:8]).numpy().all())
        True
    """

    def __init__(self, initializer: Initializer = "glorot_uniform", scale: int = 2) -> None:
        self.initializer: keras.initializers.Initializer = keras.initializers.get(initializer)
        self.scale: int = geometry.as_tuple(scale, 1, "scale", 1, "ICNR")[0]

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        copies = self.scale ** (len(shape) - 2)
        if shape[-1] % copies:
            raise ValueError(
                f"ICNR: the kernel's last dimension must be a multiple of scale ** rank = {copies}; "
                f"got the shape {tuple(shape)}."
            )
        kernel = self.initializer((*shape[:-1], shape[-1] // copies), dtype=dtype)
        return ops.tile(kernel, (1,) * (len(shape) - 1) + (copies,))

    def get_config(self) -> dict[str, Any]:
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "scale": self.scale,
        }


@keras.saving.register_keras_serializable("dnzoo")
class Bilinear(keras.initializers.Initializer):
    """Bilinear upsampling as the kernel of a transposed convolution (Long et al. 2015, arXiv:1411.4038).

    For a kernel (k, ..., out / groups, in), any rank: each channel in goes to one channel out. With
    `kernel_size = 2 S - S % 2`, `strides = S` and `padding = (kernel_size - S) / 2`, the layer equals
    bilinear upsampling by S inside the border.

    Raises:
        ValueError: when the channels in are no multiple of the channels out, or the kernel has
            no spatial dimension.

    Example:
        >>> Bilinear()((4, 4, 1, 1))[1, :, 0, 0].numpy()
        array([0.1875, 0.5625, 0.5625, 0.1875], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        *taps, out, depth = shape
        if not taps or depth % out:
            raise ValueError(
                "Bilinear: the kernel must be (k, ..., out / groups, in), with channels in a multiple "
                f"of the channels out; got the shape {tuple(shape)}."
            )
        kernel = np.equal(np.arange(depth) % out, np.arange(out)[:, None]).astype("float64")
        for size in reversed(taps):
            factor = (size + 1) // 2
            centre = factor - 1 if size % 2 else factor - 0.5
            weights = 1 - np.abs(np.arange(size) - centre) / factor
            kernel = weights.reshape(-1, *[1] * kernel.ndim) * kernel
        return ops.convert_to_tensor(kernel, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {}
