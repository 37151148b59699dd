"""The checks that every layer must pass: its test subclasses `LayerConformance`.

The same cases run on JAX and PyTorch in one child process a backend (`tests/backends.py`), and must
give the same numbers there.
"""

import json

import keras
import numpy as np
import pytest

from dnzoo.analysis import complexity
from dnzoo.analysis.graph import trace
from dnzoo.analysis.receptive_field import needed
from dnzoo.layers.rules import NOTHING, Rules
from tests import backends
from tests.backends import Case, gradients


class LayerConformance(Case):
    """`build`: makes a fresh layer. `shapes`: of its input (or a list, one an input), with batch."""

    without_gradient = ()  # inputs, by number, of which only the shape counts
    sizes_follow_inputs = True
    jit_tolerance = 1e-5
    mixed_tolerance = 0.05  # of the largest output: bfloat16 has 8 bits

    def test_shape(self):
        layer = self.build()
        outputs = keras.tree.flatten(self.run(layer))
        inputs = keras.tree.map_shape_structure(lambda s: keras.Input(s[1:], s[0]), self.shapes)
        specs = keras.tree.flatten(self.build()(inputs))
        assert [tuple(output.shape) for output in outputs] == [tuple(spec.shape) for spec in specs]
        assert [output.dtype for output in outputs] == [spec.dtype for spec in specs]

    def test_dynamic_sizes(self):
        """One model with free height and width gives the same at run time."""
        inputs = keras.tree.map_shape_structure(
            lambda shape: keras.Input((*[None] * (len(shape) - 2), shape[-1])), self.shapes
        )
        layer = self.build()
        model = keras.Model(inputs, layer(inputs))
        if self.sizes_follow_inputs:
            free = keras.tree.flatten(model.output)[0].shape[1:-1]
            assert all(size is None for size in free)
        import tensorflow as tf

        specs = keras.tree.map_structure(
            lambda x: tf.TensorSpec((None, *[None] * (len(x.shape) - 2), x.shape[-1])), inputs
        )
        dynamic = tf.function(model, input_signature=[specs])
        given = self.inputs()
        for found, expected in zip(*map(keras.tree.flatten, (dynamic(given), layer(given)))):
            assert np.allclose(found, expected, atol=1e-6)

    def test_channels_first(self):
        layer = self.build()
        config = layer.get_config()
        if config.get("data_format") != "channels_last":
            return  # a layer that has one format only
        expected = np.moveaxis(np.asarray(self.run(layer)), -1, 1)
        first = type(layer).from_config({**config, "data_format": "channels_first"})
        x = np.moveaxis(self.inputs(), -1, 1)
        first.build(x.shape)
        first.set_weights(layer.get_weights())
        assert first.compute_output_shape(x.shape) == expected.shape
        assert np.allclose(first(x), expected, atol=1e-5)

    def test_config(self):
        layer = self.build()
        config = json.loads(json.dumps(layer.get_config()))
        again = type(layer).from_config(dict(config))
        assert json.loads(json.dumps(again.get_config())) == config
        expected = keras.tree.flatten(self.run(layer))
        self.run(again)
        again.set_weights(layer.get_weights())
        for a, b in zip(keras.tree.flatten(self.run(again)), expected, strict=True):
            assert np.array_equal(a, b)

    def test_save_and_load(self, tmp_path):
        inputs = keras.tree.map_shape_structure(lambda s: keras.Input(s[1:]), self.shapes)
        model = keras.Model(inputs, self.build()(inputs))
        model.save(tmp_path / "layer.keras")
        loaded = keras.models.load_model(tmp_path / "layer.keras")
        outputs = (keras.tree.flatten(net(self.inputs())) for net in (loaded, model))
        assert all(np.array_equal(a, b) for a, b in zip(*outputs, strict=True))

    def test_gradient_reaches_every_weight(self):
        layer = self.build()
        self.run(layer)
        found = gradients(layer, self.inputs(), self.cotangent)
        for weight, gradient in zip(layer.trainable_weights, found["weights"]):
            assert np.abs(gradient).max() > 0, f"no gradient for {weight.path}"
        for i, gradient in enumerate(found["inputs"]):
            assert (np.abs(gradient).max() > 0) == (i not in self.without_gradient)

    def test_rules(self):
        """Cost and memory are known, and no gradient comes from where the layer says it does not look.

        Either the layer has all the methods of `dnzoo.layers.rules.Rules`, or it is taken apart, and what it is
        made of is known.
        """
        layer = self.build()
        rules = [name for name in ("rows_seen", "macs", "kept") if hasattr(layer, name)]
        assert not rules or isinstance(layer, Rules), f"of the rules only {rules}"
        shapes = keras.tree.map_shape_structure(lambda shape: shape[1:], self.shapes)
        cost = complexity(layer, shapes, batch_size=2)
        assert cost.macs >= 0 and cost.training_bytes > 0
        graph = trace(layer, shapes)
        made = graph.outputs[0].shape
        row = made[1] // 2 if len(made) > 2 else 0
        wanted, blocked = needed(graph, 0, row, row)
        if blocked or len(made) < 3:
            return

        def one_row(shape):
            cotangent = self.cotangent(shape)
            cotangent[:, :row], cotangent[:, row + 1 :] = 0, 0
            return cotangent

        found = gradients(layer, self.inputs(), one_row)["inputs"]
        for tensor, gradient in zip(graph.inputs, found, strict=True):
            seen = wanted.get(tensor.number, NOTHING)
            low, high = (0, -1) if seen is NOTHING else (max(seen[0], 0), seen[1])
            assert not gradient[:, :low].any() and not gradient[:, high + 1 :].any()

    def test_mixed_precision(self):
        layer = self.build(dtype="mixed_bfloat16")
        expected = self.build()
        self.run(expected), self.run(layer)
        layer.set_weights(expected.get_weights())
        output = keras.tree.flatten(self.run(layer))[0]
        assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
        assert all(weight.dtype == "float32" for weight in layer.weights)
        exact = np.asarray(keras.tree.flatten(self.run(expected))[0])
        error = np.abs(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")) - exact).max()
        assert error <= self.mixed_tolerance * max(np.abs(exact).max(), 1)
        found = gradients(layer, self.inputs(), self.cotangent)
        assert all(np.isfinite(g).all() for g in found["weights"] + found["inputs"])

    def test_jit(self):
        layer = self.build()
        self.run(layer)
        plain = gradients(layer, self.inputs(), self.cotangent)
        compiled = gradients(layer, self.inputs(), self.cotangent, jit_compile=True)
        backends.assert_close(compiled, plain, self.jit_tolerance)

    @pytest.mark.parametrize("backend", backends.OTHERS)
    def test_same_on(self, backend, other_backends):
        backends.compare(self, other_backends(backend))
