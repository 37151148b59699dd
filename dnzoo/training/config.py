"""The flags that every recipe shares, and obeys."""

import dataclasses
import importlib.util
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import keras

from dnzoo.terminal import DATA, EXPERIMENT, FILE, FOLDER, MODEL, PROJECT
from dnzoo.training.devices import Distribute, Precision
from dnzoo.training.optimizers import Adam

# What says where and how a command runs, not what it computes: it is neither stored nor compared.
NOT_STORED = ("config", "out", "resume", "evaluate", "tune", "engine", "tuner", "wandb", "mlflow")
NOT_COMPARED = ("data_dir", "distribute")
IDENTITY = "data_identity"

LEAST_STEPS = 1000  # of a training whose length nobody gives
EPOCH_STEPS = 100  # into which an epoch of `steps` fits as many passes over the images as it can
LONG_MOMENTUM = 0.99  # Keras's, of batch normalisation


@dataclasses.dataclass(frozen=True)
class Stage:
    """A period of a training, with its own optimiser and schedule.

    Attributes:
        epochs: how often each training image is seen; None: as the run's `epochs` or `steps` say.
        learning_rate: the highest.
        begin: a function of the model that the stage begins with: it may freeze layers, set what the
            model's own loss depends on, or add variables (the best epoch is then one since). It is
            called before `compile`, with the random seed set; a run that is gone on with calls those
            of the earlier stages again, in order, and then restores all variables.
    """

    epochs: int | None
    learning_rate: float
    begin: Callable[[keras.Model], None] | None = None


