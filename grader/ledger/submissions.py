"""Submissions as the ledger has them: what was handed in, and what came of it."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from grader.ledger.measurement import Measurement
from grader.ledger.terms import NO_TERMS, Terms

OFF_ROSTER = "is not on the roster any more"  # of whoever handed in nothing: on no list, either
HANDED_IN_BY = "handed_in_by"  # in `known_as`: who of a group handed in what counts for all of it
PASSED_OVER = "passed_over"  # in the ledger's `known_as`: that a hand-in did not count when it was noted
LISTED_OVER = "listed_over"  # in `known_as`: marks of the folders whose rosters list whoever handed in nothing
CHOSEN = "github"  # in `known_as`: what the student chose, and what tells nobody who it is
NUMBERED = "withdrawn-"  # before the number that takes the place of whoever withdrew
NO_NAMES = (
    "group",
    "role",
    HANDED_IN_BY,
    PASSED_OVER,
    LISTED_OVER,
)  # in `known_as`: what is not said of the student alone
FINDING = ("severity", "where", "what", "mend", "family")  # what the checks say of one thing


@dataclass(frozen=True)
class Noted:
    """A submission as the ledger notes it.

    Attributes:
        digest: Of the files; empty where nothing was handed in.
        source: Name of the file or folder that was handed in.
        submitted: When it was handed in, as far as that is known.
        marked_late: Whether the system that it was handed in to said that it was late.
        images: Key of the dataset and its split that it is graded on.
        time_by: What told when it was handed in.
        flags: What a person should look at, about whose it is.
        known_as: What others than the student call the student, by kind: `canvas` and `moodle` (their numbers), `number`,
            `id`, `login`, and `name`, as the system has it of whom the roster knows. Nothing where only the student says who that
            is. And `github`, where the roster does not have it: the student chose it. And what the roster says besides: `group`, `role`, and in `handed_in_by` who handed in what counts for the group;
            of whoever handed in nothing, in `listed_over` marks of the folders of the runs whose rosters list the student.
    """

    student: str
    name: str
    digest: str
    tier: str
    source: str
    submitted: datetime | None
    marked_late: bool
    images: str
    time_by: str = ""
    flags: list[str] = field(default_factory=list)
    known_as: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt(Noted):
    """One of the submissions of a student.

    Attributes:
        row: Its id in the ledger.
        measured: Whether it was trained.
        passed_over: Whether another one came before it when it was noted.
    """

    row: int = 0
    measured: bool = False
    passed_over: bool = False


@dataclass(frozen=True)
class Graded(Noted):
    """The submission of a student that counts, and what came of it since the student was last graded anew.

    Attributes:
        terms: What was decided for the student in place of what the rules say to all.
        findings: What the checks said; None where these checks have not been made.
        measurements: Those that count, by the number of their training, in this order.
        rows: The ids of these measurements in the ledger.
        round: In which round of measurements this is: 0 until somebody decides to grade anew.
        infrastructure: The last one that failed through our own fault, if there is one.
        faults_alone: How many failed so since the last time that others' did, too, where others' went well on the same machine
            between the first and the last.
    """

    terms: Terms = NO_TERMS
    findings: list[dict[str, str]] | None = None
    measurements: dict[int, Measurement] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    round: int = 0
    infrastructure: Measurement | None = None
    faults_alone: int = 0

    @property
    def carrier(self) -> str:
        """Whose measurements these are: the student's, or those of whoever handed it in for the group."""
        return carrier(self.student, self.known_as)


def carrier(student: str, known_as: Mapping[str, list[str]]) -> str:
    """Who handed in what a student is graded by: the student, or another of the group."""
    return known_as.get(HANDED_IN_BY, [student])[0]


def terms_for(student: str, known_as: Mapping[str, list[str]], known: Mapping[str, Terms]) -> Terms:
    """On whose terms a hand-in is: of a group those of whoever handed it in; where that one has withdrawn, and nothing more
    can be decided for it, also the own ones. To be disqualified is each one's own."""
    own = known.get(student, NO_TERMS)
    by = carrier(student, known_as)
    if by == student:
        return own
    terms = replace(known.get(by, NO_TERMS), disqualified=own.disqualified)
    return own.over(terms) if is_number(by) else terms


def is_number(student: str) -> bool:
    """Whether it is the number of somebody who has withdrawn."""
    return student.startswith(NUMBERED) and student.removeprefix(NUMBERED).isdecimal()


def measured(row: sqlite3.Row) -> Measurement:
    """The measurement in a row."""
    return Measurement.model_validate_json(row["measurement"])


def read_notes(row: sqlite3.Row) -> dict[str, Any]:
    """When a submission came, and what the checks said of it."""
    return {
        "submitted": row["submitted"] and datetime.fromisoformat(row["submitted"]),
        "marked_late": bool(row["marked_late"]),
        "findings": row["findings"]
        and [{name: each[name] for name in FINDING if name in each} for each in json.loads(row["findings"])],
        "flags": json.loads(row["flags"]),
        "known_as": {kind: texts for kind, texts in json.loads(row["known_as"]).items() if kind != PASSED_OVER},
    }
