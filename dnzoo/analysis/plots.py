"""Pictures: overlap, spectra, receptive fields. Each function returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from dnzoo.analysis.checkerboard import overlap
from dnzoo.analysis.graph import trace
from dnzoo.analysis.receptive_field import receptive_field, seen
from dnzoo.layers.base import Shape

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_overlap(
    pairs: Sequence[tuple[int, int]] = ((2, 2), (3, 2), (4, 2), (5, 2), (5, 3), (6, 3)),
    size: int = 6,
) -> Figure:
    """How often a transposed convolution writes each output pixel, for (kernel size, stride) pairs.

    Args:
        pairs: the kernel sizes and strides, both square.
        size: input rows and columns.
    """
    figure, axes = _figure(len(pairs), 1.9, 2.7)
    for axis, (kernel, stride) in zip(axes, pairs):
        counts = overlap((kernel, kernel), stride, size)
        axis.imshow(counts, cmap="cividis", vmin=0)
        even = "even inside" if len(np.unique(overlap((kernel, kernel), stride))) == 1 else "uneven"
        axis.set_title(
            f"kernel {kernel}, stride {stride}\n{even}, up to {counts.max()}", fontsize=9
        )
        axis.set_axis_off()
    return figure


def plot_spectrum(spectra: Mapping[str, np.ndarray]) -> Figure:
    """Power spectra side by side, in decibels around their mean, the frequency 0 in the middle.

    Args:
        spectra: name -> (H, W), from `power_spectrum` or `spectrum`.
    """
    figure, axes = _figure(len(spectra), 2.2, 2.7)
    for axis, (name, power) in zip(axes, spectra.items()):
        decibels = 10 * np.log10(np.fft.fftshift(power) / power.mean() + 1e-6)
        image = axis.imshow(
            decibels, cmap="cividis", vmin=-50, vmax=20, extent=(-0.5, 0.5, 0.5, -0.5)
        )
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("cycles per pixel", fontsize=8)
        axis.set_xticks([-0.5, 0, 0.5]), axis.set_yticks([-0.5, 0, 0.5])
        axis.tick_params(labelsize=8)
    figure.colorbar(image, ax=list(axes), label="dB against the mean", shrink=0.7, pad=0.01)
    return figure


def plot_receptive_field(model: keras.Layer, input_shape: Shape | None = None) -> Figure:
    """The input rows and columns that the output's middle pixel sees, drawn in the input.

    Args:
        model, input_shape: as in `receptive_field`; two spatial dimensions.

    Raises:
        ValueError: as `receptive_field` does, or when a layer looks at the whole image.
    """
    from matplotlib.patches import Rectangle

    field = receptive_field(model, input_shape)
    if field.size is None:
        raise ValueError(
            f"plot_receptive_field: {', '.join(field.whole_image)} look at the whole image."
        )
    graph = trace(model, input_shape)
    height, width = graph.inputs[0].shape[1:3]
    corners = []
    for axis in (0, 1):
        middle = graph.outputs[0].shape[axis + 1] // 2
        corners.append(seen(graph, axis, middle, middle)[0])
    (top, bottom), (left, right) = corners
    figure, (axis,) = _figure(1, 3.4, 4.0)
    axis.add_patch(Rectangle((0, 0), width, height, facecolor="#d9d9d9", label="input"))
    area = Rectangle(
        (left, top),
        right - left + 1,
        bottom - top + 1,
        facecolor="#0072b2",
        alpha=0.7,
        label=f"seen: {bottom - top + 1} x {right - left + 1} (others: up to {field.size[0]})",
    )
    axis.add_patch(area)
    margin = 0.05 * max(width, height)
    axis.set_xlim(min(left, 0) - margin, max(right + 1, width) + margin)
    axis.set_ylim(max(bottom + 1, height) + margin, min(top, 0) - margin)
    axis.set_aspect("equal")
    axis.set_title(f"{model.name}: what the middle pixel sees", fontsize=9)
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    axis.tick_params(labelsize=8)
    return figure


def _figure(count: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of its own, that no window and no pyplot knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * count + 0.8, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, np.atleast_1d(figure.subplots(1, count))
