"""A new head on a trained model."""

import keras
import numpy as np
import pytest

from dnzoo import losses, saving, unet
from dnzoo.models import _heads, fcn8s, mask_branch, new_head

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
        block = model.get_layer("encoder").get_layer("encoder_1")
        norm = block.norms[0]
        norm.moving_mean.assign(np.full(4, 1000.0))
        for _ in range(100):
            block(np.zeros((1, 8, 8, 3), "float32"), training=True)
        assert np.allclose(np.asarray(norm.moving_mean) / 1000, share, atol=0.002)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="does not end in a convolution or dense layer"):
        image = keras.Input((8, 8, 3))
        new_head(keras.Model(image, keras.layers.ReLU()(image)), 2)
    with pytest.raises(ValueError, match="keep must be 2 numbers of the 3 old channels"):
        new_head(trained(), 2, keep=[0, 3])


def test_the_head_of_fcn_is_all_that_has_classes():
    """Scores, and transposed kernels from classes to classes; known classes give what they gave."""
    old = fcn8s(
        (64, 64, 3), classes=3, encoder="efficientnet_lite0", fc_filters=8, fc_kernel_size=1
    )
    rng = np.random.default_rng(1)
    old.set_weights([w + rng.uniform(0, 0.1, w.shape) for w in old.get_weights()])
    for layer in old.layers:
        if layer.name.startswith("up"):  # classes do not mix
            kernel = layer.get_weights()[0] * np.eye(3)
            layer.set_weights([kernel])
    names = {layer.name for layer in _heads.head(old)}
    assert names == {"score_32", "score_16", "score_8", "up_16", "up_8", "up_1"}
    new = new_head(old, classes=4, keep=[2, None, 0, 1])
    image = rng.uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    before, after = np.asarray(old(image)), np.asarray(new(image))
    assert after.shape[-1] == 4
    scale = np.abs(before).max()
    assert np.allclose(after[..., [0, 2, 3]] / scale, before[..., [2, 0, 1]] / scale, atol=1e-5)


def test_the_head_of_the_mask_branch():
    old = mask_branch(encoder="efficientnet_lite0", classes=3, filters=8)
    assert [layer.name for layer in _heads.head(old)] == ["masks"]
    new = new_head(old, classes=2, keep=[1, None])
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    inputs = [image, np.array([[[2, 3, 20, 30]]], "float32")]
    before, after = np.asarray(old(inputs)), np.asarray(new(inputs))
    assert after.shape == (1, 1, 28, 28, 2)
    assert np.allclose(after[..., 0], before[..., 1], atol=1e-5)


def test_as_many_classes_as_before():
    old = trained()
    new = new_head(old, classes=3, keep=[1, None, 0])
    kernel, fresh = old.get_layer("head").get_weights()[0], new.get_layer("head").get_weights()[0]
    assert np.array_equal(fresh[..., 0], kernel[..., 1])
    assert np.array_equal(fresh[..., 2], kernel[..., 0])
    assert not np.allclose(fresh[..., 1], kernel[..., 1])


@pytest.mark.parametrize(
    "build",
    [
        trained,
        lambda: fcn8s((64, 64, 3), 3, encoder="efficientnet_lite0", fc_filters=8),
        lambda: mask_branch(encoder="efficientnet_lite0", classes=3, filters=8),
    ],
)
def test_only_the_head_learns_and_then_everything(build):
    model = build()
    everything = [weight.path for weight in model.trainable_weights]
    _heads.train_only_head(model)
    wanted = {weight.path for layer in _heads.head(model) for weight in layer.weights}
    assert {weight.path for weight in model.trainable_weights} == wanted
    _heads.train_all(model)
    assert [weight.path for weight in model.trainable_weights] == everything


def test_what_is_frozen_stays_frozen(tmp_path):
    """Through a new head, a SavedModel and a copy in float32, with its statistics; the new head learns."""
    old = trained()
    old.get_layer("encoder").trainable = False
    old.layers[-2].trainable = False  # the head
    saving.save(old, tmp_path / "saved")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 32, 32, 3)), rng.integers(0, 2, (4, 32, 32))
    for new in (new_head(old, 2), saving.load(tmp_path / "saved"), saving.as_float32(old)):
        before = [np.array(w) for w in new.get_layer("encoder").weights]
        head = [np.array(w) for w in new.layers[-2].weights]
        new.compile("sgd", losses.CrossEntropy(), run_eagerly=True)
        new.fit(x, y % new.output_shape[-1], verbose=0)
        assert all(map(np.array_equal, before, new.get_layer("encoder").weights))
        learned = not np.array_equal(head[0], new.layers[-2].weights[0])
        assert learned == new.layers[-2].trainable
    assert new_head(old, 2).layers[-2].trainable and not new.layers[-2].trainable
