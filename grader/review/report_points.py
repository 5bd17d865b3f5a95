"""Points that a person gives for a report and a conclusion: within the rules' limits, kept for good, with who and when."""

import csv
from dataclasses import dataclass
from pathlib import Path

from grader.ledger.ledger import Ledger
from grader.rules import Rules
from project.support.errors import UserError

PARTS = ("report", "conclusion")
NOTHING = {"report": 0.0, "conclusion": 0.0, "comment": ""}  # what is noted of a student before the first points


@dataclass(frozen=True)
class Given:
    """Points for a student; None leaves those that there are."""

    student: str
    report: float | None = None
    conclusion: float | None = None
    comment: str | None = None


def read_points(table: Path) -> list[Given]:
    """Points from a CSV file with the columns student, report, conclusion, comment; empty cells leave what there is."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({error})") from None
    if not rows or "student" not in rows[0] or not rows[0].keys() & PARTS:
        raise UserError(f"{table}: expected rows under the columns student, report, conclusion and comment")
    given = []
    for line, row in enumerate(rows, start=2):
        points: dict[str, float] = {}
        for part in PARTS:
            try:
                if text := (row.get(part) or "").strip():
                    points[part] = float(text)
            except ValueError:
                raise UserError(f"{table}, line {line}: {part} {text!r} is no number") from None
        given.append(Given((row["student"] or "").strip(), **points, comment=row.get("comment") or None))
    return given


def give(ledger: Ledger, rules: Rules, given: list[Given], by: str, when: str) -> None:
    """Note all of these points, or none of them.

    Raises:
        UserError: A student is unknown, or points are beyond the rules' limits.
    """
    known = ledger.students()
    for each in given:
        if each.student not in known:
            raise UserError(f"{each.student}: the ledger knows no such student; the ids are in leaderboard.csv")
        for part in PARTS:
            points, most = getattr(each, part), getattr(rules.bonus, part)
            if points is not None and not 0 <= points <= most:
                raise UserError(f"{each.student}: {points:g} points for the {part} are not 0 to {most:g}")
    with ledger.all_or_nothing():
        for each in given:
            last = ledger.points().get(each.student, NOTHING)  # asked anew: a table may name a student twice
            note = {name: last[name] if (new := getattr(each, name)) is None else new for name in NOTHING}
            ledger.decisions.take(when, by, "points", each.student, note)
