"""`dnzoo compare` reads what runs leave, of this version and of older ones."""

import json

import numpy as np

from dnzoo.commands import compare
from dnzoo.storage import information, pretrained
from tests.commands.test_commands import said


def run_of(folder, scores, monitor="mean_iou", sign=1, **config):
    """What a run leaves that has not finished."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"data": "d", "epochs": 9, **config}))
    rows = [f"{i},1,{score}" for i, score in enumerate(scores, 1)]
    (folder / "log.csv").write_text("\n".join([f"epoch,loss,val_{monitor}", *rows]))
    best = int(np.argmax(sign * np.array(scores))) + 1
    notes = {"epoch": best, "monitor": monitor, "sign": sign, "model": "net"}
    for name, value in (("best", notes), ("last", {"seconds": 90})):
        np.savez(folder / f"checkpoints/{name}.npz", notes=np.array(json.dumps(value)))


def test_compare(tmp_path, capsys):
    run_of(tmp_path / "a", [0.1, 0.3, 0.2], filters=[4, 8], seed=0)
    run_of(tmp_path / "b", [0.4, 0.1], filters=[8, 8], seed=0)
    run_of(tmp_path / "c", [3.0, 2.0], "loss", -1, filters=[8, 8], seed=0)
    run_of(tmp_path / "d", [1.0, 5.0], "loss", -1, filters=[8, 8], seed=0)
    (tmp_path / "e").mkdir()
    (tmp_path / "e/config.json").write_text(
        '{"data": "d", "epochs": 9, "filters": [8, 8], "seed": 0}'
    )
    runs = compare.best_first([compare.read(folder) for folder in compare.found([tmp_path])])
    assert [run.name[-1] for run in runs] == ["d", "c", "b", "a", "e"]
    assert (runs[3].best, runs[3].score, runs[3].minutes, runs[3].finished) == (2, 0.3, 1.5, False)
    assert compare.settings(runs) == ["filters"] and runs[4].model is None
    out = said(capsys, "compare", str(tmp_path), "--csv", str(tmp_path / "all.csv")).out
    assert "--filters" in out and "--seed" not in out and "1 of 2" in out and "4 8" in out
    assert (tmp_path / "all.csv").read_text().count("\n") == 6
    again = said(capsys, "compare", str(tmp_path), "--csv", str(tmp_path / "all.csv"), code=1).err
    assert "exists already" in again


def test_a_finished_run_of_an_older_version(tmp_path):
    run_of(tmp_path / "a", [0.1, 0.3])
    np.savez(tmp_path / "a/checkpoints/best.npz", notes=np.array('{"epoch": 2}'))
    extra = tmp_path / "a/saved_model" / pretrained.EXTRA
    extra.parent.mkdir(parents=True)
    meta = {"format": 1, "name": "net_d", "architecture": {}, "weights": [], "checksums": {}}
    meta["provenance"] = {"best epoch": "2 of 2, by mean_iou on validation"}
    (tmp_path / "a/predictions.png").touch()
    extra.write_text(json.dumps({**meta, "metrics": {"mean_iou": 0.2, "class_iou": {"a": 1}}}))
    run = compare.read(tmp_path / "a")
    assert (run.model, run.monitor, run.score, run.finished) == ("net_d", "mean_iou", 0.3, True)
    assert run.metrics == {"mean_iou": 0.2}
    meta |= {"parameters": 3, "signatures": {}}
    assert information.of_folder(tmp_path / "a", meta).rows()["parameters"] == "3"


def test_a_run_under_way_shows_its_epoch_and_validation_score(tmp_path, capsys):
    """It may have a model of before, whose test results are not those of what is trained now."""
    run_of(tmp_path / "a", [0.1, 0.3])
    notes = {
        "epoch": 3,
        "epochs": 9,
        "score": 0.4,
        "monitor": "mean_iou",
        "sign": 1,
        "model": "net",
    }
    best = tmp_path / "a/checkpoints/best.npz"
    np.savez(best, notes=np.array(json.dumps(notes)))  # newer than the log by a moment
    extra = tmp_path / "a/saved_model" / pretrained.EXTRA
    extra.parent.mkdir(parents=True)
    meta = {"format": 1, "name": "net_d", "architecture": {}, "weights": [], "checksums": {}}
    extra.write_text(json.dumps({**meta, "provenance": {}, "metrics": {"mean_iou": 0.2}}))
    run = compare.read(tmp_path / "a")
    assert (run.state, run.best, run.score, run.metrics) == ("epoch 2 of 9", 3, 0.4, {})
    out = said(capsys, "compare", str(tmp_path)).out
    assert "epoch 2" in out and "0.4" in out and "test mean" not in out
    (tmp_path / "a/predictions.png").touch()
    assert compare.read(tmp_path / "a").metrics == {"mean_iou": 0.2}
