"""Differentiable augmentation: what each policy may do, and that gradients pass."""

import keras
import numpy as np
import pytest

from dnzoo.layers import DifferentiableAugmentation
from tests.backends import gradients
from tests.conftest import run_on

IMAGES = np.random.default_rng(0).uniform(-1, 1, (64, 16, 24, 3)).astype("float32")


def augmented(*policies, images=IMAGES, seed=0):
    return np.asarray(DifferentiableAugmentation(policies, seed=seed)(images, training=True))


def test_nothing_outside_training():
    assert np.array_equal(DifferentiableAugmentation()(IMAGES), IMAGES)


def test_color():
    found = augmented("color")
    assert found.shape == IMAGES.shape
    shift = found.mean(axis=(1, 2, 3)) - IMAGES.mean(axis=(1, 2, 3))  # contrast keeps the mean
    assert np.abs(shift).max() <= 0.5 and np.ptp(shift) > 0.7
    grey = augmented("color", images=np.repeat(IMAGES[..., :1], 3, -1))
    assert np.allclose(grey[..., 0], grey[..., 1], atol=1e-6)  # no saturation where there is none
    spread = found.mean(-1).std(axis=(1, 2)) / IMAGES.mean(-1).std(axis=(1, 2))
    assert 0.5 <= spread.min() < 0.6 and 1.4 < spread.max() <= 1.5


def test_translation():
    """Every image is the old one, moved by an eighth at most; zeros come in."""
    moves = set()
    for before, after in zip(IMAGES, augmented("translation")):
        padded = np.pad(before, ((2, 2), (3, 3), (0, 0)))
        fits = [
            (i, j)
            for i in range(5)
            for j in range(7)
            if np.array_equal(padded[i : i + 16, j : j + 24], after)
        ]
        assert len(fits) == 1
        moves.add(fits[0])
    assert {i for i, _ in moves} == set(range(5)) and {j for _, j in moves} == set(range(7))


def test_cutout():
    found = augmented("cutout", images=np.ones_like(IMAGES))
    assert set(np.unique(found)) == {0.0, 1.0}
    areas = (found[..., 0] == 0).sum(axis=(1, 2))
    assert areas.max() == 8 * 12 and areas.min() >= 4 * 6
    for image in found[..., 0]:
        rows, columns = (image == 0).any(1), (image == 0).any(0)
        assert (image[np.ix_(rows, columns)] == 0).all()  # one rectangle


def test_volumes_and_signals():
    """A box, and moves along every axis; nothing else than in two dimensions."""
    for sizes in ((32,), (16, 24, 8)):
        ones = np.ones((8, *sizes, 2), "float32")
        for policy in ("translation", "cutout"):
            grey = augmented(policy, images=ones)[..., 0] == 0
            for volume in grey if policy == "cutout" else ~grey:
                seen = np.nonzero(volume)
                box = tuple(slice(places.min(), places.max() + 1) for places in seen)
                assert volume[box].all() and volume[box].size == volume.sum()
        assert augmented("color", images=ones).shape == ones.shape


def test_gradient_passes_and_seed_repeats():
    layer = DifferentiableAugmentation(seed=3)
    found = gradients(layer, IMAGES[:4], lambda shape: np.ones(shape, "float32"), training=True)
    assert np.abs(found["inputs"][0]).max() > 0
    again = [augmented("color", "cutout", seed=3) for _ in range(2)]
    assert np.array_equal(*again)
    assert not np.array_equal(again[0], augmented("color", "cutout", seed=4))


def test_config():
    layer = DifferentiableAugmentation(("cutout",), seed=1)
    config = layer.get_config()
    assert DifferentiableAugmentation.from_config(config).get_config() == config
    with pytest.raises(
        ValueError, match="policies must be one of 'color', 'translation', 'cutout'"
    ):
        DifferentiableAugmentation(("colour",))
    mixed = DifferentiableAugmentation(seed=0, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(mixed(IMAGES, training=True).dtype) == "bfloat16"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    """The same rules hold where random numbers are others."""
    code = (
        "from tests.layers import test_augmentation as t; t.test_color(); t.test_translation(); "
        "t.test_cutout(); t.test_nothing_outside_training()"
    )
    run_on(backend, code)
