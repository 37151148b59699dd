"""Attention against numpy, and the memory that chunks save."""

import keras
import numpy as np
import pytest

from dnzoo.layers import AttentionGate, SelfAttention2D, SqueezeExcite
from tests.backends import gradients
from tests.conftest import child, has
from tests.layer_conformance import LayerConformance


class TestAttentionGate(LayerConformance):
    shapes = [(2, 5, 4, 6), (2, 5, 4, 8)]

    def build(self, **kwargs):
        return AttentionGate(**kwargs)


class TestSqueezeExcite(LayerConformance):
    shapes = (2, 5, 4, 8)

    def build(self, **kwargs):
        return SqueezeExcite(2, **kwargs)


class TestSqueezeExcite3D(TestSqueezeExcite):
    shapes = (2, 3, 2, 4, 8)


class WithGamma:
    """The layer starts as the identity, where its convolutions have no gradient."""

    def run(self, layer):
        output = super().run(layer)
        if not float(keras.ops.convert_to_tensor(layer.gamma)):
            layer.gamma.assign(0.5)
            output = super().run(layer)
        return output


class TestSelfAttention2D(WithGamma, LayerConformance):
    shapes = (2, 5, 4, 8)

    def build(self, **kwargs):
        return SelfAttention2D(2, **kwargs)


class TestSelfAttention2DInChunks(WithGamma, LayerConformance):
    shapes = (2, 5, 4, 8)

    def build(self, **kwargs):
        return SelfAttention2D(2, chunk=6, **kwargs)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_squeeze_excite():
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 4, 8)).astype("float32")
    layer = SqueezeExcite(4)
    y = layer(x)
    squeeze, squeeze_bias, excite, excite_bias = (np.asarray(w) for w in layer.weights)
    hidden = np.maximum(x.mean((1, 2)) @ squeeze[0, 0] + squeeze_bias, 0)
    weights = sigmoid(hidden @ excite[0, 0] + excite_bias)
    assert np.allclose(y, x * weights[:, None, None], atol=1e-6)
    assert SqueezeExcite(16)(x).shape == x.shape  # at least one channel


def test_attention_gate():
    rng = np.random.default_rng(0)
    x, skip = (rng.normal(0, 1, (1, 3, 4, depth)).astype("float32") for depth in (2, 6))
    layer = AttentionGate()
    y = layer([x, skip])
    look, look_bias, offer, weight, weight_bias = (np.asarray(w) for w in layer.weights)
    compared = np.maximum(x @ look[0, 0] + look_bias + skip @ offer[0, 0], 0)
    assert np.allclose(y, skip * sigmoid(compared @ weight[0, 0] + weight_bias), atol=1e-6)
    assert look.shape[-1] == 3


@pytest.mark.parametrize("chunk", [None, 1, 5, 12, 100])
def test_self_attention(chunk):
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 4, 8)).astype("float32")
    layer = SelfAttention2D(4, chunk)
    assert np.array_equal(layer(x), x)  # starts as the identity
    layer.gamma.assign(0.7)
    flat = x.reshape(2, 12, 8)
    q, k, v = (
        flat @ np.asarray(part.kernel)[0, 0] for part in (layer.query, layer.key, layer.value)
    )
    scores = np.exp(q @ k.transpose(0, 2, 1))
    found = (scores / scores.sum(-1, keepdims=True)) @ v
    expected = flat + 0.7 * (found @ np.asarray(layer.out.kernel)[0, 0])
    assert np.allclose(layer(x), expected.reshape(x.shape), atol=1e-5)


def test_gradients_in_chunks_are_those_of_the_whole():
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 4, 8)).astype("float32")
    cotangent = np.random.default_rng(1).normal(0, 1, x.shape)
    whole, chunked = SelfAttention2D(2), SelfAttention2D(2, chunk=5)
    found = []
    for layer in (whole, chunked):
        layer.build(x.shape)
        layer.set_weights(whole.get_weights())
        layer.gamma.assign(0.7)
        found.append(gradients(layer, x, lambda shape: cotangent))
    for a, b in zip(
        found[0]["weights"] + found[0]["inputs"], found[1]["weights"] + found[1]["inputs"]
    ):
        assert np.allclose(a, b, atol=1e-5)


MEMORY = """
import jax, keras, sys
from dnzoo.layers import SelfAttention2D

def memory(side, chunk):
    layer = SelfAttention2D(8, chunk)
    layer.build((1, side, side, 16))
    weights = [v.value for v in layer.trainable_variables]
    def loss(weights, x):
        return layer.stateless_call(weights, [], x)[0].sum()
    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(weights, jax.ShapeDtypeStruct((1, side, side, 16), "float32")).compile()
    return compiled.memory_analysis().temp_size_in_bytes

print(*[memory(side, chunk) for chunk in (None, 64) for side in (32, 64)])
"""


def test_memory_is_linear_in_pixels_when_asked():
    """What XLA plans for the backward pass, for 1,024 and 4,096 pixels."""
    if not has("jax"):
        pytest.skip("make test-all asks XLA")
    done = child(MEMORY, env={"KERAS_BACKEND": "jax"})
    small, large, small_chunked, large_chunked = map(int, done.stdout.split()[-4:])
    assert large > 12 * small
    assert large_chunked < 5 * small_chunked
    assert large_chunked < large / 10
