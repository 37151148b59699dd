"""Training: the flags of every recipe, and the one `run` that they call."""

from dnzoo.training.command import call, command, parse, setup
from dnzoo.training.config import Config, Normalized, Stage
from dnzoo.training.environment import environment
from dnzoo.training.optimizers import Adam
from dnzoo.training.run import run

__all__ = [
    "Adam",
    "Config",
    "Normalized",
    "Stage",
    "call",
    "command",
    "environment",
    "parse",
    "run",
    "setup",
]
