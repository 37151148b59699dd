"""FSRCNN: the paper's integers, and one net for several scales."""

import functools

import numpy as np

from dnzoo.models import fsrcnn, take_weights
from tests.model_conformance import SuperResolutionConformance


class TestFSRCNN(SuperResolutionConformance):
    builder = staticmethod(fsrcnn)
    build = staticmethod(functools.partial(fsrcnn, filters=8, shrunk=4, mappings=2))
    shapes = (2, 7, 9, 1)
    parameters = 1_257
    papers = [
        *(({"scale": scale}, 12_809) for scale in (2, 3, 4)),
        ({"filters": 32, "shrunk": 5, "mappings": 1}, 4_086),  # FSRCNN-s: 3,937 weights
    ]
    illegal = [
        ({"scale": 1}, "scale must be one of 2, 3, 4"),
        ({"input_shape": (8, 8)}, "input_shape"),
        ({"mappings": 0}, "mappings"),
    ]
    any_size = {"scale": 4}
    steps_to_overfit = 120


def test_weights_without_biases_and_slopes_are_the_papers():
    for arguments, count in (({}, 12_464), ({"filters": 32, "shrunk": 5, "mappings": 1}, 3_937)):
        kernels = [
            weight for weight in fsrcnn(**arguments).weights if weight.path.endswith("kernel")
        ]
        assert sum(int(np.prod(kernel.shape)) for kernel in kernels) == count


def test_a_net_for_one_scale_starts_from_another():
    small = {"filters": 4, "shrunk": 2, "mappings": 1}
    taken = take_weights(fsrcnn(scale=2, **small), fsrcnn(scale=3, **small))
    assert "head" in taken and "features" in taken
