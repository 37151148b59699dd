"""What a label means, and what a prediction is: values against numpy, in every loss and metric."""

import contextlib
import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnzoo import losses, metrics
from dnzoo.losses.names import NAMES
from dnzoo.metrics import outputs
from dnzoo.metrics.labels import IGNORE, class_numbers, squeeze

numpy = keras.ops.convert_to_numpy
COUNTED = (metrics.ConfusionMatrix, metrics.MeanIoU, metrics.BoundaryIoU)
few = settings(max_examples=25, deadline=None)


def compiled(function):
    """The function inside a compiled graph, where values can't be seen."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if backend == "jax":
        import jax

        return jax.jit(function)
    pytest.skip("PyTorch computes eagerly: values are always seen")


def refused_by_tensorflow():
    """What runs inside raises on TensorFlow, and is looked at on JAX, which can't raise."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return pytest.raises(tf.errors.InvalidArgumentError, match="labels must be class numbers, 0 to")


def pair(classes, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, max(classes, 2), (3, 6, 5)).astype("float32")
    return masks, rng.normal(0, 2, (3, 6, 5, classes)).astype("float32")


DTYPES = st.sampled_from(["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float16"])


@few
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), DTYPES)
def test_labels_of_any_type(values, dtype):
    labels = np.array(values, dtype)
    found, counts = class_numbers("X", keras.ops.convert_to_tensor(labels), 4)
    assert np.array_equal(numpy(found), labels.astype(int)) and numpy(counts).all()


@few
@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 255.0, 1e9]), min_size=1, max_size=20),
    st.integers(1, 4),
    st.sampled_from([None, 255, 0, -1]),
)
def test_a_label_is_a_class_or_ignored_or_refused(values, classes, ignore):
    known = [value in range(classes) for value in values]
    legal = [inside or value == ignore for inside, value in zip(known, values)]
    labels = keras.ops.convert_to_tensor(np.array(values, "float32"))
    if not all(legal):
        with pytest.raises(
            ValueError, match=rf"^X: labels must be class numbers, 0 to {classes - 1}"
        ):
            class_numbers("X", labels, classes, ignore)
        return
    found, counts = (numpy(part) for part in class_numbers("X", labels, classes, ignore))
    expected = [inside and value != ignore for inside, value in zip(known, values)]
    assert np.array_equal(counts, expected)
    assert np.array_equal(found, np.where(expected, values, 0))


@functools.cache
def graph(name):
    return compiled(losses.get(name).call)


@pytest.mark.parametrize("wrong", [7, -1, 0.5, np.nan])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", list(NAMES))
def test_losses_refuse_it_or_leave_it_out(name, classes, wrong):
    masks, logits = pair(classes)
    ignored, spoilt = masks.copy(), masks.copy()
    ignored[:, :2], spoilt[:, :2] = IGNORE, wrong
    loss = losses.get(name)
    with pytest.raises(ValueError, match=f"^{type(loss).__name__}: labels must be class numbers"):
        loss(spoilt, logits)
    sound = numpy(loss.call(ignored, logits))
    with refused_by_tensorflow():
        assert np.allclose(numpy(graph(name)(spoilt, logits)), sound, atol=1e-6)
    assert np.allclose(numpy(graph(name)(ignored, logits)), sound, atol=1e-6)


@pytest.mark.parametrize("wrong", [7, -1, 0.5, np.nan])
@pytest.mark.parametrize("make", COUNTED)
def test_metrics_refuse_it_or_leave_it_out(make, wrong):
    masks, logits = pair(3)
    ignored, spoilt = masks.copy(), masks.copy()
    ignored[:, :2], spoilt[:, :2] = IGNORE, wrong
    with pytest.raises(ValueError, match=f"^{make.__name__}: labels must be class numbers, 0 to 2"):
        make(3).update_state(spoilt, logits)

    expected = make(3)._read(ignored, logits)
    read = compiled(make(3)._read)
    with refused_by_tensorflow():
        for found, right in zip(read(spoilt, logits), expected):
            assert np.array_equal(numpy(found), numpy(right))
    for found, right in zip(read(ignored, logits), expected):
        assert np.array_equal(numpy(found), numpy(right))


def test_predicted_labels_that_are_no_class():
    truth = np.full((1, 8, 8), 4)
    with pytest.raises(
        ValueError, match=r"^MeanIoU: labels must be class numbers, 0 to 4; got 255"
    ):
        metrics.MeanIoU(5, from_logits=False).update_state(truth, np.full((1, 8, 8), 255))
    metric = metrics.ConfusionMatrix(5, from_logits=False)
    metric.update_state([[4, IGNORE]], [[4, 255]])  # where nothing counts, nothing is asked
    assert float(np.sum(numpy(metric.result()))) == 1


