"""U-Net: the paper's integers, every option, any size, and encoders."""

import functools

import keras
import numpy as np
import pytest

from dnzoo import create_model, list_models, unet
from tests.conformance import ModelConformance


class TestUNet(ModelConformance):
    build = staticmethod(functools.partial(unet, (None, None, 1), classes=3, filters=(8, 12, 16)))
    shapes, classes = (2, 19, 26, 1), 3
    parameters = 14_215


class TestPaperStyle(ModelConformance):
    build = staticmethod(
        functools.partial(
            unet, (44, 44, 1), classes=1, filters=(8, 12), padding="valid", normalization=None
        )
    )
    shapes, classes = (2, 44, 44, 1), 1
    parameters = 4_993


class TestResidualAttention(ModelConformance):
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


def small_encoder(channels=3):
    """Features at strides 2 and 8: like ConvNeXt, one stride is missing."""
    image = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
    fine = keras.layers.BatchNormalization()(x)
    coarse = keras.layers.Conv2D(8, 5, strides=4, padding="same", activation="relu")(fine)
    return keras.Model(image, [fine, coarse])


class TestOwnEncoder(ModelConformance):
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
        ({"input_shape": (32, 32)}, "input_shape must be"),
        ({"input_shape": (32, 32, None)}, "input_shape must be"),
        ({"upsampling": "bicubik"}, "upsampling must be"),
        ({"normalization": "bach"}, "normalization must be"),
        ({"padding": "full"}, "padding must be"),
        ({"skip": "none"}, "skip must be"),
        ({"encoder": "resnet51"}, "encoder must be"),
        ({"encoder_weights": "imagenet"}, "encoder_weights needs encoder"),
        ({"encoder": "vgg16", "padding": "valid"}, "encoders are padded"),
        ({"encoder": "vgg16", "filters": (8, 8)}, "filters needs at least 5 widths"),
        ({"encoder": "inceptionv3"}, "no features at powers of two"),
        ({"encoder": "efficientnetb0", "include_preprocessing": False}, "can't be had"),
    ],
)
def test_illegal_arguments(kwargs, message):
    with pytest.raises(ValueError, match=rf"^unet: .*{message}"):
        unet(**{"input_shape": (32, 32, 3), **kwargs})


def test_by_name():
    assert list_models("un*") == ["unet"]
    assert create_model("unet", input_shape=(16, 16, 1), filters=(2, 4)).name == "unet"
    with pytest.raises(ValueError, match=r"no model 'unett'; there are: .*unet"):
        create_model("unett")
