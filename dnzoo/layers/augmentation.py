"""Augmentation that gradients pass through, for discriminators that see little data."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import RowByRow

Policy = Literal["color", "translation", "cutout"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


@keras.saving.register_keras_serializable("dnzoo")
class DifferentiableAugmentation(RowByRow, SpatialLayer):
    """Change training images at random, differentiably (Zhao et al. 2020, arXiv:2006.10738).

    (N, H, W, C), (N, H, C) or (N, D, H, W, C) -> the same, of values from -1 to 1; outside
    training it does nothing. A discriminator that sees real and generated images only through it
    can't learn the few real ones by heart, and the generator does not learn the augmentation.

    Args:
        policies: of "color" (brightness, saturation, contrast), "translation" (by an eighth at
            most along each axis, grey comes in) and "cutout" (a grey box of half the size).
        seed: of the random numbers; None: another one each time.

    Raises:
        ValueError: for another policy.

    Example:
        >>> DifferentiableAugmentation(("cutout",), seed=0)(ops.ones((1, 8, 8, 1)), training=True).shape
        TensorShape([1, 8, 8, 1])
    """

    rank: int | None = None

    def __init__(
        self, policies: Sequence[Policy] = POLICIES, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.policies: tuple[Policy, ...] = tuple(
            self._one_of("policies", policy, POLICIES) for policy in policies
        )
        self.seed: int | None = seed
        self.seeds: keras.random.SeedGenerator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        x = inputs
        if training:
            for policy in self.policies:
                x = getattr(self, f"_{policy}")(x)
        return x

    def _uniform(self, x: Tensor, low: float, high: float) -> Tensor:
        shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
        return keras.random.uniform(shape, low, high, dtype=x.dtype, seed=self.seeds)

    def _color(self, x: Tensor) -> Tensor:
        x = x + self._uniform(x, -0.5, 0.5)
        grey = ops.mean(x, axis=-1, keepdims=True)
        x = grey + self._uniform(x, 0.0, 2.0) * (x - grey)
        mean = ops.mean(x, axis=tuple(range(1, len(x.shape))), keepdims=True)
        return mean + self._uniform(x, 0.5, 1.5) * (x - mean)

    def _translation(self, x: Tensor) -> Tensor:
        for axis in _axes(x):
            size = x.shape[axis]
            reach = size // 8
            shift = self._shift(x, -reach, reach)
            places = ops.arange(size)[None, :] - shift
            inside = ops.cast((places >= 0) & (places < size), x.dtype)
            places = _along(ops.clip(places, 0, size - 1), axis, x)
            x = ops.take_along_axis(x, ops.broadcast_to(places, ops.shape(x)), axis=axis)
            x = x * _along(inside, axis, x)
        return x

    def _cutout(self, x: Tensor) -> Tensor:
        box = 1.0
        for axis in _axes(x):
            size = x.shape[axis]
            half = size // 2
            start = self._shift(x, -(half // 2), size - half + half // 2)
            places = ops.arange(size)[None, :] - start
            inside = ops.cast((places >= 0) & (places < half), x.dtype)
            box = box * _along(inside, axis, x)
        return x * (1.0 - box)

    def _shift(self, x: Tensor, low: int, high: int) -> Tensor:
        """One an image, (N, 1), from low to high."""
        drawn = keras.random.uniform((ops.shape(x)[0], 1), low, high + 1, seed=self.seeds)
        return ops.cast(ops.clip(ops.floor(drawn), low, high), "int32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "policies": self.policies, "seed": self.seed}


def _axes(x: Tensor) -> tuple[int, ...]:
    return geometry.spatial_axes(len(x.shape) - 2, "channels_last")


def _along(values: Tensor, axis: int, x: Tensor) -> Tensor:
    """(N, size), shaped to be multiplied with `x` along one axis."""
    shape = [1] * len(x.shape)
    shape[0], shape[axis] = -1, x.shape[axis]
    return ops.reshape(values, shape)
