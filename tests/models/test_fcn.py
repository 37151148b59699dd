"""FCN: the paper's integers and cuts, stage-wise training, any size."""

import functools
import itertools

import keras
import numpy as np
import pytest

from dnzoo.models import fcn8s, fcn16s, fcn32s, take_weights
from tests.conftest import slow
from tests.model_conformance import ModelConformance


def small_encoder(channels=3):
    """Features at strides 8, 16 and 32."""
    image = x = keras.Input((None, None, channels))
    features = []
    for filters, strides in ((8, 4), (12, 2), (12, 2), (12, 2)):
        x = keras.layers.Conv2D(filters, strides + 1, strides, "same", activation="relu")(x)
        x = keras.layers.BatchNormalization()(x)
        features.append(x)
    return keras.Model(image, features[1:])


def build(builder=fcn8s, **kwargs):
    """Tiny, and the scores not zero, so that gradients reach all at once."""
    model = builder(
        (None, None, 3),
        classes=3,
        encoder=small_encoder(),
        fc_filters=16,
        dropout=0.0,
        **{"fc_kernel_size": 3, **kwargs},
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.startswith("score"):
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, 0.3, kernel.shape), bias])
    return model


class TestFCN8s(ModelConformance):
    build = staticmethod(build)
    shapes, classes = (2, 41, 70, 3), 3
    parameters = 9_013
    steps_to_overfit = 150


class TestFCN32sPadded(ModelConformance):
    variant = True
    build = staticmethod(functools.partial(build, fcn32s, padding="valid", fc_kernel_size=5))
    shapes, classes = (2, 33, 40, 3), 3
    parameters = 46_279
    steps_to_overfit = 150


COARSE = 14_714_688 + 102_764_544 + 16_781_312 + 86_037  # VGG16, fc6, fc7, scores with a bias


@pytest.mark.parametrize(
    ("builder", "count"),
    [
        (fcn8s, 134_489_759),
        pytest.param(fcn16s, COARSE + 10_773 + 4 * 4 * 21**2 + 32 * 32 * 21**2, marks=slow),
        pytest.param(fcn32s, COARSE + 64 * 64 * 21**2, marks=slow),
    ],
)
def test_paper(builder, count):
    """fc6 and fc7 are convolutions; deconvolutions have no bias."""
    model = builder()
    assert model.count_params() == count
    assert model.output_shape == (None, 512, 512, 21)


@pytest.mark.parametrize("builder", [fcn8s, fcn16s, fcn32s])
def test_cuts_of_the_paper_align(builder):
    """With its padding and cuts, a score lies where the pixels are that it is made of: a ramp that
    an encoder averages, and that scores and deconvolutions hand on, comes out as it was.
    """
    image = x = keras.Input((None, None, 1))
    features = []
    for _ in range(5):
        x = keras.layers.AveragePooling2D(2)(x)
        features.append(x)
    encoder = keras.Model(image, features[2:])
    model = builder(
        (None, None, 1), classes=1, encoder=encoder, fc_filters=1, dropout=0, padding="valid"
    )
    for layer in model.layers:
        if layer.name in ("fc6", "fc7") or layer.name.startswith("score"):
            kernel, bias = (np.zeros_like(weight) for weight in layer.get_weights())
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
            layer.set_weights([kernel, bias])
    ramp = np.broadcast_to(np.arange(256.0, dtype="float32"), (1, 256, 256))[..., None]
    cuts = {fcn32s: {"cut_1": 19}, fcn16s: {"cut_16": 5, "cut_1": 27}}
    cuts[fcn8s] = {"cut_16": 5, "cut_8": 9, "cut_1": 31}
    for name, rows in cuts[builder].items():  # the numbers in the authors' files
        assert model.get_layer(name).cropping == ((rows, 0), (rows, 0))
    nets = {fcn32s: 1, fcn16s: 2, fcn8s: 3}  # how many scores are added
    found = np.array(model(ramp))[0, 128, 64:192, 0] / nets[builder]
    assert np.abs(found - np.arange(64, 192)).max() < 1e-3


def test_the_finer_net_begins_as_the_coarser():
    encoder = small_encoder()
    nets = [
        builder((None, None, 3), classes=3, encoder=encoder, fc_filters=16)
        for builder in (fcn32s, fcn16s, fcn8s)
    ]
    keras.utils.set_random_seed(1)
    nets[0].get_layer("score_32").kernel.assign(keras.random.normal((1, 1, 16, 3)))
    x = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype("float32")
    for coarse, fine in itertools.pairwise(nets):
        taken = take_weights(fine, coarse)
        assert {"encoder", "fc6", "fc7", "score_32"} <= {*taken} and "up_1" not in taken
        # bilinear by 32 against bilinear by 2, then by 16: the same but for the kernels' shape
        a, b = np.array(coarse(x)), np.array(fine(x))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
    with pytest.raises(ValueError, match="no layer of the same name"):
        take_weights(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), nets[0])


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 31)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_any_size(size, padding):
    for builder in (fcn8s, fcn16s, fcn32s):
        model = build(builder, padding=padding, fc_kernel_size=5)
        assert model(np.ones((1, *size, 3), "float32")).shape == (1, *size, 3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"classes": 0}, "classes must be"),
        ({"fc_filters": 0}, "fc_filters must be"),
        ({"fc_kernel_size": 1.5}, "fc_kernel_size must be"),
        ({"input_shape": (32, 32)}, "input_shape must be"),
        ({"padding": "full"}, "padding must be"),
        ({"padding": "valid", "fc_kernel_size": 1}, "fc_kernel_size must be 5 or 7"),
        ({"encoder": "convnext"}, "encoder must be"),
    ],
)
def test_illegal_arguments(kwargs, message):
    with pytest.raises(ValueError, match=rf"^fcn8s: .*{message}"):
        fcn8s(**{"input_shape": (64, 64, 3), "encoder": small_encoder(), **kwargs})


def test_an_encoder_needs_the_strides():
    image = keras.Input((None, None, 3))
    shallow = keras.Model(image, keras.layers.Conv2D(4, 3, 2, padding="same")(image))
    with pytest.raises(ValueError, match=r"needs features at strides \[8, 16, 32\]"):
        fcn8s((64, 64, 3), encoder=shallow)
