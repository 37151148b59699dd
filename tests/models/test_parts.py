"""Training in parts, against the papers' algorithms written out by hand; on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

from dnzoo import training
from dnzoo.models import dcgan
from dnzoo.models._parts import Paced, PartsOptimizer
from tests.conftest import run_on, slow

SMALL = {"image_shape": (16, 16, 1), "latent_dim": 6, "filters": 4}
numpy = ops.convert_to_numpy


class Adam:
    """Kingma and Ba 2015, algorithm 1, with Keras's place for epsilon."""

    def __init__(self, weights, rate, beta_1=0.5, beta_2=0.999, epsilon=1e-7):
        self.weights, self.count = weights, 0
        self.rate, self.beta_1, self.beta_2, self.epsilon = rate, beta_1, beta_2, epsilon
        self.m = [0.0 for _ in weights]
        self.v = [0.0 for _ in weights]

    def step(self, gradients):
        self.count += 1
        correction = np.sqrt(1 - self.beta_2**self.count) / (1 - self.beta_1**self.count)
        for i, (weight, gradient) in enumerate(zip(self.weights, gradients, strict=True)):
            g = np.asarray(gradient, "float64")
            self.m[i] = self.beta_1 * self.m[i] + (1 - self.beta_1) * g
            self.v[i] = self.beta_2 * self.v[i] + (1 - self.beta_2) * g**2
            move = self.rate * correction * self.m[i] / (np.sqrt(self.v[i]) + self.epsilon)
            weight.assign(numpy(weight) - move)


def small(**kwargs):
    keras.utils.set_random_seed(0)
    model = dcgan(**SMALL, average=0.9, **kwargs)
    for weight in model.trainable_weights:  # larger than DCGAN's, for gradients to differ
        if "kernel" in weight.path:
            weight.assign(10 * numpy(weight))
    return model


def by_hand(model, images, critic_steps, rates):
    """Goodfellow et al. 2014, algorithm 1, with the non-saturating loss; the generator's average."""
    import tensorflow as tf

    generator, discriminator = model.generator, model.discriminator
    parts = [generator.trainable_variables, discriminator.trainable_variables]
    maker, critic = (Adam(weights, rate) for weights, rate in zip(parts, rates))
    average = None
    for step, real in enumerate(images):
        latent = keras.random.normal((len(real), 6), seed=model.seeds)
        with tf.GradientTape() as tape:
            fake = generator(latent, training=True)
            judged = discriminator(fake, training=True)
            doubt = tf.reduce_mean(tf.nn.softplus(-judged))
            found = tf.reduce_mean(tf.nn.softplus(judged)) + tf.reduce_mean(
                tf.nn.softplus(-discriminator(real, training=True))
            )
            theirs = step % (critic_steps + 1) < critic_steps
            loss = found if theirs else doubt
        who = critic if theirs else maker
        who.step(tape.gradient(loss, [weight.value for weight in who.weights]))
        if not theirs:
            now = [numpy(weight).astype("float64") for weight in maker.weights]
            average = average or now
            average = [0.9 * mean + 0.1 * weight for mean, weight in zip(average, now)]
    return parts, average


@pytest.mark.parametrize(("critic_steps", "steps"), [(1, 6), (3, 8)])
def test_equals_the_papers_algorithm(critic_steps, steps):
    """Weights of both nets, and the average, after several steps."""
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (steps, 8, 16, 16, 1)).astype("float32")
    model, reference = small(critic_steps=critic_steps), small()
    reference.seeds.state.assign(model.seeds.state)
    rates = {"generator": 0.01, "discriminator": 0.02}
    optimizers = {name: training.Adam(rate, beta_1=0.5) for name, rate in rates.items()}
    model.compile(optimizers, jit_compile=False)
    model.fit(images.reshape(-1, 16, 16, 1), batch_size=8, shuffle=False, verbose=0)
    parts, average = by_hand(reference, images, critic_steps, rates.values())
    nets = (model.generator, model.discriminator)
    for net, expected in zip(nets, parts):
        for weight, value in zip(net.trainable_variables, expected, strict=True):
            assert np.allclose(numpy(weight), numpy(value), atol=2e-5), weight.path
    trained = {id(weight) for weight in model.generator.trainable_variables}
    pairs = zip(model.generator.variables, model.averaged.variables)
    means = [numpy(mean) for weight, mean in pairs if id(weight) in trained]
    for mean, value in zip(means, average, strict=True):
        assert np.allclose(mean, value, atol=2e-5)
    live = model.generator.non_trainable_variables
    statistics = model.averaged.get_layer("norm_1").moving_mean
    assert any(np.array_equal(numpy(weight), numpy(statistics)) for weight in live)


