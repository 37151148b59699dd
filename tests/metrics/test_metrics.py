"""Segmentation metrics against a plain numpy count."""

import json

import keras
import numpy as np
import pytest

from dnzoo import losses, metrics

IGNORE = 255


def reference(masks, labels, classes):
    """Sets of pixels, class by class: (IoU, Dice) with NaN for an absent class, and accuracy."""
    valid = masks != IGNORE
    iou, dice = [], []
    for c in range(classes):
        truth, guess = (masks == c) & valid, (labels == c) & valid
        union, both = (truth | guess).sum(), (truth & guess).sum()
        iou.append(both / union if union else np.nan)
        dice.append(2 * both / (truth.sum() + guess.sum()) if union else np.nan)
    return np.array(iou), np.array(dice), (masks == labels)[valid].mean()


def batches(kind, classes=4, count=3):
    rng = np.random.default_rng(7)
    for _ in range(count):
        masks = rng.integers(0, classes, (2, 6, 5))
        logits = rng.normal(0, 1, (2, 6, 5, classes)).astype("float32")
        if kind == "ignored":
            masks[rng.random(masks.shape) < 0.4] = IGNORE
        elif kind == "absent":  # neither true nor predicted
            masks[masks == 2] = 1
            logits[..., 2] = -100
        elif kind == "single class":
            masks[:] = 1
        yield masks, logits


