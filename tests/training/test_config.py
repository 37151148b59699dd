"""What a config is made of."""

import numpy as np
import pytest

from dnzoo.tasks import Segmentation
from tests.training.runs import Config


def test_class_weights_must_fit(small_scenes):
    with pytest.raises(ValueError, match="2 numbers for 11 classes"):
        Segmentation(small_scenes, Config(), class_weights=(1.0, 2.0))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 10])
def test_learning_rate(schedule, warmup):
    config = Config(schedule=schedule, warmup=warmup, learning_rate=0.5)
    rate = config.optimizer(config.stages()[0], 100)._learning_rate  # or a function of the step

    def at(step):
        return float(rate(step) if callable(rate) else rate)

    assert np.isclose(at(warmup), 0.5)
    assert np.isclose(at(100), 0.0 if schedule == "cosine" else 0.5, atol=1e-6)
    if warmup:
        assert np.isclose(at(warmup // 2), 0.25)


@pytest.mark.parametrize(
    ("field", "value", "span"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", float("nan"), "from 0 to 100"),
        ("beta_1", 1.0, "from 0 to 0.999999"),
        ("patience", -1, "at least 0"),
        ("seed", -1, "from 0 to"),
    ],
)
def test_numbers_have_bounds(field, value, span):
    with pytest.raises(ValueError, match=rf"^{field} must be {span}.*; got {field}={value}\.$"):
        Config(**{field: value})
