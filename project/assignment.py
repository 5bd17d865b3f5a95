"""The assignment: the conditions in `configs/assignment.yaml`, and which of them a run meets."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.support.errors import UserError
from project.support.wording import did_you_mean
from project.support.yaml_loader import read_yaml

RULES = Path(__file__).resolve().parents[1] / "configs" / "assignment.yaml"

Family = Literal["optimization", "regularization", "initialization", "normalization"]
FAMILIES: list[Family] = ["optimization", "regularization", "initialization", "normalization"]

# What a file of weights may hold: a double for each parameter, or a float and as much besides; and so many bytes.
BYTES_A_PARAMETER, OTHER_BYTES = 8, 10**6


@lru_cache(maxsize=8)
def settings_in(text: bytes) -> Any:
    """The data in a file of rules, which one command reads many times. Raises yaml.YAMLError."""
    return read_yaml(text)


class Assignment(BaseModel):
    """What a submission must fulfil. A grader's file has more: see `grader/rules.py`.

    Attributes:
        max_epochs: Most epochs that a submission may train, >= 1.
        target_accuracy: The accuracy must lie above it, in (0, 1).
        families: Of each of them, at least one strategy must be in effect.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    max_epochs: int = Field(15, ge=1)
    target_accuracy: float = Field(0.8, gt=0, lt=1)
    families: list[Family] = FAMILIES

    @property
    def target(self) -> str:
        """The accuracy to exceed as people read it, such as `92.5%`."""
        return f"{100 * self.target_accuracy:g}%"

    @classmethod
    def load(cls, path: str | Path = RULES) -> Self:
        """Read the file. Raises UserError where it is missing or empty, a key is unknown or a value is out of range."""
        try:
            rules = settings_in(Path(path).read_bytes())
            if rules is None:
                raise UserError(f"{path}: is empty; write down what it is to set, such as `max_epochs: 15`")
            return cls.model_validate(rules)
        except OSError as error:
            said = f"{path}: cannot be read ({error.strerror})"
            raise UserError(f"{said}; the assignment's rules are in configs/assignment.yaml") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            if first["type"] == "extra_forbidden":
                raise UserError(f"{path}: {where}: there is no such rule{cls.near(first['loc'])}") from None
            said = first["msg"].removeprefix("Value error, ")
            raise UserError(f"{path}: {where}: {said}, found {str(first['input'])[:60]}") from None
        except yaml.YAMLError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def near(cls, path: tuple[int | str, ...]) -> str:
        """`; did you mean X?` where a rule is called nearly as the last of this path; else nothing."""
        section: Any = cls()
        for key in path[:-1]:
            section = getattr(section, str(key), None)  # of what is in a list, nothing
        return did_you_mean(str(path[-1]), getattr(type(section), "model_fields", ()))


def too_large(weights: int, parameters: int) -> str | None:
    """Why weights of so many bytes are not scored; None where they are. More would come along, such as a training set."""
    if weights <= BYTES_A_PARAMETER * parameters + OTHER_BYTES:
        return None
    most = f"{BYTES_A_PARAMETER} bytes for each, and {OTHER_BYTES / 1e6:g} MB of buffers"
    mend = "numbers that stay as they were drawn can be an nn.Parameter with requires_grad=False"
    return f"its weights hold {weights / 1e6:.1f} MB for {parameters:,} parameters, and may hold {most}; {mend}"


class Condition(NamedTuple):
    """One of the assignment's conditions: whether a run meets it, what shows that, and what to do if not."""

    name: str
    met: bool
    shown_by: str
    remedy: str


def conditions(assignment: Assignment, summary: dict[str, Any]) -> list[Condition]:
    """Compare a run's summary (see `project/training/summary.py`) with the assignment."""
    target, accuracy = assignment.target_accuracy, summary["val_accuracy"]
    limit, epochs = assignment.max_epochs, summary["epochs"]
    above = accuracy is not None and accuracy > target
    shown_by = "not measured" if accuracy is None else f"{accuracy:.2%}"
    remedy = "look at figures/curves.png: a wide gap asks for regularization, a low training curve for the other three"
    if accuracy is None:
        remedy = "trainer.limit_val_batches or trainer.check_val_every_n_epoch leaves no epoch with a validation"
    found = [
        Condition(f"accuracy above {assignment.target}", above, shown_by, remedy),
        Condition(f"at most {limit} epochs", epochs <= limit, str(epochs), f"try --trainer.max_epochs {limit}"),
    ]
    for family in assignment.families:
        used = summary["strategies"].get(family, [])
        shown_by = ", ".join(strategy["name"] for strategy in used) or "none"
        found.append(Condition(family, bool(used), shown_by, f"try --config configs/{family}/default.yaml"))
    return found
