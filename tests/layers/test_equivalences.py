"""Upsampling layers that are transposed convolutions with kernels of a certain form (docs/theory.md)."""

import keras
import numpy as np
import pytest
from keras import ops

from dnzoo import layers

RNG = np.random.default_rng(0)
DEPTH, FILTERS = 3, 2


def _same(layer, transposed, kernel):
    """Both layers' outputs for one input, the transposed convolution with this kernel."""
    x = RNG.normal(size=(2, 5, 4, DEPTH)).astype("float32")
    made = ops.convert_to_numpy(layer(x))
    transposed.build(x.shape)
    transposed.set_weights([kernel.astype("float32")])
    return made, ops.convert_to_numpy(transposed(x))


@pytest.mark.parametrize(("size", "stride"), [(1, 2), (3, 2), (5, 2), (3, 3), (3, 4)])
def test_nearest_and_convolution(size, stride):
    """Nearest-neighbour resizing and a convolution: the kernel is the mirrored one, boxed."""
    layer = layers.ResizeConv2D(FILTERS, size, scale=stride, use_bias=False)
    layer.build((None, 5, 4, DEPTH))
    (mirrored,) = (weight[::-1, ::-1] for weight in layer.get_weights())
    kernel = np.zeros((size + stride - 1,) * 2 + (FILTERS, DEPTH))
    for i, j in np.ndindex(stride, stride):
        kernel[i : i + size, j : j + size] += mirrored.transpose(0, 1, 3, 2)
    transposed = layers.Conv2DTranspose(
        FILTERS, size + stride - 1, stride, padding=(size - 1) // 2, use_bias=False
    )
    made, expected = _same(layer, transposed, kernel)
    assert np.abs(made - expected).max() < 1e-5


@pytest.mark.parametrize(("size", "scale"), [(1, 2), (3, 2), (5, 2), (3, 3), (3, 4)])
def test_subpixel(size, scale):
    """A convolution and a pixel shuffle: any kernel of `scale` times the size."""
    layer = layers.SubpixelConv2D(FILTERS, size, scale=scale, icnr=False, use_bias=False)
    layer.build((None, 5, 4, DEPTH))
    (small,) = layer.get_weights()
    phases = small.reshape(size, size, DEPTH, scale, scale, FILTERS)
    kernel = np.zeros((scale * size,) * 2 + (FILTERS, DEPTH))
    for i, j in np.ndindex(scale, scale):
        mirrored = phases[::-1, ::-1, :, i, j].transpose(0, 1, 3, 2)
        kernel[i::scale, j::scale] = mirrored
    transposed = layers.Conv2DTranspose(
        FILTERS, scale * size, scale, padding=scale * (size - 1) // 2, use_bias=False
    )
    made, expected = _same(layer, transposed, kernel)
    assert np.abs(made - expected).max() < 1e-5


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bilinear_resizing(scale):
    """Bilinear resizing: a depthwise transposed convolution with the bilinear kernel, inside."""
    size = 2 * scale - scale % 2
    transposed = layers.DepthwiseConv2DTranspose(
        size,
        scale,
        padding=(size - scale) // 2,
        kernel_initializer=layers.Bilinear(),
        use_bias=False,
    )
    x = RNG.normal(size=(2, 7, 6, DEPTH)).astype("float32")
    made = ops.convert_to_numpy(layers.Resize2D(scale, interpolation="bilinear")(x))
    expected = ops.convert_to_numpy(transposed(x))
    inside = slice(scale, -scale)  # the border repeats its last row instead of adding zeros
    assert np.abs((made - expected)[:, inside, inside]).max() < 1e-5
    assert np.abs(made - expected).max() > 1e-2


def test_blur_behind():
    """A blur behind a transposed convolution: one whose kernel is blurred."""
    chain = keras.Sequential(
        [layers.Conv2DTranspose(FILTERS, 4, 2, padding=0, use_bias=False), layers.Blur()]
    )
    chain.build((None, 5, 4, DEPTH))
    (kernel,) = chain.layers[0].get_weights()
    row = np.array([1, 2, 1]) / 4
    blurred = np.zeros((6, 6, FILTERS, DEPTH))
    for i, j in np.ndindex(3, 3):
        blurred[i : i + 4, j : j + 4] += row[i] * row[j] * kernel
    transposed = layers.Conv2DTranspose(FILTERS, 6, 2, padding=1, use_bias=False)
    made, expected = _same(chain, transposed, blurred)
    inside = slice(1, -1)  # the blur reflects at the border
    assert np.abs((made - expected)[:, inside, inside]).max() < 1e-5


def test_unpooling_is_the_transposed_pooling():
    """Values go where pooling sends gradients: unpooling is the transpose of pooling's matrix."""
    import tensorflow as tf

    x = tf.convert_to_tensor(RNG.normal(size=(2, 8, 6, DEPTH)).astype("float32"))
    pool = layers.MaxPoolWithSwitches2D(2)
    values = RNG.normal(size=(2, 4, 3, DEPTH)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled, switches = pool(x)
        loss = ops.sum(pooled * values)
    expected = ops.convert_to_numpy(tape.gradient(loss, x))
    made = ops.convert_to_numpy(layers.MaxUnpool2D(2)([values, switches]))
    np.testing.assert_array_equal(made, expected)
