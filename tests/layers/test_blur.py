"""Binomial blur against scipy, and against the checkerboard."""

import numpy as np
import pytest
from scipy import ndimage

from dnzoo.layers import Blur
from tests.layer_conformance import LayerConformance


class TestBlur(LayerConformance):
    shapes = (2, 5, 4, 3)

    def build(self, **kwargs):
        return Blur(4, **kwargs)


@pytest.mark.parametrize("taps", [2, 3, 5])
def test_equals_scipy(taps):
    x = np.random.default_rng(0).normal(0, 1, (2, 6, 5, 3)).astype("float32")
    row = np.array([1.0])
    for _ in range(taps - 1):
        row = np.convolve(row, [0.5, 0.5])
    expected = x
    for axis in (1, 2):  # "reflect" is what numpy calls symmetric
        expected = ndimage.correlate1d(expected, row, axis, mode="reflect")
    assert np.allclose(Blur(taps)(x), expected, atol=1e-6)


def test_removes_the_checkerboard():
    board = np.indices((6, 6)).sum(0)[None, ..., None] % 2 * 2.0 - 1
    assert np.abs(Blur(3)(board)[0, 1:-1, 1:-1]).max() < 1e-6
