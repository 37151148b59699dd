"""What every task must pass, with the recipe that trains it: from data to a model, and on from there.

A task's test subclasses `TaskConformance` and says which recipe, with which settings, on what. The run is
interrupted and resumed once; all tests look at what it left.
"""

import csv
import dataclasses
import functools
import html
import importlib
import json
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import saving, tasks, training
from dnzoo.inference import files
from dnzoo.metrics import higher_is_better, label
from dnzoo.training.run import train
from dnzoo.training.tune import tune
from tests.conftest import slow, weights

SMALL = {"smoke": True, "epochs": 2, "batch_size": 8, "precision": "float32"}


@dataclasses.dataclass
class Trained:
    """A finished run: its folder, its config, and the metrics that it returned."""

    out: Path
    config: training.Config
    metrics: dict

    @property
    def model(self):
        return str(self.out / "saved_model")

    @property
    def meta(self):
        return json.loads((self.out / "saved_model/assets.extra/dnzoo.json").read_text())


class TaskConformance:
    """`task`: the class. `recipe`: a name. `settings`: of its Config. `data`: a name in `places`."""

    task = recipe = data = None
    settings = {}
    higher = True  # whether more of what it monitors is better
    metrics = ()  # identifiers that `evaluate` gives
    written = ()  # files that `predict_files` writes of an image a.png
    reads_images = True
    boxes = None
    same_again = True  # whether evaluation draws nothing at random
    scored = True  # whether each image has a score
    samples = True  # whether there is something to show of the same inputs after each epoch
    teaches_again = True  # whether `recipes/finetune.py` takes such models

    @classmethod
    def build(cls, config, data):
        return cls.module().build(config, data)

    @classmethod
    def module(cls):
        return importlib.import_module(f"recipes.{cls.recipe}")

    @classmethod
    def config(cls, places, out, **more):
        paths = {"data": places[cls.data], "data_dir": places["prepared"], "out": str(out)}
        return cls.module().Config(**{**paths, **SMALL, **cls.settings, **more})

    @pytest.fixture(scope="class")
    def given(self, request):
        """Settings that a fixture has to make."""
        return {}

    @pytest.fixture(scope="class")
    def trained(self, places, given, tmp_path_factory):
        out = tmp_path_factory.mktemp(self.recipe) / "out"
        config = self.config(places, out, **given)
        task, build = training.setup(config, self.build)
        fetch = task.train.batch

        def batch(step):
            if step == task.train.steps_per_epoch:  # the second epoch's first
                signal.raise_signal(signal.SIGTERM)
            return fetch(step)

        task.train.batch = batch
        with pytest.raises(KeyboardInterrupt, match="goes on from there"):
            training.run(config, task, build)
        return Trained(out, config, training.run(config, *training.setup(config, self.build)))

    def test_config_makes_its_task(self, places, given, tmp_path):
        config = self.config(places, tmp_path, **given)
        task = config.task.from_config(config)
        assert type(task) is self.task and issubclass(type(config), self.task.Config)
        assert {*self.task.options} <= {*dir(config)}
        assert {*self.task.fixed} <= {field.name for field in dataclasses.fields(config)}
        default = self.module().Config()
        assert default.data and default.out

    def test_batches_are_a_function_of_seed_and_step(self, places, given, tmp_path):
        config = self.config(places, tmp_path, **given)
        first, second = (self.task.from_config(config) for _ in range(2))
        for part in ("train", "validation"):
            a, b = (keras.tree.flatten(getattr(t, part).batch(0)) for t in (first, second))
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
            assert a[0].dtype == "float32" and np.isfinite(a[0]).all()

    def test_what_is_monitored_says_which_way_is_better(self, places, given, trained, tmp_path):
        task = self.task.from_config(self.config(places, tmp_path, **given))
        assert higher_is_better(task.monitored(dnzoo.load(trained.model))) == self.higher
        with open(trained.out / "log.csv") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        assert len(rows) == 2 and all(np.isfinite([*row.values()]).all() for row in rows)
        assert f"val_{task.monitor}" in rows[0] and "loss" in rows[0]

    def test_metrics_are_identifiers_and_those_of_the_saved_model(self, trained):
        assert {*self.metrics} <= {*trained.metrics}
        assert all(key.isidentifier() for key in trained.metrics)
        assert trained.meta["metrics"] == json.loads(json.dumps(trained.metrics))
        task = self.task.from_config(trained.config)
        again = task.evaluate(saving.load(trained.model))
        assert {*again} == {*trained.metrics}
        if self.same_again:
            assert json.loads(json.dumps(again)) == trained.meta["metrics"]

    def test_card_and_report_say_it_in_words(self, trained):
        words = [label(key, self.task.labels) for key in trained.metrics]
        page = html.unescape((trained.out / "report.html").read_text())
        card = (trained.out / "saved_model/assets.extra/README.md").read_text()
        assert all(word in page and word in card for word in words)
        assert self.task.caption in page and "The first training batch" in page
        assert ("Worst" in page) == self.scored
        assert (f"{self.task.sampled} after epochs 1, 2." in page) == self.samples
        with Image.open(trained.out / "predictions.png") as picture:
            assert min(picture.size) > 30

    def test_interrupted_ends_with_the_same_bytes(self, places, given, trained, tmp_path):
        config = self.config(places, tmp_path / "out", **given)
        with dnzoo.storage.owned(config.out, alone=True) as out:
            train(config, *training.setup(config, self.build), out)
        expected, found = weights(Path(config.out)), weights(trained.out)
        assert set(expected) == set(found)
        assert all(np.array_equal(expected[key], found[key]) for key in expected)

    def test_predict_files(self, trained, tmp_path):
        if not self.written:
            return
        image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype("uint8")
        Image.fromarray(image).save(tmp_path / "a.png")
        source = tmp_path / "a.png" if self.reads_images else None
        written = files.predict_files(
            dnzoo.load(trained.model), source, tmp_path / "out", boxes=self.boxes, count=9
        )
        assert {path.name for path in written} == {*self.written}
        with Image.open(written[0]) as picture:
            self.check_written(np.array(picture))

    def check_written(self, pixels):
        """Look at the first file."""

    def test_finetune(self, places, given, trained, tmp_path):
        if not self.teaches_again:
            return
        recipe = importlib.import_module("recipes.finetune")
        made = recipe.config_of(trained.model)
        assert (
            issubclass(made, self.task.Config) and tasks.of(dnzoo.load(trained.model)) is self.task
        )
        fields = {field.name for field in dataclasses.fields(made)}
        wanted = {**SMALL, **self.settings, **given, "epochs": 1, "batch_size": 4, "head_epochs": 1}
        paths = {"data": places[self.data], "data_dir": places["prepared"], "model": trained.model}
        config = made(
            **paths, out=str(tmp_path / "out"), **{k: v for k, v in wanted.items() if k in fields}
        )
        metrics = training.run(config, *training.setup(config, recipe.build))
        assert {*self.metrics} <= {*metrics}
        log = (tmp_path / "out/log.csv").read_text().splitlines()
        assert len(log) == 1 + (2 if self.task.new_head else 1)

    @slow
    def test_tune(self, places, given, tmp_path):
        config = self.config(places, tmp_path / "out", tune=1, **{**given, "epochs": 1})
        setup = functools.partial(training.setup, build=self.build)
        rows = tune(config, setup, self.module().search_space)
        assert len(rows) == 1 and np.isfinite(rows[0]["score"])
        best = json.loads((tmp_path / "out/best.json").read_text())
        assert {field.name for field in dataclasses.fields(config)} >= {*best}
