"""How long a training may take, told by its configuration alone: to begin with the longest. It decides about nothing else."""

from math import prod
from typing import Any

from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import Submission

SQUARED, LINEAR = ("width", "widths"), ("depth", "convs_per_stage", "blocks", "blocks_per_stage")


def estimated_work(submission: Submission) -> float:
    """Epochs times the size of the network as far as its arguments tell it; 0 for what cannot be read."""
    try:
        config = submission.config
        arguments = config["model"]["network"].get("init_args") or {}
        epochs = config["trainer"]["max_epochs"]
        size = prod(typical(arguments[name]) ** 2 for name in SQUARED if name in arguments)
        size *= prod(typical(arguments[name]) for name in LINEAR if name in arguments)
        return float(epochs * size)
    except (StrictYamlError, KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return 0.0


def typical(value: Any) -> float:
    """A number, or the mean of a list of them."""
    return sum(value) / len(value) if isinstance(value, list) and value else float(value)
