"""Regions of interest: boxes of one size cut out of a feature map, and layers applied to each."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dnzoo.layers.base import Shape, SpatialLayer, Tensor
from dnzoo.layers.rules import WHOLE, Kept, Rows


def roi_align(
    features: Tensor, boxes: Tensor, output_size: int = 14, stride: int = 1, sampling_ratio: int = 2
) -> Tensor:
    """Features of boxes, averaged over bilinear samples (He et al. 2017, arXiv:1703.06870).

    Each box is divided into output_size x output_size bins, and each bin is the mean of
    sampling_ratio x sampling_ratio samples. Pixel (i, j) has its centre at (i + 1/2, j + 1/2)
    ("half_pixel" in ONNX, "aligned" in PyTorch). Gradients reach features and boxes.

    Args:
        features: (N, H, W, C).
        boxes: (N, R, 4), (left, top, right, bottom) in pixels of the image.
        output_size: bins in each direction.
        stride: pixels of the image to a pixel of `features`.
        sampling_ratio: samples of a bin in each direction.

    Returns:
        (N, R, output_size, output_size, C), in the features' dtype.

    Example:
        >>> features = ops.ones((1, 8, 8, 3))
        >>> roi_align(features, [[[0.0, 0.0, 4.0, 4.0]]], output_size=2).shape
        TensorShape([1, 1, 2, 2, 3])
    """
    features = ops.convert_to_tensor(features)
    boxes = ops.cast(boxes, "float32") / stride - 0.5
    (count, height, width), channels = ops.shape(features)[:3], features.shape[-1]
    rois, points = ops.shape(boxes)[1], output_size * sampling_ratio
    # low ranks throughout: runtimes for phones know few operations on more than four dimensions
    image = ops.reshape(ops.arange(count, dtype="int32"), (-1, 1))
    image = ops.reshape(image + ops.zeros((1, rois), dtype="int32"), (-1, 1, 1))
    boxes, flat = ops.reshape(boxes, (-1, 4)), ops.reshape(features, (-1, channels))
    rows = _samples(boxes[:, 1:2], boxes[:, 3:4], height, points)
    columns = _samples(boxes[:, 0:1], boxes[:, 2:3], width, points)
    total = 0.0
    for y, weight_y in rows:
        for x, weight_x in columns:
            place = (image * height + ops.expand_dims(y, 2)) * width + ops.expand_dims(x, 1)
            weight = ops.expand_dims(weight_y, 2) * ops.expand_dims(weight_x, 1)
            weight = ops.cast(ops.reshape(weight, (-1, 1)), flat.dtype)
            total = total + ops.take(flat, ops.reshape(place, (-1,)), axis=0) * weight
    total = ops.reshape(total, (-1, sampling_ratio, points * channels))
    total = ops.reshape(ops.mean(total, axis=1), (-1, sampling_ratio, channels))
    return ops.reshape(ops.mean(total, axis=1), (count, rois, output_size, output_size, channels))


def _samples(
    start: Tensor, end: Tensor, size: int | Tensor, points: int
) -> list[tuple[Tensor, Tensor]]:
    """The two pixels that each sample lies between, with their weights: 2 x ((M, points), the same).

    Outside by more than a pixel, both weights are 0.
    """
    where = start + (end - start) * (ops.arange(points, dtype="float32") + 0.5) / points
    last = ops.cast(size - 1, "float32")
    inside = ops.cast((where >= -1.0) & (where <= last + 1.0), "float32")
    where = ops.clip(where, 0.0, last)
    low = ops.floor(where)
    high = ops.minimum(low + 1.0, last)
    share = where - low
    weights = ((low, (1.0 - share) * inside), (high, share * inside))
    return [(ops.cast(pixel, "int32"), weight) for pixel, weight in weights]


@keras.saving.register_keras_serializable("dnzoo")
class RoIAlign(SpatialLayer):
    """`roi_align` as a layer: `[features, boxes]` -> (N, R, output_size, output_size, C).

    Args:
        output_size, stride, sampling_ratio: as for `roi_align`.

    Raises:
        ValueError: for an argument that is no integer of at least 1, or boxes that are not (N, R, 4).

    Example:
        >>> RoIAlign(7, stride=2)([ops.ones((1, 8, 8, 3)), ops.ones((1, 5, 4))]).shape
        TensorShape([1, 5, 7, 7, 3])
    """

    def __init__(
        self, output_size: int = 14, stride: int = 1, sampling_ratio: int = 2, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # bfloat16 does not hold a box's fraction
        self.output_size: int = self._integer("output_size", output_size)
        self.stride: int = self._integer("stride", stride)
        self.sampling_ratio: int = self._integer("sampling_ratio", sampling_ratio)

    def _check_input(self, x: Tensor) -> None:
        if len(x.shape) == 4:
            super()._check_input(x)
        elif len(x.shape) != 3 or x.shape[-1] != 4:
            raise ValueError(f"RoIAlign: boxes must be (N, R, 4); got the shape {tuple(x.shape)}.")

    def call(self, inputs: list[Tensor]) -> Tensor:
        features, boxes = inputs
        features = ops.cast(features, self.compute_dtype)
        return roi_align(features, boxes, self.output_size, self.stride, self.sampling_ratio)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        features, boxes = input_shape
        size = self.output_size
        return (features[0], boxes[1], size, size, features[-1])

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """All: a box may lie anywhere."""
        return WHOLE

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Four neighbours of each sample."""
        return 4 * self.sampling_ratio**2 * math.prod(shape_out)

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Not counted: the places and weights of the samples."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        names = ("output_size", "stride", "sampling_ratio")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("dnzoo")
class PerRoI(keras.layers.Wrapper):
    """Apply a layer or model to each region: (N, R, ...) -> (N, R, ...), as one batch of N R.

    Args:
        layer: takes (N, ...).

    Example:
        >>> PerRoI(keras.layers.Conv2D(4, 3))(ops.ones((2, 5, 8, 8, 3))).shape
        TensorShape([2, 5, 6, 6, 4])
    """

    def build(self, input_shape: Shape) -> None:
        super().build((None, *input_shape[2:]))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        count, rois = ops.shape(inputs)[:2]
        keywords = {"training": training} if self.layer._call_has_training_arg else {}
        outputs = self.layer(ops.reshape(inputs, (-1, *inputs.shape[2:])), **keywords)
        return ops.reshape(outputs, (count, rois, *outputs.shape[1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        inner = self.layer.compute_output_shape((None, *input_shape[2:]))
        return (*input_shape[:2], *inner[1:])
