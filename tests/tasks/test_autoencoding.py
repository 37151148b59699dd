"""Autoencoding, with the VAE's recipe."""

from dnzoo.tasks import Autoencoding
from tests.task_conformance import TaskConformance


class TestAutoencoding(TaskConformance):
    task, recipe, data = Autoencoding, "vae", "digits"
    settings = {"filters": (4,), "hidden": 8, "image_size": 16}
    higher = False
    metrics = {
        *("nelbo", "reconstruction", "kl", "importance_weighted_bound", "bound_samples"),
        *("active_units", "verdict", "unit_kl"),
    }
    written = ("samples.png",)
    reads_images = same_again = False
