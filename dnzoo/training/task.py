"""What every task has: its flags, its batches, how to validate, what to say and show."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
from PIL import Image

from dnzoo import storage
from dnzoo.data import Batches, Evaluation
from dnzoo.data.base import Data
from dnzoo.imaging import drawing
from dnzoo.training.config import Config as Settings
from dnzoo.training.report import Part, Picture, reduced

SMOKE_EXAMPLES = 32
SAMPLES = "samples"
EVERY_EPOCH = (
    16  # epochs from which on only every second leaves a sample, of twice as many every fourth
)
ROWS = 16  # of samples in the report
FED = 16  # images of the first batch there


class Task:
    """A kind of learning, for `dnzoo.training.run`.

    A subclass has a nested `Config`, a dataclass that extends `dnzoo.training.Config` with the flags of
    the task and its data; `load(config)`: the data; `evaluate(model)`: numbers on the test split, a dict
    whose keys are identifiers; `pictures(model)`: a Pillow image of held-out examples; and `caption`:
    what it shows. `Config.task` is the class, so that a config makes its own task.

    Args:
        data: with "train", "validation" and, mostly, "test" splits.
        config: `dnzoo.training.Config`; its `batch_size`, `seed` and `smoke` count.
        augment, prepare, fill, repeat: as for `dnzoo.data.Batches` and `dnzoo.data.Evaluation`.

    Attributes:
        kind: of model output that it teaches: "classes", "image", "masks", "samples" or "labels".
        options: fields of `Config` that the constructor takes beside data and config.
        fixed: fields of `Config` that a model decides when it is fine-tuned; see `settings_of`.
        new_head: whether fine-tuning gives a model a new head, for the classes of the data.
        train, validation, test: the batches.
        loss: for `compile`; None: the model has its own.
        monitor: identifier of the number that the best epoch is chosen by, on validation.
        curves: identifiers of more numbers that the report draws.
        labels: {identifier: words}, where `dnzoo.metrics.label` needs help.
        published: keywords for `dnzoo.save`.
        sampled: what the rows of `reference` and `sample` are, for the report: "... after epochs 1, 2".
    """

    Config: ClassVar[type[Settings]]
    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()
    new_head: ClassVar[bool] = False
    loss: keras.losses.Loss | str | None = None
    monitor: str = "loss"
    curves: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    caption: str
    sampled: ClassVar[str] = "The same validation examples"
    data: Data
    config: Settings
    name: str
    train: Batches
    validation: Evaluation
    test: Evaluation | None
    published: dict[str, Any]
    description: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Config" in vars(cls):
            cls.Config.task = cls

    @classmethod
    def load(cls, config: Settings) -> Data:
        """The data that the config names."""
        raise NotImplementedError(f"{cls.__name__} has no load(config).")

    @classmethod
    def from_config(cls, config: Settings, data: Data | None = None) -> Self:
        """The task as its `Config` says; `data`: instead of what `load` gives.

        Raises:
            ValueError: when the config contradicts the model that it fine-tunes.
        """
        for name, value in getattr(config, "of_model", {}).items():
            if getattr(config, name) != value:
                raise ValueError(f"{name}={getattr(config, name)!r}: the model has {value!r}.")
        data = cls.load(config) if data is None else data
        return cls(data, config, **{name: getattr(config, name) for name in cls.options})

    @classmethod
    def teaches(cls, model: keras.Model) -> bool:
        """Whether the task is for this model, of several whose kind is the same."""
        return True

    @classmethod
    def words(cls) -> str:
        """The task for a person: of `SuperResolution` "super resolution"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()

    @classmethod
    def settings_of(cls, model: keras.Model) -> dict[str, Any]:
        """Values of `Config` to fine-tune a model with; those named in `fixed` are facts of it."""
        return {}

    @classmethod
    def config_of(cls, model: keras.Model, extension: type[Any]) -> type[Settings]:
        """The dataclass of the flags for fine-tuning a model.

        Args:
            model: what `settings_of` looks at.
            extension: a dataclass with fields, and defaults, that come before those of `Config`.
        """
        settings = cls.settings_of(model)
        types = {field.name: field.type for field in dataclasses.fields(cls.Config)}
        body = {
            **settings,
            "of_model": {name: settings[name] for name in cls.fixed},
            "__annotations__": {name: types[name] for name in settings if name in types},
        }
        made = type("Config", (extension, cls.Config), body)
        return dataclasses.dataclass(kw_only=True)(made)

    def __init__(
        self,
        data: Data,
        config: Settings,
        augment: Callable[..., Any] | None = None,
        prepare: Callable[..., Any] | None = None,
        fill: Sequence[float] | None = None,
        repeat: int = 1,
    ) -> None:
        self.data, self.config, self.name = data, config, data.name
        config.data_identity = data.identity
        shared = {
            "batch_size": config.batch_size,
            "seed": config.seed,
            "limit": SMOKE_EXAMPLES if config.smoke else None,
        }
        self.train = Batches(*data.splits["train"], augment=augment, repeat=repeat, **shared)
        parts = {
            split: Evaluation(*data.splits[split], prepare=prepare, fill=fill, **shared)
            for split in ("validation", "test")
            if split in data.splits
        }
        self.validation, self.test = parts["validation"], parts.get("test")
        self.published = {"labels": dict(self.labels)}
        self.description = f"{data.name} ({data.detail}): " + ", ".join(
            f"{len(part):,} {split}" for split, part in {"training": self.train, **parts}.items()
        )

    def advice(self) -> str | None:
        """What to do rather, where something is known to do better on such data; printed before training."""
        return None

    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics to follow while training."""
        return []

    def monitored(self, model: keras.Model) -> Any:
        """The metric whose number is `monitor`: the task's own, or one of the model's.

        Raises:
            ValueError: when there is none.
        """
        found = {metric.name: metric for metric in [*model.metrics, *self.metrics()]}
        if self.monitor == "loss":
            return found.get("loss", keras.metrics.Mean("loss"))
        if self.monitor not in found:
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor}, which nobody measures."
            )
        return found[self.monitor]

    def validate(
        self,
        model: keras.Model,
        devices: int = 1,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> dict[str, float]:
        """Numbers on the validation split."""
        data = self.validation.dataset(devices)
        return model.evaluate(data, verbose=0, return_dict=True, callbacks=list(callbacks))

    def evaluate(self, model: keras.Model) -> dict[str, Any]:
        """Numbers on the test split; a dict inside is a table, by class or by image."""
        raise NotImplementedError(f"{type(self).__name__} has no evaluate(model).")

    def pictures(self, model: keras.Model) -> Image.Image:
        """What the model makes of held-out examples, for a person."""
        raise NotImplementedError(f"{type(self).__name__} has no pictures(model).")

    def shown_data(self) -> list[Part]:
        """What the report shows of the data; here the first training batch's inputs, as images."""
        inputs = keras.tree.flatten(self.train.batch(0))[0]
        if inputs.ndim != 4:
            return []
        sheet = drawing.sheet(reduced(inputs[:FED]), columns=8)
        return [self._fed(sheet, "Images from 0 to 255, augmented.")]

    def _fed(self, image: Image.Image, caption: str) -> Picture:
        return Picture("The first training batch, as the net gets it", image, caption)

    def shown_results(
        self,
        model: keras.Model,
        split: str = "test",
        metrics: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[Part]:
        """What the report shows of a model's outputs: scores by class and by image, the worst and the best.

        Called with the validation split after epochs, as long as that takes little time, and with the test
        split at the end.

        Args:
            model: in the middle of its training, or as it is saved.
            split: "validation" or "test".
            metrics: what `evaluate` has given, of the test split.
            limit: look at so many examples at most.
        """
        return []

    def outputs(self, model: keras.Model, inputs: Any) -> Any:
        """What a model, in the middle of its training too, makes of a batch: arrays.

        In parts of `batch_size`, without a graph: nothing of the training's state is touched.
        """
        tree, size = keras.tree.map_structure, self.config.batch_size

        def part(start: int) -> Any:
            rows = tree(lambda array: array[start : start + size], inputs)
            return tree(keras.ops.convert_to_numpy, model(rows, training=False))

        count = len(keras.tree.flatten(inputs)[0])
        return tree(lambda *a: np.concatenate(a), *(part(i) for i in range(0, count, size)))

    def reference(self) -> Image.Image | None:
        """What `sample` is to be held against: rows as wide as its own, or None."""
        return None

    def sample(self, model: keras.Model) -> Image.Image | None:
        """A row of small images of what the model makes of always the same inputs, or None."""
        return None

    def end_epoch(self, model: keras.Model, out: storage.Owned, epoch: int) -> None:
        """Called after each epoch: keeps `sample` in samples/, of every epoch up to 16, of every second
        one up to 32, of every fourth up to 64, and so on.

        Args:
            model: as it is after the epoch.
            out: the run's folder; `out.new_file(name)` gives a file in it.
            epoch: number of the epoch, from 1.
        """
        pace = 1
        while epoch > EVERY_EPOCH * pace:
            pace *= 2
        image = None if epoch % pace else self.sample(model)
        if image is not None:
            with out.new_file(f"{SAMPLES}/{epoch:04d}.png") as partial:
                image.save(partial)

    def progress(self, out: storage.Owned) -> tuple[Image.Image, str] | None:
        """What `end_epoch` left in `out`, for the report: (image, caption), or None."""
        found = [path for path in sorted((out / SAMPLES).glob("*.png")) if path.stem.isdigit()]
        if not found:
            return None
        steps = np.unique(np.linspace(0, len(found) - 1, ROWS).round().astype(int))
        rows = [np.array(Image.open(found[i]).convert("RGB")) for i in steps]
        reference = self.reference()
        above = [] if reference is None else [np.array(reference.convert("RGB"))]
        epochs = ", ".join(str(int(found[i].stem)) for i in steps)
        return Image.fromarray(
            np.concatenate(above + rows)
        ), f"{self.sampled} after epochs {epochs}."
