"""SRCNN: the paper's integers, and what it is before training."""

import functools

import numpy as np

from dnzoo.layers import Resize2D
from dnzoo.models import srcnn
from tests.model_conformance import SuperResolutionConformance


class TestSRCNN(SuperResolutionConformance):
    builder = staticmethod(srcnn)
    build = staticmethod(functools.partial(srcnn, (None, None, 1), 2, filters=(8, 6)))
    shapes = (2, 7, 9, 1)
    parameters = 861
    papers = [
        ({"kernel_sizes": (9, 1, 5)}, 8_129),  # 8,032 weights
        ({"kernel_sizes": (9, 3, 5)}, 24_513),
        ({"kernel_sizes": (9, 5, 5)}, 57_281),
        ({"scale": 4}, 8_129),
    ]
    illegal = [
        ({"scale": 5}, "scale must be one of 2, 3, 4"),
        ({"input_shape": (8, 8)}, "input_shape"),
        ({"filters": (64, 32, 16)}, "filters"),
        ({"kernel_sizes": (9, 5)}, "kernel_sizes"),
    ]
    any_size = {"scale": 3}


def test_a_net_that_hands_on_gives_the_bicubic_picture():
    """With kernels that are 1 in the middle: what it reads, enlarged, to rounding."""
    model = srcnn((6, 5, 1), 3, filters=(1, 1))
    for weight in model.weights:
        value = np.zeros(weight.shape, "float32")
        if value.ndim == 4:
            value[value.shape[0] // 2, value.shape[1] // 2] = 1
        weight.assign(value)
    x = np.random.default_rng(0).uniform(0.2, 0.8, (2, 6, 5, 1)).astype("float32")
    assert np.allclose(model(x), Resize2D(3, interpolation="bicubic")(x), atol=1e-6)
