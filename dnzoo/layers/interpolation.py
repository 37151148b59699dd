"""Resizing with half-pixel centres: nearest, linear and cubic, along any axis, with antialiasing."""

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from dnzoo.layers import geometry
from dnzoo.layers.base import Tensor

Interpolation = Literal["nearest", "linear", "bilinear", "trilinear", "bicubic"]
# The names of a rank, and what is done along each axis.
INTERPOLATIONS: dict[int, dict[str, str]] = {
    1: {"nearest": "nearest", "linear": "linear"},
    2: {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"},
    3: {"nearest": "nearest", "trilinear": "linear"},
}
METHODS: dict[str, str] = {
    name: method for names in INTERPOLATIONS.values() for name, method in names.items()
}
REACH: dict[str, float] = {"linear": 1.0, "cubic": 2.0}


def target_size(size: int | Tensor | None, scale: float) -> int | Tensor | None:
    """Rows after resizing by `scale`: size * scale, rounded down."""
    if size is None or isinstance(scale, Integral):
        return None if size is None else size * scale
    if isinstance(size, int):
        return math.floor(size * scale)
    rows = ops.floor(ops.cast(size, "float64") * scale)
    return ops.cast(rows, "int32")


def rows_read(
    method: str, ratio: Fraction, antialias: bool, low: int, high: int
) -> tuple[int, int]:
    """(first, last) input row that output rows `low` to `high` are made of; `ratio` is H / H'."""
    half = Fraction(1, 2)
    if method == "nearest":
        return math.floor((low + half) * ratio), math.floor((high + half) * ratio)
    reach = Fraction(REACH[method]) * (max(ratio, 1) if antialias else 1)
    begin, end = ((row + half) * ratio - half for row in (low, high))
    return math.floor(begin - reach) + 1, math.ceil(end + reach) - 1


def products(
    method: str,
    shape: Sequence[int],
    sizes: Sequence[int],
    data_format: str,
    antialias: bool = False,
) -> int:
    """Multiply-accumulates of resizing a batch of `shape` to `sizes` rows, one axis after the other."""
    if method == "nearest":
        return 0
    shape, total = list(shape), 0
    for axis, wanted in zip(geometry.spatial_axes(len(sizes), data_format), sizes):
        stretch = max(shape[axis] / wanted, 1) if antialias else 1
        shape[axis] = wanted
        total += math.prod(shape) * math.ceil(2 * REACH[method] * stretch)
    return total


def weight(
    distance: np.ndarray | Tensor, method: str, a: float, xp: Any = np
) -> np.ndarray | Tensor:
    """The interpolation kernel: linear, or cubic (Keys 1981) with the coefficient `a`."""
    if method == "linear":
        return xp.maximum(1.0 - distance, 0.0)
    near = ((a + 2.0) * distance - (a + 3.0)) * distance * distance + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return xp.where(distance < 1.0, near, xp.where(distance < 2.0, far, 0.0))


def interpolation_matrix(
    size: int | Tensor,
    target: int | Tensor,
    method: str,
    antialias: bool = False,
    a: float = -0.5,
    align_corners: bool = False,
) -> np.ndarray | Tensor:
    """The matrix (target, size) that resizes one axis; float64.

    Sizes are integers (numpy computes) or scalar tensors. At the border, weights of rows that do
    not exist are dropped and the rest normalised to 1 (Pillow, TensorFlow, JAX); for cubic with
    a = -0.75 they go to the border row instead (PyTorch, OpenCV). The two agree for linear.
    With `align_corners` the first rows lie on each other, and so do the last.
    """
    xp = np if isinstance(size, int) and isinstance(target, int) else ops
    if xp is ops:
        size, target = ops.cast(size, "float64"), ops.cast(target, "float64")
    ratio = size / target
    source = xp.arange(size, dtype="float64")
    rows = xp.arange(target, dtype="float64")
    if method == "nearest":
        chosen = xp.floor((2.0 * rows + 1.0) * size / (2.0 * target))  # exact: one rounding
        return xp.where(chosen[:, None] == source[None, :], 1.0, 0.0)
    corner = rows * ((size - 1) / xp.maximum(target - 1, 1))
    centre = corner if align_corners else (rows + 0.5) * ratio - 0.5
    if method == "cubic" and a != -0.5:
        matrix = 0.0
        for tap in (-1.0, 0.0, 1.0, 2.0):
            row = xp.floor(centre) + tap
            share = weight(xp.abs(centre - row), method, a, xp)[:, None]
            row = xp.minimum(xp.maximum(row, 0.0), xp.max(source))
            matrix = matrix + xp.where(row[:, None] == source[None, :], share, 0.0)
        return matrix
    stretch = xp.maximum(ratio, 1.0) if antialias else 1.0
    matrix = weight(xp.abs(centre[:, None] - source[None, :]) / stretch, method, a, xp)
    return matrix / xp.sum(matrix, axis=1, keepdims=True)


def resize(
    x: Tensor,
    interpolation: str,
    data_format: str,
    scale: Sequence[float] | None = None,
    size: Sequence[int | Tensor] | None = None,
    antialias: bool = False,
    a: float = -0.5,
    align_corners: bool = False,
) -> Tensor:
    """Resize every spatial axis of `x`, by `scale` or to `size` (sequences, one number per axis).

    Nearest by an integer is a broadcast, everything else a matrix product per axis: their gradients
    compile under XLA, which those of TensorFlow's own nearest, cubic and antialiased resizing do
    not (tf#57575).
    """
    rank = len(x.shape) - 2
    method = INTERPOLATIONS[rank][interpolation]
    axes = geometry.spatial_axes(rank, data_format)
    given = [ops.shape(x)[axis] for axis in axes]
    sizes = [target_size(*pair) for pair in zip(given, scale)] if size is None else size
    if not align_corners and _tensorflow_has_kernel(x, method, scale, antialias, data_format):
        return _tensorflow_bilinear(x, sizes)
    for i, axis in enumerate(axes):
        if method == "nearest" and size is None and isinstance(scale[i], Integral):
            x = geometry.per_axis(x, axis, lambda rows, times=scale[i]: _repeat(rows, times))
        else:
            matrix = interpolation_matrix(given[i], sizes[i], method, antialias, a, align_corners)
            x = geometry.per_axis(x, axis, lambda rows, matrix=matrix: _product(matrix, rows))
    return x


def check_corners(owner: str, interpolation: str, antialias: bool, align_corners: bool) -> None:
    """ValueError where `align_corners` has no meaning."""
    if align_corners and (interpolation == "nearest" or antialias):
        raise ValueError(
            f"{owner}: align_corners goes with linear or cubic interpolation, without antialias; "
            f"got interpolation={interpolation!r}, antialias={antialias}."
        )


BLOCK: int = 32  # rows that are worth a product of their own


def _product(matrix: np.ndarray | Tensor, rows: Tensor) -> Tensor:
    """`matrix` (target, size) times `rows` (lead, size, trail).

    An output row needs few input rows: long axes are cut into blocks, with what they need of their
    neighbours, so that the work grows with the size and not with its square.
    """
    blocks, reach = _cut(matrix) if isinstance(matrix, np.ndarray) else (1, 0)
    if blocks == 1:
        return ops.matmul(ops.cast(matrix, rows.dtype), rows)
    target, size = matrix.shape
    inside, made = size // blocks, target // blocks
    wide = np.pad(matrix, [(0, 0), (reach, reach)])
    parts = [
        wide[made * b : made * (b + 1), inside * b : inside * (b + 1) + 2 * reach]
        for b in range(blocks)
    ]
    trail = rows.shape[2] if isinstance(rows.shape[2], int) else ops.shape(rows)[2]
    rows = ops.reshape(rows, (-1, blocks, inside, trail))
    if reach:
        edge = ops.zeros_like(rows[:, :1, :reach])
        above = ops.concatenate([edge, rows[:, :-1, inside - reach :]], axis=1)
        below = ops.concatenate([rows[:, 1:, :reach], edge], axis=1)
        rows = ops.concatenate([above, rows, below], axis=2)
    made_rows = ops.matmul(ops.cast(np.stack(parts), rows.dtype), rows)
    return ops.reshape(made_rows, (-1, target, trail))


def _cut(matrix: np.ndarray) -> tuple[int, int]:
    """(number of blocks, rows that a block needs of its neighbours); one block where none fit."""
    target, size = matrix.shape
    for blocks in range(size // BLOCK, 1, -1):
        if size % blocks == 0 == target % blocks:
            inside, made = size // blocks, target // blocks
            found, column = np.nonzero(matrix)
            block = found // made
            before = (block * inside - column).max()
            after = (column - (block + 1) * inside + 1).max()
            reach = int(max(before, after, 0))
            if reach <= inside // 2:
                return blocks, reach
    return 1, 0


def _repeat(rows: Tensor, times: int) -> Tensor:
    _, size, trail = ops.shape(rows)
    rows = ops.reshape(rows, (-1, 1, trail))
    rows = ops.broadcast_to(rows, (ops.shape(rows)[0], times, trail))
    return ops.reshape(rows, (-1, size * times, trail))


def _tensorflow_has_kernel(
    x: Tensor, method: str, scale: Sequence[float] | None, antialias: bool, data_format: str
) -> bool:
    """Bilinear by 2 or 4. By 3 or 5, XLA compiles TensorFlow 2.21's kernel to something else."""
    return (
        keras.backend.backend() == "tensorflow"
        and method == "linear"
        and scale in ((2, 2), (4, 4))
        and not antialias
        and data_format == "channels_last"
        and keras.backend.standardize_dtype(x.dtype) == "float32"
    )


def _tensorflow_bilinear(x: Tensor, sizes: Sequence[int | Tensor]) -> Tensor:
    import tensorflow as tf

    return tf.raw_ops.ResizeBilinear(images=x, size=sizes, half_pixel_centers=True)
