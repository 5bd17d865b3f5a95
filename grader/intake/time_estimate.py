"""How long a training may take, estimated from its configuration. The longest begin first; nothing else hangs on it."""

from math import prod
from typing import Any

from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import Submission

SQUARED, LINEAR = ("width", "widths"), ("depth", "convs_per_stage", "blocks", "blocks_per_stage")


def estimated_work(submission: Submission) -> float:
    """Epochs times the network's size as far as its arguments tell; 0 where the configuration cannot be read."""
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
