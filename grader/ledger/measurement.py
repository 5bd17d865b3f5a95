"""What one training came to: facts, no verdict. The verdict is taken from them and the rules when somebody looks."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from project.support.errors import note

# Raise it with any change that changes what trainings come to. Earlier measurements stand until somebody regrades.
COMPUTATION = 6

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
        version: Version of this model.
        outcome: `scored`; `family_missing` where the training did not begin for lack of a family; `refused` where the
            configuration could not be used; `limit`, `crashed` or `unscorable` for the submission's own fault;
            `infrastructure` for ours.
        said: Why it was not scored, in one line, for the student and the instructor: it may quote the student's code.
        publicly: The same in words that are no student's, where `said` has such; see `public_words`.
        frames: Of a crash, the last calls in the student's own files, the innermost last.
        missing: Families of which no strategy was in effect.
        limits: The limits that stopped the training, with their values then. A higher limit lets it be tried again.
        accuracy: Accuracy on the images that score, in [0, 1].
        samples: Number of these images.
        seconds: Seconds on the grader's clock from reading the configuration to writing the weights, without imports
            and without the wait for the device.
        peak_memory: Bytes that all its processes held together, at most.
        strategies: Strategies in effect, by family.
        remarks: What the census says besides: what is set but has no effect, and likely mistakes.
        val_accuracy: Accuracy after each epoch on the training's own validation images; None without a validation.
        untrained_accuracy: Accuracy of the network before training; None where it was not asked or could not predict.
        redrawn_accuracies: The same with its weights shuffled, each time anew.
        operations: Floating-point operations of one image's way forward; None where they could not be counted.
        flags: What a person should look at.
        weights: SHA-256 of the file of the weights.
        folder: Folder with its files, relative to the results folder.
        computation: `COMPUTATION` when it was measured.
        machine: The machine that trained, where it was not the grader's own.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    outcome: Outcome
    said: str = ""
    publicly: str = ""
    frames: list[str] = []
    missing: list[str] = []
    limits: dict[LimitName, float] = {}
    accuracy: float | None = Field(None, ge=0, le=1)
    samples: int | None = Field(None, gt=0)
    epochs: int | None = None
    parameters: int | None = None
    seconds: float | None = Field(None, ge=0)
    peak_memory: int | None = Field(None, ge=0)
    strategies: dict[str, list[Strategy]] = {}
    remarks: list[str] = []
    val_accuracy: list[float | None] = []
    untrained_accuracy: float | None = None
    redrawn_accuracies: list[float] = []
    operations: float | None = None
    flags: list[str] = []
    weights: str = ""
    folder: str = ""
    computation: int = COMPUTATION
    machine: dict[str, Any] = {}

    @property
    def names(self) -> dict[str, list[str]]:
        """The strategies' names by family."""
        return {family: [strategy.name for strategy in found] for family, found in self.strategies.items()}

    @property
    def public_words(self) -> str:
        """Why it was not scored, as anybody may read it."""
        return self.publicly or self.said

    def but(self, **changes: Any) -> "Measurement":
        """The same, but for these values."""
        return self.model_copy(update=changes)


class Mistake(BaseModel):
    """An image that a network got wrong: its place among those that score, two classes, and the share given to the wrong one."""

    image: int = Field(ge=0)
    label: int = Field(ge=0)
    predicted: int = Field(ge=0)
    share: float


class Drawing(BaseModel):
    """What a training leaves for pictures, as far as it is looked at."""

    model_config = ConfigDict(extra="allow")

    classes: list[str] = []
    scoring: str = Field("", pattern=r"^(\w+/)*\w*$")  # folder of the images, below the results folder
    curves: list[dict[str, int | float | None]] = []
    confusion: list[list[int | float]] = []
    mistakes: list[Mistake] = []

    @model_validator(mode="after")
    def classes_have_names(self) -> Self:
        if any(max(one.label, one.predicted) >= len(self.classes) for one in self.mistakes):
            raise ValueError("a class without a name")
        return self


def drawing(results: Path, folder: str) -> dict[str, Any]:
    """What a training left in its folder for pictures; empty where that is gone, with a note where it is damaged."""
    place = results / folder / "to_draw.json"
    try:
        return Drawing.model_validate_json(place.read_bytes()).model_dump(exclude_unset=True)
    except OSError:
        return {}
    except ValidationError as error:
        note(f"{place}: is damaged ({error.errors()[0]['msg']}); its curves and pictures are left out")
        return {}


class Ended(Exception):
    """A training ended before it had an accuracy; with what is known of it."""

    def __init__(self, measurement: Measurement):
        self.measurement = measurement
