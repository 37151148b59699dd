"""What a config is made of, and what it decides by itself."""

import dataclasses
import sys

import numpy as np
import pytest

from dnzoo import training
from dnzoo.tasks import Segmentation
from dnzoo.training.config import difference
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
        ("steps", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", float("nan"), "from 0 to 100"),
        ("beta_1", 1.0, "from 0 to 0.999999"),
        ("patience", -1, "at least 0"),
        ("seed", -1, "from 0 to"),
    ],
)
def test_numbers_have_bounds(field, value, span):
    with pytest.raises(ValueError, match=rf"^{field} must be {span}.*; got {field}={value}\.$"):
        Config(**{"epochs": None, field: value})


@dataclasses.dataclass(kw_only=True)
class Open(training.Normalized):
    """A config whose length nobody gives, of a net with batch normalisation."""

    data: str = "small"
    out: str = "unused"


def settled(pass_steps, kind=Open, **settings):
    """(epochs of the log, steps in each, the momentum) that a config decides for."""
    config = kind(**settings)
    config.settle(pass_steps)
    stages, per_epoch = config.plan(pass_steps)
    return [stage.epochs for stage in stages], per_epoch, config.normalization_momentum


def test_a_training_has_1000_steps_unless_it_is_told_otherwise(capsys):
    assert settled(100) == ([10], 100, 0.99) and settled(125) == ([10], 125, 0.99)
    assert not capsys.readouterr().out
    assert settled(2) == ([10], 100, 0.99)  # 32 images in batches of 16: 50 times through them
    assert "10 epochs of these images are only 20 steps: 1,000 are made" in capsys.readouterr().out
    assert settled(93) == ([11], 93, 0.99) and settled(30) == ([12], 90, 0.99)
    assert settled(2, smoke=True) == ([10], 2, 0.5)
    assert settled(2, epochs=20) == ([20], 2, 0.75)
    assert settled(2, steps=40) == ([1], 40, 0.75)
    assert settled(2, steps=300)[:2] == ([3], 100) and settled(400, steps=500)[:2] == ([2], 400)
    assert (
        settled(1, epochs=5)[2] == 0 and settled(2, steps=40, normalization_momentum=0.9)[2] == 0.9
    )


def test_stages_of_their_own_lengths():
    @dataclasses.dataclass(kw_only=True)
    class Two(Open):
        def stages(self):
            return [training.Stage(20, 1e-2), training.Stage(self.epochs, 1e-3)]

    assert settled(4, Two, epochs=80)[:2] == ([20, 80], 4)
    assert settled(4, Two)[:2] == ([1, 10], 100)  # an epoch is 25 times through the images

    @dataclasses.dataclass(kw_only=True)
    class Fixed(Open):
        def stages(self):
            return [training.Stage(2, 1e-2)]

    assert settled(4, Fixed)[:2] == ([2], 4)
    with pytest.raises(ValueError, match=r"steps=100: the stages .* lengths of their own"):
        settled(4, Fixed, steps=100)


def test_epochs_and_steps_at_once():
    with pytest.raises(ValueError, match=r"`epochs` and `steps` both .* got epochs=3, steps=9"):
        Config(steps=9)


def test_what_is_left_open_is_that_of_the_run():
    """A config.json of a version without steps and momentum; one of today's."""
    before = {**Open().stored(), "epochs": 10}
    for name in ("steps", "normalization_momentum"):
        del before[name]
    config = Open()
    config.go_on(before)
    config.settle(2)
    assert not difference(before, config)
    assert (config.epochs, config.steps, config.normalization_momentum) == (10, None, 0.99)
    begun, again = Open(steps=40), Open(steps=2000)
    begun.settle(2)
    again.go_on(begun.stored())
    again.settle(2)
    assert list(difference(begun.stored(), again)) == ["steps"]  # the momentum stays that of 40


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_the_extra_is_named(package, tmp_path, monkeypatch):
    (tmp_path / package).mkdir()  # as W&B leaves one where it runs: no package
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        ImportError, match=rf'{package} is missing: pip install "dnzoo\[{package}\]"'
    ):
        Config(**{package: "mine"})
