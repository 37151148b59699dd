"""Adapt a trained model of any kind to your own data, with as few as 20 images.

For segmentation your folder has images/ and masks/ (PNG of class numbers, 255 is ignored) and a
classes.txt; a fifth of it validates and tests. Classes that the model knows by name keep their
weights in the new head, which learns first, alone; then everything does, at a lower rate:
    dnzoo finetune unet_cutouts FOLDER --out runs/mine
Reaches test mean IoU 0.257 with 20 photographs of a class that the model had not seen, against 0.088
from scratch (means of five seeds, one minute each; benchmarks/transfer.py).

Other models go on learning, from a folder of photographs or small images:
    dnzoo finetune edsr_baseline_x2 FOLDER --out runs/mine
    dnzoo finetune vae_mnist FOLDER --out runs/mine
"""

import dataclasses
import functools
import math
from typing import Annotated

import keras
import tyro

import dnzoo
from dnzoo import tasks, training
from dnzoo.models import new_head, train_all, train_only_head
from dnzoo.storage import pretrained
from dnzoo.terminal import FOLDER, MODEL
from dnzoo.training import Stage

START = "unet_cutouts"


@dataclasses.dataclass(kw_only=True)
class FineTuning:
    model: Annotated[str, MODEL] = START
    """What to start from: the name of a pretrained model, or a SavedModel's folder."""
    usual_epochs, least_steps = 80, 0
    out: Annotated[str, FOLDER] = "runs/finetune"
    epochs: int | None = None
    """How often each training image is seen; none: 80."""
    learning_rate: Annotated[float, tyro.conf.arg(aliases=["--fine-learning-rate"])] = 1e-4
    batch_size: int = 4
    patience: int = 30
    former_defaults = training.Config.former_defaults | {
        "loss": None,
        "patch": 32,
        "classifier": "classifier_fashion_mnist",
    }

    @staticmethod
    def search_space(hp):
        return {"learning_rate": hp.Float("learning_rate", 1e-5, 1e-3, sampling="log")}


@dataclasses.dataclass(kw_only=True)
class NewHead(FineTuning):
    head_epochs: int = 20
    """First, epochs in which only the new head learns."""
    epochs: int | None = None
    """Then, epochs in which everything learns; none: 80."""
    steps: int | None = None
    """Instead of --epochs: at least so many steps in which everything learns, in whole epochs."""
    learning_rate: float = 3e-2
    """Highest learning rate of the head."""
    fine_learning_rate: float = 1e-4
    """Highest learning rate when everything learns."""
    normalization_momentum: float = 0.9
    """Of moving statistics; 0.99 would keep 37 % of the old data's after 100 steps."""

    bounds = {
        "head_epochs": (0, math.inf),
        "fine_learning_rate": (0, 100),
        "normalization_momentum": (0, 0.999999),
    }
    may_change = (*training.Config.may_change, "fine_learning_rate")

    def stages(self) -> list[Stage]:
        if not self.head_epochs:
            return [Stage(self.epochs, self.fine_learning_rate)]
        return [
            Stage(self.head_epochs, self.learning_rate, begin=train_only_head),
            Stage(self.epochs, self.fine_learning_rate, begin=train_all),
        ]

    @staticmethod
    def search_space(hp):
        return {
            "learning_rate": hp.Float("learning_rate", 3e-3, 1e-1, sampling="log"),
            "fine_learning_rate": hp.Float("fine_learning_rate", 1e-5, 1e-3, sampling="log"),
            "normalization_momentum": hp.Choice("normalization_momentum", [0.8, 0.9, 0.95, 0.99]),
        }


def config_of(model=None):
    """The flags for a model: those of the task that teaches its kind."""
    loaded = dnzoo.load(model or START)
    task = tasks.of(loaded)
    return task.config_of(loaded, NewHead if task.new_head else FineTuning)


def Config(model=START, **settings):
    """The config of a model's task, with these settings."""
    return config_of(model)(model=model, **settings)


def build(config, data):
    model = dnzoo.load(config.model, keras.config.dtype_policy().name)
    if not config.task.new_head:
        return model
    known = list(pretrained.read_meta(pretrained.find(config.model))["class_names"] or [])
    keep = [known.index(name) if name in known else None for name in data.class_names]
    return new_head(model, len(keep), keep, config.normalization_momentum)


setup = functools.partial(training.setup, build=build)

if __name__ == "__main__":
    training.command(build, config_of, __doc__)
