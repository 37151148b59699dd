"""Keras model to SavedModel folder, and back."""

from dnzoo.saving.functions import served, signatures
from dnzoo.saving.saved_model import SAID, as_float32, check, info, load, save, write

__all__ = ["SAID", "as_float32", "check", "info", "load", "save", "served", "signatures", "write"]
