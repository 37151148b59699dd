"""DCGAN: the paper's integers; one step of both nets gives each its own gradient, on every backend."""

import functools

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo import losses
from dnzoo.models import GAN, dcgan, dcgan_discriminator, dcgan_generator
from tests.conftest import ROOT, run_on, slow
from tests.model_conformance import ModelConformance

SMALL = {"image_shape": (16, 16, 1), "latent_dim": 6, "filters": 4}
KINDS = {
    "paper": {},
    "hinge": {
        "loss": "hinge",
        "critic_steps": 0,
        "discriminator_normalization": None,
        "spectral_normalization": True,
    },
    "wgan-gp": {"loss": "wgan-gp", "discriminator_normalization": None},
    "classes": {"classes": 3, "label_smoothing": 0.1},
    "augmented": {"augmentation": ("color", "translation", "cutout"), "upsampling": "subpixel"},
}


class TestGenerator(ModelConformance):
    build = staticmethod(functools.partial(dcgan_generator, 6, 4, (16, 16, 1)))
    shapes = (4, 6)
    parameters = 1_392
    loss = keras.losses.MeanSquaredError()
    steps_to_overfit = 150

    def batch(self):
        latents = np.random.default_rng(0).normal(size=self.shapes).astype("float32")
        return latents, np.sign(latents[:, :1, None, None] * np.ones((1, 16, 16, 1))) * 0.8


class TestDiscriminator(ModelConformance):
    build = staticmethod(functools.partial(dcgan_discriminator, (16, 16, 1), 4))
    shapes = (8, 16, 16, 1)
    parameters = 736
    loss = keras.losses.BinaryCrossentropy(from_logits=True)

    def batch(self):
        targets = np.arange(8)[:, None] % 2
        noise = np.random.default_rng(0).normal(0, 0.1, self.shapes)
        return (noise + targets[..., None, None]).astype("float32"), targets


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_papers():
    generator, discriminator = dcgan_generator(), dcgan_discriminator()
    assert trainable(generator) == 3_576_704 and generator.count_params() == 3_576_704 + 1_920
    assert trainable(discriminator) == 2_765_568
    assert discriminator.count_params() == 2_765_568 + 1_792


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_sizes(size):
    shape = (size, size, 3)
    assert dcgan_generator(8, 2, shape).output_shape == (None, *shape)
    assert dcgan_discriminator(shape, 2).output_shape == (None, 1)


def test_oblong():
    assert dcgan_generator(8, 2, (32, 48, 3)).output_shape == (None, 32, 48, 3)
    assert dcgan_discriminator((32, 48, 3), 2).output_shape == (None, 1)


def pictures(count=32, low=-1.0, high=1.0, shape=(16, 16, 1)):
    """Bright squares on black."""
    images = np.full((count, *shape), low, "float32")
    images[:, 4:12, 4:12] = high
    return images


def compiled(**kwargs):
    keras.utils.set_random_seed(0)
    model = dcgan(**SMALL, **kwargs)
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(keras.optimizers.Adam(2e-3, 0.5), jit_compile=jit)
    model.optimizer.build(model.trainable_variables)  # else Keras traces twice
    return model


def data(kwargs, count=32):
    images = pictures(count)
    return ((images, np.arange(count) % kwargs["classes"]),) if "classes" in kwargs else (images,)


def fits(kind):
    """A GAN trains by plain `fit`: both nets change, losses are numbers, the average follows."""
    kwargs = KINDS[kind]
    model = compiled(**kwargs)
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in model.weights]
    inputs = data(kwargs)[0]
    inputs = list(inputs) if isinstance(inputs, tuple) else inputs
    cycles = model.critic_steps + 1
    history = model.fit(inputs, batch_size=16, epochs=cycles, verbose=0).history
    assert {"loss", "discriminator_loss", "generator_loss"} == {*history}
    assert all(np.isfinite(history[name]).all() for name in history)
    for weight, value in zip(model.weights, before):
        if "vector" not in weight.path and "bias" not in weight.path:
            assert not np.array_equal(keras.ops.convert_to_numpy(weight), value), weight.path
    assert (
        float(model.steps.numpy() if hasattr(model.steps, "numpy") else model.steps) == 2 * cycles
    )
    logs = model.evaluate(inputs, batch_size=16, verbose=0, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert model.generate(5, seed=1).shape == (5, 16, 16, 1)


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k in ("paper", "wgan-gp") else [slow]) for k in KINDS]
)
def test_fit(kind):
    fits(kind)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_fit_on(backend):
    code = "from tests.models import test_dcgan as t; [t.fits(kind) for kind in t.KINDS]"
    run_on(backend, code)


