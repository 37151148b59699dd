"""Spectral normalisation of any layer's kernels."""

from typing import Any

import keras
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Shape, Tensor
from dnzoo.layers.transposed import ConvTranspose, FractionalConv2D

TRANSPOSED: tuple[type[keras.layers.Layer], ...] = (
    ConvTranspose,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def kernels(layer: keras.layers.Layer) -> list[tuple[keras.Variable, int]]:
    """The kernels of a layer and of the layers inside: (variable, axis of the channels out)."""
    kernel = getattr(layer, "kernel", None)
    if isinstance(kernel, keras.Variable):
        transposed = isinstance(layer, TRANSPOSED) and not isinstance(layer, FractionalConv2D)
        return [(kernel, -2 if transposed else -1)]
    inside = [value for value in vars(layer).values() if isinstance(value, keras.layers.Layer)]
    return [found for child in inside for found in kernels(child)]


@keras.saving.register_keras_serializable("dnzoo")
class SpectralNormalization(keras.layers.Wrapper):
    """Divide a layer's kernels by their largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    A kernel counts as the matrix of channels out times everything else, for transposed
    convolutions too. Its largest singular value sigma is estimated by power iteration, one step per
    training call, from a vector that is kept; the gradient goes through the division, with the
    estimated singular vectors held still, as in the paper and in PyTorch. (Keras's layer
    overwrites the kernel, and takes a transposed convolution's channels in for those out.)

    Args:
        layer: any layer with kernels: a convolution, Dense, or one of dnzoo's that hold some.
        power_iterations: steps per training call.

    Raises:
        ValueError: for power_iterations below 1; when it is built, for a layer without a kernel.

    Example:
        >>> from dnzoo.layers import Conv2DTranspose
        >>> SpectralNormalization(Conv2DTranspose(8, 4, 2))(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 12, 12, 8])
    """

    def __init__(self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        # the kernel's norm in float32; the layer inside casts what it is given
        super().__init__(layer, autocast=False, **{"dtype": layer.dtype_policy, **kwargs})
        self.power_iterations: int = geometry.as_tuple(
            power_iterations, 1, "power_iterations", 1, type(self).__name__
        )[0]

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        found = kernels(self.layer)
        if not found:
            raise ValueError(
                f"{type(self).__name__}: the layer must have a kernel; got a "
                f"{type(self.layer).__name__}."
            )
        self.vectors: list[keras.Variable] = [
            self.add_weight(
                name=f"vector_{i}",
                shape=(1, kernel.shape[axis]),
                initializer=keras.initializers.RandomNormal(),
                trainable=False,
            )
            for i, (kernel, axis) in enumerate(found)
        ]

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        normalised = {}
        for (kernel, axis), vector in zip(kernels(self.layer), self.vectors):
            value = ops.convert_to_tensor(kernel)
            sigma = self._sigma(ops.cast(value, "float32"), axis, vector, training)
            normalised[id(kernel)] = value / ops.cast(sigma, value.dtype)
        trainable, others = (
            [normalised.get(id(v), ops.convert_to_tensor(v)) for v in variables]
            for variables in (self.layer.trainable_variables, self.layer.non_trainable_variables)
        )
        # stateless_call goes past the layer's own casting of its inputs
        inputs = keras.tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), inputs)
        outputs, others = self.layer.stateless_call(trainable, others, inputs)
        for variable, value in zip(self.layer.non_trainable_variables, others):
            if id(variable) not in normalised:  # a frozen kernel stays what it is
                variable.assign(value)
        return outputs

    def _sigma(
        self, kernel: Tensor, axis: int, vector: keras.Variable, training: bool | None
    ) -> Tensor:
        matrix = ops.moveaxis(kernel, axis, -1)
        matrix = ops.reshape(matrix, (-1, kernel.shape[axis]))
        fixed = ops.stop_gradient(matrix)
        left = ops.cast(ops.convert_to_tensor(vector), "float32")
        left = _unit(left)
        right = _unit(ops.matmul(left, ops.transpose(fixed)))
        if training:
            left = _unit(ops.matmul(right, fixed))
            for _ in range(self.power_iterations - 1):
                right = _unit(ops.matmul(left, ops.transpose(fixed)))
                left = _unit(ops.matmul(right, fixed))
            vector.assign(left)
        return ops.sum(ops.matmul(right, matrix) * ops.stop_gradient(left))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power_iterations": self.power_iterations}


def _unit(vector: Tensor) -> Tensor:
    return vector / (ops.norm(vector) + 1e-12)
