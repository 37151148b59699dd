"""Analysis of layers and models: sizes, receptive fields, cost, checkerboards."""

from dnzoo.analysis.checkerboard import checkerboard, overlap, power_spectrum
from dnzoo.analysis.complexity import Complexity, LayerCost, complexity
from dnzoo.analysis.matrix import convolution_matrix
from dnzoo.analysis.plots import plot_overlap, plot_receptive_field, plot_spectrum
from dnzoo.analysis.receptive_field import ReceptiveField, receptive_field
from dnzoo.analysis.report import summary
from dnzoo.analysis.sizes import input_size, output_size, valid_sizes
from dnzoo.analysis.spectrum import spectrum

__all__ = [
    "Complexity",
    "LayerCost",
    "ReceptiveField",
    "checkerboard",
    "complexity",
    "convolution_matrix",
    "input_size",
    "output_size",
    "overlap",
    "plot_overlap",
    "plot_receptive_field",
    "plot_spectrum",
    "power_spectrum",
    "receptive_field",
    "spectrum",
    "summary",
    "valid_sizes",
]