@dataclasses.dataclass(kw_only=True)
class Config:
    """Flags that every task obeys; a task's own `Config` extends this one, a recipe's the task's.

    Attributes:
        task: the `dnzoo.tasks.Task` that the flags are of; a task's `Config` has it.
        data_identity: what names the data by its contents (`dnzoo.data.base.Data.identity`), as soon as
            there is a task; no flag.
        former_defaults: of fields that are gone: a stored config that holds such a value means the
            default, and is read as if it did not hold the field.
        new_fields: of fields that are new: what a stored config without them means.
        left_open: fields that are None where they are not given: a new run decides them and stores
            what it decided, one that is gone on with takes them from there. So are `epochs` and `steps`.
        usual_epochs, least_steps: the length of a training that says neither `epochs` nor `steps`: so
            many epochs, or so many steps where that is more.
    """

    task: ClassVar[Any] = None
    former_defaults: ClassVar[Mapping[str, Any]] = {"class_weights": ()}
    new_fields: ClassVar[Mapping[str, Any]] = {}
    left_open: ClassVar[tuple[str, ...]] = ()
    usual_epochs: ClassVar[int] = 10
    least_steps: ClassVar[int] = LEAST_STEPS

    may_change: ClassVar[tuple[str, ...]] = (
        "epochs",
        "steps",
        "learning_rate",
        "schedule",
        "warmup",
        "beta_1",
        "weight_decay",
        "patience",
        "batch_size",
    )  # what may differ where a run is gone on with: docs/training.md says what becomes of each

    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "epochs": (1, math.inf),
        "steps": (1, math.inf),
        "batch_size": (1, math.inf),
        "learning_rate": (0, 100),
        "warmup": (0, math.inf),
        "beta_1": (0, 0.999999),
        "weight_decay": (0, math.inf),
        "patience": (0, math.inf),
        "seed": (0, 2**32 - 1),
        "tune": (0, math.inf),
    }  # of numbers, by field, both ends included; a subclass has those of its own fields

    data_identity = None  # no field, so no flag: the task sets it

    data: Annotated[str, DATA]
    """What to train on: a name, or a folder."""
    data_dir: Annotated[str, FOLDER] = "data"
    """Where prepared data is kept, to be used again."""
    epochs: int | None = None
    """How often each training image is seen; none: 10, or as often as 1,000 steps take."""
    steps: int | None = None
    """Instead of --epochs: at least so many steps, in whole epochs."""
    batch_size: int = 16
    """Images per step, all devices together."""
    learning_rate: float = 1e-3
    """Highest learning rate, of AdamW."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning-rate schedule after the warm-up; cosine ends at 0."""
    warmup: int = 0
    """Steps over which the learning rate rises from 0."""
    beta_1: float = 0.9
    """AdamW's beta_1."""
    weight_decay: float = 0.0
    """Decoupled weight decay, of kernels only."""
    patience: int = 0
    """Stop after so many epochs without a better validation score; 0: never."""
    precision: Precision = "auto"
    """auto: mixed_bfloat16 on a GPU, TPU or CPU with AMX or AVX512-BF16, else float32. Saved is float32."""
    distribute: Distribute = "auto"
    """auto: all GPUs, if there are several; mirrored: all devices. The batch is shared by them."""
    seed: int = 0
    """Fixes weights, order, augmentation and dropout: the same seed gives the same run."""
    out: Annotated[str, FOLDER]
    """The folder that gets everything the run makes."""
    resume: Literal["auto", "never", "must", "new-data"] = "auto"
    """auto: go on with a run in --out; never, must: refuse one, or a new one; new-data: on changed images."""
    tune: int = 0
    """Instead of training once: try so many settings (hyperband: so many epochs at most)."""
    engine: Literal["keras-tuner", "optuna"] = "keras-tuner"
    """What proposes for --tune. optuna: ends bad trials early; start the command again to share the work."""
    tuner: Literal["bayesian", "hyperband"] = "bayesian"
    """How keras-tuner proposes."""
    smoke: bool = False
    """A few steps on a few images, to see that everything works."""
    evaluate: Annotated[str | None, MODEL] = None
    """Only evaluate this saved model, a name or a folder, on the test split of --data."""
    config: Annotated[str | None, FILE] = None
    """A run's config.json: its values take the place of the defaults, to repeat that run."""
    wandb: Annotated[str | None, PROJECT] = None
    """Of Weights & Biases, to follow the training there; WANDB_MODE, WANDB_ENTITY and so on count."""
    mlflow: Annotated[str | None, EXPERIMENT] = None
    """Of MLflow, to follow the training there: on the server that MLFLOW_TRACKING_URI names."""

    def __post_init__(self) -> None:
        kinds = [vars(kind).get("bounds", {}) for kind in reversed(type(self).__mro__)]
        for name, (low, high) in (bound for bounds in kinds for bound in bounds.items()):
            value = getattr(self, name, low)
            if value is None or low <= value <= high:  # NaN is not
                continue
            span = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise ValueError(f"{name} must be {span}; got {name}={value}.")
        if self.epochs is not None and self.steps is not None:
            raise ValueError(
                "`epochs` and `steps` both say how long to train: leave one of them out, or say None; got "
                f"epochs={self.epochs}, steps={self.steps}."
            )
        for package in ("wandb", "mlflow"):
            if getattr(self, package) and not _is_installed(package):
                raise ImportError(f'{package} is missing: pip install "dnzoo[{package}]".')

    def go_on(self, stored: Mapping[str, Any]) -> None:
        """Take what is left open from the config.json of the run that is gone on with."""
        stored = {**self.new_fields, **stored}
        if self.epochs is None and self.steps is None:
            self.epochs, self.steps = stored.get("epochs"), stored.get("steps")
        for name in self.left_open:
            if getattr(self, name) is None:
                value = stored.get(name)
                setattr(self, name, tuple(value) if isinstance(value, list) else value)

    def settle(self, pass_steps: int) -> None:
        """Decide what is left open, for data that is seen once in so many steps.

        Raises:
            ValueError: when `steps` is given, and the stages are of fixed lengths.
        """
        if all(stage.epochs is not None for stage in self.stages()):
            if self.steps is not None:
                raise ValueError(
                    f"steps={self.steps}: the stages of this training have lengths of their own."
                )
            return
        if self.epochs is None and self.steps is None:
            if self.smoke or self.usual_epochs * pass_steps >= self.least_steps:
                self.epochs = self.usual_epochs
            else:
                self.steps = self.least_steps
                usual = self.usual_epochs * pass_steps
                print(
                    f"{self.usual_epochs} epochs of these images are only {usual:,} steps: {self.steps:,} "
                    "are made. --epochs or --steps say otherwise."
                )

    def plan(self, pass_steps: int) -> tuple[list[Stage], int]:
        """(the stages, steps in an epoch), of data that is seen once in so many steps.

        With `steps` an epoch is as many passes over the data as fit into 100 steps (or all, of fewer), one
        at least: what comes once an epoch, such as validation, would take longer than two steps do.
        """
        passes = 1 if self.steps is None else max(min(EPOCH_STEPS, self.steps) // pass_steps, 1)
        length = None if self.steps is None else -(-self.steps // (passes * pass_steps))
        stages = [
            dataclasses.replace(s, epochs=length if s.epochs is None else -(-s.epochs // passes))
            for s in self.stages()
        ]
        return stages, passes * pass_steps

    def stages(self) -> list[Stage]:
        """The parts of the training, in order: one."""
        return [Stage(self.epochs, self.learning_rate)]

    def optimizer(self, stage: Stage, steps: int) -> keras.optimizers.Optimizer:
        """AdamW with the schedule, for a stage of so many steps.

        The learning rate is never a variable of the optimiser: a checkpoint would bring the old one back.
        """
        rate, warmup = stage.learning_rate, self.warmup
        schedules = keras.optimizers.schedules
        if self.schedule == "cosine":
            schedule = schedules.CosineDecay(
                0.0 if warmup else rate,
                max(steps - warmup, 1),
                warmup_target=rate if warmup else None,
                warmup_steps=warmup,
            )
        else:
            start = 0.0 if warmup else rate
            schedule = schedules.PolynomialDecay(start, max(warmup, 1), rate)
        return Adam(
            schedule,
            beta_1=self.beta_1,
            weight_decay=self.weight_decay,
            no_decay=("bias", "gamma", "beta"),
        )

    def stored(self) -> dict[str, Any]:
        """What config.json holds: all that fixes the result."""
        values = dataclasses.asdict(self)
        kept = {key: value for key, value in values.items() if key not in NOT_STORED}
        return {**kept, IDENTITY: self.data_identity}


@dataclasses.dataclass(kw_only=True)
class Normalized(Config):
    """Flags of nets with batch normalisation."""

    new_fields: ClassVar[Mapping[str, Any]] = {"normalization_momentum": LONG_MOMENTUM}
    left_open: ClassVar[tuple[str, ...]] = ("normalization_momentum",)
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"normalization_momentum": (0, 0.999999)}

    normalization_momentum: float | None = None
    """What batch normalisation keeps of its averages in a step; none: 0.99, less below 1,000 steps."""

    @property
    def momentum(self) -> float:
        """`normalization_momentum`; before it is decided that of a long training."""
        return LONG_MOMENTUM if self.normalization_momentum is None else self.normalization_momentum

    def settle(self, pass_steps: int) -> None:
        """Decide what is left open.

        The statistics are an average over 1 / (1 - momentum) steps: a tenth of the training, at the end
        of which the cosine has let the weights come to rest, and no more than 100.
        """
        super().settle(pass_steps)
        if self.normalization_momentum is None:
            stages, per_epoch = self.plan(pass_steps)
            steps = per_epoch * sum(stage.epochs or 0 for stage in stages)
            self.normalization_momentum = min(max(1 - 10 / steps, 0.0), LONG_MOMENTUM)


def _is_installed(package: str) -> bool:
    """Whether a package can be imported; a mere folder of its name, such as W&B's logs, is none."""
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None


def difference(stored: Mapping[str, Any], config: Config) -> dict[str, str]:
    """What differs between a config.json and a config: {"epochs": "epochs: 3 there, 5 now", ...}."""
    now, stored = json.loads(json.dumps(config.stored())), {**config.new_fields, **stored}
    unknown = {IDENTITY} if None in (stored.get(IDENTITY), now[IDENTITY]) else set()
    gone = config.former_defaults.keys() - now.keys()  # they did nothing for such a run
    keys = [key for key in {**stored, **now} if key not in {*NOT_COMPARED, *gone, *unknown}]
    return {
        key: f"{key}: {stored.get(key)!r} there, {now.get(key)!r} now"
        for key in keys
        if stored.get(key) != now.get(key)
    }
