"""Fixtures: small data, and the numbers of the other backends."""

import functools
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import numpy as np
import pytest

if os.environ.get("DNZOO_WITHOUT_TENSORFLOW") == "1":
    sys.modules["tensorflow"] = None  # importing it fails, as where it is not installed

ROOT = Path(__file__).parents[1]
# "1": compare with JAX and PyTorch, and do what is slow. "rest": only what the last run left out
ALL = os.environ.get("DNZOO_TEST_ALL") in ("1", "rest")
slow = pytest.mark.skipif(not ALL, reason="make test-all does it")


def has(backend):
    """Whether a backend is installed; under `make test-all` it has to be."""
    found = importlib.util.find_spec(backend) is not None
    assert found or not ALL, f"make test-all needs {backend}"
    return found and ALL


def child(code_or_module, *arguments, env=None, check=True, cwd=ROOT):
    """Run Python in a fresh process, from the checkout."""
    command = [sys.executable, *(("-c",) if " " in code_or_module else ("-m",))]
    command += [code_or_module, *map(str, arguments)]
    full = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr[-4000:]
    return done


def run_on(backend, code):
    """Run code in a process that computes on another backend: under `make test-all`."""
    if not has(backend):
        pytest.skip("make test-all does it")
    child(code, env={"KERAS_BACKEND": backend})


def weights(out):
    """The variables in the last checkpoint of a run's folder."""
    with np.load(out / "checkpoints/last.npz") as file:
        return {key: file[key] for key in file.files if key != "notes"}


@pytest.fixture(autouse=True)
def _seeded():
    """Random weights are the same in every run, whichever tests ran before."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def other_backends(tmp_path_factory):
    """Function: backend -> the numbers of every conformance case there."""
    from tests.backends import OTHERS

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # one of the processes that test side by side does it for all

    def compute(backend):
        out, said = folder / f"{backend}.npz", folder / f"{backend}.txt"
        if not said.exists():
            done = child("tests.backends", out, env={"KERAS_BACKEND": backend}, check=False)
            said.write_text(done.stderr[-4000:])
        return said.read_text(), dict(np.load(out)) if out.exists() else {}

    @functools.cache
    def run():
        with filelock.FileLock(folder / "backends.lock"), ThreadPoolExecutor() as pool:
            return dict(zip(OTHERS, pool.map(compute, OTHERS)))

    def numbers(backend):
        if not has(backend):
            pytest.skip("make test-all compares with JAX and PyTorch")
        said, found = run()[backend]
        assert found, said
        return found

    return numbers
