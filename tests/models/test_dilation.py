"""Strides replaced by dilation: every k-th pixel of the finer map is a pixel of the network as it was."""

import keras
import numpy as np
import pytest

from dnzoo.models import features
from dnzoo.models._dilation import dilate
from dnzoo.models._encoders import build
from tests.conftest import slow

K = keras.layers


def fill(model):
    """Random weights under which no map is constant, whatever the depth."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        shape = weight.shape
        if len(shape) == 1:
            weight.assign(np.asarray(weight) + rng.uniform(-0.1, 0.1, shape))
        else:
            taps = shape[:2] if "depthwise" in weight.path else shape[:-1]
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(taps)), shape))


def hold(strided, dilated, output_stride, first, size=64):
    """Compare two `Encoder`s; `first`: whether pixels are the first of k, or the last."""
    fill(strided.net)
    assert [w.path for w in strided.net.weights] == [w.path for w in dilated.net.weights]
    dilated.net.set_weights(strided.net.get_weights())
    image = np.random.default_rng(1).normal(0, 50, (1, size, size, 3)).astype("float32")
    whole, fine = strided(image), dilated(image)
    assert list(fine) == [stride for stride in whole if stride <= output_stride]
    deepest = list(whole)[-1]
    every = deepest // output_stride
    assert fine[output_stride].shape[1] == size // output_stride
    at = slice(0 if first else every - 1, None, every)
    expected = np.asarray(whole[deepest])
    assert (
        expected.std((1, 2)).mean() > 0.1 * np.abs(expected).mean()
    )  # there is something to compare
    off = np.abs(np.asarray(fine[output_stride])[:, at, at] - expected).max()
    assert off < 1e-5 * np.abs(expected).max()
    for stride in [stride for stride in whole if stride < output_stride]:
        assert np.allclose(fine[stride], whole[stride], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "output_stride", "first"),
    [
        ("mobilenetv2", 8, True),
        ("efficientnet_lite0", 8, False),
        pytest.param("resnet50", 8, True, marks=slow),
        pytest.param("resnet50", 16, True, marks=slow),
        pytest.param("vgg16", 16, True, marks=slow),
    ],
)
def test_named_encoders(name, output_stride, first):
    hold(build(name), build(name, output_stride=output_stride), output_stride, first)


def small(padding, kernel):
    """Strides to 32, by convolutions of all kinds."""
    image = x = keras.Input((None, None, 3))
    for level in range(5):
        if padding == "valid":
            before = max((kernel - 1) // 2 - level % 2, 0)
            x = K.ZeroPadding2D(((before, kernel // 2),) * 2, name=f"pad_{level}")(x)
        kinds = (K.Conv2D(4, kernel, 2, padding), K.DepthwiseConv2D(kernel, 2, padding))
        x = K.ReLU()(kinds[level % 2](x))
        y = K.SeparableConv2D(x.shape[-1], kernel, padding="same")(x)
        x = K.Concatenate()([x, K.Conv2D(3, 3, padding="same", dilation_rate=2)(y)])
    return keras.Model(image, x)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_convolutions_of_all_kinds(padding, kernel, output_stride):
    net = small(padding, kernel)
    first = padding == "valid" or kernel == 1
    hold(build(net), build(net, output_stride=output_stride), output_stride, first)


def test_weights_are_the_networks():
    net = small("same", 3)
    again = dilate(net, 8)
    assert all(np.array_equal(a, b) for a, b in zip(net.weights, again.weights, strict=True))


def test_features_take_it():
    net = features("mobilenetv2", input_shape=(64, 64, 3), output_stride=16)
    assert [shape[1] for shape in net.output_shape] == [32, 16, 8, 4]


def test_what_has_no_dilated_form():
    with pytest.raises(ValueError, match="output_stride must be one of 8, 16, 32, or None; got"):
        build("mobilenetv2", output_stride=4)
    with pytest.raises(
        ValueError, match=r"block5_pool \(MaxPooling2D\).*a pooling can't be dilated"
    ):
        build("vgg16", output_stride=8)
    image = keras.Input((None, None, 3))
    x = K.UpSampling2D()(K.Conv2D(4, 3, 4, "same")(image))
    with pytest.raises(ValueError, match=r"\(UpSampling2D\).*has no dilated form"):
        build(keras.Model(image, x), output_stride=8)
    conv = K.Conv2D(3, 3, 2, "same", name="twice")
    with pytest.raises(ValueError, match=r"twice \(Conv2D\).*called more than once"):
        build(keras.Model(image, conv(conv(image))), output_stride=8)
    uneven = K.Conv2D(3, 3, (2, 1), "same", name="uneven")
    with pytest.raises(ValueError, match=r"uneven \(Conv2D\).*it has strides=\(2, 1\)"):
        build(keras.Model(image, uneven(image)), output_stride=8)
