"""Fixtures that the doctests need too."""

import pytest


@pytest.fixture(scope="session")
def small_scenes(tmp_path_factory):
    """A tiny `fashion_scenes`: 24 training, 6 validation and 6 test scenes of 32 x 32 pixels."""
    from dnzoo.data import segmentation

    return segmentation.fashion_scenes(tmp_path_factory.mktemp("data"), 32, 24, 6, 6)
