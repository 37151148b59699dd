"""`kill -9` at any moment, full and read-only disks, two runs into one folder.

A run that is killed and started again, again and again, must end with the same bytes as one that
was left alone. DNZOO_KILLS says how often it is killed (`make soak`: 100).
"""

import dataclasses
import errno
import filecmp
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dnzoo import storage, training
from dnzoo.storage import temporary
from tests.conftest import ROOT, slow
from tests.strangers import HIDDEN, OF_A_RUN, fill

KILLS = int(os.environ.get("DNZOO_KILLS", "6"))  # a seventh, at the picture, often comes too late
EPOCHS = 3


@dataclasses.dataclass(kw_only=True)
class Config(training.Config):
    data: str = "fashion_scenes"
    out: str = "unused"
    epochs: int = EPOCHS
    batch_size: int = 4


def train(folder, precision, checkpoint_seconds):
    """A whole run, data preparation included, in a process of its own."""
    from dnzoo.data import segmentation
    from dnzoo.tasks import Segmentation
    from dnzoo.training import loop
    from tests.training.runs import build_small

    sys.argv = ["train"]
    loop.CHECKPOINT_SECONDS = checkpoint_seconds
    config = Config(out=str(folder / "out"), precision=precision)
    data = segmentation.fashion_scenes(folder / "data", 32, 24, 6, 6)
    training.run(config, Segmentation(data, config, "cross_entropy+dice"), build_small)


@pytest.fixture(scope="module")
def start():
    """Function that starts `train` in a process with everything imported, within milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "keras", "matplotlib.figure", "dnzoo.tasks"])

    def start(*args):
        process = context.Process(target=train, args=args)
        process.start()
        return process

    return start


# What there is to see while a run does something: a pattern in its folder.
MOMENTS = {
    "preparing arrays": "data/arrays/.*.partial*",
    "a checkpoint": "out/checkpoints/.last.npz.*",
    "a step": "out/checkpoints/last.npz",
    "the best weights": "out/checkpoints/.best.npz.*",
    "the report": "out/.report.html.*",
    "saving": "out/.saved_model.*.partial",
    "the picture": "out/.predictions.png.*",
}


def kill_at(process, folder, moment, delay):
    """Kill once the moment is seen and `delay` has passed; whether it came."""
    before = {path: path.stat().st_mtime_ns for path in folder.glob(MOMENTS[moment])}
    while process.is_alive():
        try:
            new = any(
                before.get(path) != path.stat().st_mtime_ns for path in folder.glob(MOMENTS[moment])
            )
        except FileNotFoundError:  # it went meanwhile
            continue
        if new:
            time.sleep(delay)
            process.kill()
            process.join()
            return process.exitcode == -signal.SIGKILL
        time.sleep(0.0005)
    return False


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=slow)])
def test_killed_and_started_again_ends_with_the_same_bytes(start, tmp_path, precision):
    reference = start(tmp_path / "straight", precision, 600)
    rng, kills, rounds = random.Random(precision), 0, 0
    while kills < KILLS:
        rounds += 1
        killed, there = tmp_path / f"killed_{rounds}", []
        for moment in MOMENTS:  # as a run comes by them
            if kills < KILLS and not (killed / "out/predictions.png").exists():
                process = start(killed, precision, 0.05)
                kills += kill_at(process, killed, moment, rng.choice([0, 0.001, 0.01, 0.1]))
                if not there and (killed / "out/config.json").exists():
                    there = [
                        fill(killed / "out", *HIDDEN, *OF_A_RUN),
                        fill(killed / "data", *HIDDEN),
                    ]
        last = start(killed, precision, 0.05)
        last.join()
        reference.join()
        assert last.exitcode == 0 and (killed / "out/predictions.png").exists()
        assert reference.exitcode == 0
        assert_same(tmp_path / "straight/out", killed / "out")
        assert there or rounds > 1  # the last round may end before there is a config.json
        for check in there:
            check()
    assert rounds <= KILLS // 5 + 1, f"{rounds} runs were needed for {kills} kills"


def assert_same(straight, killed):
    for name in ("last", "best"):
        with (
            np.load(straight / f"checkpoints/{name}.npz") as a,
            np.load(killed / f"checkpoints/{name}.npz") as b,
        ):
            arrays = set(a.files) - {"notes"}
            # the last checkpoint may be from the middle of an epoch, with metrics in it
            assert arrays == {key for key in b.files if key in arrays}
            assert all(np.array_equal(a[key], b[key]) for key in arrays)
    for name in (
        "log.csv", "predictions.png", "saved_model/variables/variables.data-00000-of-00001",
    ):  # fmt: skip
        assert filecmp.cmp(straight / name, killed / name, shallow=False), name
    metrics = [
        json.loads((out / "saved_model/assets.extra/dnzoo.json").read_text())["metrics"]
        for out in (straight, killed)
    ]
    assert metrics[0] == metrics[1]
    left = [path for path in killed.rglob(".*") if temporary.target(path, temporary.PARTIAL)]
    assert not left


ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=100k tmpfs "$1"
for size in 100k 250k 420k 200m; do
  mount -o remount,size=$size "$1"
  if "$2" -c "$3" "$1" 2>"$4/$size"; then break; fi
done
cp -r "$1/out" "$4/out"
mount -o remount,ro "$1"
"$2" -c "$3" "$1" 2>"$4/read-only" || true
"""
TRAIN = """
import sys, pathlib; from dnzoo import training; from tests.training import test_interruption as t
folder = pathlib.Path(sys.argv[1]); sys.argv = ["train"]
training.call(lambda config: t.train(folder, "float32", 0.05), t.Config, "")
"""


