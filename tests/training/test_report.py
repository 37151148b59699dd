"""The report: what it says of a run, under way and finished, in numbers that scikit-learn gives too."""

import csv
import re
import shutil
import types

import keras
import numpy as np
import pytest
from PIL import Image

from dnzoo import storage
from dnzoo.metrics import ConfusionMatrix, by_class, confusion
from dnzoo.metrics.labels import IGNORE
from dnzoo.tasks import Segmentation, Task
from dnzoo.training import report
from dnzoo.training.notes import Notes
from dnzoo.training.report import curves
from dnzoo.words import number
from tests.training.runs import Config, build_small, run

HOSTILE = "<script>alert('x')</script>&\"quoted\""


def test_confusion_and_scores_are_those_of_scikit_learn():
    """Pixels of 255 are ignored; class 4 is never there, class 3 never said."""
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 3, IGNORE], (3, 20, 20), p=[0.4, 0.3, 0.1, 0.1, 0.1])
    said = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, 3, truth.shape))
    said = np.where(said > 2, 0, said)
    metric = ConfusionMatrix(5, from_logits=False)
    metric.update_state(truth, said)
    matrix, counts = keras.ops.convert_to_numpy(metric.result()), truth != IGNORE
    pair = truth[counts], said[counts]
    assert np.array_equal(matrix, sklearn.confusion_matrix(*pair, labels=range(5)))
    assert np.array_equal(matrix, confusion(truth, said, 5))
    with np.errstate(all="ignore"):
        wanted = sklearn.precision_recall_fscore_support(
            *pair, labels=range(5), zero_division=np.nan
        )
        iou = sklearn.jaccard_score(*pair, labels=range(5), average=None, zero_division=0)
    found = by_class(matrix, list("abcde"))
    for key, values in zip(("precision", "recall", "f1", "iou"), (*wanted[:3], iou)):
        for name, value in zip("abcd", values):
            there = found[name][key]
            assert there is None if np.isnan(value) else there == pytest.approx(value, abs=1e-6)
    assert found["d"]["precision"] is None and set(found["e"].values()) == {None}


def test_what_the_report_counts_is_what_the_metrics_count(small_scenes):
    """The matrix of the parts is that of the whole split, and each image's score its own mean IoU."""
    task = Segmentation(small_scenes, Config())
    model = build_small()
    table, matrix, examples = task.shown_results(model, "test")
    scores = task.evaluate(model)
    assert matrix.counts.sum() == scores["pixels"]
    assert np.trace(matrix.counts) / scores["pixels"] == pytest.approx(scores["pixel_accuracy"])
    assert {name: row[0] for name, row in table.rows.items()} == pytest.approx(scores["class_iou"])
    values = [value for _, value in examples.each]
    assert len(values) == len(small_scenes.splits["test"][0]) and values == sorted(values)
    assert [e.score for e in examples.worst] == values[: len(examples.worst)]
    assert [e.score for e in examples.best] == values[::-1][: len(examples.best)]
    few = task.shown_results(model, "validation", limit=3)
    assert len(few[2].each) == 3


def test_worst_and_best():
    order = report.ordered([0.5, None, 0.1, float("nan"), 0.9])
    assert order == [2, 0, 4] and report.ordered([1, 3, 2], higher_is_better=False) == [1, 2, 0]
    assert report.extremes(order) == ([2, 0], [4])
    assert report.extremes([3]) == ([3], []) and report.extremes([]) == ([], [])
    assert report.extremes(range(9), 2) == ([0, 1], [8, 7])


