"""U-Net: the paper's integers, every option, any size, and encoders."""

import functools
import itertools
import re

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo import create_model, unet
from tests.conftest import slow
from tests.model_conformance import ModelConformance


class TestUNet(ModelConformance):
    build = staticmethod(functools.partial(unet, (None, None, 1), classes=3, filters=(8, 12, 16)))
    shapes, classes = (2, 19, 26, 1), 3
    parameters = 14_215


class TestPaperStyle(ModelConformance):
    variant = True
    build = staticmethod(
        functools.partial(
            unet, (44, 44, 1), classes=1, filters=(8, 12), padding="valid", normalization=None
        )
    )
    shapes, classes = (2, 44, 44, 1), 1
    parameters = 4_993


class TestResidualAttention(ModelConformance):
    variant = True
    build = staticmethod(
        functools.partial(
            unet,
            (None, None, 2),
            classes=2,
            filters=(8, 16),
            upsampling="subpixel",
            normalization="group",
            skip="attention",
            residual=True,
            include_preprocessing=False,
        )
    )
    shapes, classes = (2, 13, 16, 2), 2
    parameters = 11_131


class TestVolumes(ModelConformance):
    variant = True
    build = staticmethod(functools.partial(unet, (None, None, None, 1), classes=3, filters=(6, 8)))
    shapes, classes = (1, 9, 7, 10, 1), 3
    parameters = 7_685


class TestSignals(ModelConformance):
    variant = True
    build = staticmethod(
        functools.partial(
            unet, (None, 1), classes=2, filters=(8, 12), upsampling="linear", skip="add"
        )
    )
    shapes, classes = (2, 41, 1), 2
    parameters = 1_914


def small_encoder(channels=3):
    """Features at strides 2 and 8: like ConvNeXt, one stride is missing."""
    image = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
    fine = keras.layers.BatchNormalization()(x)
    coarse = keras.layers.Conv2D(8, 5, strides=4, padding="same", activation="relu")(fine)
    return keras.Model(image, [fine, coarse])


class TestOwnEncoder(ModelConformance):
    variant = True

    @staticmethod
    def build():
        return unet((None, None, 3), classes=2, filters=(4, 8, 8), encoder=small_encoder())

    shapes, classes = (2, 21, 30, 3), 2
    parameters = 5_294


def count(model):
    return model.count_params()


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_paper():
    model = unet((572, 572, 1), classes=2, padding="valid", normalization=None)
    assert count(model) == 31_030_658
    assert model.output_shape == (None, 388, 388, 2)


def test_same_padding():
    assert count(unet((None, None, 3), classes=3, normalization=None)) == 31_031_875
    model = unet((None, None, 3), classes=3)
    assert trainable(model) == 31_043_651
    assert count(model) == 31_043_651 + 11_776


def test_volumes_count():
    """By hand: a convolution has 27 C F + F parameters, a transposed one 8 C F + F, batch normalisation 2 F."""
    widths = (32, 64, 128, 256)

    def double(depth, width):
        return (27 * depth + 1) * width + (27 * width + 1) * width + 4 * width

    down = sum(double(depth, width) for depth, width in zip((1, *widths), widths))
    up = sum(
        (8 * below + 1) * width + double(2 * width, width)
        for width, below in itertools.pairwise(widths)
    )
    model = unet((None, None, None, 1), classes=3, filters=widths)
    assert trainable(model) == down + up + 32 * 3 + 3 == 5_602_595
    valid = unet((132, 132, 116, 3), classes=3, filters=widths, padding="valid")
    assert valid.output_shape == (None, 44, 44, 28, 3)  # the sizes of Çiçek et al. 2016


def test_volumes_are_what_the_sums_say():
    """A whole forward pass in three dimensions against numpy."""
    rng = np.random.default_rng(0)
    model = unet((None, None, None, 2), classes=3, filters=(3, 4))
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1, weight.shape) * rng.choice([-1, 1], weight.shape))
        if weight.name == "moving_variance":
            weight.assign(np.abs(weight))

    def double(x, block):
        weights = [np.array(weight) for weight in block.weights]
        for i in (0, 1):
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), (1, 2, 3))
            x = np.einsum("ndhwcijk,ijkco->ndhwo", windows, weights[2 * i]) + weights[2 * i + 1]
            gamma, beta, mean, variance = weights[4 + 4 * i : 8 + 4 * i]
            x = np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
        return x

    x = rng.normal(0, 1, (2, 4, 6, 8, 2)).astype("float32")
    encoder = model.get_layer("encoder")
    skip = double(x, encoder.get_layer("encoder_1"))
    pooled = skip.reshape(2, 2, 2, 3, 2, 4, 2, 3).max((2, 4, 6))
    deep = double(pooled, encoder.get_layer("encoder_2"))
    kernel, bias = (np.array(weight) for weight in model.get_layer("up_1").weights)
    up = np.einsum("ndhwc,ijkoc->ndihjwko", deep, kernel).reshape(2, 4, 6, 8, 3) + bias
    decoded = double(np.concatenate([skip, up], -1), model.get_layer("decoder_1"))
    kernel, bias = (np.array(weight) for weight in model.get_layer("head").weights)
    expected = decoded @ kernel[0, 0, 0] + bias
    assert np.abs(model(x) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 31), (33, 64)])
