"""The flags that every recipe shares, and obeys."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import keras

from dnzoo.terminal import DATA, FILE, FOLDER, MODEL
from dnzoo.training.devices import Distribute, Precision
from dnzoo.training.optimizers import Adam

# What says where and how a command runs, not what it computes: it is neither stored nor compared.
NOT_STORED = ("config", "out", "resume", "evaluate", "tune", "engine", "tuner")
NOT_COMPARED = ("data_dir", "distribute")
IDENTITY = "data_identity"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A period of a training, with its own optimiser and schedule.

    Attributes:
        epochs: how often each training image is seen.
        learning_rate: the highest.
        begin: a function of the model that the stage begins with: it may freeze layers, set what the
            model's own loss depends on, or add variables (the best epoch is then one since). It is
            called before `compile`, with the random seed set; a run that is gone on with calls those
            of the earlier stages again, in order, and then restores all variables.
    """

    epochs: int
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
    """

    task: ClassVar[Any] = None
    former_defaults: ClassVar[Mapping[str, Any]] = {"class_weights": ()}

    may_change: ClassVar[tuple[str, ...]] = (
        "epochs",
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
    epochs: int = 10
    """How often each training image is seen."""
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
    """auto: mixed_bfloat16 on a GPU or TPU, and on a CPU with AMX or AVX512-BF16; else float32. Models are
    saved in float32."""
    distribute: Distribute = "auto"
    """auto: all GPUs, if there are several; mirrored: all devices. The batch is shared by them."""
    seed: int = 0
    """Fixes weights, order, augmentation and dropout: the same seed gives the same run."""
    out: Annotated[str, FOLDER]
    """The folder that gets everything the run makes."""
    resume: Literal["auto", "never", "must", "new-data"] = "auto"
    """auto: go on with what --out holds; never: refuse if it holds a run; must: refuse if not; new-data: go
    on though images were added or changed since."""
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

    def __post_init__(self) -> None:
        kinds = [vars(kind).get("bounds", {}) for kind in reversed(type(self).__mro__)]
        for name, (low, high) in (bound for bounds in kinds for bound in bounds.items()):
            value = getattr(self, name, low)
            if value is None or low <= value <= high:  # NaN is not
                continue
            span = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise ValueError(f"{name} must be {span}; got {name}={value}.")

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


def difference(stored: Mapping[str, Any], config: Config) -> dict[str, str]:
    """What differs between a config.json and a config: {"epochs": "epochs: 3 there, 5 now", ...}."""
    now = json.loads(json.dumps(config.stored()))
    unknown = {IDENTITY} if None in (stored.get(IDENTITY), now[IDENTITY]) else set()
    gone = config.former_defaults.keys() - now.keys()  # they did nothing for such a run
    keys = [key for key in {**stored, **now} if key not in {*NOT_COMPARED, *gone, *unknown}]
    return {
        key: f"{key}: {stored.get(key)!r} there, {now.get(key)!r} now"
        for key in keys
        if stored.get(key) != now.get(key)
    }
