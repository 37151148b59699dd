"""Classification, with the recipe of the judge."""

import keras
import pytest

from dnzoo.inference import files
from dnzoo.tasks import Classification
from tests.task_conformance import TaskConformance


class TestClassification(TaskConformance):
    task, recipe, data = Classification, "classifier", "digits"
    settings = {"filters": (4, 4)}
    metrics = {"accuracy", "images"}
    teaches_again = samples = False


def test_what_is_no_image_is_not_drawn(tmp_path):
    image = keras.Input((8,))
    with pytest.raises(ValueError, match="does not say what that is"):
        files.predict_files(keras.Model(image, keras.layers.Dense(2)(image)), None, tmp_path)