@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_any_size(size, upsampling):
    for shape in ((None, None, 1), (*size, 1)):
        model = unet(shape, classes=2, filters=(2, 3, 4), upsampling=upsampling)
        assert model(np.ones((1, *size, 1), "float32")).shape == (1, *size, 2)


def test_impossible_valid_size_names_the_nearest():
    with pytest.raises(ValueError, match="can't take 570 rows; the nearest that works is 572"):
        unet((570, 572, 1), padding="valid")
    with pytest.raises(ValueError, match="even and not negative"):
        unet((None, None, 1), filters=(2, 4), padding="valid")(np.ones((1, 43, 44, 1), "float32"))


def test_mixed_sizes_of_training_and_serving():
    """Logits are float32, and a sigmoid or softmax may be asked for."""
    model = unet((16, 16, 1), classes=3, filters=(2, 4), activation="softmax")
    assert np.allclose(np.sum(model(np.ones((1, 16, 16, 1), "float32")), -1), 1, atol=1e-6)


def test_dropout_only_when_training():
    model = unet((16, 16, 1), filters=(2, 4, 8), dropout=0.5)
    x = np.ones((1, 16, 16, 1), "float32")
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    rates = [layer.rate for layer in model.get_layer("encoder").layers if "dropout" in layer.name]
    assert rates == [0.5, 0.5]


def test_preprocessing():
    raw = unet((16, 16, 3), filters=(2, 4), include_preprocessing=True)
    plain = unet((16, 16, 3), filters=(2, 4))
    plain.set_weights(raw.get_weights())
    x = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype("float32")
    assert np.allclose(raw(x), plain(x / 127.5 - 1), atol=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"classes": 0}, "classes must be"),
        ({"filters": (8,)}, "at least two levels"),
        ({"filters": 8}, "at least two levels"),
        ({"filters": (8, -1)}, "filters must be"),
        ({"input_shape": (32,)}, "input_shape must be"),
        ({"input_shape": (8, 8, 8, 8, 1)}, "input_shape must be"),
        ({"input_shape": (8, 8, 8, 3), "encoder": "vgg16"}, "encoder= is for images"),
        (
            {"input_shape": (8, 8, 8, 3), "filters": (2, 4), "upsampling": "carafe"},
            "subpixel, nearest, trilinear in 3-D",
        ),
        ({"input_shape": (32, 32, None)}, "input_shape must be"),
        ({"upsampling": "bicubik"}, "upsampling must be"),
        ({"normalization": "bach"}, "normalization must be"),
        ({"padding": "full"}, "padding must be"),
        ({"normalization_momentum": 1.5}, "must be from 0 to below 1"),
        ({"skip": "none"}, "skip must be"),
        ({"encoder": "resnet51"}, "encoder must be"),
        ({"encoder_weights": "imagenet"}, "encoder_weights needs encoder"),
        ({"encoder": "vgg16", "padding": "valid"}, "encoders are padded"),
        ({"encoder": "vgg16", "filters": (8, 8)}, "filters needs at least 5 widths"),
        pytest.param({"encoder": "inceptionv3"}, "no features at powers of two", marks=slow),
        ({"encoder": "efficientnetb0", "include_preprocessing": False}, "can't be had"),
    ],
)
def test_illegal_arguments(kwargs, message):
    with pytest.raises(ValueError, match=rf"^unet: .*{message}"):
        unet(**{"input_shape": (32, 32, 3), **kwargs})


def test_widths_behind_an_encoder():
    """By default 16 to 256: the paper's 1,024 made 44 million parameters of an EfficientNet-Lite0's 4."""
    model = unet((None, None, 3), encoder="efficientnet_lite0")
    widths = [model.get_layer(f"decoder_{stride}").filters for stride in (1, 2, 4, 8, 16)]
    assert widths == [16, 32, 64, 128, 256]
    assert 5_000_000 < model.count_params() < 9_000_000


def test_normalization_momentum_reaches_every_batch_normalization():
    model = unet((16, 16, 3), filters=(2, 4), normalization_momentum=0.9)
    found = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    assert len(found) == 6 and {layer.momentum for layer in found} == {0.9}


def test_models_are_channels_last_whatever_kerass_setting():
    """EDSR put out (3, 32, 6), an ESPCN (1, 48, 3): the setting reached some of their layers."""
    built = {
        "unet": ((16, 16, 3), (None, 16, 16, 2)),
        "edsr": ((16, 16, 3), (None, 32, 32, 3)),
        "espcn": ((16, 16, 1), (None, 48, 48, 1)),
    }
    keras.config.set_image_data_format("channels_first")
    try:
        for name, (given, made) in built.items():
            assert create_model(name, input_shape=given).output_shape == made
        assert dnzoo.vae((28, 28, 1), 4, filters=(4,), hidden=8).sample(1).shape == (1, 28, 28, 1)
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    ("shape", "right"),
    [((3, 256, 256), "(256, 256, 3)"), ((1, 64, 64), "(64, 64, 1)"), ((256, 256), "(256, 256, 1)")],
)
def test_channels_first_or_none_are_refused(shape, right):
    with pytest.raises(ValueError, match=re.escape(f"as in {right}")):
        unet(shape, classes=2, filters=(2, 4))


@pytest.mark.parametrize("shape", [(128, 64), (None, 64), (3, 64, 32), (5, 64, 64)])
def test_shapes_that_may_be_meant(shape):
    assert unet(shape, classes=2, filters=(2, 4), padding="same").output_shape[-1] == 2
