"""The kinds of decisions, and what each keeps in its row: what is read of a ledger is held to this."""

import json
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from grader.rules import Moment
from project.assignment import FAMILIES
from project.support.errors import UserError

UNDO = "undo"
EXTEND, EXEMPT, DISQUALIFY = "extend", "exempt", "disqualify"
POINTS, READERS, RELEASE, REGRADE, WITHDRAW = "points", "readers", "release", "regrade", "withdraw"
LATE, REPORTS = "late", "reports"  # what one can be exempt from, beside a family


class Nothing(BaseModel):
    """The value of a decision that is all said by its kind; of others, the base."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Extension(Nothing):
    """One of the two."""

    until: Moment = Field(None, strict=False)
    days: int | None = Field(None, ge=1, le=365)

    @model_validator(mode="after")
    def is_one(self) -> Self:
        if (self.until is None) == (self.days is None):
            raise ValueError("it has either until or days")
        return self


class Exemption(Nothing):
    rule: Literal[LATE, REPORTS, *FAMILIES] = Field(alias="from")  # type: ignore[valid-type]  # all of them are constants


Given = Annotated[float, Field(ge=0)]


class PointsGiven(Nothing):
    """What is not in it was given no points."""

    report: Given = 0
    conclusion: Given = 0
    comment: str = ""
    criteria: dict[str, Given] = {}
    read: dict[str, str] = {}  # by part, the digest of the hand-in that was read
    unfinished: bool = False  # its reader stopped in the middle


class Readers(Nothing):
    readers: list[str]


class Round(Nothing):
    round: int = Field(ge=1, lt=2**31)


class Withdrawal(Nothing):
    """Marks of the id, and of what else the student was called; for the veil, how long its words are, and their marks; and
    which pseudonym was drawn, which earlier versions did not keep."""

    mark: str
    also: list[str] = []
    veil: tuple[list[int], list[str]] = ([], [])
    drawn: int | None = Field(None, ge=0)


VALUES: dict[str, type[Nothing]] = {
    **dict.fromkeys((UNDO, DISQUALIFY, RELEASE), Nothing),
    EXTEND: Extension,
    EXEMPT: Exemption,
    POINTS: PointsGiven,
    READERS: Readers,
    REGRADE: Round,
    WITHDRAW: Withdrawal,
}


def value_in(row: dict[str, Any]) -> dict[str, Any]:
    """The value in a decision's row. Raises UserError, with the row's number, where it is not what its kind asks for."""
    number, kind = row["id"], row["kind"]
    if wrong := [name for name in ("at", "by", "kind", "student", "value", "why") if not isinstance(row[name], str)]:
        refuse(number, f"{wrong[0]} is no text")
    if number < 1:
        refuse(number, "they are numbered from 1")
    if kind not in VALUES:
        refuse(number, f"there is no kind {kind!r}")
    undoes = row["undoes"]
    if not isinstance(undoes, int) or not (0 < undoes < number if kind == UNDO else undoes == 0):
        refuse(number, f"it cannot take back {undoes!r}")
    try:
        VALUES[kind].model_validate_json(row["value"])
    except ValidationError as error:
        first = error.errors()[0]
        refuse(number, ": ".join((".".join(map(str, first["loc"])) or kind, first["msg"])))
    return dict(json.loads(row["value"]))


def refuse(number: int, why: str) -> NoReturn:
    said = f"the ledger's decision {number} is damaged, or of a newer version of the grader ({why})"
    raise UserError(f"{said}; use that one, or put a copy of the ledger in its place")
