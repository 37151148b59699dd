"""Training: the switches, and the one `run` that every recipe calls."""

from dnzoo.training.config import Config, command
from dnzoo.training.environment import environment
from dnzoo.training.run import run

__all__ = ["Config", "command", "environment", "run"]
