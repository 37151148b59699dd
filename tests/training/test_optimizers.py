"""The fused Adam against Keras's, and against PyTorch's."""

import keras
import numpy as np
import pytest

from dnzoo import training
from tests.conftest import run_on

numpy = keras.ops.convert_to_numpy


def train(optimizer, steps=5):
    """The weights of a small net after some steps."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)])
    model.build((None, 4))
    model.compile(optimizer, "mse", jit_compile=False)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(steps * 4, 4)), rng.normal(size=(steps * 4, 3))
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("kwargs", [{}, {"beta_1": 0.5, "epsilon": 1e-3}, {"weight_decay": 0.1}])
def test_equals_keras(kwargs):
    name = "AdamW" if "weight_decay" in kwargs else "Adam"
    rate = keras.optimizers.schedules.CosineDecay(0.01, 20)
    expected = train(getattr(keras.optimizers, name)(rate, **kwargs))
    for a, b in zip(train(training.Adam(rate, **kwargs)), expected):
        assert np.allclose(a, b, atol=2e-6)
    again = training.Adam.from_config(training.Adam(0.1, **kwargs).get_config())
    assert isinstance(again, training.Adam) and again.weight_decay == kwargs.get("weight_decay")


def test_the_kernel_is_used(monkeypatch):
    calls = []
    fused = training.Adam._fused
    monkeypatch.setattr(training.Adam, "_fused", lambda *a: (calls.append(1), fused(*a)))
    expected = train(training.Adam(0.01))
    assert calls and len(calls) % 4 == 0
    calls.clear()
    monkeypatch.setattr(training.Adam, "_fits_fused", lambda *a: False)
    for a, b in zip(train(training.Adam(0.01)), expected):
        assert np.allclose(a, b, atol=2e-6)
    assert not calls


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    code = "from tests.training import test_optimizers as t; t.test_equals_keras({'weight_decay': 0.1})"
    run_on(backend, code)


def test_equals_pytorch():
    torch = pytest.importorskip("torch")
    start, gradients = np.ones(3, "float32"), np.random.default_rng(0).normal(size=(6, 3))
    ours, theirs = keras.Variable(start), torch.nn.Parameter(torch.tensor(start))
    a, b = training.Adam(0.1), torch.optim.Adam([theirs], 0.1, eps=1e-9)
    a.epsilon = 1e-9  # PyTorch adds it to another quantity
    a.build([ours])
    for gradient in gradients.astype("float32"):
        a.apply([keras.ops.convert_to_tensor(gradient)])
        theirs.grad = torch.from_numpy(gradient)
        b.step()
    assert np.allclose(numpy(ours), theirs.detach().numpy(), atol=1e-5)
