"""Resizing, and resizing followed by a convolution."""

from collections.abc import Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

import keras

from dnzoo.layers import geometry
from dnzoo.layers.base import (
    Activation,
    DataFormat,
    Initializer,
    Integers,
    Shape,
    SpatialLayer,
    Tensor,
    UpsamplingConv,
)
from dnzoo.layers.interpolation import (
    INTERPOLATIONS,
    METHODS,
    Interpolation,
    check_corners,
    products,
    resize,
    rows_read,
    target_size,
)
from dnzoo.layers.rules import WHOLE, Kept, Rows


class Resize(SpatialLayer):
    """Resizing of any rank; the public subclasses fix the rank."""

    def __init__(
        self,
        scale: float | Sequence[float] | None = None,
        size: Integers | None = None,
        interpolation: Interpolation = "nearest",
        antialias: bool = False,
        cubic_coefficient: float = -0.5,
        data_format: DataFormat | None = None,
        align_corners: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (scale is None) == (size is None):
            raise ValueError(
                f"{type(self).__name__}: give scale or size, one of the two; "
                f"got scale={scale!r}, size={size!r}."
            )
        self.scale: tuple[float, ...] | None = None if scale is None else self._scales(scale)
        self.size: tuple[int, ...] | None = None if size is None else self._integers("size", size)
        legal = tuple(INTERPOLATIONS[self.rank])
        self.interpolation: Interpolation = self._one_of("interpolation", interpolation, legal)
        self.antialias: bool = antialias
        self.cubic_coefficient: float = self._one_of(
            "cubic_coefficient", cubic_coefficient, (-0.5, -0.75)
        )
        if antialias and (interpolation == "nearest" or cubic_coefficient != -0.5):
            raise ValueError(
                f"{type(self).__name__}: antialias goes with linear interpolation and with "
                f"cubic_coefficient=-0.5; got interpolation={interpolation!r}, "
                f"cubic_coefficient={cubic_coefficient}."
            )
        check_corners(type(self).__name__, interpolation, antialias, align_corners)
        self.align_corners: bool = align_corners
        self.data_format: DataFormat = self._data_format(data_format)

    def _scales(self, scale: float | Sequence[float]) -> tuple[float, ...]:
        scales = tuple(scale) if isinstance(scale, (tuple, list)) else (scale,) * self.rank
        legal = all(
            isinstance(s, Real) and not isinstance(s, bool) and 0 < s < float("inf") for s in scales
        )
        if len(scales) != self.rank or not legal:
            raise ValueError(
                f"{type(self).__name__}: scale must be a positive number, or {self.rank} of them; "
                f"got scale={scale!r}."
            )
        return tuple(int(s) if s == int(s) else float(s) for s in scales)

    def call(self, inputs: Tensor) -> Tensor:
        return resize(
            inputs,
            self.interpolation,
            self.data_format,
            self.scale,
            self.size,
            self.antialias,
            self.cubic_coefficient,
            self.align_corners,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = self.size
        if sizes is None:
            given = geometry.spatial_shape(input_shape, self.data_format)
            sizes = tuple(target_size(*pair) for pair in zip(given, self.scale))
            if 0 in sizes:
                raise ValueError(
                    f"{type(self).__name__}: scale={self.scale} leaves {sizes} rows of the input "
                    f"{tuple(input_shape)}. Use a larger scale or input."
                )
        depth = geometry.channels(input_shape, self.data_format)
        return geometry.batch_shape(input_shape[0], sizes, depth, self.data_format)

    def rows_seen(
        self, axis: int, low: int, high: int, rows_in: Sequence[int | None], rows_out: int
    ) -> Rows:
        """The rows that the kernel weighs."""
        if self.align_corners:  # where a row lies depends on how many there are
            return WHOLE
        method = METHODS[self.interpolation]
        return rows_read(method, Fraction(rows_in[0], rows_out), self.antialias, low, high)

    def macs(self, shapes_in: Sequence[Shape], shape_out: Shape) -> int:
        """Taps along one axis after the other."""
        sizes = geometry.spatial_shape(shape_out, self.data_format)
        method = METHODS[self.interpolation]
        return products(method, shapes_in[0], sizes, self.data_format, self.antialias)

    def kept(self, shapes_in: Sequence[Shape], shape_out: Shape) -> Kept:
        """Nothing: the matrix is a constant."""
        return Kept()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "size": self.size,
            "interpolation": self.interpolation,
            "antialias": self.antialias,
            "cubic_coefficient": self.cubic_coefficient,
            "data_format": self.data_format,
            "align_corners": self.align_corners,
        }


@keras.saving.register_keras_serializable("dnzoo")
class Resize1D(Resize):
    """Resize (N, H, C): `Resize2D` for one dimension; interpolation "nearest" or "linear"."""

    rank: int | None = 1


@keras.saving.register_keras_serializable("dnzoo")
class Resize2D(Resize):
    """Resize (N, H, W, C) by a factor or to a size, with half-pixel centres.

    Output row i lies at `(i + 1/2) H / H' - 1/2` of the input, for every interpolation: as in Pillow,
    TensorFlow, JAX, and PyTorch with `align_corners=False` (whose nearest is "nearest-exact").

    Args:
        scale: a positive number, or one per axis: H' = H * scale, rounded down.
        size: or the rows out: an integer, or one per axis.
        interpolation: "nearest", "bilinear" or "bicubic".
        antialias: stretch the kernel when shrinking, as Pillow does.
        cubic_coefficient: of the bicubic kernel. -0.5 (Pillow, TensorFlow, JAX): beyond the border
            weights are dropped and the rest normalised; -0.75 (PyTorch without antialias, OpenCV):
            the border is repeated.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        align_corners: True: the first and the last rows of input and output lie on each other
            instead, as in PyTorch with `align_corners=True`; not for "nearest" or with antialias.

    Raises:
        ValueError: for neither or both of scale and size, one that is not positive or has another
            number of axes, an interpolation of another rank, antialias with "nearest" or with
            -0.75, align_corners with "nearest" or antialias, another cubic_coefficient, or a scale
            that leaves no row.

    Source: Keys 1981 (cubic).

    Example:
        >>> Resize2D(1.5, interpolation="bicubic")(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 7, 10, 4])
    """

    rank: int | None = 2


@keras.saving.register_keras_serializable("dnzoo")
class Resize3D(Resize):
    """Resize (N, D, H, W, C): `Resize2D` in 3-D; interpolation "nearest" or "trilinear"."""

    rank: int | None = 3


class ResizeConv(UpsamplingConv):
    """Resize-convolution of any rank; the public subclasses fix the rank and the resizing."""

    resizing: type[Resize] | None = None

    def __init__(
        self,
        filters: int,
        kernel_size: Integers = 3,
        scale: float | Sequence[float] = 2,
        interpolation: Interpolation = "nearest",
        data_format: DataFormat | None = None,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        size: Integers | None = None,
        antialias: bool = False,
        cubic_coefficient: float = -0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conv: keras.layers.Layer = self._same_conv(
            self._integer("filters", filters),
            kernel_size,
            data_format,
            kernel_initializer,
            activation=activation,
            use_bias=use_bias,
        )
        self.resize: Resize = self.resizing(
            None if size is not None else scale,
            size,
            interpolation,
            antialias,
            cubic_coefficient,
            self.data_format,
            dtype=self.dtype_policy,
            name="resize",
        )

    def build(self, input_shape: Shape) -> None:
        self.conv.build(self.resize.compute_output_shape(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        return self.conv(self.resize(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.conv.compute_output_shape(self.resize.compute_output_shape(input_shape))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.conv.filters,
            "scale": self.resize.scale,
            "size": self.resize.size,
            "interpolation": self.resize.interpolation,
            "antialias": self.resize.antialias,
            "cubic_coefficient": self.resize.cubic_coefficient,
            "kernel_initializer": keras.initializers.serialize(self.conv.kernel_initializer),
        }


@keras.saving.register_keras_serializable("dnzoo")
class ResizeConv1D(ResizeConv):
    """(N, H, C) -> (N, scale H, filters): `ResizeConv2D` for one dimension."""

    rank: int | None = 1
    resizing: type[Resize] | None = Resize1D


@keras.saving.register_keras_serializable("dnzoo")
class ResizeConv2D(ResizeConv):
    """Resize, then convolve: (N, H, W, C) -> (N, scale H, scale W, filters) (Odena et al. 2016).

    Args:
        filters: channels out.
        kernel_size: of the convolution, "same" padded.
        scale, interpolation, size, antialias, cubic_coefficient: as in `Resize2D`; `size` goes
            before `scale`.
        data_format: "channels_last" or "channels_first"; None: Keras's setting.
        activation, use_bias, kernel_initializer: as in Keras.

    Raises:
        ValueError: for filters or kernel_size below 1, and what `Resize2D` refuses.

    Source: distill.pub/2016/deconv-checkerboard.

    Example:
        >>> ResizeConv2D(8, interpolation="bilinear")(keras.ops.ones((1, 5, 7, 4))).shape
        TensorShape([1, 10, 14, 8])
    """

    rank: int | None = 2
    resizing: type[Resize] | None = Resize2D


@keras.saving.register_keras_serializable("dnzoo")
class ResizeConv3D(ResizeConv):
    """(N, D, H, W, C) -> (N, scale D, scale H, scale W, filters): `ResizeConv2D` in 3-D."""

    rank: int | None = 3
    resizing: type[Resize] | None = Resize3D
