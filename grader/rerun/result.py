"""How a job ended, and how sure an accuracy is."""

import math
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
        seconds: Of training, on our clock: from the configuration that is read to the weights that are written, the same for all;
            without imports, and without the wait for the device.
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


def wilson_interval(share: float, samples: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a share of `samples` (Wilson 1927, J. Amer. Statist. Assoc. 22)."""
    centre = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * math.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    return max(0.0, centre - half), min(1.0, centre + half)