@pytest.mark.parametrize("kind", ["random", "ignored", "absent", "single class"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_equals_numpy_over_the_data_set(kind, from_logits):
    found = [
        make(4, from_logits=from_logits)
        for make in (metrics.MeanIoU, metrics.MeanDice, metrics.PixelAccuracy, metrics.ClassIoU)
    ]
    everything = list(batches(kind))
    for masks, logits in everything:
        labels = logits.argmax(-1)
        for metric in found:
            metric.update_state(masks[..., None], logits if from_logits else labels)
    masks = np.concatenate([m for m, _ in everything])
    labels = np.concatenate([z for _, z in everything]).argmax(-1)
    iou, dice, accuracy = reference(masks, labels, 4)
    expected = [np.nanmean(iou), np.nanmean(dice), accuracy]
    assert np.allclose([float(metric.result()) for metric in found[:3]], expected, atol=1e-6)
    per_class = [float(value) for value in found[3].result().values()]
    assert np.allclose(per_class, iou, equal_nan=True, atol=1e-6)


def test_scores():
    masks, logits = next(batches("absent"))
    matrix = metrics.ConfusionMatrix(4)
    matrix.update_state(masks, logits)
    found = metrics.scores(matrix.result(), "abcd")
    iou, dice, accuracy = reference(masks, logits.argmax(-1), 4)
    assert found["class_iou"]["c"] is None
    assert np.isclose(found["mean_iou"], np.nanmean(iou))
    assert np.isclose(found["mean_dice"], np.nanmean(dice))
    assert np.isclose(found["pixel_accuracy"], accuracy)
    assert found["pixels"] == masks.size
    json.dumps(found)


def test_one_logit():
    masks = np.array([[[0, 1], [1, IGNORE]]])
    logits = np.array([[[-1.0, 2.0], [-3.0, 5.0]]])[..., None]
    metric = metrics.ConfusionMatrix(2)
    metric.update_state(masks, logits)
    assert np.array_equal(metric.result(), [[1, 0], [1, 1]])
    probabilities = metrics.ConfusionMatrix(2, threshold=0.5)
    probabilities.update_state(masks, 1 / (1 + np.exp(-logits)))
    assert np.array_equal(probabilities.result(), [[1, 0], [1, 1]])
    probabilities.update_state(np.tile(masks, (3, 1, 1)), np.tile(logits, (3, 1, 1, 1)))
    assert np.array_equal(probabilities.result(), [[4, 0], [4, 4]])


def test_nothing_valid_is_nan_and_reset_forgets():
    metric = metrics.MeanIoU(3)
    metric.update_state(np.full((1, 2, 2), IGNORE), np.zeros((1, 2, 2, 3)))
    assert np.isnan(metric.result())
    metric.update_state(np.zeros((1, 2, 2)), np.eye(3)[np.zeros((1, 2, 2), int)])
    assert float(metric.result()) == 1
    metric.reset_state()
    assert np.isnan(metric.result())


def test_counts_are_exact_beyond_float32():
    """A float32 count sticks at 2^24: adding one more pixel changes nothing."""
    metric = metrics.ConfusionMatrix(2, from_logits=False)
    big = np.zeros((1, 2048, 2048), "uint8")
    for _ in range(5):
        metric.update_state(big, big)
    metric.update_state(big[:, :1, :1], big[:, :1, :1])
    wholes, rest = (np.asarray(v, "float64")[0, 0] for v in (metric.wholes, metric.rest))
    assert wholes * 2**23 + rest == 5 * 2048**2 + 1


def test_sample_weight():
    masks, logits = next(batches("random"))
    weighted, first = metrics.ConfusionMatrix(4), metrics.ConfusionMatrix(4)
    weighted.update_state(masks, logits, sample_weight=[1.0, 0.0])
    first.update_state(masks[:1], logits[:1])
    assert np.array_equal(weighted.result(), first.result())


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_compile_and_fit(jit_compile):
    masks, logits = next(batches("ignored"))
    model = keras.Sequential([keras.Input((6, 5, 4)), keras.layers.Activation("linear")])
    found = [metrics.MeanIoU(4), metrics.ClassIoU(4, class_names=["a", "b", "c", "d"])]
    model.compile(loss=losses.CrossEntropy(), metrics=found, jit_compile=jit_compile)
    logs = model.evaluate(logits, masks, verbose=0, return_dict=True)
    iou, _, _ = reference(masks, logits.argmax(-1), 4)
    assert np.isclose(logs["mean_iou"], np.nanmean(iou), atol=1e-6)
    assert np.isclose(logs["iou_b"], iou[1], atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        metrics.ConfusionMatrix,
        metrics.MeanIoU,
        metrics.MeanDice,
        metrics.ClassIoU,
        metrics.PixelAccuracy,
    ],
)
def test_config_round_trip(make):
    metric = make(3, ignore_index=0, from_logits=False, name="mine")
    again = keras.metrics.deserialize(json.loads(json.dumps(keras.metrics.serialize(metric))))
    assert again.get_config() == metric.get_config()


def test_class_zero_may_be_ignored():
    metric = metrics.ConfusionMatrix(2, ignore_index=0, from_logits=False)
    metric.update_state([[0, 1, 1]], [[0, 0, 1]])
    assert np.array_equal(np.asarray(metric.result()), [[0, 0], [1, 1]])


def test_sample_weights_of_pixels_and_fractions():
    metric = metrics.ConfusionMatrix(2, from_logits=False)
    metric.update_state([[0, 1], [1, 1]], [[0, 1], [0, 1]], sample_weight=[[0.5, 1], [2, 0.25]])
    assert np.array_equal(np.asarray(metric.result()), [[0.5, 0], [2, 1.25]])


def test_scores_of_a_matrix():
    found = metrics.scores(np.array([[2, 1], [0, 3]]), ["a", "b"])
    assert np.isclose(found["class_iou"]["a"], 2 / 3) and np.isclose(found["class_iou"]["b"], 3 / 4)
    assert np.isclose(found["mean_iou"], (2 / 3 + 3 / 4) / 2)
    assert np.isclose(found["mean_dice"], (4 / 5 + 6 / 7) / 2)
    assert np.isclose(found["pixel_accuracy"], 5 / 6) and found["pixels"] == 6
    empty = metrics.scores(np.zeros((2, 2)), ["a", "b"])
    assert empty["mean_iou"] is empty["pixel_accuracy"] is empty["class_iou"]["b"] is None
    with pytest.raises(ValueError):
        metrics.scores(np.zeros((2, 2)), ["a"])


def test_defaults_and_names():
    metric = metrics.ClassIoU(2)
    assert metric.class_names == ["class_0", "class_1"] and metric.name == "class_iou"
    assert list(metric.result()) == ["iou_class_0", "iou_class_1"]
    assert (metric.ignore_index, metric.from_logits, metric.threshold) == (255, None, 0.0)
    made = (
        metrics.MeanIoU(2),
        metrics.MeanDice(2),
        metrics.PixelAccuracy(2),
        metrics.ConfusionMatrix(2),
    )
    names = [metric.name for metric in made]
    assert names == ["mean_iou", "mean_dice", "pixel_accuracy", "confusion_matrix"]
    assert metrics.MeanIoU(2, name="mine").name == "mine"
    assert metrics.ClassIoU(2, class_names=("x", "y")).get_config()["class_names"] == ["x", "y"]


def test_a_logit_at_the_threshold_is_class_0():
    metric = metrics.ConfusionMatrix(2)
    metric.update_state([[0, 0, 1]], [[[0.0], [1.0], [2.0]]])
    assert np.array_equal(np.asarray(metric.result()), [[1, 1], [0, 1]])
    with pytest.raises(
        ValueError,
        match=r"3 classes need 3 logits .or 1 for 2 classes.; got y_pred of shape \(1, 3, 1\)",
    ):
        metrics.ConfusionMatrix(3).update_state([[0, 0, 1]], [[[0.0], [1.0], [2.0]]])


def test_matrix_above_2_to_the_23():
    metric = metrics.ConfusionMatrix(2, from_logits=False)
    metric.rest.assign([[2.0**23 - 1, 0], [0, 0]])
    metric.update_state([[0, 0, 0]], [[0, 0, 0]])
    assert float(metric.wholes[0, 0]) == 1 and float(metric.rest[0, 0]) == 2
    assert float(metric.result()[0, 0]) == 2.0**23 + 2
    metric.reset_state()
    assert float(metric.wholes[0, 0]) == 0 == float(metric.rest[0, 0])


def test_wrong_number_of_logits():
    with pytest.raises(ValueError, match="3 classes need 3 logits"):
        metrics.MeanIoU(3).update_state(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 4)))


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (40, 200), (32, 24, 40)])
def test_boundary_iou_equals_erosion(size: tuple[int, ...]) -> None:
    """The definition, with scipy's binary erosion: a mask less what is deep inside it."""
    from scipy import ndimage

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (3, *(rows // 8 for rows in size)))
    for axis in range(1, truth.ndim):
        truth = truth.repeat(8, axis)
    guess = np.roll(truth, 2, 1)
    distance = max(round(0.02 * np.linalg.norm(size)), 1)

    def boundary(masks):
        padded = np.pad(masks, ((0, 0), *[(1, 1)] * len(size)))
        full = np.ones((3,) * len(size))
        deep = [ndimage.binary_erosion(m, full, iterations=distance) for m in padded]
        return padded & ~np.array(deep)

    pairs = [(boundary(truth == c), boundary(guess == c)) for c in range(4)]
    expected = np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs])
    metric = metrics.BoundaryIoU(4, from_logits=False)
    for i in range(3):
        metric.update_state(truth[i : i + 1], guess[i : i + 1])
    assert np.isclose(float(metric.result()), expected, atol=1e-6)


def test_boundary_iou_of_ignored_pixels():
    """An ignored stripe makes no contour, and what is predicted there does not count."""
    truth = np.ones((1, 100, 100), "uint8")
    truth[:, 40:60] = 255
    guess = np.where(truth == 255, 0, truth)
    metric = metrics.BoundaryIoU(2, from_logits=False)
    metric.update_state(truth, guess)
    assert float(metric.result()) == 1.0
    with pytest.raises(ValueError, match="no meaning for contours"):
        metric.update_state(truth, guess, sample_weight=guess)


@pytest.mark.parametrize("monitor", ["val_mean_iou", "val_pixel_accuracy"])
def test_callbacks_know_the_direction(monitor):
    """`mode="auto"` follows what the metric says, as of Keras's own metrics."""
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = [metrics.MeanIoU(2), metrics.PixelAccuracy(2)]
    model.compile("sgd", loss, metrics=found, run_eagerly=True)
    x, y = np.zeros((2, 4, 4, 3), "float32"), np.zeros((2, 4, 4), "int32")
    callback = keras.callbacks.EarlyStopping(monitor)
    model.fit(x, y, validation_data=(x, y), callbacks=[callback], verbose=0)
    assert callback.monitor_op.__name__ == "greater"
