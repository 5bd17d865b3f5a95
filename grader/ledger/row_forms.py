"""What the ledger's rows are held to when it is opened: a damaged one is told by its number, and nothing is made of it.

Decisions are held to `decision_kinds`, by their kinds.
"""

import sqlite3
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, ValidationError

from grader.ledger.measurement import Measurement
from grader.ledger.submissions import HANDED_IN_BY
from project.support.errors import UserError


def in_time(text: str) -> str:
    """An ISO 8601 time, as it is. Refuses what a calendar does not have."""
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("it is no time") from None
    return text


def zoned(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("it has no time zone")
    return text


def handed_in_by_somebody(known_as: dict[str, list[str]]) -> dict[str, list[str]]:
    if not all(known_as.get(HANDED_IN_BY, ["somebody"])[:1] or [""]):
        raise ValueError("nobody handed it in")
    return known_as


def scored(measurement: Measurement) -> Measurement:
    if measurement.outcome == "scored" and measurement.accuracy is None:
        raise ValueError("it is a score without its accuracy")
    return measurement


Time = Annotated[str, AfterValidator(in_time)]
Natural = Annotated[int, Field(ge=0)]
Truth = Annotated[int, Field(ge=0, le=1)]  # as SQLite has it
Digest = Annotated[str, Field(pattern=r"^[\w-]*$")]


class Row(BaseModel):
    """A row; columns that are not named here may hold anything."""

    model_config = ConfigDict(strict=True)


class Said(Row):
    """What a check said."""

    severity: Literal["reject", "warn", "bonus"]
    where: str
    what: str
    mend: str
    family: str = ""


class Circumstances(Row):
    """Of a training, what is read of them."""

    device: str = ""
    versions: dict[str, Any] = {}
    limits: dict[str, Any] = {}


class SubmissionRow(Row):
    taken_in: Time
    student: str
    name: str
    digest: Digest
    tier: Literal["verified", "audited", ""]
    source: str
    submitted: Annotated[Time, AfterValidator(zoned)] | None
    marked_late: Truth
    images: str
    time_by: str
    flags: Json[list[str]]
    known_as: Annotated[Json[dict[str, list[str]]], AfterValidator(handed_in_by_somebody)]


class RunRow(Row):
    at: str
    folder: str
    hand_ins: Json[dict[str, str]]


class FindingRow(Row):
    student: str
    digest: Digest
    checks: str
    findings: Json[list[Said]]


class MeasurementRow(Row):
    started: str
    ended: Time
    student: str
    digest: Digest
    images: str
    variant: str
    training: Natural
    seed: int
    round: Natural
    replaces: Natural
    counts: Truth
    measurement: Annotated[Json[Measurement], AfterValidator(scored)]
    circumstances: Json[Circumstances]


FORMS: dict[str, type[Row]] = {
    "submissions": SubmissionRow,
    "runs": RunRow,
    "findings": FindingRow,
    "measurements": MeasurementRow,
}


def check_rows(database: sqlite3.Connection) -> None:
    """Raises UserError, with its table and number, for the first row that is not what its table asks for."""
    for table, form in FORMS.items():
        for row in database.execute(f"SELECT rowid AS number, * FROM {table}"):
            try:
                form.model_validate({name: row[name] for name in form.model_fields})
            except ValidationError as error:
                first = error.errors()[0]
                why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
                what = f"row {row['number']} of the ledger's {table} is damaged, or of a newer version of the grader"
                raise UserError(f"{what} ({why}); use that one, or put a copy of the ledger in its place") from None
