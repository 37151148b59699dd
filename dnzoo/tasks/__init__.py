"""Kinds of learning: what a recipe trains."""

from dnzoo.tasks.autoencoding import Autoencoding
from dnzoo.tasks.base import Task
from dnzoo.tasks.classification import Classification
from dnzoo.tasks.generation import Generation
from dnzoo.tasks.instance_masks import InstanceMasks
from dnzoo.tasks.segmentation import Segmentation
from dnzoo.tasks.super_resolution import SuperResolution

__all__ = [
    "Autoencoding",
    "Classification",
    "Generation",
    "InstanceMasks",
    "Segmentation",
    "SuperResolution",
    "Task",
]
