"""What VAE and GAN refuse of what `fit` gets: it trained on other numbers, or on a broadcast."""

import numpy as np
import pytest

from dnzoo import dcgan, vae

DIGITS = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), dtype="uint8")
UNIT = DIGITS / np.float32(255)


def build(kind, **kwargs):
    if kind == "vae":
        model = vae((16, 16, 1), 2, filters=(), hidden=4, **kwargs)
    else:
        model = dcgan((16, 16, 1), latent_dim=4, filters=2, **kwargs)
    model.compile("adam", run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("kind", "kwargs", "given", "message"),
    [
        ("vae", {}, DIGITS[..., 0], r"shape \(N, 16, 16, 1\); got \(8, 16, 16\)"),
        ("vae", {}, DIGITS, "from 0 to 1, or build it with include_preprocessing=True.*got uint8"),
        ("vae", {}, 255 * UNIT, "from 0 to 1, .*got 0 to 255"),
        ("vae", {"include_preprocessing": True}, UNIT, "from 0 to 255; got 0 to 1"),
        ("gan", {}, DIGITS, "from -1 to 1, .*got uint8"),
        ("gan", {}, 255 * UNIT, "from -1 to 1, .*got 0 to 255"),
        ("gan", {}, UNIT.repeat(3, -1), r"shape \(N, 16, 16, 1\); got \(8, 16, 16, 3\)"),
        ("gan", {}, (UNIT, np.zeros(8)), r"takes no labels: fit\(images\)"),
    ],
)
def test_refused(kind, kwargs, given, message):
    with pytest.raises(ValueError, match=message):
        build(kind, **kwargs).fit(given, verbose=0)


def test_labels_are_no_y():
    with pytest.raises(ValueError, match=r"fit\(\(images, labels\)\)"):
        build("gan", classes=3).fit(UNIT, np.zeros(8), verbose=0)


@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_data_sets_are_looked_at_as_they_come(kind):
    """Of a `tf.data.Dataset` shape and type are known."""
    import tensorflow as tf

    with pytest.raises(ValueError, match="got uint8"):
        build(kind).fit(tf.data.Dataset.from_tensor_slices(DIGITS).batch(4), verbose=0)


@pytest.mark.parametrize(
    ("kwargs", "given"), [({"include_preprocessing": True}, DIGITS), ({}, UNIT)]
)
def test_taken(kwargs, given):
    for kind in ("vae", "gan"):
        assert np.isfinite(build(kind, **kwargs).fit(given, verbose=0).history["loss"]).all()
