"""The five tasks: their data, how long a net learns, and how it is judged on held-out data."""

import dataclasses
import types

import keras
import numpy as np
from PIL import Image

from dnzoo import inference, losses, metrics
from dnzoo import tasks as kinds
from dnzoo.data import photographs, pictures, segmentation
from dnzoo.imaging.drawing import paletted
from dnzoo.metrics import similarity

LOSSES = {"mse": "mse", "l1": "mae", "ssim": losses.StructuralSimilarity}
SCENES, SIZE = 3000, 48
VALIDATED, TESTED = 1000, 2000  # pictures at most
# Four garments that are easy to tell apart: with all ten a short training finds no shapes
WITHOUT = ("t-shirt", "pullover", "coat", "sandal", "shirt", "ankle boot")
# of photographs that anybody may show: name, top, left
DETAILS = (("astronaut", 20, 170), ("chelsea", 90, 150), ("rocket", 120, 250))


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a task is trained.

    Attributes:
        steps, batch: of a cell.
        rates: the learning rates to choose from, on validation.
        score: the column that a cell is judged by, on held-out data.
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
    "autoencoder": Setting(800, 32, (1e-3, 3e-3, 1e-2), "psnr", "max", 75),
    "super_resolution": Setting(1000, 8, (3e-4, 1e-3, 3e-3), "psnr", "max", 50),
    "segmentation": Setting(600, 16, (1e-3, 3e-3, 1e-2), "mean_iou", "max", 60),
    "gan": Setting(1400, 16, (6e-4, 2e-3, 6e-3), "frechet_distance", "min", 75),
    "vae": Setting(1000, 32, (1e-3, 3e-3, 1e-2), "test_loss", "min", 50),
}


class Reconstruction(kinds.Task):
    """Grey pictures out as they came in."""

    monitor = "psnr"

    def __init__(self, data, config, loss="mse"):
        super().__init__(data, config, self._pairs, self._pairs)
        chosen = LOSSES[loss]
        self.loss = chosen() if callable(chosen) else chosen

    def _pairs(self, images, labels, rng):
        images = np.asarray(images, "float32")
        return images, images

    def validate(self, model):
        return _compared(model, self.validation)

    def evaluate(self, model):
        return _compared(model, self.test) | _test_loss(model, self.test)

    def samples(self, model):
        """Photographs of 32 x 32, which CIFAR-10 knows nothing of: (truth, made)."""
        found = photographs.test_photographs()
        names = ("astronaut", "chelsea", "coffee", "rocket", "china", "flower")
        truth = np.stack([_thumbnail(found[name]) for name in names]).astype("float32")
        truth = similarity.luma(truth)
        return truth, model.predict_on_batch(truth)


class Enlarging(kinds.SuperResolution):
    """Judged by whole photographs' Y, and by the mean absolute error of their colours."""

    def evaluate(self, model):
        errors, psnr, ssim = [], [], []
        for large in self.photographs.values():
            made = inference.upscale(model, photographs.resize(large, 1 / self.scale), mirror=False)
            errors.append(np.abs(made.astype("float32") - large).mean())
            for found, kind in ((psnr, metrics.PSNR), (ssim, metrics.SSIM)):
                measure = kind(luma=True, crop=self.scale)
                measure.update_state(large[None], made[None])
                found.append(float(measure.result()))
        return {
            "psnr": np.mean(psnr),
            "ssim": np.mean(ssim),
            "test_loss": np.mean(errors),
        }

    def samples(self, model, size=72):
        truth = np.stack(
            [
                self.photographs[name][top : top + size, left : left + size]
                for name, top, left in DETAILS
                if name in self.photographs
            ]
        )
        small = [photographs.resize(image, 1 / self.scale) for image in truth]
        return truth, np.stack([inference.upscale(model, image, mirror=False) for image in small])


class Labelling(kinds.Segmentation):
    """Segmentation, with the loss on the test too."""

    def evaluate(self, model):
        found = super().evaluate(model)
        return {name: found[name] for name in ("mean_iou", "boundary_iou")} | _test_loss(
            model, self.test
        )

    def samples(self, model, count=6):
        images, masks = (np.asarray(array[:count]) for array in self.test.arrays)
        made = inference.classes(model.predict_on_batch(images.astype("float32")))
        palette = np.array([*self.data.palette, *[(96, 96, 96)] * 256], "uint8")[:256]
        return [
            np.stack([np.asarray(paletted(mask, palette).convert("RGB")) for mask in found])
            for found in (masks, made)
        ]


