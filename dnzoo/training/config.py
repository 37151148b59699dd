"""The flags that every recipe shares, and obeys."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

# What says where and how a command runs, not what it computes: it is neither stored nor compared.
NOT_STORED = ("config", "out", "resume", "evaluate", "tune", "tuner")
NOT_COMPARED = ("data_dir", "distribute")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training, with its own optimiser and schedule.

    Attributes:
        epochs: how often each training image is seen.
        learning_rate: the highest.
        only_head: whether all layers but those that put out classes are frozen.
    """

    epochs: int
    learning_rate: float
    only_head: bool = False


@dataclasses.dataclass(kw_only=True)
class Config:
    """Flags that every task obeys; a task's own `Config` extends this one, a recipe's the task's.

    Attributes:
        task: the `dnzoo.tasks.Task` that the flags are of; a task's `Config` has it.
        former_defaults: of fields that are gone: a stored config that holds such a value means the
            default, and is read as if it did not hold the field.
    """

    task: ClassVar[Any] = None
    former_defaults: ClassVar[Mapping[str, Any]] = {"class_weights": ()}

    data: str
    """What to train on: a name, or a folder."""
    data_dir: str = "data"
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
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """auto: mixed_bfloat16 on a GPU or TPU, and on a CPU with AMX or AVX512-BF16; else float32. Models are
    saved in float32."""
    distribute: Literal["auto", "none", "mirrored", "tpu"] = "auto"
    """auto: all GPUs, if there are several; mirrored: all devices. The batch is shared by them."""
    seed: int = 0
    """Fixes weights, order, augmentation and dropout: the same seed gives the same run."""
    out: str
    """The folder that gets everything the run makes."""
    resume: Literal["auto", "never", "must"] = "auto"
    """auto: go on with what --out holds; never: refuse if it holds a run; must: refuse if not."""
    tune: int = 0
    """Instead of training once: try so many settings (hyperband: so many epochs at most)."""
    tuner: Literal["bayesian", "hyperband"] = "bayesian"
    """How --tune chooses what to try."""
    smoke: bool = False
    """A few steps on a few images, to see that everything works."""
    evaluate: str | None = None
    """Only evaluate this saved model, a name or a folder, on the test split of --data."""
    config: str | None = None
    """A run's config.json: its values take the place of the defaults, to repeat that run."""

    def stages(self) -> list[Stage]:
        """The parts of the training, in order: one."""
        return [Stage(self.epochs, self.learning_rate)]

    def optimizer(self, stage, steps):
        """AdamW with the schedule, for a stage of so many steps."""
        import keras

        from dnzoo.training.optimizers import Adam

        rate, warmup = stage.learning_rate, self.warmup
        schedules = keras.optimizers.schedules
        if self.schedule == "cosine":
            rate = schedules.CosineDecay(
                0.0 if warmup else rate,
                max(steps - warmup, 1),
                warmup_target=rate if warmup else None,
                warmup_steps=warmup,
            )
        elif warmup:
            rate = schedules.PolynomialDecay(0.0, warmup, rate, power=1.0)
        optimizer = Adam(rate, beta_1=self.beta_1, weight_decay=self.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def stored(self) -> dict[str, Any]:
        """What config.json holds: all that fixes the result."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if key not in NOT_STORED}


def difference(stored: Mapping[str, Any], config: Config) -> list[str]:
    """What differs between a config.json and a config: ["epochs: 3 there, 5 now", ...]."""
    now = json.loads(json.dumps(config.stored()))
    gone = config.former_defaults.keys() - now.keys()  # they did nothing for such a run
    keys = [key for key in {**stored, **now} if key not in {*NOT_COMPARED, *gone}]
    return [
        f"{key}: {stored.get(key)!r} there, {now.get(key)!r} now"
        for key in keys
        if stored.get(key) != now.get(key)
    ]
