"""ESPCN and EDSR: the papers' integers, every scale, colour or Y."""

import functools

import numpy as np
import pytest

from dnzoo.models import edsr, espcn, take_weights
from tests.model_conformance import SuperResolutionConformance


class TestESPCN(SuperResolutionConformance):
    build = staticmethod(functools.partial(espcn, (None, None, 1), 3, filters=(8, 6)))
    shapes = (2, 7, 9, 1)
    parameters = 1_141


class TestEDSR(SuperResolutionConformance):
    build = staticmethod(
        functools.partial(edsr, (None, None, 3), 4, filters=6, blocks=2, residual_scale=0.5)
    )
    shapes = (2, 7, 5, 3)
    parameters = 4_623
    steps_to_overfit = 120


def test_papers():
    assert espcn(scale=3).count_params() == 22_729
    assert edsr(scale=2).count_params() == 1_369_859
    assert edsr(scale=3).count_params() == 1_369_859 + 64 * 9 * 64 * 5 + 64 * 5
    assert edsr(scale=4).count_params() == 1_517_571


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("build", [espcn, functools.partial(edsr, filters=4, blocks=1)])
def test_scales_and_channels(build, scale, channels):
    model = build((None, None, channels), scale)
    assert model(np.ones((1, 5, 6, channels), "float32")).shape == (
        1,
        5 * scale,
        6 * scale,
        channels,
    )


@pytest.mark.parametrize("build", [espcn, functools.partial(edsr, filters=4, blocks=1)])
def test_pixels_in_and_out(build):
    """With the normalisation inside, pixels go in and out; a net that hands on its input shows it."""
    raw, plain = build((None, None, 3), 2, include_preprocessing=True), build((None, None, 3), 2)
    plain.set_weights(raw.get_weights())
    x = np.random.default_rng(0).uniform(0, 255, (1, 6, 6, 3)).astype("float32")
    mean = 0.0 if "espcn" in raw.name else np.array([0.4488, 0.4371, 0.4040])
    expected = (np.asarray(plain((x / 255 - mean).astype("float32"))) + mean) * 255
    assert np.allclose(raw(x), expected, atol=1e-2)


def test_the_net_for_4_starts_from_that_for_2():
    nets = [edsr((None, None, 3), scale, filters=4, blocks=2) for scale in (2, 4)]
    taken = take_weights(nets[1], nets[0])
    assert {"first", "block_2_conv_2", "last", "up_2_1", "head"} <= {*taken}
    assert "up_2_2" not in taken


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: espcn(scale=5), "^espcn: scale must be one of 2, 3, 4; got scale=5"),
        (lambda: edsr(scale=1), "scale must be"),
        (lambda: edsr((8, 8)), "^edsr: input_shape must be"),
        (lambda: edsr(blocks=0), "^edsr: blocks must be"),
        (lambda: edsr(filters=0), "filters must be"),
        (lambda: espcn(filters=(4, 0)), "filters must be"),
        (lambda: edsr(upsampling="cubic"), "upsampling must be"),
    ],
)
def test_illegal_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
