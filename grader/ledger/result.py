"""How a job ended, and how sure an accuracy is."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Result:
    """How a job ended.

    Attributes:
        verdict: passed, below_target, rejected, failed or infrastructure.
        reason: Why, in one line; empty for passed.
        accuracy: On the images that score, in [0, 1].
        epochs, parameters, strategies: What the rerun's summary says.
        seconds: Of training, on our clock, start-up included.
        flags: What a person should look at.
        machine: That it was found on, where it is another one than the grader's: see `machine.about`.
    """

    verdict: str
    reason: str = ""
    accuracy: float | None = None
    epochs: int | None = None
    parameters: int | None = None
    seconds: float | None = None
    strategies: dict[str, list[str]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)


class Ended(Exception):
    """A job's early end, with its result."""

    def __init__(self, result: Result):
        self.result = result
