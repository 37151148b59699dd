"""Keras model to SavedModel folder, and back."""

from dnzoo.saving.saved_model import as_float32, check, info, load, save, served, signatures, write

__all__ = ["as_float32", "check", "info", "load", "save", "served", "signatures", "write"]
