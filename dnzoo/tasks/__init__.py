"""Kinds of learning: what a recipe trains."""

import keras

from dnzoo.inference import kinds
from dnzoo.tasks.autoencoding import Autoencoding
from dnzoo.tasks.classification import Classification
from dnzoo.tasks.generation import Generation
from dnzoo.tasks.instance_masks import InstanceMasks
from dnzoo.tasks.segmentation import Segmentation
from dnzoo.tasks.super_resolution import SuperResolution
from dnzoo.training.task import Task

__all__ = [
    "Autoencoding",
    "Classification",
    "Generation",
    "InstanceMasks",
    "Segmentation",
    "SuperResolution",
    "Task",
    "of",
]

TASKS = (Segmentation, InstanceMasks, SuperResolution, Autoencoding, Generation, Classification)


def of(model: keras.Model) -> type[Task]:
    """The task that teaches models of this one's kind.

    Raises:
        ValueError: when there is none.

    Example:
        >>> from dnzoo import unet
        >>> of(unet((32, 32, 3), filters=(4, 8))).__name__
        'Segmentation'
    """
    kind = kinds.of(model).name
    for task in TASKS:
        if task.kind == kind and task.teaches(model):
            return task
    raise ValueError(f"no task teaches {model.name}, whose outputs are {kind}.")
