"""VAE: its integer, its bound against numpy and an exact likelihood, collapse, every backend."""

import functools

import keras
import numpy as np
import pytest

import dnzoo
from dnzoo.models import VAE, vae
from dnzoo.tasks.autoencoding import verdict
from tests.conftest import run_on, slow

SMALL = {"input_shape": (9, 8, 1), "latent_dim": 3, "filters": (8, 12), "hidden": 24}
KINDS = {
    "convolutional": {},
    "dense": {"filters": (), "hidden": 24},
    "no hidden layer": {"hidden": None, "upsampling": "bilinear"},
    "gaussian": {"likelihood": "gaussian", "beta": 0.5},
}


def pictures(count=16, seed=0):
    """Black or white, in coarse blocks."""
    coarse = np.random.default_rng(seed).integers(0, 2, (count, 3, 2, 1))
    return coarse.repeat(3, 1).repeat(4, 2).astype("float32")


def compiled(**kwargs):
    keras.utils.set_random_seed(0)
    model = vae(**{**SMALL, **kwargs})
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=jit)
    model.optimizer.build(model.trainable_variables)  # else Keras traces twice
    return model


def fits(kind):
    """Plain `fit` learns a few pictures by heart, and `evaluate` gives the same logs."""
    model, images = compiled(**KINDS[kind]), pictures()
    history = model.fit(images, batch_size=8, epochs=80, verbose=0).history
    assert {"loss", "nelbo", "reconstruction", "kl"} == {*history}
    assert history["nelbo"][-1] < history["nelbo"][0] - 5
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert np.isclose(logs["nelbo"], logs["reconstruction"] + logs["kl"], rtol=1e-4)
    found = model.reconstruct(images)
    assert found.shape == images.shape and 0 <= found.min() <= found.max() <= 1
    assert np.abs(found - images).mean() < 0.45
    assert model.sample(5, seed=1).shape == (5, 9, 8, 1)
    ways = model.interpolate(images[0], images[1], 4)
    assert np.allclose(ways[[0, -1]], model.reconstruct(images[:2]), atol=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(k, marks=[slow] if k in ("dense", "gaussian", "no hidden layer") else [])
        for k in KINDS
    ],
)
def test_fit(kind):
    fits(kind)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_fit_on(backend):
    code = "from tests.models import test_vae as t; [t.fits(k) for k in t.KINDS]; t.test_bound()"
    run_on(backend, code)


def test_dense_784_500_20():
    assert vae(filters=(), hidden=500).count_params() == 815_824


def test_loss_equals_numpy():
    """Binary cross-entropy summed over pixels, plus beta times KL, of the latent that was drawn."""
    model, images = vae(**SMALL, beta=3.0), pictures(5)
    outputs = model(images)
    mean, log_variance, logits = (
        np.asarray(outputs[key], "float64") for key in ("mean", "log_variance", "pixels")
    )
    p = 1 / (1 + np.exp(-logits))
    reconstruction = -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum(axis=(1, 2, 3))
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)
    found = float(model.compute_loss(x=images, y_pred=outputs))
    assert np.isclose(found, (reconstruction + 3 * kl).mean(), rtol=1e-5)
    assert np.isclose(float(model.trackers[0].result()), (reconstruction + kl).mean(), rtol=1e-5)


def test_gaussian_likelihood_equals_scipy():
    from scipy import stats

    model, images = vae(**SMALL, likelihood="gaussian"), pictures(3)
    model.log_deviation.assign(-0.3)
    pixels = np.random.default_rng(0).normal(size=images.shape).astype("float32")
    expected = stats.norm.logpdf(images, pixels, np.exp(-0.3)).sum(axis=(1, 2, 3))
    assert np.allclose(model._log_likelihood(images, pixels), expected, rtol=1e-5)


