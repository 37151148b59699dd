"""Generation, with the DCGAN's recipe."""

import pytest

from dnzoo.tasks import Generation
from tests.task_conformance import TaskConformance


class TestGeneration(TaskConformance):
    task, recipe, data = Generation, "dcgan", "digits"
    settings = {"filters": 4, "image_size": 16}
    higher = False
    metrics = {
        *("frechet_distance", "frechet_distance_of_training", "features", "images"),
        *("classes_covered", "verdict", "distance_ratio", "copies", "class_share"),
    }
    written = ("samples.png",)
    reads_images = scored = False

    @pytest.fixture(scope="class")
    def given(self, classifier):
        return {"classifier": classifier}

    def test_the_judge_must_read_such_images(self, places, given, tmp_path):
        with pytest.raises(ValueError, match=r"classifier=.* reads \(16, 16, 1\), the images are"):
            Generation.from_config(self.config(places, tmp_path, **{**given, "image_size": 32}))
