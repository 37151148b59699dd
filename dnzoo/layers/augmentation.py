"""Augmentation that gradients pass through, for discriminators that see little data."""

from typing import Literal, get_args

import keras
from keras import ops

from dnzoo.layers.base import SpatialLayer

Policy = Literal["color", "translation", "cutout"]
POLICIES = get_args(Policy)


@keras.saving.register_keras_serializable("dnzoo")
class DifferentiableAugmentation(SpatialLayer):
    """Change training images at random, differentiably (Zhao et al. 2020, arXiv:2006.10738).

    (N, H, W, C) -> the same, of images from -1 to 1; outside training it does nothing. A
    discriminator that sees real and generated images only through it can't learn the few real ones
    by heart, and the generator does not learn the augmentation.

    Args:
        policies: of "color" (brightness, saturation, contrast), "translation" (by an eighth at
            most, grey comes in) and "cutout" (a grey square of half the size).
        seed: of the random numbers; None: another one each time.

    Raises:
        ValueError: for another policy.

    Example:
        >>> DifferentiableAugmentation(("cutout",), seed=0)(ops.ones((1, 8, 8, 1)), training=True).shape
        TensorShape([1, 8, 8, 1])
    """

    def __init__(self, policies=POLICIES, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.policies = tuple(self._one_of("policies", policy, POLICIES) for policy in policies)
        self.seed = seed
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        x = inputs
        if training:
            for policy in self.policies:
                x = getattr(self, f"_{policy}")(x)
        return x

    def _uniform(self, x, low, high):
        shape = (ops.shape(x)[0], 1, 1, 1)
        return keras.random.uniform(shape, low, high, dtype=x.dtype, seed=self.seeds)

    def _color(self, x):
        x = x + self._uniform(x, -0.5, 0.5)
        grey = ops.mean(x, axis=-1, keepdims=True)
        x = grey + self._uniform(x, 0.0, 2.0) * (x - grey)
        mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        return mean + self._uniform(x, 0.5, 1.5) * (x - mean)

    def _translation(self, x):
        for axis in (1, 2):
            size = x.shape[axis]
            reach = size // 8
            shift = self._shift(x, -reach, reach)
            places = ops.arange(size)[None, :] - shift
            inside = ops.cast((places >= 0) & (places < size), x.dtype)
            shape = (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)
            places = ops.reshape(ops.clip(places, 0, size - 1), shape)
            x = ops.take_along_axis(x, ops.broadcast_to(places, ops.shape(x)), axis=axis)
            x = x * ops.reshape(inside, shape)
        return x

    def _cutout(self, x):
        keep = []
        for axis in (1, 2):
            size = x.shape[axis]
            half = size // 2
            start = self._shift(x, -(half // 2), size - half + half // 2)
            places = ops.arange(size)[None, :] - start
            inside = ops.cast((places >= 0) & (places < half), x.dtype)
            keep.append(ops.reshape(inside, (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)))
        return x * (1.0 - keep[0] * keep[1])

    def _shift(self, x, low, high):
        """One an image, (N, 1), from low to high."""
        drawn = keras.random.uniform((ops.shape(x)[0], 1), low, high + 1, seed=self.seeds)
        return ops.cast(ops.clip(ops.floor(drawn), low, high), "int32")

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "policies": self.policies, "seed": self.seed}
