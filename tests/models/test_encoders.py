"""Encoders: their strides, pretrained weights for any number of channels, and preprocessing."""

import keras
import numpy as np
import pytest

from dnzoo import unet
from dnzoo.models._encoders import build, names


@pytest.mark.parametrize(
    ("name", "strides", "channels"),
    [
        ("vgg16", [1, 2, 4, 8, 16, 32], [64, 128, 256, 512, 512, 512]),
        ("ResNet50", [2, 4, 8, 16, 32], [64, 256, 512, 1024, 2048]),
        ("mobilenet_v2", [2, 4, 8, 16, 32], [96, 144, 192, 576, 1280]),
        ("convnext_tiny", [4, 8, 16, 32], [96, 192, 384, 768]),
    ],
)
def test_strides(name, strides, channels):
    net, found, _ = build(name)
    assert found == strides
    assert [output.shape[-1] for output in net.outputs] == channels


@pytest.mark.parametrize("name", ["mobilenetv2", "vgg16"])
def test_odd_sizes(name):
    model = unet((None, None, 3), classes=2, filters=(4,) * 5, encoder=name)
    assert model(np.ones((1, 45, 70, 3), "float32")).shape == (1, 45, 70, 2)


def test_named_encoder_is_kerass_network(tmp_path):
    """The same weights give the same features as keras.applications on preprocessed images."""
    original = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    rng = np.random.default_rng(0)
    original.set_weights([w + rng.uniform(0, 0.01, w.shape) for w in original.get_weights()])
    original.save_weights(tmp_path / "pretrained.weights.h5")
    net, _, preprocessing = build("mobilenetv2", weights=tmp_path / "pretrained.weights.h5")
    image = rng.uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    expected = original(keras.applications.mobilenet_v2.preprocess_input(image.copy()))
    assert np.allclose(net(preprocessing(image))[-1], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "resnet50v2"])
def test_preprocessing_is_the_networks_own(name):
    module = {"vgg16": "vgg16", "densenet121": "densenet", "resnet50v2": "resnet_v2"}[name]
    _, _, preprocessing = build(name)
    image = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype("float32")
    expected = getattr(keras.applications, module).preprocess_input(image.copy())
    assert np.allclose(preprocessing(image), expected, atol=1e-4)


def test_pretrained_weights_for_other_channels(tmp_path):
    """1 channel: kernels summed. N: repeated cyclically, times 3 / N."""
    original = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    original.save_weights(tmp_path / "pretrained.weights.h5")
    kernel = np.asarray(original.weights[0])
    weights = {}
    for channels in (1, 5):
        net, _, preprocessing = build("vgg16", channels, tmp_path / "pretrained.weights.h5")
        weights[channels] = np.asarray(net.weights[0])
        assert preprocessing(np.ones((1, 2, 2, channels), "float32")).shape[-1] == channels
    assert np.allclose(weights[1], kernel.sum(2, keepdims=True))
    assert np.allclose(weights[5], kernel[:, :, [0, 1, 2, 0, 1]] * 3 / 5)


@pytest.mark.parametrize("name", ["convnexttiny", "efficientnetb0"])
def test_other_channels_with_normalisation_inside(name):
    net, _, preprocessing = build(name, channels=2)
    assert preprocessing is None
    assert net(np.ones((1, 64, 64, 2), "float32"))[-1].shape[1:3] == (2, 2)


def test_single_output_model_is_searched_for_strides():
    image = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.MaxPooling2D()(keras.layers.Conv2D(8, 3, padding="same")(x))
    net, strides, _ = build(keras.Model(image, x))
    assert strides == [1, 2, 4]
    assert [output.shape[-1] for output in net.outputs] == [4, 8, 8]


def test_missing_weights_file():
    with pytest.raises(OSError, match=r"nowhere\.h5"):
        build("vgg16", weights="nowhere.h5")


def test_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure")

    from dnzoo.models import _encoders

    monkeypatch.setattr(_encoders, "_constructors", lambda: {"vgg16": refuse})
    refuse.__module__ = keras.applications.VGG16.__module__
    with pytest.raises(OSError, match=r"'vgg16' could not be fetched .*encoder_weights=None"):
        build("vgg16", weights="imagenet")


def test_wrong_models():
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="functional model of one image"):
        build(other)
    image = keras.Input((None, None, 4))
    with pytest.raises(ValueError, match="reads 4 channels, the images have 3"):
        build(keras.Model(image, keras.layers.MaxPooling2D()(image)))
    with pytest.raises(ValueError, match="goes with a named encoder"):
        build(keras.Model(image, image), 4, weights="imagenet")
    assert "resnet50" in names()
