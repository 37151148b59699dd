"""Tasks: what `training.run` needs to know of a kind of learning."""

from dnzoo.tasks.segmentation import Segmentation

__all__ = ["Segmentation"]
