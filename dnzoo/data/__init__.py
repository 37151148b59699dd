"""Data sets and the batches made of them."""

from dnzoo.data import cutouts, garments, segmentation
from dnzoo.data.batches import Batches, Evaluation

__all__ = ["Batches", "Evaluation", "cutouts", "garments", "segmentation"]
