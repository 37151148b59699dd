"""Which way a metric is better, and its words."""

import inspect

import keras
import pytest

from dnzoo import metrics
from dnzoo.metrics import higher_is_better, label
from dnzoo.metrics.direction import MORE


def test_every_metric_says_it():
    kinds = [getattr(metrics, name) for name in metrics.__all__]
    kinds = [kind for kind in kinds if inspect.isclass(kind) and kind.__name__ != "ConfusionMatrix"]
    lower = {kind.__name__ for kind in kinds if not higher_is_better(kind)}
    assert lower == {"FID", "FrechetDistance"} and len(kinds) > 10
    with pytest.raises(ValueError, match="ConfusionMatrix does not say which way is better"):
        higher_is_better(metrics.ConfusionMatrix)


def test_every_metric_and_loss_of_keras_has_an_answer():
    kinds = [kind for kind in vars(keras.metrics).values() if inspect.isclass(kind)]
    found, silent = {}, set()
    for kind in kinds:
        try:
            found[kind.__name__] = higher_is_better(kind)
        except ValueError:
            silent.add(kind.__name__)
    assert silent <= {"Metric", "MeanMetricWrapper", "Sum"}
    assert {name for name in MORE if name in found} <= {name for name in found if found[name]}
    assert {"F1Score", "MeanIoU", "BinaryIoU", "AUC"} <= {name for name in found if found[name]}
    errors = {"MeanSquaredError", "KLDivergence", "Hinge", "RootMeanSquaredError", "Poisson"}
    assert not any(found[name] for name in errors | {"Mean", "LogCoshError", "FalsePositives"})
    losses = [kind for kind in vars(keras.losses).values() if inspect.isclass(kind)]
    assert len(losses) > 20 and not any(map(higher_is_better, losses))


def test_one_of_your_own_says_it():
    class Mine(keras.metrics.Mean):
        pass

    with pytest.raises(ValueError, match="Mine does not say"):
        higher_is_better(Mine("mine"))
    Mine.higher_is_better = True
    assert higher_is_better(Mine("mine")) and higher_is_better(Mine)


def test_labels():
    assert label("mask_ap50") == "mask AP50" and label("bicubic_psnr_y") == "bicubic PSNR y"
    assert label("psnr_y", {"psnr_y": "PSNR of Y"}) == "PSNR of Y"
