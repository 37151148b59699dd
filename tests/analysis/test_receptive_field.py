"""Receptive fields, against where the gradient is not zero."""

from fractions import Fraction

import keras
import numpy as np
import pytest

from dnzoo import layers as L
from dnzoo import unet
from dnzoo.analysis import complexity, plot_receptive_field, receptive_field
from dnzoo.analysis.graph import trace
from dnzoo.analysis.receptive_field import seen
from dnzoo.layers.rules import Kept

K = keras.layers


def chain(*layers, shape=(40, 40, 4)):
    image = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x)


def skipping():
    """Down and up again, with a skip: the wider way counts."""
    image = keras.Input((40, 40, 4))
    x = K.Conv2D(4, 3, padding="same")(image)
    y = L.Conv2DTranspose(4, 2, 2)(K.Conv2D(4, 3, padding="same")(K.MaxPooling2D()(x)))
    return keras.Model(image, L.SkipFusion()([y, x]))


def segnet():
    image = keras.Input((40, 40, 4))
    x = K.Conv2D(4, 3, padding="same")(image)
    values, switches = L.MaxPoolWithSwitches2D()(x)
    y = K.Conv2D(4, 3, padding="same")(values)
    return keras.Model(image, L.MaxUnpool2D()([y, switches, x]))


def levels():
    image = keras.Input((40, 40, 4))
    fine = K.Conv2D(4, 3, padding="same")(image)
    coarse = K.Conv2D(4, 3, strides=4, padding="same")(fine)
    return keras.Model(image, L.MultiScaleFusion(3)([fine, coarse]))


def smooth(layer):
    """Averages where maxima would hide most of what they see."""
    if isinstance(layer, K.MaxPooling2D):
        return K.AveragePooling2D(layer.pool_size, layer.strides, layer.padding)
    return layer.__class__.from_config(layer.get_config())


NETS = {
    "convolution": lambda: chain(K.Conv2D(4, 5, strides=2)),
    "dilated": lambda: chain(K.Conv2D(4, 3, dilation_rate=3, padding="same")),
    "deep": lambda: chain(K.Conv2D(4, 3, strides=2, padding="same"), K.DepthwiseConv2D(3), K.SeparableConv2D(4, 3)),
    "pooling": lambda: chain(K.AveragePooling2D(3, 2, padding="same"), K.ZeroPadding2D(2), K.Cropping2D(1)),
    "transposed": lambda: chain(L.Conv2DTranspose(4, 5, 3, 2, 1)),
    "transposed, uncovered rows": lambda: chain(L.Conv2DTranspose(4, 2, 3)),
    "transposed, dilated": lambda: chain(L.Conv2DTranspose(4, 3, 2, 1, dilation_rate=2, groups=2)),
    "keras": lambda: chain(K.Conv2DTranspose(4, 4, 2, padding="same")),
    "fractional": lambda: chain(L.FractionalConv2D(4, (4, 3), (2, 1), 1)),
    "separable": lambda: chain(L.SeparableConv2DTranspose(4, 4, 2, "same")),
    "shuffle": lambda: chain(L.PixelShuffle2D(2), L.PixelUnshuffle2D(4)),
    "sub-pixel": lambda: chain(L.SubpixelConv2D(4, 5, 3)),
    "nearest": lambda: chain(L.ResizeConv2D(4, 3, 2)),
    "bilinear": lambda: chain(L.Resize2D(2, interpolation="bilinear")),
    "bicubic": lambda: chain(L.Resize2D(1.5, interpolation="bicubic")),
    "shrinking": lambda: chain(L.Resize2D(0.4, interpolation="bilinear", antialias=True)),
    "upsampling": lambda: chain(K.UpSampling2D(3, interpolation="bilinear"), K.UpSampling2D(2)),
    "blur": lambda: chain(L.Blur(4)),
    "carafe": lambda: chain(L.CARAFE(2, 5, 3, 4)),
    "block": lambda: chain(L.ConvBlock(4, residual=True)),
    "valid block": lambda: chain(L.ConvBlock(4, residual=True, padding="valid", normalization=None)),
    "residual up": lambda: chain(L.ResidualUpBlock(4, 2, "transposed", "layer")),
    "residual up, pre": lambda: chain(L.ResidualUpBlock(4, 2, "bilinear", preactivation=True)),
    "gate": skipping,
    "spectral": lambda: chain(L.SpectralNormalization(L.Conv2DTranspose(4, 4, 2, 1))),
    "levels": levels,
    "sequential": lambda: keras.Sequential([keras.Input((40, 40, 4)), K.Conv2D(3, 3), K.BatchNormalization(), K.ReLU(), K.Conv2D(3, 3)]),
    "unet": lambda: unet((48, 48, 3), filters=(2, 3, 4), normalization=None),
    "unet, valid": lambda: unet((60, 60, 3), filters=(2, 3, 4), normalization=None, padding="valid"),
    "unet, attention": lambda: unet((48, 48, 3), filters=(2, 3), skip="attention", upsampling="subpixel"),
}  # fmt: skip


UNCOVERED = ("transposed, uncovered rows", "transposed, dilated")


