"""What one training came to: facts, and no verdict. A verdict is taken from them and the rules whenever somebody looks."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# Raised by a change that changes what a training comes to. What was measured before stands until somebody regrades.
COMPUTATION = 2

Outcome = Literal["scored", "family_missing", "refused", "limit", "crashed", "unscorable", "infrastructure"]
LimitName = Literal["minutes", "memory_gb", "output_mb", "output_files", "processes"]


class Strategy(BaseModel):
    """A strategy that was in effect, and what showed it."""

    model_config = ConfigDict(frozen=True)

    name: str
    evidence: str = ""


class Measurement(BaseModel):
    """What came of training, predicting and scoring once.

    Attributes:
        version: Of this model.
        outcome: `scored`; `family_missing` where the training was not begun for it; `refused` where the configuration
            could not be used; `limit`, `crashed` or `unscorable` for a submission's own fault; `infrastructure` for ours.
        said: What was said of an outcome other than `scored`, in one line.
        missing: Families of which no strategy was in effect.
        limits: The limits that stopped it, with what they were. Raised, they no longer do.
        accuracy: On the images that score, in [0, 1].
        samples: How many these are.
        epochs, parameters: Of the training.
        seconds: Of the training, on the grader's clock: from the configuration that is read to the weights that are written, the
            same for all; without imports, and without the wait for the device.
        peak_memory: Of all its processes together, in bytes.
        strategies: By family.
        val_accuracy: After each epoch, on the images that the training itself saw as validation; None where there is none.
        untrained_accuracy: Of the network as it is built; None where that was not asked, or it cannot predict then.
        flags: What a person should look at.
        weights: SHA-256 of the weights' file.
        folder: What it left, below the results folder.
        computation: The number of what computed it.
        machine: That it was found on, where it is another one than the grader's.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    outcome: Outcome
    said: str = ""
    missing: list[str] = []
    limits: dict[LimitName, float] = {}
    accuracy: float | None = Field(None, ge=0, le=1)
    samples: int | None = None
    epochs: int | None = None
    parameters: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    strategies: dict[str, list[Strategy]] = {}
    val_accuracy: list[float | None] = []
    untrained_accuracy: float | None = None
    flags: list[str] = []
    weights: str = ""
    folder: str = ""
    computation: int = COMPUTATION
    machine: dict[str, Any] = {}

    @property
    def names(self) -> dict[str, list[str]]:
        """The strategies' names by family."""
        return {family: [strategy.name for strategy in found] for family, found in self.strategies.items()}

    def but(self, **changes: Any) -> "Measurement":
        """The same, but for these values."""
        return self.model_copy(update=changes)


class Ended(Exception):
    """The early end of a training's way to an accuracy, with what is known by then."""

    def __init__(self, measurement: Measurement):
        self.measurement = measurement