class FewerGenerated(kinds.Generation):
    """Judged by fewer pictures than a published model is."""

    def evaluate(self, model):
        real = np.asarray(self.test.arrays[0])
        made = model.generate(len(real), seed=0)
        return {"frechet_distance": self.frechet_distance(real, made)}

    def samples(self, model, count=8):
        return np.asarray(self.test.arrays[0][:count]), model.generate(count, seed=0)


class FewerBounds(kinds.Autoencoding):
    """Judged by the bound alone, without importance weights."""

    def evaluate(self, model):
        found = model.evaluate(self.test.dataset(), verbose=0, return_dict=True)
        return {"test_loss": found["nelbo"]}

    def samples(self, model, count=8):
        truth = np.asarray(self.test.arrays[0][:count], "float32")
        return truth, model.reconstruct(truth)


def _compared(model, part):
    """PSNR and SSIM, rounded to 8 bits."""
    psnr, ssim = metrics.PSNR(), metrics.SSIM()
    truth = np.asarray(part.arrays[0], "float32")
    for start in range(0, len(truth), 500):
        rows = truth[start : start + 500]
        made = keras.ops.convert_to_numpy(model.predict_on_batch(rows)).round().clip(0, 255)
        psnr.update_state(rows, made)
        ssim.update_state(rows, made)
    return {"psnr": float(psnr.result()), "ssim": float(ssim.result())}


def _test_loss(model, part):
    found = model.evaluate(part.dataset(), verbose=0, return_dict=True)
    return {"test_loss": found["loss"]}


def _thumbnail(photograph, size=32):
    side = min(photograph.shape[:2])
    top, left = ((n - side) // 2 for n in photograph.shape[:2])
    square = Image.fromarray(photograph[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.BICUBIC))


def load(task, places, seed, loss="mse", smoke=False):
    """The task with its batches.

    Args:
        places: `data_dir`, and what --data names MNIST and CIFAR-10 by.
        seed: of the order of the batches; the data are the same for all.
        loss: of the autoencoder: mse, l1 or ssim.
        smoke: a few pictures of noise, so that nothing has to be fetched.
    """
    setting = SETTINGS[task]
    config = types.SimpleNamespace(batch_size=8 if smoke else setting.batch, seed=seed, smoke=smoke)
    data = _noise(task) if smoke else _data(task, places)
    if task == "autoencoder":
        return Reconstruction(data, config, loss)
    if task == "super_resolution":
        return Enlarging(data, config, "l1", patch=32)
    if task == "segmentation":
        return Labelling(data, config)
    if task == "gan":
        return FewerGenerated(data, config, "classifier_fashion_mnist")
    return FewerBounds(data, config)


def _data(task, places):
    if task == "super_resolution":
        return _limited(photographs.load(places.photographs, places.data_dir, 2), validation=64)
    if task == "segmentation":
        return segmentation.load(
            "fashion_scenes", places.data_dir, SIZE, scenes=SCENES, without=WITHOUT
        )
    source = {"autoencoder": places.cifar10, "gan": places.fashion_mnist, "vae": places.mnist}
    data = _limited(pictures.load(source[task], places.data_dir, 32))
    return _grey(data) if task == "autoencoder" else data


def _grey(data):
    """Luma alone: in colour, trainings of this length find colours late or never, which decides 1 dB."""
    splits = {s: (similarity.luma(np.asarray(x)), y) for s, (x, y) in data.splits.items()}
    return dataclasses.replace(data, splits=splits)


def _limited(data, validation=VALIDATED):
    most = {"train": None, "validation": validation, "test": TESTED}
    splits = {
        split: tuple(array[: most[split]] for array in arrays)
        for split, arrays in data.splits.items()
    }
    return dataclasses.replace(data, splits=splits)


def _noise(task, count=16):
    rng = np.random.default_rng(0)

    def pixels(size, channels):
        return rng.integers(0, 256, (count, size, size, channels), "uint8")

    splits = ("train", "validation", "test")
    if task == "super_resolution":
        pairs = {split: (pixels(32, 3), pixels(64, 3)) for split in splits[:2]}
        return photographs.Photographs("noise", "", pairs, 2, {"astronaut": pixels(256, 3)[0]})
    if task == "segmentation":
        names = ("background", "trouser", "dress", "sneaker", "bag")
        scenes = {s: (pixels(SIZE, 3), pixels(SIZE, 1)[..., 0] % len(names)) for s in splits}
        return segmentation.SegmentationData("noise", "", scenes, names)
    labels = np.arange(count).astype("uint8") % 10
    return pictures.Pictures("noise", "", {s: (pixels(32, 1), labels) for s in splits})