@slow
@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"]).returncode != 0,
    reason="a mount of one's own is not allowed here",
)
def test_full_and_read_only_disks(start, tmp_path):
    """In data preparation, training and saving; the run that has room again ends as any other."""
    reference = start(tmp_path / "straight", "float32", 600)
    disk, seen = tmp_path / "disk", tmp_path / "seen"
    disk.mkdir(), seen.mkdir()
    subprocess.run(
        ["unshare", "-m", "sh", "-c", ON_A_SMALL_DISK, "sh", disk, sys.executable, TRAIN, seen],
        check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    for size in ("100k", "250k", "420k"):
        message = (seen / size).read_text()
        assert "No space left on device" in message and "the same command goes on" in message
        assert "Traceback" not in message
    assert "Read-only file system" in (seen / "read-only").read_text()
    reference.join()
    assert_same(tmp_path / "straight/out", seen / "out")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "no space"), "there can't be written .*Make room, and the same"),
        (PermissionError(errno.EACCES, "no"), "there can't be written .*Make the folder writable"),
        (RuntimeError("TFDS: ...; No space left on device"), "Make room"),
        (FileNotFoundError(errno.ENOENT, "nothing there"), "nothing there"),
        (KeyError("other"), "other"),
    ],
)
def test_errors_of_the_disk_say_what_to_do(error, message):
    with pytest.raises((OSError, KeyError), match=message) as raised, storage.writing("there"):
        raise error
    assert getattr(raised.value, "errno", None) == getattr(
        error, "errno", errno.ENOSPC if "room" in message else None
    )


def test_a_folder_has_one_owner_until_it_dies(tmp_path):
    code = (
        "import sys, time; from dnzoo import storage\n"
        "with storage.owned(sys.argv[1]): print('mine', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "mine\n"
    with (
        pytest.raises(
            BlockingIOError, match=rf"written by process {owner.pid} on .*another folder"
        ),
        storage.owned(tmp_path),
    ):
        pass
    half = temporary.marked(tmp_path / "half.npz", temporary.PARTIAL)
    half.touch()
    owner.kill()
    owner.wait()
    with storage.owned(tmp_path):
        assert not half.exists()
    with storage.owned(tmp_path):
        pass


def test_two_runs_prepare_the_same_data_once(start, tmp_path):
    """The second waits for the first and uses what it made."""
    both = [start(tmp_path / "a", "float32", 600) for _ in range(2)]
    for process in both:
        process.join()
    # one trained; the other prepared nothing, and was refused the folder or found it finished
    assert 0 in [process.exitcode for process in both]
    assert len(list((tmp_path / "a/data").glob("arrays/*"))) == 1
    assert (tmp_path / "a/out/predictions.png").is_file()
