"""Resizing to another tensor's size, and corners that lie on each other, against PyTorch and by hand."""

import numpy as np
import pytest

from dnzoo import layers
from dnzoo.analysis import receptive_field
from dnzoo.layers import Resize2D, ResizeLike
from tests.conftest import has
from tests.layer_conformance import LayerConformance


class Like(LayerConformance):
    without_gradient = (1,)
    interpolation, align_corners = "bilinear", False

    def build(self, **kwargs):
        return ResizeLike(self.interpolation, self.align_corners, **kwargs)

    def test_channels_first(self):
        x, reference = self.inputs()
        found = self.build(data_format="channels_first")(
            [np.moveaxis(x, -1, 1), np.moveaxis(reference, -1, 1)]
        )
        assert np.allclose(np.moveaxis(found, 1, -1), self.run(self.build()), atol=1e-6)


class TestBilinear(Like):
    shapes = [(2, 4, 5, 3), (2, 7, 9, 2)]


class TestNearest(Like):
    shapes = [(2, 6, 5, 3), (2, 4, 11, 2)]
    interpolation = "nearest"


class TestCorners(Like):
    shapes = [(2, 4, 5, 3), (2, 7, 9, 2)]
    align_corners = True


class TestSignal(Like):
    shapes = [(2, 5, 3), (2, 8, 2)]
    interpolation = "linear"


class TestVolume(Like):
    shapes = [(2, 3, 2, 4, 2), (2, 5, 3, 4, 1)]
    interpolation = "trilinear"


NAMES = {1: "linear", 2: "bilinear", 3: "trilinear"}
SIZES = [(3, 9, 7), (12, 10, 14), (1, 1, 1), (6, 5, 7), (17, 2, 3)]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_equals_the_resizing_to_that_size(rank, sizes):
    x = np.random.default_rng(0).normal(0, 1, (2, *(6, 5, 7)[:rank], 3)).astype("float32")
    reference = np.zeros((2, *sizes[:rank], 1), "float32")
    for name, corners in (("nearest", False), (NAMES[rank], False), (NAMES[rank], True)):
        resize = getattr(layers, f"Resize{rank}D")(
            size=sizes[:rank], interpolation=name, align_corners=corners
        )
        assert np.array_equal(ResizeLike(name, corners)([x, reference]), resize(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("corners", [False, True])
def test_equals_pytorch(rank, sizes, corners):
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, *(6, 5, 7)[:rank], 3)).astype("float32")
    reference = np.zeros((2, *sizes[:rank], 1), "float32")
    names = [(NAMES[rank], NAMES[rank])] + ([] if corners else [("nearest", "nearest-exact")])
    for ours, theirs in names:
        expected = torch.nn.functional.interpolate(
            torch.tensor(np.moveaxis(x, -1, 1).copy()),
            size=sizes[:rank],
            mode=theirs,
            align_corners=corners if theirs != "nearest-exact" else None,
        )
        y = ResizeLike(ours, corners)([x, reference])
        assert np.allclose(y, np.moveaxis(expected.numpy(), 1, -1), atol=5e-6)


def test_corners_by_hand():
    """3 rows to 5: every second one is a row of the input, the others lie in the middle."""
    x = np.array([1.0, 4.0, 2.0], "float32").reshape(1, 3, 1, 1)
    y = Resize2D((5 / 3, 1), interpolation="bilinear", align_corners=True)(x)
    assert np.allclose(np.ravel(y), [1, 2.5, 4, 3, 2])


def test_cubic_corners_equal_pytorch():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    x = np.random.default_rng(0).normal(0, 1, (2, 6, 5, 3)).astype("float32")
    expected = torch.nn.functional.interpolate(
        torch.tensor(np.moveaxis(x, -1, 1).copy()), size=(9, 13), mode="bicubic", align_corners=True
    )
    y = Resize2D(None, (9, 13), "bicubic", cubic_coefficient=-0.75, align_corners=True)(x)
    assert np.allclose(y, np.moveaxis(expected.numpy(), 1, -1), atol=5e-6)


def test_corners_look_at_the_whole_image():
    layer = Resize2D(2, interpolation="bilinear", align_corners=True, name="corners")
    assert receptive_field(layer, (8, 8, 3)).whole_image == ("corners",)
