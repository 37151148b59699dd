"""A run that tests look at and leave as it is."""

import pytest

from tests.training.runs import build, run


@pytest.fixture(scope="session")
def finished(small_scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run(small_scenes, out, build=build)
