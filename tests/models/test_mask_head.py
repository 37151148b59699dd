"""Mask R-CNN's mask head: the paper's integer; the branch: a box's mask, wherever it is."""

import functools

import keras
import numpy as np
import pytest

from dnzoo import inference, losses
from dnzoo.models import mask_branch, mask_head
from tests.model_conformance import ModelConformance
from tests.models.test_unet import small_encoder


class TestMaskHead(ModelConformance):
    build = staticmethod(
        functools.partial(mask_head, (6, 6, 5), classes=3, filters=6, convolutions=2)
    )
    shapes = (4, 6, 6, 5)
    parameters = 777
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    steps_to_overfit = 150

    def batch(self):
        targets = np.random.default_rng(1).integers(0, 2, (4, 6, 6, 3)).repeat(2, 1).repeat(2, 2)
        return np.random.default_rng(2).normal(0, 1, self.shapes).astype("float32"), targets


class TestMaskBranch(ModelConformance):
    variant = True

    @staticmethod
    def build():
        return mask_branch((None, None, 3), classes=2, encoder=small_encoder(), stride=2, filters=8)

    shapes = [(2, 24, 32, 3), (2, 3, 4)]
    parameters = 4_730
    loss = losses.MaskLoss()

    def inputs(self):
        return self.batch()[0]

    def batch(self):
        """Bright discs on noise; a padded box has no object."""
        rng = np.random.default_rng(2)
        images = rng.normal(0, 0.1, self.shapes[0])
        boxes = np.array([[[2, 2, 14, 14], [16, 6, 30, 22], [0, 0, 1, 1]]] * 2, "float32")
        place = (np.arange(28) + 0.5) / 28 * 2 - 1
        disc = (place[:, None] ** 2 + place**2 < 0.7).astype("uint8")
        truth = np.zeros((2, 3, 28, 28, 2), "uint8")
        truth[:, 2, ..., 1] = 255
        for i, (left, top, right, bottom) in enumerate(boxes[0, :2]):
            rows, columns = np.mgrid[0:24, 0:32] + 0.5
            y, x = (rows - top) / (bottom - top) * 2 - 1, (columns - left) / (right - left) * 2 - 1
            images[:, y**2 + x**2 < 0.7] += 1
            truth[:, i, ..., 0], truth[:, i, ..., 1] = disc, i
        return [images.astype("float32"), boxes], truth


def test_paper():
    model = mask_head()
    assert model.count_params() == 2_643_280
    assert model.input_shape == (None, 14, 14, 256) and model.output_shape == (None, 28, 28, 80)


def test_a_mask_does_not_depend_on_the_other_boxes():
    model = TestMaskBranch.build()
    image = np.random.default_rng(0).normal(0, 1, (1, 24, 32, 3)).astype("float32")
    boxes = np.array([[[1, 2, 9, 12], [4, 4, 20, 20], [10, 1, 31, 23]]], "float32")
    together = np.asarray(model([image, boxes]))
    for i in range(3):
        alone = np.asarray(model([image, boxes[:, i : i + 1]]))
        assert np.allclose(alone[:, 0], together[:, i], atol=1e-5)


def test_paste_masks_equals_pytorch():
    """Detectron's way: `grid_sample` at pixel centres, zeros outside the box."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    masks = rng.uniform(0, 1, (5, 28, 28)).astype("float32")
    corners = np.sort(rng.uniform(-4, 44, (5, 2, 2)), axis=1)
    boxes = corners.reshape(5, 4).astype("float32")
    height, width = 31, 40
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    gy = (y - boxes[:, 1:2]) / (boxes[:, 3:] - boxes[:, 1:2]) * 2 - 1
    gx = (x - boxes[:, 0:1]) / (boxes[:, 2:3] - boxes[:, 0:1]) * 2 - 1
    grid = np.stack(
        [
            np.broadcast_to(gx[:, None, :], (5, height, width)),
            np.broadcast_to(gy[:, :, None], (5, height, width)),
        ],
        axis=-1,
    )
    expected = torch.nn.functional.grid_sample(
        torch.tensor(masks)[:, None], torch.tensor(grid.astype("float32")), align_corners=False
    )[:, 0].numpy()
    found = inference.paste_masks(masks, boxes, (height, width), 0.5)
    sure = np.abs(expected - 0.5) > 1e-4
    assert (found == (expected > 0.5))[sure].all() and sure.mean() > 0.99
    with pytest.raises(ValueError, match="paste_masks takes"):
        inference.paste_masks(masks, boxes[:3], (height, width))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_head(classes=0), "^mask_head: classes must be"),
        (lambda: mask_head((14, 14)), "^mask_head: input_shape must be"),
        (lambda: mask_head(filters=-1), "filters must be"),
        (lambda: mask_head(convolutions=-1), "convolutions must be"),
        (
            lambda: mask_branch(encoder=small_encoder(), stride=4),
            r"^mask_branch: stride must be one of the encoder's, \[2, 8\]",
        ),
        (lambda: mask_branch((8, 8), encoder=small_encoder()), "^mask_branch: input_shape must be"),
    ],
)
def test_illegal_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
