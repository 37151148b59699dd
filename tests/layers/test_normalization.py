"""The fused batch normalisation is Keras's layer, in every respect but time."""

import keras
import numpy as np
import pytest

from dnzoo.layers import BatchNormalization, normalize
from dnzoo.layers.normalization import NORMALIZATIONS
from tests.backends import gradients
from tests.conftest import child, slow
from tests.layer_conformance import LayerConformance


class TestBatchNormalization(LayerConformance):
    shapes = (3, 4, 5, 6)

    def build(self, **kwargs):
        return BatchNormalization(**kwargs)


class TestBatchNormalization3D(TestBatchNormalization):
    shapes = (2, 3, 2, 4, 3)


def both(shape=(3, 4, 5, 6), **kwargs):
    """Our layer and Keras's with the same weights, and an input."""
    layers = BatchNormalization(**kwargs), keras.layers.BatchNormalization(**kwargs)
    rng = np.random.default_rng(0)
    for layer in layers:
        layer.build(shape)
    weights = [rng.uniform(0.5, 2, weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return (*layers, rng.normal(2, 3, shape).astype("float32"))


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (4, 7, 2), (2, 3, 4, 5, 2), (5, 3), (1, 1, 1, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_equals_keras(shape, training):
    ours, theirs, x = both(shape, momentum=0.7)
    assert np.allclose(ours(x, training=training), theirs(x, training=training), atol=2e-5)
    for a, b in zip(ours.weights, theirs.weights):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"scale": False}, {"center": False}, {"epsilon": 1e-6}, {"shape": (2, 3, 4, 5, 2)}],
)
def test_gradients_equal_keras(kwargs: dict) -> None:
    ours, theirs, x = both(**kwargs)

    def cotangent(shape):
        return np.random.default_rng(1).normal(0, 1, shape).astype("float32")

    a, b = (gradients(layer, x, cotangent, training=True) for layer in (ours, theirs))
    for kind in a:
        for found, expected in zip(a[kind], b[kind], strict=True):
            assert np.allclose(found, expected, atol=2e-5)


def test_moving_variance_is_the_biased_one():
    """The fused kernel returns n / (n - 1) times as much: with n = 2, double."""
    layer = BatchNormalization(momentum=0.0)
    layer(np.array([[[[0.0]]], [[[2.0]]]], "float32"), training=True)
    assert np.allclose(layer.moving_variance, 1.0)


def test_frozen():
    ours, theirs, x = both()
    ours.trainable = theirs.trainable = False
    before = [np.array(weight) for weight in ours.weights]
    assert np.allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, ours.weights))


def test_bfloat16_keeps_float32_statistics():
    layer = BatchNormalization(dtype="mixed_bfloat16", momentum=0.0)
    x = np.random.default_rng(0).normal(100, 1, (4, 8, 8, 2)).astype("float32")
    layer(x, training=True)
    rounded = np.asarray(keras.ops.cast(keras.ops.cast(x, "bfloat16"), "float32"))
    assert np.allclose(layer.moving_mean, rounded.mean((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 7, 6), (2, 4, 3, 6), (2, 3, 4, 2, 6)])
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_normalize(name: str | None, shape: tuple[int, ...]) -> None:
    """Each is 0 in the mean, and 1 in the standard deviation, over what it looks at."""
    layer = normalize(name, 6)
    if layer is None:
        return
    x = np.random.default_rng(0).normal(5, 3, shape).astype("float32")
    y = np.asarray(layer(x, training=True) if name == "batch" else layer(x))
    space = tuple(range(1, len(shape) - 1))
    axes = {"batch": (0, *space), "instance": space, "group": space, "layer": (-1,)}[name]
    assert np.allclose(y.mean(axes), 0, atol=1e-5) and np.allclose(y.std(axes), 1, atol=1e-2)


def test_unknown_normalization():
    with pytest.raises(ValueError, match="normalization must be one of 'batch'"):
        normalize("weight", 8)


REPLICAS = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from dnzoo.layers import BatchNormalization

x = np.random.default_rng(0).normal(1, 2, (8, 4, 4, 3)).astype("float32")
x[4:] += 5  # the halves differ, so that unsynchronised statistics would show

def train(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 3))
        model = keras.Model(image, keras.layers.Conv2D(2, 1)(BatchNormalization()(image)))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        model.fit(x, x[..., :2], batch_size=8, epochs=3, shuffle=False, verbose=0)
        return [np.array(w) for w in model.get_weights()]

one = train(tf.distribute.OneDeviceStrategy("CPU:0"))
two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(one, two)), (one, two)
"""


@slow
def test_synchronises_over_replicas():
    child(REPLICAS)