@pytest.mark.parametrize("loss", [losses.CrossEntropy, losses.Dice])
def test_nothing_is_ignored_without_an_index(loss):
    masks, logits = pair(3)
    assert np.isclose(float(loss(ignore_index=None)(masks, logits)), float(loss()(masks, logits)))
    masks[0, 0, 0] = IGNORE
    with pytest.raises(ValueError, match="0 to 2; got 255"):
        loss(ignore_index=None)(masks, logits)


def test_mask_loss_refuses_what_is_neither():
    truth, logits = np.zeros((1, 1, 2, 2, 2)), np.zeros((1, 1, 2, 2, 3), "float32")
    for place in (0, 1):
        wrong = truth.copy()
        wrong[..., place] = 3
        with pytest.raises(ValueError, match=r"^MaskLoss: labels must be class numbers"):
            losses.MaskLoss()(wrong, logits)


@pytest.mark.parametrize("shape", [(3, 6, 5, 3), (3, 5, 6), (3, 6), (2, 6, 5), (3, 6, 5, 1, 1)])
def test_masks_of_another_shape(shape):
    _, logits = pair(3)
    for call in (losses.CrossEntropy().call, metrics.MeanIoU(3).update_state):
        with pytest.raises(ValueError, match=r"masks must be .* one-hot masks need argmax"):
            call(np.zeros(shape, "float32"), logits)
    assert squeeze("X", np.zeros((3, 6, 5, 1)), (None, 6, 5)).shape == (3, 6, 5)


@few
@given(st.integers(1, 4), st.booleans(), st.integers(0, 9))
def test_logits_probabilities_and_labels_are_one_answer(channels, last_axis, seed):
    """The same prediction said in three ways gives one confusion matrix."""
    masks, logits = pair(channels, seed)
    classes = max(channels, 2)
    masks = masks[..., None] if last_axis else masks
    if channels == 1:
        scores, right = 1 / (1 + np.exp(-logits)), (logits[..., 0] > 0).astype("int32")
    else:
        scores = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        right = logits.argmax(-1)
    told = [(logits, True), (scores, False), (right, False), (right[..., None], False)]
    told += [(right.astype("float32"), False), (logits, None)]
    found = []
    for given_, from_logits in told:
        metric = metrics.ConfusionMatrix(classes, from_logits=from_logits)
        metric.update_state(masks, given_)
        found.append(numpy(metric.result()))
    truth = masks.reshape(right.shape).astype(int)
    expected = np.zeros((classes, classes))
    np.add.at(expected, (truth.ravel(), right.ravel()), 1)
    assert all(np.array_equal(matrix, expected) for matrix in found)
    assert np.array_equal(outputs.classes(logits), right)


def test_one_channel_from_0_to_1_is_asked_about():
    truth = np.array([[[0, 1]]])
    sigmoid = np.array([[[0.2], [0.9]]], "float32")[None]
    with pytest.raises(ValueError, match=r"^MeanIoU: y_pred is from 0 to 1.*from_logits=False"):
        metrics.MeanIoU(2).update_state(truth, sigmoid)
    for said, expected in (({"from_logits": True}, 0.25), ({"from_logits": False}, 1.0)):
        metric = metrics.MeanIoU(2, **said)
        metric.update_state(truth, sigmoid)
        assert float(metric.result()) == expected
    metrics.MeanIoU(2).update_state(truth, 0 * sigmoid)  # a net whose head is zero


@pytest.mark.parametrize("owner", [losses.CrossEntropy, losses.Lovasz, metrics.MeanIoU])
def test_logits_are_no_probabilities(owner):
    masks, logits = pair(3)
    call = owner(3, from_logits=False).update_state if owner in COUNTED else None
    call = call or owner(from_logits=False).call
    with pytest.raises(ValueError, match="y_pred must be probabilities, from 0 to 1; got -"):
        call(masks, logits)


def test_integers_are_no_logits():
    with pytest.raises(ValueError, match="labels need from_logits=False"):
        metrics.MeanIoU(2).update_state(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 1), "int32"))


def test_soft_masks_have_no_average_precision():
    metric, mask = metrics.MaskAP(), np.full((1, 4, 4), 0.9)
    with pytest.raises(ValueError, match="masks must be boolean, or 0 and 1"):
        metric.update_state(mask > 0.5, [0], mask, [0], [0.9])
