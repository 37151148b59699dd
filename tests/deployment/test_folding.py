"""`deploy`: the same function with fewer operations, in fewer bytes."""

import functools

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo import layers, models
from tests.conftest import run_on, slow
from tests.deployment.test_formats import MODELS

K = keras.layers
numpy = keras.ops.convert_to_numpy


def settled(model):
    """The model with batch statistics and weights that are not those of a new one."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, K.BatchNormalization):
            for weight in layer.weights:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def inputs(model, size=24):
    rng = np.random.default_rng(1)
    shapes = [[2, *(n or size for n in x.shape[1:])] for x in model.inputs]
    found = [
        np.sort(rng.uniform(0, size, s), -1) if len(s) == 3 else rng.uniform(0, 1, s)
        for s in shapes
    ]
    found = [x.astype(t.dtype) for x, t in zip(found, model.inputs)]
    return found if len(found) > 1 else found[0]


def norms(model):
    return sum(isinstance(layer, K.BatchNormalization) for layer in model._flatten_layers())


PRODUCTS = {
    "conv": (lambda: K.Conv2D(6, 3, padding="same", strides=2), (None, None, 3)),
    "conv1d": (lambda: K.Conv1D(6, 3, padding="same", use_bias=False), (None, 3)),
    "conv3d": (lambda: K.Conv3D(6, 3, padding="same"), (8, 8, 8, 3)),
    "groups": (lambda: K.Conv2D(6, 3, groups=3), (None, None, 3)),
    "depthwise": (lambda: K.DepthwiseConv2D(3, padding="same", depth_multiplier=2), (9, 9, 3)),
    "separable": (lambda: K.SeparableConv2D(6, 3, padding="same"), (None, None, 3)),
    "dense": (lambda: K.Dense(6), (None, None, 3)),
    "keras_transposed": (lambda: K.Conv2DTranspose(6, 4, 2, padding="same"), (None, None, 3)),
    "transposed": (lambda: layers.Conv2DTranspose(6, 4, 2, padding="same"), (None, None, 3)),
    "transposed_groups": (
        lambda: layers.Conv2DTranspose(6, 3, 2, padding=1, groups=3, use_bias=False),
        (None, None, 3),
    ),
    "fractional": (lambda: layers.FractionalConv2D(6, 4, 2, padding="same"), (None, None, 3)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_batch_normalization_is_folded(name):
    product, shape = PRODUCTS[name]
    image = keras.Input(shape)
    for kwargs in ({}, {"scale": False, "center": False}):
        norm = layers.BatchNormalization(**kwargs)
        model = settled(keras.Model(image, norm(product()(image))))
        deployed, x = dnzoo.deploy(model, "float32"), inputs(model)
        assert norms(model) == 1 and norms(deployed) == 0
        expected = numpy(model(x))
        assert np.allclose(numpy(deployed(x)), expected, atol=1e-5 * np.abs(expected).max())


def test_what_can_not_be_folded_stays():
    image = keras.Input((8, 8, 3))
    conv = K.Conv2D(3, 3, padding="same")
    twice = K.BatchNormalization()(conv(conv(image)))  # the convolution is used elsewhere
    active = K.BatchNormalization()(K.Conv2D(4, 3, activation="relu")(image))
    read = K.Conv2D(4, 3)(image)
    shared = K.Add()([K.BatchNormalization()(read), read])
    first = K.Conv2D(4, 1)(K.BatchNormalization()(image))
    other_axis = K.BatchNormalization(axis=1)(K.Conv2D(4, 1)(image))
    model = settled(keras.Model(image, [twice, active, shared, first, other_axis]))
    deployed = dnzoo.deploy(model, "float32")
    assert norms(deployed) == norms(model) == 5
    x = inputs(model)
    for found, expected in zip(deployed(x), model(x)):
        assert np.allclose(found, expected, atol=1e-5)


class Scale(K.Layer):
    """A layer that dnzoo does not know, with a weight of its own."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x):
        return x * self.factor


def others():
    image = keras.Input((8, 8, 3))
    x = Scale()(K.TimeDistributed(K.Conv1D(4, 3))(image))
    return keras.Model(image, K.Conv2D(2, 1)(layers.BatchNormalization()(K.Conv2D(4, 1)(x))))


