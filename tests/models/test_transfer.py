"""A new head on a trained model."""

import keras
import numpy as np
import pytest

from dnzoo import unet
from dnzoo.models import new_head

IMAGE = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")


def trained(**kwargs):
    model = unet((32, 32, 3), classes=3, filters=(4, 8), dropout=0.2, **kwargs)
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.uniform(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def test_everything_but_the_head_is_kept():
    old = trained()
    new = new_head(old, classes=5)
    assert new.output_shape == (None, 32, 32, 5)
    assert [w.path for w in new.weights] == [w.path for w in old.weights]
    pairs = list(zip(old.get_weights(), new.get_weights()))
    assert all(np.array_equal(a, b) for a, b in pairs[:-2])
    assert new.get_layer("encoder").get_layer("dropout_1").seed == (
        old.get_layer("encoder").get_layer("dropout_1").seed
    )


def test_known_classes_give_what_they_gave():
    old = trained()
    new = new_head(old, classes=4, keep=[0, None, 2, 1])
    before, after = np.asarray(old(IMAGE)), np.asarray(new(IMAGE))
    assert np.allclose(after[..., [0, 2, 3]], before[..., [0, 2, 1]], atol=1e-5)
    assert not np.allclose(after[..., 1], before[..., 1], atol=1e-2)


def momenta(layer):
    """Of every batch normalisation below a layer."""
    below = getattr(layer, "layers", []) + [n for n in getattr(layer, "norms", []) if n is not None]
    own = [layer.momentum] if isinstance(layer, keras.layers.BatchNormalization) else []
    return own + [value for part in below for value in momenta(part)]


@pytest.mark.parametrize("encoder", [None, "mobilenetv2"])
def test_momentum_reaches_every_normalisation(encoder):
    filters = (4,) * 5 if encoder else (4, 8)
    old = unet((32, 32, 3), 2, filters=filters, encoder=encoder)
    assert set(momenta(old)) <= {0.99, 0.999}
    new = new_head(old, 2, normalization_momentum=0.8)
    assert set(momenta(new)) == {0.8} and len(momenta(new)) == len(momenta(old))
    assert set(momenta(new_head(new, 2))) == {0.8}


def test_moving_statistics_after_100_steps():
    """What the docstring says of 0.99 and 0.9, measured."""
    for momentum, share in ((0.99, 0.366), (0.9, 2.66e-5)):
        model = new_head(trained(), 2, normalization_momentum=momentum)
        norm = model.get_layer("encoder").get_layer("encoder_1").norms[0]
        norm.moving_mean.assign(np.full(4, 1000.0))
        for _ in range(100):
            model(np.zeros((1, 32, 32, 3), "float32"), training=True)
        assert np.allclose(np.asarray(norm.moving_mean) / 1000, share, atol=0.002)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="does not end in a convolution or dense layer"):
        image = keras.Input((8, 8, 3))
        new_head(keras.Model(image, keras.layers.ReLU()(image)), 2)
    with pytest.raises(ValueError, match="keep must be 2 numbers of the 3 old channels"):
        new_head(trained(), 2, keep=[0, 3])
