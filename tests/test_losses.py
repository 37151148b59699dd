"""Losses against plain numpy, sums written out pixel by pixel; cross-entropy against PyTorch too."""

import json

import keras
import numpy as np
import pytest

from dnzoo import losses
from dnzoo.losses.names import NAMES
from tests.backends import gradients
from tests.conftest import has

IGNORE = 255


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reference(name, mask, logits, class_weights=None, gamma=2.0):
    """One image: mask (H, W), logits (H, W, C), in float64."""
    labels, z = mask.ravel(), logits.reshape(-1, logits.shape[-1]).astype("float64")
    z, labels = z[labels != IGNORE], labels[labels != IGNORE]
    if not len(labels):
        return 0.0
    binary = z.shape[-1] == 1
    p = 1 / (1 + np.exp(-z)) if binary else softmax(z)
    if name in ("cross_entropy", "focal"):
        both = np.concatenate([1 - p, p], 1) if binary else p
        of_truth = both[np.arange(len(labels)), labels]
        weight = np.ones(len(labels)) if class_weights is None else np.array(class_weights)[labels]
        power = gamma if name == "focal" else 0.0
        return (-weight * (1 - of_truth) ** power * np.log(of_truth)).sum() / weight.sum()
    if name == "lovasz" and binary:
        return lovasz(np.maximum(1 - z[:, 0] * (2.0 * (labels == 1) - 1), 0), labels == 1)
    values = []
    for c in [1] if binary else range(z.shape[-1]):
        truth, q = labels == c, p[:, 0 if binary else c]
        if not truth.any():
            continue
        if name == "lovasz":
            values.append(lovasz(np.abs(truth - q), truth))
            continue
        alpha, beta = (0.5, 0.5) if name == "dice" else (0.3, 0.7)
        hit, wrong, missed = q[truth].sum(), q[~truth].sum(), (1 - q[truth]).sum()
        values.append(1 - hit / (hit + alpha * wrong + beta * missed))
    return np.mean(values) if values else 0.0


def lovasz(errors, truth):
    """Sum of errors, largest first, each times what its pixel adds to 1 - IoU."""
    total, before = 0.0, 0.0
    chosen = np.zeros(len(errors), bool)
    for i in np.argsort(-errors, kind="stable"):
        chosen[i] = True  # predicted wrong so far: IoU of the rest
        union = (truth | chosen).sum()
        after = 1 - (truth & ~chosen).sum() / union if union else 0.0
        total += errors[i] * (after - before)
        before = after
    return total


def case(kind, classes):
    rng = np.random.default_rng([len(kind), classes])
    logits = rng.normal(0, 2, (3, 5, 6, classes)).astype("float32")
    masks = rng.integers(0, max(classes, 2), (3, 5, 6))
    if kind == "ignored":
        masks[rng.random(masks.shape) < 0.3] = IGNORE
        masks[2] = IGNORE
    elif kind == "single class":
        masks[:] = max(classes, 2) - 1
    elif kind == "empty":
        masks[:] = 0
    return masks, logits


@pytest.mark.parametrize("kind", ["random", "ignored", "single class", "empty"])
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("name", list(NAMES))
def test_equals_numpy(name, classes, kind):
    masks, logits = case(kind, classes)
    expected = [reference(name, mask, image) for mask, image in zip(masks, logits)]
    loss = losses.get(name)
    assert np.allclose(loss.call(masks, logits), expected, atol=2e-6)
    assert np.allclose(loss(masks[..., None].astype("uint8"), logits), np.mean(expected), atol=2e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
@pytest.mark.parametrize("classes", [1, 3])
def test_class_weights(name, classes):
    masks, logits = case("ignored", classes)
    weights = [0.2, 1.0, 3.0][: max(classes, 2)]
    expected = [reference(name, m, z, weights) for m, z in zip(masks, logits)]
    assert np.allclose(losses.get(name, weights).call(masks, logits), expected, atol=2e-6)
    with pytest.raises(ValueError, match="class_weights must be"):
        losses.get(name, [1.0])(masks, logits)


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("name", list(NAMES))
def test_probabilities(name, classes):
    masks, logits = case("random", classes)
    p = 1 / (1 + np.exp(-logits)) if classes == 1 else softmax(logits)
    expected = losses.get(name)(masks, logits)
    assert np.allclose(losses.get(name, from_logits=False)(masks, p), expected, atol=1e-4)


@pytest.mark.parametrize("name", list(NAMES))
def test_gradient_equals_finite_differences(name):
    masks, logits = case("ignored", 3)

    class Loss(keras.layers.Layer):  # a layer, because its gradients are there on every backend
        def call(self, logits):
            return losses.get(name)(masks, logits)

    layer = Loss()
    layer(logits)
    gradient = gradients(layer, logits, lambda shape: np.float32(1))["inputs"][0]
    assert not gradient[masks == IGNORE].any()
    direction = np.random.default_rng(5).normal(0, 1, logits.shape)
    step = 1e-5 * direction

    def mean(z):
        return np.mean([reference(name, m, image) for m, image in zip(masks, z)])

    slope = (mean(logits + step) - mean(logits - step)) / 2e-5
    assert np.isclose((gradient * direction).sum(), slope, rtol=1e-3, atol=1e-5)


def test_cross_entropy_equals_pytorch():
    if not has("torch"):
        pytest.skip("make test-all compares with PyTorch")
    import torch

    masks, logits = case("random", 4)
    masks[0, :2] = IGNORE
    weights = [0.5, 1.0, 2.0, 4.0]
    expected = [
        torch.nn.functional.cross_entropy(
            torch.tensor(z).permute(2, 0, 1)[None],
            torch.tensor(m)[None],
            torch.tensor(weights),
            ignore_index=IGNORE,
        ).item()
        for m, z in zip(masks, logits)
    ]
    ours = losses.CrossEntropy(weights).call(masks, logits)
    assert np.allclose(ours, expected, atol=1e-6)


def test_sum():
    masks, logits = case("random", 3)
    parts = [losses.CrossEntropy(), losses.Dice()]
    expected = float(parts[0](masks, logits)) + 0.5 * float(parts[1](masks, logits))
    assert np.isclose(float(losses.Sum(parts, [1, 0.5])(masks, logits)), expected)
    with pytest.raises(ValueError, match="as many weights as losses"):
        losses.Sum(parts, [1])


@pytest.mark.parametrize("name", [*NAMES, "cross_entropy + dice"])
def test_config_round_trip(name):
    masks, logits = case("random", 3)
    loss = losses.get(name)
    again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
    assert type(again) is type(loss)
    assert float(again(masks, logits)) == float(loss(masks, logits))


def test_bad_input():
    with pytest.raises(ValueError, match="loss must be cross_entropy, focal"):
        losses.get("crossentropy")
    with pytest.raises(ValueError, match="class weights go with"):
        losses.get("dice", class_weights=[1, 2])
    with pytest.raises(ValueError, match="masks must be"):
        losses.Dice()(np.zeros((2, 4)), np.zeros((2, 4, 4, 3)))