def test_mistakes_are_those_between_classes():
    matrix = report.Matrix("", ["a", "b", "c"], np.array([[9, 1, 0], [0, 0, 0], [4, 2, 4]]))
    assert matrix.mistakes() == [("c", "a", 0.4, 4), ("c", "b", 0.2, 2), ("a", "b", 0.1, 1)]
    assert matrix.shares[1] == [None, None, None]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.00003, "0.00003"), (0.25068, "0.2507"), (0.001234, "0.00123"), (1234567, "1,234,567"),
        (1234567.8, "1,234,567.8"), (-0.00003, "-0.00003"), (1.2e-9, "1.2e-09"), (0.0, "0.0000"),
        (99.99999, "100.0000"), (float("nan"), "nan"), (None, "absent"), (True, "True"), ("a", "a"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_for_a_person(value, words):
    assert number(value) == words


def test_epochs_are_whole_numbers_and_every_point_has_a_place():
    for last in (1, 2, 3, 7, 40, 1000):
        ticks = curves.ticks(1, last, whole=True)
        assert ticks == [int(t) for t in ticks] and 1 <= len(ticks) <= 9
        assert min(ticks) >= 1 and max(ticks) <= last
    history = [
        {"epoch": 1, "loss": 2.0, "val_loss": float("nan")},
        {"epoch": 2, "loss": 1.0, "val_loss": 1.5, "rate": 3e-5},
    ]
    loss, rate = curves.panels(history, ["loss", "rate", "absent"], best=2)
    assert "1.5" in loss and "nan" not in loss and "0.00003" in rate and "best epoch: 2" in loss
    assert [t for t in re.findall(r">(\d+)</text>", rate) if int(t) > 1] == ["2"]


class Shown(Task):
    """As much of a task as a page needs, with names that a user may choose."""

    labels = {"loss": HOSTILE}
    caption = HOSTILE

    def __init__(self):
        look = types.SimpleNamespace(splits=[HOSTILE], rows=[[HOSTILE, HOSTILE]], notes=[HOSTILE])
        self.data = types.SimpleNamespace(look=look)
        self.published = {"class_names": [HOSTILE], "palette": [(1, 2, 3)]}
        self.description = HOSTILE


def test_what_comes_from_users_is_escaped():
    image = Image.new("RGB", (4, 4))
    example = report.Example(HOSTILE, 0.5, {"image": image, HOSTILE: image}, HOSTILE)
    parts = [
        report.Picture(HOSTILE, image, HOSTILE),
        report.Table(HOSTILE, [HOSTILE], {HOSTILE: [0.5]}, [(1, 2, 3)], HOSTILE),
        report.Matrix(HOSTILE, [HOSTILE, "b"], np.array([[1, 2], [3, 4]]), HOSTILE, HOSTILE),
        report.Matrix(HOSTILE, [HOSTILE] * 50, np.ones((50, 50))),
        report.Examples(HOSTILE, HOSTILE, [example], [], [(HOSTILE, 0.5)], "fade", HOSTILE),
    ]
    page = report.html(
        HOSTILE, {HOSTILE: HOSTILE}, [{"epoch": 1, "loss": 1.0}], Shown(), report.Standing(1, 2, words=HOSTILE),
        data=parts, results=parts, metrics={HOSTILE: 1.0, "classes": {HOSTILE: 0.5}},
        provenance={HOSTILE: HOSTILE}, picture=image, progress=(image, HOSTILE),
    )  # fmt: skip
    assert page.count("<script") == 1 and "alert('x')" not in page and '"quoted"' not in page
    assert page.count("alert(&#39;x&#39;)") + page.count("alert(&#x27;x&#x27;)") > 20


def test_of_a_finished_run(finished):
    page = (finished[0] / "report.html").read_text("utf-8")
    assert not re.search(r"(src|href)=['\"]?(http|//)", page)
    assert "data-live" not in page and "http-equiv=refresh" not in page
    for words in ("ankle boot", "precision", "recall", "F1", "Confusion", "Worst", "Best", "test image 1",
                  "The first training batch", "Shares of the classes", "learning rate",
                  "seconds per epoch", "after epochs 1, 2, 3."):  # fmt: skip
        assert words in page, words
    assert page.count("<svg") == 4 and "prefers-color-scheme" in page


def test_it_is_there_from_the_start_and_says_how_far_the_run_is(small_scenes, tmp_path):
    """A run that is stopped in its third epoch: the page was that of a run under way until then."""
    out, seen = tmp_path / "out", []
    task = Segmentation(small_scenes, Config(out=str(out)))

    class Watched(Segmentation):
        def end_epoch(self, model, folder, epoch):
            seen.append((folder / "report.html").read_text("utf-8"))
            super().end_epoch(model, folder, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.training.runs.Segmentation", Watched)
        with pytest.raises(KeyboardInterrupt):
            run(small_scenes, out, stop_at=2 * task.train.steps_per_epoch)
    assert ["Epoch 0 of 3" in seen[0], "Epoch 1 of 3" in seen[1]] == [True, True]
    assert all("data-live" in page for page in seen)
    assert "The first training batch" in seen[0] and "Confusion" not in seen[0]
    page = (out / "report.html").read_text("utf-8")
    assert "Epoch 2 of 3: stopped" in page and "data-live" not in page and "Confusion" in page
    assert "validation image" in page and "on the validation split" in page
    assert {path.name for path in (out / "samples").iterdir()} == {"0001.png", "0002.png"}


def test_a_report_alone_does_not_make_a_run_finished(finished, small_scenes, tmp_path):
    """It is there after a kill in the first minute, before any checkpoint; and while a run is tested."""
    out = shutil.copytree(finished[0], tmp_path / "out")
    for name in ("saved_model", "checkpoints"):
        shutil.rmtree(out / name)
    (out / "predictions.png").unlink()
    with pytest.raises(KeyboardInterrupt):  # it trains from the start
        run(small_scenes, out, stop_at=4)
    again = shutil.copytree(finished[0], tmp_path / "again")
    (again / "report.html").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segmentation, "shown_results", _killed)
        with pytest.raises(SystemExit):
            run(small_scenes, again, build=_build())
    assert "data-live" in (again / "report.html").read_text("utf-8")
    assert not (again / "predictions.png").exists()  # so it is not taken for finished
    assert run(small_scenes, again, build=_build()) == finished[1]
    assert "data-live" not in (again / "report.html").read_text("utf-8")


def _killed(*args, **kwargs):
    raise SystemExit


def _build():
    from tests.training.runs import build

    return build


def events(out, name):
    """{tag: {step: value}} of a split's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(out / "tensorboard" / name)).Reload()
    scalars = found.Tags()["scalars"]
    return found, {tag: {e.step: e.value for e in found.Scalars(tag)} for tag in scalars}


def test_tensorboard_has_both_splits_in_one_chart(finished):
    with open(finished[0] / "log.csv") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    train, validation = (events(finished[0], name) for name in ("train", "validation"))
    for tag in ("loss", "mean_iou", "pixel_accuracy"):
        assert train[1][tag] == pytest.approx({r["epoch"]: r[tag] for r in rows})
        assert validation[1][tag] == pytest.approx({r["epoch"]: r[f"val_{tag}"] for r in rows})
    assert list(train[1]["learning_rate"]) == [1, 2, 3] and list(train[1]["seconds"]) == [1, 2, 3]
    assert [e.step for e in validation[0].Images("predictions")] == [1, 2, 3]
    assert [e.step for e in validation[0].Images("examples")] == [0]
    (text,) = train[0].Tensors("config")
    assert b"|batch_size|8|" in text.tensor_proto.string_val[0]


def test_learning_rate_is_logged_and_seconds_are_not(finished):
    """The log of a run that was interrupted must be that of one that was not: seconds would differ."""
    with open(finished[0] / "log.csv") as file:
        rows = list(csv.DictReader(file))
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.00075, 0.00025, 0.0])  # a cosine over nine steps
    assert "seconds" not in rows[0]


def test_seconds_of_epochs_that_an_older_version_trained_are_not_known():
    notes = Notes(history=[{}] * 4, clock=[30.0, 34.5])
    assert notes.seconds_each() == [None, None, None, 4.5]
    assert Notes(history=[{}] * 2, clock=[3.0, 5.0]).seconds_each() == [3.0, 2.0]


def test_samples_are_kept_at_a_pace(tmp_path):
    """Of every epoch up to 16, of every second one up to 32, and so on."""

    class Grey(Shown):
        def sample(self, model):
            return Image.new("RGB", (8, 2))

    with storage.owned(tmp_path / "out") as out:
        task = Grey()
        for epoch in range(1, 70):
            task.end_epoch(None, out, epoch)
        kept = [int(path.stem) for path in sorted((out / "samples").iterdir())]
        image, caption = task.progress(out)
    assert kept == [*range(1, 17), *range(18, 33, 2), *range(36, 65, 4)]
    assert image.height == 2 * 16 and caption.startswith(
        "The same validation examples after epochs 1, "
    )


def test_looking_at_validation_images_takes_a_small_share_of_the_time(
    small_scenes, tmp_path, monkeypatch
):
    """Where it is slow, it is done less often: a clock says that a look takes as long as an epoch."""
    from dnzoo.training import record

    looks = []
    monkeypatch.setattr(record.time, "monotonic", lambda: float(len(looks)))
    task = types.SimpleNamespace(
        shown_results=lambda *args, **kwargs: looks.append(1) or [], monitor="loss"
    )
    notes = Notes(history=[{"epoch": 1}])
    keeper = record.Record(None, Config(), task, None, notes, 99)
    for epoch in range(100):
        notes.clock = [float(epoch + 1)]
        keeper._look()
    assert len(looks) == 3  # after 1, 50 and 100 seconds: SHARE is 0.02
