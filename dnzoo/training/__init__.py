"""Training: the switches, and the one `run` that every recipe calls."""

from dnzoo.training.command import call, command
from dnzoo.training.config import Config, Stage
from dnzoo.training.environment import environment
from dnzoo.training.optimizers import Adam
from dnzoo.training.run import run

__all__ = ["Adam", "Config", "Stage", "call", "command", "environment", "run"]
