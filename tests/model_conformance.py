"""The checks that every model must pass: its test subclasses `ModelConformance`.

The same cases run on JAX and PyTorch in one child process a backend (`tests/backends.py`), and must
give the same numbers there.
"""

import functools

import keras
import numpy as np
import pytest

from dnzoo import losses, saving
from dnzoo.inference import kinds
from dnzoo.training import Adam
from tests import backends
from tests.backends import Case, gradients
from tests.conftest import ALL


class ModelConformance(Case):
    """`build`: makes a fresh, tiny model. `shapes`: of its input. `parameters`: the integer.

    A model that labels pixels says `classes`; another gives `batch()` and `loss` of its own. `builder`
    is the public function, for `papers`: (arguments, parameters) of the papers' own networks;
    `illegal`: (arguments, message); `any_size`: arguments of a net that takes images of any size.
    A `variant` is another net of a builder: what is expensive and was shown of the first is left to
    `make test-all`.
    """

    variant = False

    builder = None
    papers = ()
    illegal = ()
    any_size = None

    parameters = None
    classes = None
    batch_size = 4
    tolerance = 2e-3  # a few layers deep, in float32, with other orders of summation
    steps_to_overfit = 60

    @functools.cached_property
    def made(self) -> tuple[int, ...]:
        """The shape of the output."""
        return self.build().compute_output_shape(self.shapes)

    def masks(self) -> np.ndarray:
        """Blocks of 8 rows along each axis, of one class each."""
        rng = np.random.default_rng(1)
        sizes = self.made[1:-1]
        shape = (self.batch_size, *(-(-size // 8) for size in sizes))
        masks = rng.integers(0, max(self.classes, 2), shape)
        for axis in range(1, masks.ndim):
            masks = np.repeat(masks, 8, axis)
        return masks[(slice(None), *map(slice, sizes))].astype("uint8")

    def images(self) -> np.ndarray:
        """Noise that gives each class a brightness of its own, so that there is something to learn."""
        shape = (self.batch_size, *self.shapes[1:])
        images = np.random.default_rng(2).normal(0, 0.1, shape)
        masks = self.masks()
        margins = [(has - made) // 2 for has, made in zip(shape[1:], masks.shape[1:])]
        window = [slice(start, start + size) for start, size in zip(margins, masks.shape[1:])]
        images[(slice(None), *window)] += masks[..., None]
        return images.astype("float32")

    def batch(self):
        """Inputs and targets that can be learned by heart."""
        return self.images(), self.masks()

    loss = losses.CrossEntropy()

    def test_parameters(self):
        assert self.build().count_params() == self.parameters

    def test_papers(self):
        for arguments, parameters in self.papers:
            found = self.builder(**arguments).count_params()
            assert found == parameters, f"{arguments}: {found:,}"

    def test_illegal(self):
        for arguments, message in self.illegal:
            with pytest.raises(ValueError, match=message):
                self.builder(**arguments)

    def test_any_size(self):
        if self.any_size is None:
            return
        model = self.builder(**self.any_size)
        for size in ((1, 1), (3, 2), (17, 23), (32, 48)):
            shape = (1, *size, model.inputs[0].shape[-1])
            output = model(np.ones(shape, "float32"))
            assert tuple(output.shape) == tuple(model.compute_output_shape(shape))

    def test_shape(self):
        model = self.build()
        output = model(self.inputs())
        assert tuple(output.shape) == tuple(model.compute_output_shape(self.shapes))

    def test_save_and_load(self, tmp_path):
        model = self.build()
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert np.array_equal(loaded(self.inputs()), model(self.inputs()))

    def test_gradient_reaches_every_weight(self):
        model = self.build()
        found = gradients(model, self.inputs(), self.cotangent, training=True)
        for weight, gradient in zip(model.trainable_weights, found["weights"]):
            if "gain" in self.dead_biases and weight.path.endswith("bias"):
                continue
            assert np.abs(gradient).max() > 0, f"no gradient for {weight.path}"

    dead_biases = ()

    def test_jit(self):
        if self.variant and not ALL:
            pytest.skip("make test-all does it")
        model = self.build()
        weights = model.get_weights()
        plain = gradients(model, self.inputs(), self.cotangent, training=True)
        model.set_weights(weights)  # training moved the statistics
        compiled = gradients(model, self.inputs(), self.cotangent, training=True, jit_compile=True)
        backends.assert_close(compiled, plain, self.tolerance)

    def test_mixed_precision(self):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            model = self.build()
        finally:
            keras.config.set_dtype_policy(before)
        assert keras.backend.standardize_dtype(model(self.inputs()).dtype) == "float32"
        assert all(weight.dtype == "float32" for weight in model.weights)
        model.compile("adam", self.loss, run_eagerly=True)
        assert np.isfinite(model.train_on_batch(*self.batch()))

    def test_overfits_one_batch(self):
        keras.utils.set_random_seed(0)
        model = self.build()
        model.compile(Adam(1e-2), self.loss, jit_compile=False)
        model.optimizer.build(model.trainable_variables)  # else Keras traces twice
        batch = self.batch()
        first = float(model.train_on_batch(*batch))
        for _ in range(self.steps_to_overfit):
            last = float(model.train_on_batch(*batch))
            model.reset_metrics()
        assert last < 0.35 * first

    def test_freezing_keeps_batch_normalization_still(self):
        model = self.build()
        encoders = [layer for layer in model.layers if layer.name == "encoder"]
        if not encoders:
            return
        encoder = encoders[0]
        encoder.trainable = False
        before = [np.array(weight) for weight in encoder.weights]
        model.compile("adam", self.loss, run_eagerly=True)
        model.train_on_batch(*self.batch())
        assert not encoder.trainable_weights
        assert all(np.array_equal(a, b) for a, b in zip(before, encoder.weights))

    def test_saved_model_round_trip(self, tmp_path):
        import tensorflow as tf

        model, images = self.build(), self.batch()[0]
        saving.save(model, tmp_path / "saved")
        loaded = saving.load(tmp_path / "saved")
        assert all(np.array_equal(a, b) for a, b in zip(model.weights, loaded.weights, strict=True))
        expected = np.asarray(model(images))
        assert np.array_equal(loaded(images), expected)
        module = tf.saved_model.load(str(tmp_path / "saved"))
        served = module.serve(*images) if isinstance(images, list) else module.serve(images)
        scale = max(np.abs(expected).max(), 1)
        names = [*kinds.of(model).outputs(expected)]
        assert {*served} == {*names}
        assert np.abs(served[names[0]] - expected).max() < 1e-5 * scale
        if self.classes is not None:
            assert names == ["logits", "classes"]
            assert served["classes"].shape == expected.shape[:-1]

    @pytest.mark.parametrize("backend", backends.OTHERS)
    def test_same_on(self, backend, other_backends):
        backends.compare(self, other_backends(backend))


class SuperResolutionConformance(ModelConformance):
    """Learns to enlarge a few coarse pictures by heart."""

    loss = keras.losses.MeanSquaredError()

    def batch(self):
        rng = np.random.default_rng(2)
        small = rng.uniform(0, 1, self.shapes).astype("float32")
        scale = self.made[1] // self.shapes[1]
        return small, small.repeat(scale, 1).repeat(scale, 2)
