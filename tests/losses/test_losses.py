"""Losses against plain numpy, sums written out pixel by pixel; cross-entropy against PyTorch too."""

import json

import keras
import numpy as np
import pytest

from dnzoo import losses
from dnzoo.losses.names import NAMES
from dnzoo.models import features
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


@pytest.mark.parametrize("name", list(NAMES))
def test_volumes_and_signals(name: str) -> None:
    """A loss does not ask how the pixels lie."""
    masks, logits = case("ignored", 3)
    expected = losses.get(name).call(masks, logits)
    for sizes in ((30,), (5, 2, 3)):
        volume = logits.reshape(3, *sizes, 3)
        for shape in ((3, *sizes), (3, *sizes, 1)):
            found = losses.get(name).call(masks.reshape(shape), volume)
            assert np.allclose(found, expected, atol=1e-6)


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


numpy = keras.ops.convert_to_numpy


def images(seed=0, shape=(2, 24, 20, 3)):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 255, shape).astype("float32")
    return truth, np.clip(truth + rng.normal(0, 20, shape), 0, 255).astype("float32")


def of_images():
    """{loss: what numpy or scikit-image makes of the pair}."""
    from skimage.metrics import structural_similarity

    truth, guess = images()
    keywords = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity = [
        structural_similarity(a, b, data_range=255, channel_axis=-1, **keywords)
        for a, b in zip(truth, guess)
    ]
    rough = [np.abs(np.diff(g, axis=0)).mean() + np.abs(np.diff(g, axis=1)).mean() for g in guess]
    return [
        (losses.Charbonnier(2.0), np.sqrt((truth - guess) ** 2 + 4).mean(axis=(1, 2, 3))),
        (losses.StructuralSimilarity(), 1 - np.array(similarity)),
        (losses.TotalVariation(), np.array(rough)),
    ]


@pytest.mark.parametrize("case", range(3))
def test_losses_of_images(case):
    loss, expected = of_images()[case]
    truth, guess = images()
    assert np.allclose(loss.call(truth, guess), expected, rtol=1e-4)
    again = type(loss).from_config(loss.get_config())
    assert np.allclose(again(truth, guess), expected.mean(), rtol=1e-4)


def test_perceptual_loss():
    """The distance of features, each map relative to the truth's; any encoder."""
    encoder = features("efficientnet_lite0", "imagenet")
    loss = losses.Perceptual(encoder, weights=[1, 0, 0, 0, 0.5])
    truth, guess = images(shape=(2, 64, 64, 3))
    a, b = (encoder.predict_on_batch(x) for x in (truth, guess))
    parts = [((p - q) ** 2).mean((1, 2, 3)) / (p**2).mean((1, 2, 3)) for p, q in zip(a, b)]
    found = numpy(loss.call(truth, guess))
    assert np.allclose(found, parts[0] + 0.5 * parts[4], rtol=1e-4)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    again.encoder.set_weights(encoder.get_weights())
    assert np.allclose(numpy(again.call(truth, guess)), found)
    with pytest.raises(ValueError, match="as many weights as feature maps; got 2 and 5"):
        losses.Perceptual(encoder, weights=[1, 2])


def test_adversarial_losses_equal_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 3, (2, 8, 1)).astype("float32")
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    r, f = torch.tensor(real), torch.tensor(fake)
    ones, zeros = torch.ones_like(r), torch.zeros_like(r)
    expected = {
        "bce": (bce(r, 0.9 * ones) + bce(f, zeros), bce(f, ones)),
        "hinge": (torch.relu(1 - r).mean() + torch.relu(1 + f).mean(), -f.mean()),
        "wgan-gp": (f.mean() - r.mean(), -f.mean()),
    }
    for kind, (critic, maker) in expected.items():
        smoothing = 0.1 if kind == "bce" else 0.0
        found = losses.discriminator_loss(kind, real, fake, smoothing)
        assert np.isclose(float(found), float(critic), rtol=1e-5)
        assert np.isclose(float(losses.generator_loss(kind, fake)), float(maker), rtol=1e-5)


def test_kl_equals_pytorch():
    torch = pytest.importorskip("torch")
    mean, log_variance = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    posterior = torch.distributions.Normal(torch.tensor(mean), torch.tensor(log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    assert np.allclose(losses.kl_divergence(mean, log_variance), expected.numpy(), atol=1e-5)


def test_mask_loss_is_of_the_true_class():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 4, 5)).astype("float32")
    masks = rng.integers(0, 2, (2, 3, 4, 4))
    classes = np.array([[0, 4, 255], [2, 255, 255]])
    masks[0, 0, 0, 0] = 255
    truth = np.stack([masks, np.broadcast_to(classes[..., None, None], masks.shape)], -1)
    expected = []
    for i in range(2):
        each = []
        for j in range(3):
            if classes[i, j] < 5:
                valid = masks[i, j] != 255
                logit, mask = logits[i, j, ..., classes[i, j]][valid], masks[i, j][valid]
                each += list(np.log1p(np.exp(np.where(mask == 1, -logit, logit))))
        expected.append(np.mean(each))
    assert np.allclose(losses.MaskLoss().call(truth, logits), expected, rtol=1e-5)


def test_sum_of_keras_and_ours():
    """One counts pixels, the other images; the sum is a number an image."""
    truth, guess = images()
    both = losses.Sum(["mae", losses.StructuralSimilarity()], [1.0, 10.0])
    similarity = numpy(losses.StructuralSimilarity().call(truth, guess))
    expected = np.abs(truth - guess).mean((1, 2, 3)) + 10 * similarity
    assert np.allclose(numpy(both.call(truth, guess)), expected, rtol=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(both))
    assert np.allclose(again(truth, guess), np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize(
    "loss", [losses.Dice(), losses.Charbonnier(), losses.get("cross_entropy+dice")]
)
def test_weights_are_of_images(loss):
    """Weights of pixels were multiplied with the wrong axis where a batch is as large as a row."""
    truth = np.random.default_rng(0).integers(0, 2, (4, 4, 4))
    guess = np.random.default_rng(1).normal(size=(4, 4, 4, 1))
    truth = truth[..., None] if isinstance(loss, losses.Charbonnier) else truth
    each = [float(loss(truth[i : i + 1], guess[i : i + 1])) for i in range(4)]
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    for given in (weights, weights[:, None]):
        assert np.isclose(float(loss(truth, guess, given)), np.mean(each * weights), rtol=1e-5)
    with pytest.raises(ValueError, match=r"one number an image, \(N,\); got the shape \(4, 4, 4\)"):
        loss(truth, guess, np.ones((4, 4, 4)))


@pytest.mark.parametrize("weights", [(-1, 1), (float("nan"), 1), (0, 0), (float("inf"), 1)])
def test_class_weights_have_bounds(weights):
    with pytest.raises(ValueError, match="class_weights must be at least 0 and finite"):
        losses.get("cross_entropy+dice", class_weights=weights)