MORE = {
    "dropout": lambda: dnzoo.unet((None, None, 3), filters=(4, 8), dropout=0.5, residual=True),
    "encoder": lambda: dnzoo.unet((64, 64, 3), encoder="resnet50", filters=(8,) * 5),
    "spectral": lambda: models.dcgan_discriminator(
        (16, 16, 3), 4, spectral_normalization=True, normalization=None
    ),
    "others": others,
}


@functools.cache
def parts_of(name):
    """Built once for both types: `deploy` leaves a model as it was."""
    return dnzoo.saving.served(settled({**MODELS, **MORE}[name]()))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [*MODELS, *MORE])
def test_models(name, dtype):
    for model in parts_of(name).values():
        before = [w.copy() for w in model.get_weights()]
        deployed, x = dnzoo.deploy(model, dtype), inputs(model)
        # in those the encoder's follow an activation
        assert norms(deployed) == {"fcn8s": 4, "mask_branch": 1}.get(name, 0)
        off = {"float32": 2e-5, "bfloat16": 0.1}[dtype]
        pairs = zip(*(keras.tree.flatten(net(x)) for net in (deployed, model)))
        for found, expected in pairs:
            assert found.dtype == expected.dtype
            found, expected = numpy(found), numpy(expected)
            assert np.abs(found - expected).max() <= off * np.abs(expected).max()
        assert all(map(np.array_equal, before, model.get_weights()))


def test_precision_between_the_first_weights_and_the_last():
    model = dnzoo.deploy(dnzoo.unet((None, None, 3), filters=(4, 8), include_preprocessing=True))
    weighted = [layer for layer in model.layers if layer.weights]
    kinds = {weight.dtype for layer in weighted[:-1] for weight in layer.weights}
    assert weighted[-1].name == "head" and kinds == {"bfloat16"}
    assert model.get_layer("preprocessing").compute_dtype == "float32"
    assert {weight.dtype for weight in model.get_layer("head").weights} == {"float32"}


def test_fixed_size_needs_no_cutting():
    model = dnzoo.unet((None, None, 3), filters=(4, 8))
    cuts = [
        sum(isinstance(layer, layers.MatchSize) for layer in net.layers)
        for net in (dnzoo.deploy(model), dnzoo.deploy(model, input_shape=(16, 16, 3)))
    ]
    assert cuts == [1, 0]
    odd = dnzoo.deploy(model, "float32", input_shape=(15, 13, 3))
    x = inputs(odd)
    assert np.allclose(numpy(odd(x)), numpy(model(x)), atol=1e-5)


def test_saved_and_loaded(tmp_path):
    model = dnzoo.deploy(settled(MODELS["unet"]()), "float32")
    dnzoo.save(model, tmp_path / "small")
    again, x = dnzoo.load(tmp_path / "small"), inputs(model)
    assert norms(again) == 0 and np.array_equal(again(x), model(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("int4",), "dtype must be one of bfloat16, float16, float32; got 'int4'"),
        (("float32", (8, 8, 4)), r"takes inputs of shape \(None, None, 3\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        dnzoo.deploy(MODELS["unet"](), *arguments)
    with pytest.raises(ValueError, match="Of a VAE or a GAN"):
        dnzoo.deploy(MODELS["dcgan"]())


@slow
@pytest.mark.parametrize("name", dnzoo.list_pretrained())
def test_published(name):
    for model in dnzoo.saving.served(dnzoo.load(name)).values():
        x = inputs(model, 64)
        found, expected = (
            keras.tree.flatten(net(x)) for net in (dnzoo.deploy(model, "float32"), model)
        )
        for a, b in zip(found, expected):
            assert np.abs(a - b).max() < 1e-5 * np.abs(b).max()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    code = (
        "from tests.deployment import test_folding as t; from tests.inference import test_arrays as i; "
        "[t.test_models(name, dtype) for name in ('unet',) for dtype in ('float32', 'bfloat16')]; "
        "t.test_fixed_size_needs_no_cutting(); i.test_tiles_are_the_whole('same', (61, 70), 56)"
    )
    run_on(backend, code)
