"""Models for prediction alone: folded, in low precision, in other formats."""

from dnzoo.deployment.folding import deploy
from dnzoo.deployment.formats import export

__all__ = ["deploy", "export"]
