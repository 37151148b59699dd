"""A stranger's files, of every name that dnzoo uses, are there to the byte after everything ran."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import dnzoo
from dnzoo import storage, training
from dnzoo.data import segmentation
from dnzoo.inference import files
from dnzoo.storage import temporary
from dnzoo.tasks import Segmentation
from dnzoo.training import trials
from dnzoo.training.tune import tune
from tests.strangers import HIDDEN, OF_A_RUN, fill
from tests.training.runs import Config, build, run
from tests.training.test_tune import Config as Search
from tests.training.test_tune import search_space


def train(data, out, stop_at=None, epochs=2):
    return run(data, out, stop_at, epochs=epochs)


@pytest.fixture(scope="module")
def once(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return out, train(small_scenes, out)


@pytest.fixture
def finished(once, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(once[0], tmp_path / "run")


@pytest.mark.parametrize(
    "name", ["config.json", "report.html", "saved_model/mine", "tensorboard/mine", "log.csv"]
)
def test_a_folder_that_is_no_run_is_refused(small_scenes, tmp_path, name):
    there = fill(tmp_path, name, *HIDDEN)
    with pytest.raises(FileExistsError, match=r"is not empty"):
        train(small_scenes, tmp_path)
    search = Search(out=str(tmp_path), tune=1)
    with pytest.raises(FileExistsError, match=r"is not empty"):
        tune(search, None, search_space)
    there()
    assert not (tmp_path / ".dnzoo").exists()


def test_a_run_that_goes_on_leaves_all_that_it_did_not_make(small_scenes, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(small_scenes, tmp_path, stop_at=4)
    half = temporary.marked(tmp_path / "checkpoints/last.npz", temporary.PARTIAL)
    half.touch()
    there = fill(tmp_path, *HIDDEN, *OF_A_RUN)
    (tmp_path / "report.html").unlink()  # of the run so far
    results = ("saved_model/mine", "predictions.png", "report.html")
    in_the_way = fill(tmp_path, *results)
    with pytest.raises(FileExistsError, match="saved_model was not made by dnzoo"):
        train(small_scenes, tmp_path)  # which is not finished, though it has all three
    in_the_way(), there()
    for name in results:
        (tmp_path / name.split("/")[0]).rename(tmp_path / f"moved_{name.split('/')[0]}")
    for name in results:
        in_the_way = fill(tmp_path, name)
        with pytest.raises(FileExistsError, match=f"{name.split('/')[0]} was not made by dnzoo"):
            train(small_scenes, tmp_path)
        in_the_way(), there()
        (tmp_path / name.split("/")[0]).rename(tmp_path / f"again_{name.split('/')[0]}")
    assert train(small_scenes, tmp_path) is not None
    there()
    assert not half.exists()
    written = [
        path for path in (tmp_path / "tensorboard").glob("*/events*") if path.stat().st_size > 99
    ]
    assert len(written) == 2  # the run's own, of the first start, were written anew


def test_a_finished_run_without_checkpoints_is_finished(finished, small_scenes):
    shutil.rmtree(finished / "checkpoints")
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert train(small_scenes, finished) is None
    with pytest.raises(ValueError, match=r"there is no checkpoints.last.npz"):
        train(small_scenes, finished, epochs=5)
    for name, message in (
        ("report.html", "report.html is missing and so is checkpoints/last.npz"),
        ("config.json", r"holds .* without a config.json"),
    ):
        (finished / name).rename(finished / "moved")
        with pytest.raises(ValueError, match=message):
            train(small_scenes, finished)
        (finished / "moved").rename(finished / name)
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_what_is_missing_of_a_finished_run_is_made_again(once, finished, small_scenes):
    (finished / "saved_model").rename(finished / "moved")
    assert train(small_scenes, finished) == once[1]
    assert (finished / "saved_model/saved_model.pb").is_file()


def test_data_is_prepared_beside_a_strangers_files(tmp_path):
    """What TFDS prepared for an older version stays, too, and is not read."""
    older = "fashion_scenes/32px_2_1_1_seed0/1.0.0"
    names = [*HIDDEN, "arrays/.x.partial/a", "arrays/mine", "fashion_scenes/mine", "downloads/mine"]
    names += [f"{older}/dataset_info.json", f"{older}/fashion_scenes-train.tfrecord-00000-of-00001"]
    there = fill(tmp_path, *names)
    data = segmentation.fashion_scenes(tmp_path, 32, 2, 1, 1)
    assert len(data.splits["train"][0]) == 2
    there()


def test_a_search_that_goes_on(tmp_path, monkeypatch):
    def setup(config):
        return None, None

    def trained(config, task, build, out, callbacks):
        out.write_json("checkpoints/last.npz", 1)
        return None, SimpleNamespace(best=config.learning_rate, history=[{}], seconds=1.0)

    monkeypatch.setattr(trials, "train", trained)
    tune(Search(out=str(tmp_path), tune=1), setup, search_space)
    there = fill(
        tmp_path,
        *HIDDEN,
        *OF_A_RUN,
        "trials/001/mine",
        "trials/001/checkpoints/mine",
        "trials/001/.a.old",
    )
    taken = fill(tmp_path, "trials/002/result.json")
    with pytest.raises(FileExistsError, match=r"002 is not empty"):
        tune(Search(out=str(tmp_path), tune=2), setup, search_space)
    taken()
    (tmp_path / "trials/002").rename(tmp_path / "moved")
    (tmp_path / "trials.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"trials\.png was not made by dnzoo"):
        tune(Search(out=str(tmp_path), tune=2), setup, search_space)
    assert (tmp_path / "trials.png").read_bytes() == b"mine"
    (tmp_path / "trials.png").unlink()
    assert len(tune(Search(out=str(tmp_path), tune=2), setup, search_space)) == 2
    there()
    assert not (tmp_path / "trials/002/checkpoints").exists()


def test_an_evaluation_replaces_only_one_of_the_same(finished, small_scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(Segmentation, "evaluate", lambda self, model: {"mean_iou": 0.5})
    out = tmp_path / "out"

    def evaluate(data):
        config = Config(out=str(out), evaluate=str(finished / "saved_model"), data=data)
        return training.run(config, Segmentation(small_scenes, config), build)

    assert evaluate("a") == evaluate("a")
    before = (out / "evaluation.json").read_bytes()
    with pytest.raises(FileExistsError, match=r"evaluation\.json holds something else"):
        evaluate("b")
    with pytest.raises(KeyboardInterrupt):  # an evaluation does not take the folder
        train(small_scenes, out, stop_at=4)
    assert (out / "evaluation.json").read_bytes() == before


def test_saved_over(tmp_path):
    model = build()
    there = fill(
        tmp_path,
        *HIDDEN,
        "home/thesis.tex",
        "other/saved_model.pb",
        "other/assets.extra/dnzoo.json",
    )
    for name in ("home", "other", "notes.txt"):
        with pytest.raises(FileExistsError, match=r"no SavedModel of dnzoo's"):
            dnzoo.save(model, tmp_path / name, overwrite=True)
    dnzoo.save(model, tmp_path / "mine")
    (tmp_path / "mine/.DS_Store").touch()
    dnzoo.save(model, tmp_path / "mine", overwrite=True)
    inside = fill(tmp_path / "mine", "notes.txt", "variables/old", "assets/words.txt", ".hidden")
    with pytest.raises(FileExistsError, match=r"beside the SavedModel"):
        dnzoo.save(model, tmp_path / "mine", overwrite=True)
    inside(), there()
    assert dnzoo.load(tmp_path / "mine").count_params() == model.count_params()


def test_exported_over(tmp_path):
    model = dnzoo.espcn((None, None, 1), filters=(4, 4))
    there = fill(tmp_path, *HIDDEN, "model.bin", "model.onnx.old", ".model.xml.partial")
    with pytest.raises(FileExistsError, match=r"model\.bin exists already"):
        dnzoo.export(model, tmp_path / "model.xml")
    assert not (tmp_path / "model.xml").exists()
    there()
    dnzoo.export(model, tmp_path / "model.tflite")
    first = (tmp_path / "model.tflite").read_bytes()
    with pytest.raises(FileExistsError, match=r"exists already"):
        dnzoo.export(model, tmp_path / "model.tflite")
    dnzoo.export(
        dnzoo.espcn((None, None, 1), filters=(4, 8)), tmp_path / "model.tflite", overwrite=True
    )
    assert (tmp_path / "model.tflite").read_bytes() != first
    there()
    assert {path.name for path in tmp_path.glob("model.*")} == {
        "model.bin",
        "model.tflite",
        "model.onnx.old",
    }


class TestPredict:
    """Results take the place neither of each other nor of anything that is there."""

    model = staticmethod(build)

    def images(self, folder, *names):
        rng = np.random.default_rng(0)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (20, 24, 3)).astype("uint8")).save(path)
        return folder

    def test_images_of_one_stem(self, tmp_path):
        source = self.images(tmp_path / "in", "a.png", "a.jpg", "A.bmp", "b.png")
        there = fill(tmp_path / "out", *HIDDEN)
        written = files.predict_files(self.model(), source, tmp_path / "out")
        there()
        assert [path.name for path in written] == [
            f"{name}_{kind}.png" for name in ("A.bmp", "a.jpg", "a.png", "b") for kind in ("mask", "overlay")
        ]  # fmt: skip
        assert len({path.read_bytes() for path in written if "overlay" in path.name}) == 4

    def test_names_that_still_meet(self, tmp_path):
        source = self.images(tmp_path / "in", "a.png", "a.jpg", "a.jpg.png")
        with pytest.raises(FileExistsError, match=r"two images would give .*a.jpg_mask\.png"):
            files.predict_files(self.model(), source, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_what_is_there_stays(self, tmp_path):
        source = self.images(tmp_path / "in", "a.png", "b.png")
        there = fill(tmp_path / "out", "b_overlay.png")
        with pytest.raises(FileExistsError, match=r"b_overlay\.png exists already"):
            files.predict_files(self.model(), source, tmp_path / "out")
        there()
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["b_overlay.png"]
        written = files.predict_files(self.model(), source, tmp_path / "out", overwrite=True)
        assert len(written) == 4 and Image.open(tmp_path / "out/b_overlay.png").height > 20

    def test_an_image_to_read_is_never_replaced(self, tmp_path):
        source = self.images(tmp_path, "a.png", "a_mask.png")
        before = (tmp_path / "a_mask.png").read_bytes()
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match=r"one of the images to read"):
                files.predict_files(self.model(), source, tmp_path, overwrite=overwrite)
        assert (tmp_path / "a_mask.png").read_bytes() == before

    def test_a_sheet_that_is_there_stays(self, tmp_path):
        there = fill(tmp_path, "samples.png")
        model = dnzoo.vae((8, 8, 1), filters=(4,), hidden=None)
        with pytest.raises(FileExistsError, match=r"samples\.png exists already"):
            files.predict_files(model, None, tmp_path, count=2)
        there()


def test_storage_is_where_it_was():
    """Code that was written for `dnzoo.files` goes on working."""
    from dnzoo import files

    assert files.owned is storage.owned
