"""Fixtures that the doctests need too, and the choice of what a run left out."""

import gc
import os

import pytest

# Convolutions of channels_first on a CPU need oneDNN, which TensorFlow only uses by itself on some CPUs.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.fixture(scope="session")
def small_scenes(tmp_path_factory):
    """A tiny `fashion_scenes`: 24 training, 6 validation and 6 test scenes of 32 x 32 pixels."""
    from dnzoo.data import segmentation

    return segmentation.fashion_scenes(tmp_path_factory.mktemp("data"), 32, 24, 6, 6)


@pytest.fixture(scope="module", autouse=True)
def quick_garbage_collection():
    """What a module leaves behind (Keras keeps much) is not looked through again after each test."""
    yield
    gc.collect()
    gc.freeze()


SKIPPED = []


def pytest_runtest_logreport(report):
    """Remember what was skipped, for `make test-rest`."""
    if report.skipped:
        SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session):
    cache = getattr(session.config, "cache", None)  # a child runs without
    whole = os.environ.get("DNZOO_TEST_ALL") != "rest" and not session.config.option.collectonly
    whole = whole and not hasattr(session.config, "workerinput")  # a worker knows its own alone
    if cache is not None and whole:
        cache.set("dnzoo/skipped", SKIPPED)


def pytest_collection_modifyitems(config, items):
    """With DNZOO_TEST_ALL=rest, only what the run before skipped."""
    if os.environ.get("DNZOO_TEST_ALL") == "rest":
        wanted = set(config.cache.get("dnzoo/skipped", []))
        if not wanted:
            raise pytest.UsageError("Nothing was skipped before: run `make test` first.")
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
        items[:] = [item for item in items if item.nodeid in wanted]