IMAGES = np.random.default_rng(1).uniform(-1, 1, (48, 16, 16, 1)).astype("float32")


def moved(jit_compile=False, policy="float32", **kwargs):
    """Which nets each of six steps changes: "G", "D" or both; and the compiled model."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = small(**kwargs)
    finally:
        keras.config.set_dtype_policy(before)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 12)
    model.compile(training.Adam(rate, beta_1=0.5), jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)  # else Keras traces twice
    found = []
    for start in range(0, 48, 8):
        nets = (model.generator, model.discriminator)
        old = [net.get_weights()[0] for net in nets]
        model.fit(IMAGES[start : start + 8], batch_size=8, verbose=0)
        new = [net.get_weights()[0] for net in nets]
        if not start and model.critic_steps:  # no update of the generator yet: no average
            assert np.array_equal(model.averaged.get_weights()[0], new[0])
        found.append("".join(n for n, a, b in zip("GD", old, new) if not np.array_equal(a, b)))
    return " ".join(found), model


def take_turns(jit_compile=False):
    """Also with loss scaling, which skips steps, and where a step is compiled."""
    for policy in ("float32", "mixed_float16"):
        found, model = moved(jit_compile, policy, loss="bce")
        assert found == "D G D G D G"
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        counts = [numpy(inner.iterations) for inner in optimizer.optimizers]
        assert counts == [3, 3] and numpy(optimizer.iterations) == 6
        assert np.isfinite(model.generate(2)).all()
    penalty = {"loss": "wgan-gp", "discriminator_normalization": None}
    assert moved(jit_compile, **penalty)[0] == "D D D D D G"


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=slow)])
def test_take_turns(jit_compile):
    take_turns(jit_compile)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_take_turns_on(backend):
    jit = backend == "jax"
    run_on(backend, f"from tests.models import test_parts as t; t.take_turns({jit})")


def test_both_at_once_is_one_optimizer_for_all():
    """Without turns: to the bit what Keras's fit with a single Adam computes."""
    found, model = moved(critic_steps=0)
    assert found == " ".join(["GD"] * 6)
    other = small(critic_steps=0)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 12)
    keras.Model.compile(other, training.Adam(rate, beta_1=0.5), jit_compile=False)
    for start in range(0, 48, 8):
        other.fit(IMAGES[start : start + 8], batch_size=8, verbose=0)
    pairs = zip(model.trainable_weights, other.trainable_weights, strict=True)
    assert all(np.array_equal(numpy(a), numpy(b)) for a, b in pairs)


def test_schedules_run_over_the_steps_of_fit():
    linear = keras.optimizers.schedules.PolynomialDecay(0.0, 100, 100.0)
    maker, critic = (Paced(linear, turns) for turns in ((False, True), (True, False)))
    assert [float(maker(update)) for update in range(3)] == [1.0, 3.0, 5.0]
    assert [float(critic(update)) for update in range(3)] == [0.0, 2.0, 4.0]
    again = Paced.from_config(maker.get_config())
    assert float(again(2)) == 5.0


def test_optimizers_by_name():
    model = small()
    with pytest.raises(ValueError, match="an optimizer for each of discriminator, generator"):
        model.compile({"generator": training.Adam(0.1)})
    optimizer = PartsOptimizer(model.parts(), training.Adam(0.1, weight_decay=0.2, no_decay=["b"]))
    inner = [optimizer for _, optimizer in optimizer._parts]
    assert [optimizer.use_ema for optimizer in inner] == [False, True]
    assert all(optimizer.no_decay == ("b",) for optimizer in inner)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == float(inner[1].learning_rate) == 0.5


def test_a_keras_file_holds_the_optimizers(tmp_path):
    """Saved in the middle of a cycle and loaded, it goes on as if it had not been."""
    model = small()
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(IMAGES[:24], batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    pairs = zip(model.optimizer.variables, loaded.optimizer.variables, strict=True)
    assert all(np.array_equal(numpy(a), numpy(b)) for a, b in pairs)
    loaded.seeds.state.assign(model.seeds.state)
    for each in (model, loaded):
        each.fit(IMAGES[24:], batch_size=8, shuffle=False, verbose=0)
    pairs = zip(model.weights, loaded.weights, strict=True)
    assert all(np.allclose(numpy(a), numpy(b), atol=1e-6) for a, b in pairs)
