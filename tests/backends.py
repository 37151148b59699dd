"""The same cases on every backend: what a child process computes, and how it is compared.

`python -m tests.backends OUT` computes every conformance case on the backend that KERAS_BACKEND
names, with TensorFlow made impossible to import unless it is that backend, and writes the numbers.
"""

import importlib
import pkgutil
import sys

import keras
import numpy as np

OTHERS = ("jax", "torch")


class Case:
    """One layer or model with its input; weights and inputs depend on nothing but their order."""

    build = None
    shapes = None
    tolerance = 2e-5

    def inputs(self):
        rng = np.random.default_rng(0)
        return keras.tree.map_shape_structure(
            lambda shape: rng.uniform(-1, 1, shape).astype("float32"), self.shapes
        )

    def run(self, layer):
        return layer(self.inputs())

    @staticmethod
    def cotangent(shape):
        return np.random.default_rng(3).normal(0, 1, shape).astype("float32")

    def values(self):
        """{"output", "weights" and "inputs" (gradients), "state"}: numpy arrays, or lists of them."""
        layer = self.build()
        self.run(layer)
        rng = np.random.default_rng(4)
        for weight in layer.weights:
            spread = 0.5 / np.sqrt(max(np.prod(weight.shape[:-1]), 1))
            value = rng.normal(0, spread, weight.shape)
            if weight.path.endswith(("gamma", "variance")):
                value = 1 + abs(value)
            weight.assign(value)
        outputs = keras.tree.flatten(self.run(layer))
        outputs = [keras.ops.convert_to_numpy(output) for output in outputs]
        return {"output": outputs, **gradients(layer, self.inputs(), self.cotangent, training=True)}


def gradients(layer, inputs, cotangent, training=False, jit_compile=False):
    """Gradients of <output, cotangent> for trainable weights and inputs, and the state after.

    Of several outputs the first counts.

    Returns:
        {"weights": [...], "inputs": [...], "state": [...]}, numpy arrays.
    """
    keywords = {"training": training} if layer._call_has_training_arg else {}
    compute = globals()[f"_{keras.backend.backend()}"]
    weights, of_inputs, state = compute(layer, inputs, cotangent, keywords, jit_compile)
    zeros = keras.tree.map_structure(np.zeros_like, inputs)  # for an input that has no gradient
    pairs = zip(keras.tree.flatten(of_inputs), keras.tree.flatten(zeros))
    of_inputs = [zero if found is None else found for found, zero in pairs]
    found = {"weights": weights, "inputs": of_inputs, "state": state}
    return {kind: [np.asarray(value, "float32") for value in found[kind]] for kind in found}


def _tensorflow(layer, inputs, cotangent, keywords, jit_compile):
    import tensorflow as tf

    inputs = tf.nest.map_structure(tf.constant, inputs)

    @tf.function(jit_compile=jit_compile)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = keras.tree.flatten(layer(inputs, **keywords))[0]
            total = tf.reduce_sum(tf.cast(output, "float32") * cotangent(output.shape))
        weights = [weight.value for weight in layer.trainable_weights]
        return tape.gradient(total, [weights, inputs])

    weights, of_inputs = compute()
    return weights, of_inputs, layer.non_trainable_weights


def _jax(layer, inputs, cotangent, keywords, jit_compile):
    import jax

    def total(trainable, inputs, rest):
        output, rest = layer.stateless_call(trainable, rest, inputs, **keywords)
        output = keras.tree.flatten(output)[0]
        return (output.astype("float32") * cotangent(output.shape)).sum(), rest

    trainable = [v.value for v in layer.trainable_variables]
    rest = [v.value for v in layer.non_trainable_variables]
    compute = jax.jit(jax.grad(total, (0, 1), has_aux=True))
    (weights, of_inputs), rest = compute(trainable, inputs, rest)
    assert len(layer.non_trainable_variables) == len(layer.non_trainable_weights)  # no seeds
    return weights, of_inputs, rest


def _torch(layer, inputs, cotangent, keywords, jit_compile):
    import torch

    inputs = keras.tree.map_structure(lambda x: torch.tensor(x, requires_grad=True), inputs)
    output = keras.tree.flatten(layer(inputs, **keywords))[0]
    (output.float() * torch.tensor(cotangent(tuple(output.shape)))).sum().backward()
    weights = [weight.value.grad for weight in layer.trainable_weights]
    of_inputs = keras.tree.map_structure(lambda x: x.grad, inputs)
    return weights, of_inputs, [w.value.detach() for w in layer.non_trainable_weights]


def assert_close(found, expected, tolerance):
    """Equal up to `tolerance`, relative to each array's largest magnitude."""
    assert set(found) == set(expected)
    for key in expected:
        for i, (a, b) in enumerate(zip(_listed(found[key]), _listed(expected[key]), strict=True)):
            assert a.shape == b.shape, f"{key} {i}: shape {a.shape} instead of {b.shape}"
            scale = max(np.abs(b).max(initial=0), 1.0)
            error = np.abs(a - b).max(initial=0) / scale
            assert error <= tolerance, f"{key} {i}: {error:.2e} off, allowed are {tolerance:.0e}"


def _listed(value):
    return value if isinstance(value, list) else [value]


def compare(case, numbers):
    """Hold a case's numbers of another backend against this backend's."""
    name = f"{type(case).__module__}.{type(case).__qualname__}"
    expected = case.values()
    found = {
        key: [numbers[f"{name}/{key}/{i}"] for i in range(len(_listed(value)))]
        for key, value in expected.items()
    }
    assert_close(found, expected, case.tolerance)


def cases():
    """Every conformance case of the test suite: {dotted name: class}."""
    from tests import layers, models

    for package in (layers, models):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def leaves(base):
        for child in base.__subclasses__():
            yield from leaves(child)
            if child.__name__.startswith("Test"):
                yield child

    return {f"{case.__module__}.{case.__qualname__}": case for case in leaves(Case)}


def main(out):
    """Compute all cases; in the child process."""
    numbers = {}
    for name, case in cases().items():
        for key, value in case().values().items():
            for i, array in enumerate(_listed(value)):
                numbers[f"{name}/{key}/{i}"] = array
    np.savez(out, **numbers)


if __name__ == "__main__":
    if keras.backend.backend() != "tensorflow":
        sys.modules["tensorflow"] = None  # what works here works without TensorFlow
    from tests.backends import main as imported  # one identity of Case, not two

    imported(sys.argv[1])