def gradient_rows(model, row, column):
    """First and last input row and column with a gradient of the output pixel, over random weights."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for weight in model.weights:  # positive, so that nothing cancels and no ReLU is off
        weight.assign(rng.uniform(0.5, 1, weight.shape))
    x = tf.constant(rng.uniform(0.5, 1, (1, *model.input_shape[1:])).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x)[0, row, column])
    found = np.abs(tape.gradient(total, x)[0]).sum(-1)
    if not found.any():
        return ()
    rows, columns = (np.flatnonzero(found.sum(axis)) for axis in (1, 0))
    return (rows[0], rows[-1]), (columns[0], columns[-1])


@pytest.mark.parametrize("name", NETS)
def test_gradient_support(name):
    """Exactly the field, for pixels of several phases; beyond the image it is cut off."""
    model = NETS[name]()
    if any(isinstance(layer, K.MaxPooling2D) for layer in model.layers) or "unet" in name:
        model = keras.models.clone_model(model, clone_function=averaging)
    graph = trace(model)
    size = model.input_shape[1]
    field = receptive_field(model)
    middle = [rows // 2 for rows in model.output_shape[1:3]]
    for phase in range(4):
        places = [middle[0] + phase, middle[1] + phase + 1]
        found = gradient_rows(model, *places)
        for axis, at in enumerate(places):
            if not len(found):
                assert name in UNCOVERED  # nothing is written to that pixel
                continue
            (low, high), blocked = seen(graph, axis, at, at)
            assert not blocked
            assert found[axis] == (max(low, 0), min(high, size - 1)), (axis, at)
            first = field.stride[axis] * at + field.offset[axis]
            assert first <= low and high - low + 1 <= field.size[axis]


def averaging(layer):
    """A maximum sees its window, but has a gradient for one pixel of it."""
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=averaging)
    return smooth(layer)


def test_known_fields():
    field = receptive_field(K.Conv2D(4, 3, strides=2), (33, 33, 3))
    assert (field.size, field.stride, field.offset) == ((3, 3), (2, 2), (0, 0))
    field = receptive_field(L.Conv2DTranspose(4, 4, 2, 1), (8, 8, 3))
    assert (field.size, field.stride, field.offset) == ((2, 2), (Fraction(1, 2),) * 2, (-1, -1))
    field = receptive_field(L.Conv1DTranspose(4, 3, 3), (8, 3))
    assert (field.size, field.stride) == ((1,), (Fraction(1, 3),))
    # VGG16's last pooling: 212 (Araujo et al. 2019)
    field = receptive_field(keras.applications.VGG16(weights=None, include_top=False))
    assert field.size == (212, 212) and field.stride == (32, 32)
    # the U-Net paper's: 140 at the bottom, of which the way up sees 5, 16 rows apart
    field = receptive_field(
        unet((572, 572, 1), filters=(1, 1, 1, 1, 1), padding="valid", normalization=None)
    )
    assert field.stride == (1, 1) and field.size == (204, 204)


def test_encoders_and_segnet():
    assert receptive_field(segnet()).size == (8, 8)
    model = unet((None, None, 3), encoder="MobileNetV2", filters=(2,) * 5)
    field = receptive_field(model)
    assert field.stride == (1, 1) and field.size[0] > 500


def test_layers_that_see_the_whole_image():
    for layer, name in (
        (L.SqueezeExcite(), "mean"),
        (L.SelfAttention2D(name="attention"), "attention"),
        (L.DySample(name="points"), "points"),
        (L.ConvBlock(4, normalization="instance"), "norm_1"),
        (K.GlobalAveragePooling2D(name="pool"), "pool"),
    ):
        field = receptive_field(layer, (16, 16, 4))
        assert field.size is None and any(name in found for found in field.whole_image)
    with pytest.raises(ValueError, match="norm_1, norm_2 look at the whole image"):
        plot_receptive_field(L.ConvBlock(4, normalization="group"), (16, 16, 4))


def test_a_model_is_left_as_it_was():
    model = unet((32, 32, 3), filters=(2, 3))
    before = [len(layer._inbound_nodes) for layer in model.layers]
    receptive_field(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == before
    assert model.get_layer("head").output.shape == (None, 32, 32, 2)


class Rolled(K.Layer):
    def call(self, x):
        return keras.ops.roll(x, 1, axis=1)


def test_a_users_layer_says_its_rules():
    class Ruled(Rolled):
        def rows_seen(self, axis, low, high, rows_in, rows_out):
            return (low - 1, high - 1) if axis == 0 else (low, high)

        def macs(self, shapes_in, shape_out):
            return shape_out[1]

        def kept(self, shapes_in, shape_out):
            return Kept(inside=1000)

    model = chain(Ruled(name="mine"), K.Conv2D(4, 3))
    field = receptive_field(model)
    assert field.size == (3, 3) and field.offset == (-1, 0)
    cost, plain = complexity(model), complexity(chain(K.Identity(), K.Conv2D(4, 3)))
    assert cost.macs == plain.macs + 40
    assert cost.training_bytes == plain.training_bytes + 4 * 1000


def test_unknown_operations_are_named():

    with pytest.raises(ValueError, match=r"no rule is known for rolled/roll.* \(Roll\)"):
        receptive_field(Rolled(name="rolled"), (8, 8, 3))
    with pytest.raises(ValueError, match="must have one input; got 2"):
        receptive_field(L.SkipFusion(), [(8, 8, 3), (8, 8, 3)])
    with pytest.raises(ValueError, match="give input_shape"):
        receptive_field(L.Blur())
