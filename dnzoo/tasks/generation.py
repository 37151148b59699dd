"""Generation as a task: how a GAN's pictures differ from real ones, and whether they are copies."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
from PIL import Image

from dnzoo import saving, training
from dnzoo.data.pictures import Pictures
from dnzoo.imaging import drawing
from dnzoo.metrics import FrechetDistance
from dnzoo.models import GAN
from dnzoo.tasks.sources import SmallImages, load_for
from dnzoo.terminal import MODEL
from dnzoo.training.task import Task

GENERATED = 10_000  # pictures that are judged
VALIDATED = 2_000  # and after each epoch
MISSING = 0.2  # of a class's share in real pictures: below it the class counts as lost
COPY = 0.1  # of the distance between neighbours among real pictures: below it one is a copy
NEIGHBOURS = 1_000  # generated pictures whose nearest training picture is looked for


class Generation(Task):
    """Learn a `dnzoo.models.GAN`; judged by the features and classes of a classifier.

    Args:
        data: `dnzoo.data.pictures.Pictures`.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        classifier: name or folder of a saved classifier of such pictures: its last layer but one
            gives the features, its last the classes.
        conditional: whether labels are read.

    Raises:
        ValueError: when the classifier reads pictures of another shape.
    """

    kind: ClassVar[str] = "samples"
    monitor: str = "frechet_distance"
    options: ClassVar[tuple[str, ...]] = ("classifier", "conditional")
    fixed: ClassVar[tuple[str, ...]] = ("image_size", "channels", "conditional")
    labels: Mapping[str, str] = {
        "frechet_distance": "Frechet distance",
        "frechet_distance_of_training": "Frechet distance of training images",
        "distance_ratio": "nearest-neighbour distance relative to test images",
        "class_share": "share of each class",
    }
    curves: tuple[str, ...] = ("discriminator_loss", "generator_loss")
    sampled: ClassVar[str] = "The same latents"
    caption: str = (
        "Left half: images of random latents. Right half: some of them, each followed by the "
        "training image that is nearest to it."
    )

    @dataclasses.dataclass(kw_only=True)
    class Config(SmallImages):
        """Flags of generation and its data."""

        classifier: Annotated[str, MODEL] = "classifier_fashion_mnist"
        """A saved classifier of such images (dnzoo train classifier), which judges."""
        conditional: bool = False
        """Whether the nets read the labels."""

    @classmethod
    def load(cls, config: Config) -> Pictures:
        """The images that the config names."""
        return load_for(config)

    @classmethod
    def teaches(cls, model: keras.Model) -> bool:
        """Whether it is a `GAN`."""
        return isinstance(model, GAN)

    @classmethod
    def settings_of(cls, model: GAN) -> dict[str, Any]:
        """The size and the channels of its images, and whether it reads labels."""
        size, channels = model.generator.output_shape[1], model.generator.output_shape[-1]
        return {"image_size": size, "channels": channels, "conditional": model.conditional}

    conditional: bool
    classifier_name: str
    judge: keras.Model
    distance: FrechetDistance

    def __init__(
        self,
        data: Pictures,
        config: training.Config,
        classifier: str | Path,
        conditional: bool = False,
    ) -> None:
        self.conditional = conditional
        super().__init__(data, config, self._inputs, self._inputs)
        net = saving.load(classifier)
        if tuple(net.input_shape[1:]) != tuple(data.shape):
            raise ValueError(
                f"classifier={str(classifier)!r} reads {net.input_shape[1:]}, the images are "
                f"{tuple(data.shape)}."
            )
        self.classifier_name = str(classifier)
        last = [layer for layer in net.layers if layer.weights][-1]
        self.judge = keras.Model(net.input, [last.input, last.output])
        self.distance = FrechetDistance(lambda pictures: self._judged(pictures)[0])

    def _inputs(
        self, pictures: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[Any]:
        pictures = np.asarray(pictures, "float32")
        return ((pictures, np.asarray(labels, "int32")),) if self.conditional else (pictures,)

    def _judged(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(features, class numbers) of pictures from 0 to 255."""
        pictures = np.asarray(pictures, "float32")
        parts = [
            self.judge.predict_on_batch(pictures[i : i + 500]) for i in range(0, len(pictures), 500)
        ]
        features, scores = (np.concatenate(part) for part in zip(*parts))
        return features, np.argmax(scores, axis=-1)

    def frechet_distance(self, real: np.ndarray, generated: np.ndarray) -> float:
        """Between pictures from 0 to 255, in the classifier's features."""
        self.distance.reset_state()
        self.distance.update_state(real, real=True)
        self.distance.update_state(generated, real=False)
        return self.distance.result()

    def monitored(self, model: GAN) -> FrechetDistance:
        """The distance, which is no metric of Keras's."""
        return self.distance

    def validate(
        self,
        model: GAN,
        devices: int = 1,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> dict[str, float]:
        """The Frechet distance of a few generated pictures to as many of the validation split."""
        real = self.validation.arrays[0][: self._count(VALIDATED)]
        return {self.monitor: self.frechet_distance(real, model.generate(len(real), seed=1))}

    def _count(self, count: int) -> int:
        return 32 if self.config.smoke else count

    def evaluate(self, model: GAN) -> dict[str, Any]:
        """Distance, classes and neighbours of generated pictures; real ones beside them."""
        return self.judge_pictures(model.generate(self._count(GENERATED), seed=self.config.seed))

    def judge_pictures(self, generated: np.ndarray) -> dict[str, Any]:
        """`evaluate`, for images from 0 to 255 of any origin.

        Returns:
            `frechet_distance`, `frechet_distance_of_training` images in their place, `features`,
            `images`, `classes_covered`, `verdict`, `distance_ratio` (of the distance to the nearest
            training image to that of a test image), `copies`, and the table `class_share`.
        """
        real = np.asarray(self.test.arrays[0][: len(generated)])
        train = self.train.arrays[0]
        other = train[np.sort(np.random.default_rng(0).permutation(len(train))[: len(real)])]
        shares = self._shares(self._judged(generated)[1])
        expected = self._shares(self._judged(real)[1])
        lost = [i for i, share in enumerate(expected) if shares[i] < MISSING * share]
        ratio, copies = self._neighbours(generated)
        return {
            "frechet_distance": self.frechet_distance(real, generated),
            "frechet_distance_of_training": self.frechet_distance(real, other),
            "features": f"{self.judge.outputs[0].shape[-1]} of {self.classifier_name}",
            "images": len(generated),
            "classes_covered": f"{len(shares) - len(lost)} of {len(shares)}",
            "verdict": verdict(lost, shares),
            "distance_ratio": ratio,
            "copies": copies,
            "class_share": {str(i): share for i, share in enumerate(shares)},
        }

    def _shares(self, classes: np.ndarray) -> list[float]:
        count = self.judge.outputs[1].shape[-1]
        return (np.bincount(classes, minlength=count) / len(classes)).tolist()

    def _neighbours(self, generated: np.ndarray) -> tuple[float, int]:
        """How near generated pictures are to training ones, as a share of what test pictures are."""
        distances, _ = self._nearest(generated[: self._count(NEIGHBOURS)])
        usual, _ = self._nearest(self.test.arrays[0][: self._count(NEIGHBOURS)])
        typical = float(np.median(usual))
        return float(np.median(distances)) / typical, int(np.sum(distances < COPY * typical))

    def _nearest(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(root mean square difference to, number of) the nearest training picture of each."""
        pictures = np.asarray(pictures, "float32").reshape(len(pictures), -1)
        best = np.full(len(pictures), np.inf)
        where = np.zeros(len(pictures), int)
        train = self.train.arrays[0]
        for start in range(0, len(train), 5000):
            part = np.asarray(train[start : start + 5000], "float32").reshape(-1, pictures.shape[1])
            squared = (pictures**2).sum(1)[:, None] + (part**2).sum(1) - 2 * pictures @ part.T
            nearest = squared.argmin(axis=1)
            found = squared[np.arange(len(pictures)), nearest]
            better = found < best
            best[better], where[better] = found[better], start + nearest[better]
        return np.sqrt(best.clip(0) / pictures.shape[1]), where

    def pictures(self, model: GAN, rows: int = 10, columns: int = 8) -> Image.Image:
        """Generated pictures, and the training pictures that are nearest to some of them."""
        generated = model.generate(rows * columns, seed=self.config.seed)
        wanted = generated[:: columns // 4]
        _, where = self._nearest(wanted)
        pairs = np.stack([wanted, [self.train.arrays[0][i] for i in where]], axis=1)
        pairs = pairs.reshape(rows, columns, *generated.shape[1:])
        generated = generated.reshape(rows, columns, *generated.shape[1:])
        both = np.concatenate([generated, pairs], axis=1)
        return drawing.sheet(both.reshape(-1, *generated.shape[2:]), 2 * columns)

    def sample(self, model: GAN) -> Image.Image:
        """Images of always the same latents."""
        return drawing.sheet(model.generate(20, seed=0), 20, enlarge=1)


def verdict(lost: Sequence[int], shares: Sequence[float]) -> str:
    """Mode collapse in words."""
    if lost:
        return f"mode collapse: classes {', '.join(map(str, lost))} are hardly generated"
    return f"no mode collapse: each class makes {min(shares):.1%} to {max(shares):.1%}"
