"""Data sets and the batches made of them."""

from dnzoo.data import scenes, segmentation
from dnzoo.data.batches import Batches, Evaluation

__all__ = ["Batches", "Evaluation", "scenes", "segmentation"]
