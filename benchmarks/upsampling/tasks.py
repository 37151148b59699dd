"""The five tasks: their data, how long a net learns, and how it is judged on held-out data."""

import dataclasses
import types

import keras
import numpy as np

from dnzoo import losses, metrics
from dnzoo import tasks as kinds
from dnzoo.data import photographs, pictures, segmentation

LOSSES = {"mse": "mse", "l1": "mae", "ssim": losses.StructuralSimilarity}
SCENES, JUDGED = 3000, 2000


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a task is trained.

    Attributes:
        steps, batch: of a cell.
        rates: the learning rates to choose from, on validation.
        score: the number that a cell is judged by, on the test split.
        best: max or min, of the score.
        seconds: of a cell on a core, to say beforehand how long all take.
    """

    steps: int
    batch: int
    rates: tuple
    score: str
    best: str
    seconds: int


SETTINGS = {
    "autoencoder": Setting(1200, 64, (5e-4, 2e-3, 8e-3), "psnr", "max", 60),
    "super_resolution": Setting(1200, 16, (5e-4, 2e-3, 8e-3), "psnr_y", "max", 60),
    "segmentation": Setting(800, 16, (5e-4, 2e-3, 8e-3), "mean_iou", "max", 60),
    "gan": Setting(1200, 64, (2e-4, 5e-4, 1e-3), "frechet_distance", "min", 60),
    "vae": Setting(1500, 64, (5e-4, 1e-3, 2e-3), "negative elbo", "min", 60),
}


class Reconstruction(kinds.base.Task):
    """Pictures out as they came in."""

    def __init__(self, data, config, loss="mse"):
        super().__init__(data, config, self._pairs, self._pairs)
        chosen = LOSSES[loss]
        self.loss = chosen() if callable(chosen) else chosen

    def _pairs(self, images, labels, rng):
        images = np.asarray(images, "float32")
        return images, images

    def evaluate(self, model):
        """PSNR and SSIM of the first test pictures, rounded to 8 bits."""
        psnr, ssim = metrics.PSNR(), metrics.SSIM()
        truth = np.asarray(self.test.arrays[0][:JUDGED], "float32")
        for start in range(0, len(truth), 500):
            part = truth[start : start + 500]
            made = keras.ops.convert_to_numpy(model.predict_on_batch(part)).round().clip(0, 255)
            psnr.update_state(part, made)
            ssim.update_state(part, made)
        return {"psnr": float(psnr.result()), "ssim": float(ssim.result())}


class FewerGenerated(kinds.Generation):
    """Judged by fewer pictures than a published model is."""

    def evaluate(self, model):
        made = model.generate(JUDGED, seed=0)
        real = np.asarray(self.test.arrays[0][:JUDGED])
        return {"frechet_distance": float(self.frechet_distance(real, made))}


class FewerBounds(kinds.Autoencoding):
    """Judged by the bound alone, without importance weights."""

    def evaluate(self, model):
        model.compile(jit_compile=False)
        found = model.evaluate(self.test.dataset(), verbose=0, return_dict=True)
        return {"negative elbo": found["nelbo"]}


def load(task, places, seed, loss="mse", smoke=False):
    """The task with its batches.

    Args:
        places: `data_dir`, and what --data names MNIST and CIFAR-10 by.
        seed: of the order of the batches; the data are the same for all.
        loss: of the autoencoder: mse, l1 or ssim.
    """
    setting = SETTINGS[task]
    config = types.SimpleNamespace(
        batch_size=8 if smoke else setting.batch, seed=seed, smoke=smoke, class_weights=(), patch=32
    )
    if task == "autoencoder":
        return Reconstruction(pictures.load(places.cifar10, places.data_dir), config, loss)
    if task == "super_resolution":
        data = photographs.load(places.photographs, places.data_dir, 2)
        return kinds.SuperResolution(data, config, "l1")
    if task == "segmentation":
        data = segmentation.load("fashion_scenes", places.data_dir, 64, scenes=SCENES)
        return kinds.Segmentation(data, config)
    if task == "gan":
        data = pictures.load(places.fashion_mnist, places.data_dir, 32)
        return FewerGenerated(data, config, "classifier_fashion_mnist")
    return FewerBounds(pictures.load(places.mnist, places.data_dir, 32), config)