def test_each_net_has_the_gradient_of_its_own_loss():
    """The one gradient equals two made apart, with the other net held still."""
    import tensorflow as tf

    model = dcgan(**SMALL, average=0.0)
    images = tf.constant(pictures(8) + np.random.default_rng(0).normal(0, 0.1, (8, 16, 16, 1)))
    latent = keras.random.normal((8, 6), seed=model.seeds)
    seed = model.seeds.state.value - [0, 1]

    def bce(logits, truth):
        return tf.reduce_mean(tf.nn.softplus(logits if truth == 0 else -logits))

    model.seeds.state.assign(seed)
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        total = model.compute_loss(x=images, y_pred=outputs, training=True)
    variables = model.discriminator.trainable_weights + model.generator.trainable_weights
    found = tape.gradient(total, [v.value for v in variables])

    with tf.GradientTape() as tape:
        fake = tf.stop_gradient(model.generator(latent, training=True))
        real = model.discriminator(tf.cast(images, "float32"), training=True)
        loss = bce(real, 1) + bce(model.discriminator(fake, training=True), 0)
    expected = tape.gradient(loss, [v.value for v in model.discriminator.trainable_weights])
    with tf.GradientTape() as tape:
        fake = model.generator(latent, training=True)
        loss = bce(model.discriminator(fake, training=True), 1)
    expected += tape.gradient(loss, [v.value for v in model.generator.trainable_weights])
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_penalty_equals_finite_differences():
    """|gradient| of a critic that is linear is that of its weights."""
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    weights = np.random.default_rng(1).normal(size=(4, 1)).astype("float32")
    gradient = losses.input_gradient(lambda x: keras.ops.matmul(x, weights), keras.ops.array(x))
    assert np.allclose(gradient, np.broadcast_to(weights[:, 0], (3, 4)))
    expected = (np.linalg.norm(weights) - 1) ** 2
    assert np.isclose(float(losses.gradient_penalty(gradient)), expected, rtol=1e-5)


@slow
def test_learns():
    """After a few steps generated pictures have the bright square where the real ones have it."""
    model = compiled(average=0.9)
    model.fit(pictures(64), batch_size=16, epochs=120, verbose=0)
    mean = model.generate(32, seed=3).mean(axis=0)[..., 0]
    assert mean[5:11, 5:11].mean() > mean[[0, 1, -2, -1]].mean() + 0.5


def test_labels_count():
    model = compiled(classes=3)
    a, b = (model.generate(2, seed=0, labels=[k, k]) for k in (0, 1))
    assert not np.allclose(a, b)
    assert np.array_equal(model.generate(2, seed=0), model.generate(2, seed=0, labels=[0, 1]))


def simple(model):
    """Its configuration, but for the nets."""
    return {k: v for k, v in model.get_config().items() if not isinstance(v, dict)}


def test_the_published_one_loads_and_generates_what_it_serves():
    """It was saved when both nets were updated at once, and so it goes on."""
    import tensorflow as tf

    model = dnzoo.load("dcgan_fashion_mnist")
    assert model.critic_steps == 0 and dcgan(**SMALL).critic_steps == 1
    assert dcgan(**SMALL, loss="wgan-gp").critic_steps == 5
    served = tf.saved_model.load(str(ROOT / "saved_models/dcgan_fashion_mnist"))
    latent = np.random.default_rng(7).normal(size=(4, 100)).astype("float32")
    found = model.generate(4, seed=7)
    assert np.allclose(found, served.serve(latent)["pixels"], atol=1e-3)
    assert np.isclose(found.mean(), 76.5915, atol=1e-3)  # as before there were parts


@pytest.mark.parametrize("kind", ["paper", "classes", "hinge"])
def test_saved_model_round_trip(tmp_path, kind):
    """The pair comes back, with its average, and TensorFlow serves the generator alone."""
    import tensorflow as tf

    model = compiled(**KINDS[kind], include_preprocessing=True)
    dnzoo.save(model, tmp_path / "gan")
    loaded = dnzoo.load(tmp_path / "gan")
    assert isinstance(loaded, GAN) and simple(loaded) == simple(model)
    pairs = zip(model.weights, loaded.weights, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    expected = model.generate(4, seed=5)
    assert np.array_equal(loaded.generate(4, seed=5), expected)
    latent = np.random.default_rng(5).normal(size=(4, 6)).astype("float32")
    served = tf.saved_model.load(str(tmp_path / "gan"))
    inputs = [latent, np.arange(4, dtype="int32") % 3] if kind == "classes" else [latent]
    (found,) = served.serve(*inputs).values()
    assert np.allclose(found, expected, atol=1e-3) and 0 <= expected.min() <= expected.max() <= 255


def test_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled()
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(model.fit(pictures(), verbose=0).history["loss"]).all()
    assert model.generate(1).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dcgan_generator(output_shape=(48, 48, 3)), "shorter side one of 16, 32, 64"),
        (lambda: dcgan_generator(output_shape=(32, 44, 3)), "longer side must be a multiple of 8"),
        (lambda: dcgan_discriminator((None, 32, 3)), "^dcgan_discriminator: input_shape must be"),
        (lambda: dcgan_generator(filters=0), "filters must be"),
        (lambda: dcgan_generator(latent_dim=0), "^dcgan_generator: latent_dim must be"),
        (
            lambda: dcgan(**SMALL, loss="mse"),
            "^dcgan: loss must be one of 'bce', 'hinge', 'wgan-gp'",
        ),
        (lambda: dcgan(**SMALL, loss="hinge", label_smoothing=0.1), "label_smoothing is for"),
        (lambda: dcgan(**SMALL, average=1.0), "^dcgan: average must be"),
        (lambda: dcgan(**SMALL, critic_steps=1.5), "^dcgan: critic_steps must be a whole number"),
        (lambda: dcgan(**SMALL, augmentation=("blur",)), "policies must be"),
    ],
)
def test_illegal_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
