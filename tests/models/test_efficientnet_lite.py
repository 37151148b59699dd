"""EfficientNet-Lite0: the published sizes, the published weights, and its use as an encoder."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dnzoo import load, unet
from dnzoo.models._encoders import build
from dnzoo.models.efficientnet_lite import PRETRAINED, efficientnet_lite0
from dnzoo.storage import pretrained, remote


def test_parameters():
    model = efficientnet_lite0()
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == 4_652_008
    assert model.output_shape == (None, 1000)
    # by stage, from the published table: channels at strides 2 to 32
    net, strides, preprocessing = build("efficientnet_lite0")
    assert strides == [2, 4, 8, 16, 32] and preprocessing is None
    assert [output.shape[-1] for output in net.outputs] == [96, 144, 240, 672, 1280]


@pytest.mark.parametrize(("photograph", "expected"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_photographs(photograph, expected):
    """ImageNet's palace and daisy, as the network's authors' own weights say."""
    image = load_sample_image(photograph)[40:400, 140:500]
    image = keras.ops.image.resize(image.astype("float32"), (224, 224))
    assert int(np.argmax(load(PRETRAINED)(image[None]))) == expected


def test_imagenet_weights_without_a_hub():
    model = unet(
        (64, 64, 3), 2, filters=(4,) * 5, encoder="efficientnet_lite0", encoder_weights="imagenet"
    )
    published = load(PRETRAINED)
    net = model.get_layer("encoder")
    assert len(net.weights) == len(published.weights) - 2  # without the dense layer
    assert all(np.array_equal(a, b) for a, b in zip(net.weights, published.weights))
    assert model(np.full((1, 64, 64, 3), 255.0, "float32")).shape == (1, 64, 64, 2)


def test_other_channels():
    net, _, _ = build("efficientnet_lite0", channels=1, weights="imagenet")
    kernel = load(PRETRAINED).weights[0]
    assert np.allclose(net.weights[0], np.sum(kernel, axis=2, keepdims=True), atol=1e-6)


def test_missing_weights_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "CHECKOUT", tmp_path)
    monkeypatch.setattr(remote, "PAUSE", 0)
    monkeypatch.setenv("DNZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DNZOO_URL", "http://127.0.0.1:9")
    with pytest.raises(
        ConnectionError, match=rf"9/{PRETRAINED}.zip could not be had \(no connection"
    ):
        build("efficientnet_lite0", weights="imagenet")