def test_bound():
    """Of a linear Gaussian model the likelihood is known: the bound comes down to it, never below."""
    latent = keras.Input((1,))
    pixels = keras.layers.Reshape((2, 1, 1))(keras.layers.Dense(2)(latent))
    image = keras.Input((2, 1, 1))
    flat = keras.layers.Flatten()(image)
    encoder = keras.Model(image, [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)])
    model = VAE(encoder, keras.Model(latent, pixels), likelihood="gaussian")
    for weight in model.encoder.weights:
        weight.assign(np.zeros(weight.shape))  # the prior stands for the posterior
    kernel = np.array([[0.8, -0.5]], "float32")
    model.decoder.layers[1].set_weights([kernel, np.zeros(2, "float32")])
    x = np.array([[0.3, 1.1], [-1.0, 0.2]], "float32")
    covariance = kernel.T @ kernel + np.eye(2)
    solved = np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance), x)
    exact = 0.5 * (solved + np.log(np.linalg.det(2 * np.pi * covariance)))
    few, many = (model.bound(x.reshape(2, 2, 1, 1), n, seed=1) for n in (1, 1000))
    assert np.allclose(many, exact, atol=0.05)
    often = np.repeat(x, 100, axis=0).reshape(200, 2, 1, 1)
    elbo = model.bound(often, 1, seed=1).reshape(2, 100).mean(axis=1)
    assert (elbo > exact).all() and few.shape == (2,)


@slow
def test_collapse_is_said():
    """A beta of 1000 leaves nothing in the latent."""
    collapsed, sound = compiled(beta=1000.0), compiled(beta=0.1)
    images = pictures(64)
    for model in (collapsed, sound):
        model.fit(images, epochs=30, verbose=0)
    kl = [model.latent_kl(images) for model in (collapsed, sound)]
    assert kl[0].shape == (3,) and (kl[0] < 0.01).all() and (kl[1] > 0.01).all()
    assert verdict(0, 20).startswith("posterior collapse")
    assert verdict(5, 20).startswith("partial posterior collapse: 5 of 20")
    assert verdict(18, 20).startswith("no posterior collapse")


def simple(model):
    """Its configuration, but for the nets."""
    return {k: v for k, v in model.get_config().items() if not isinstance(v, dict)}


@pytest.mark.parametrize("kind", ["convolutional", "gaussian"])
def test_saved_model_round_trip(tmp_path, kind):
    """The trainable VAE comes back, and TensorFlow serves reconstruction and decoding."""
    import tensorflow as tf

    model = compiled(**KINDS[kind], include_preprocessing=True)
    images = pictures(4) * 255
    model.fit(images, verbose=0)
    dnzoo.save(model, tmp_path / "vae")
    loaded = dnzoo.load(tmp_path / "vae")
    assert isinstance(loaded, VAE) and simple(loaded) == simple(model)
    pairs = zip(model.weights, loaded.weights, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    module = tf.saved_model.load(str(tmp_path / "vae"))
    served = module.serve(images)
    assert np.allclose(served["reconstruction"], model.reconstruct(images), atol=1e-2)
    assert np.allclose(served["mean"], model.encode(images)[0], atol=1e-5)
    latent = np.random.default_rng(2).normal(size=(3, 3)).astype("float32")
    assert np.allclose(module.decode(latent)["images"], model.decode(latent), atol=1e-2)
    loaded.compile("adam", jit_compile=False)
    assert np.isfinite(loaded.fit(images, verbose=0).history["loss"]).all()


def test_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled()
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(model.fit(pictures(), verbose=0).history["loss"]).all()
    assert model.sample(1).dtype in ("float32", "float64")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"input_shape": (None, 8, 1)}, "input_shape must be"),
        ({"latent_dim": 0}, "latent_dim must be"),
        ({"filters": (4, -1)}, "filters must be"),
        ({"likelihood": "poisson"}, "likelihood must be one of 'bernoulli', 'gaussian'"),
        ({"beta": -1}, "beta must be at least 0"),
        ({"upsampling": "cubic"}, "upsampling must be"),
    ],
)
def test_illegal_arguments(kwargs, message):
    with pytest.raises(ValueError, match=rf"^vae: .*{message}"):
        functools.partial(vae, **SMALL)(**kwargs)
