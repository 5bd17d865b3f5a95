"""Points that a person gives for a report and a conclusion: within the rules' limits, kept for good, with who and when."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.grading.attempts import counting
from grader.grading.ranking import Entry
from grader.grading.readings import EVERYBODY, ReaderPoints, key, readings, with_groups
from grader.ledger.decision_kinds import POINTS
from grader.ledger.ledger import Ledger
from grader.ledger.submissions import is_number
from grader.rules import PARTS, Rules
from grader.safe_text import in_words, printable
from project.support.errors import UserError


@dataclass(frozen=True)
class Given:
    """Points for a student; None leaves those that there are, and so does a criterion that is not named.

    Attributes:
        read: By part, the digest of the hand-in that was read, of those parts too whose points are left. Empty where only
            the points are known: then it is the one that counts.
        unfinished: Whether the reader stopped before the end.
        line: Where it stands, to be said before what is wrong with it.
    """

    student: str
    report: float | None = None
    conclusion: float | None = None
    comment: str | None = None
    criteria: Mapping[str, float] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict, compare=False)
    unfinished: bool = field(default=False, compare=False)
    line: str = field(default="", compare=False)

    @property
    def parts(self) -> list[str]:
        """Those that get points."""
        return [
            part
            for part in PARTS
            if getattr(self, part) is not None or any(name.startswith(f"{part}: ") for name in self.criteria)
        ]


def read_points(table: Path) -> list[Given]:
    """Points from a CSV file with the columns student, report, conclusion, comment, or instead of a part's its
    criteria's, such as `report: evidence`; empty cells leave what there is."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows, headings = list(reader), [of_criterion(name) or name for name in reader.fieldnames or () if name]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({error})") from None
    if twice := [name for name in headings if headings.count(name) > 1]:
        raise UserError(f"{table}: the column {printable(twice[0])} is there twice; leave one out")
    columns = {name: name if name in PARTS else of_criterion(name) for name in rows[0] if name} if rows else {}
    if "student" not in columns or not any(columns.values()):
        raise UserError(f"{table}: expected rows under the columns student, report, conclusion and comment")
    given = []
    for line, row in enumerate(rows, start=2):
        points: dict[str, float] = {}
        for column, name in columns.items():
            if name and (text := (row.get(column) or "").strip()):
                points[name] = number(text, f"{table}, line {line}: {name}")
        parts = {part: points.pop(part) for part in PARTS if part in points}
        comment = row.get("comment") or None
        student = (row["student"] or "").strip()
        given.append(
            Given(
                student, parts.get("report"), parts.get("conclusion"), comment, points, line=f"{table}, line {line}: "
            )
        )
    return given


def read_criteria(texts: Iterable[str]) -> dict[str, float]:
    """Points by criterion, from texts such as `report: evidence=2`. Raises UserError for another text."""
    found = {}
    for text in texts:
        name, _, points = text.rpartition("=")
        if not (criterion := of_criterion(name)):
            raise UserError(f"--criterion {text!r}: write it as 'report: evidence=2'")
        found[criterion] = number(points, f"--criterion {criterion}:")
    return found


def of_criterion(text: str) -> str:
    """A criterion's name as the ledger has it; empty for a text that names none."""
    part, _, name = map(str.strip, text.partition(":"))
    return f"{part}: {name}" if part in PARTS and name else ""


def number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{what} {text!r} is no number") from None


def give(ledger: Ledger, rules: Rules, given: list[Given], by: str, when: str, why: str = "") -> None:
    """Note all of these points, or none of them.

    Raises:
        UserError: A student is unknown, a part with criteria is given points as a whole, or a criterion is unknown or
            points are beyond the rules' limits.
    """
    with ledger.all_or_nothing():
        known = ledger.students()
        if unknown := [f"{each.line}{printable(each.student)}" for each in given if each.student not in known]:
            said = "the ledger knows no such student; the ids are in leaderboard.csv"
            none = "; mend that, since none of the points were taken" if len(given) > 1 else ""
            raise UserError(f"{'; '.join(unknown)}: {said}{none}")
        for each in given:
            check(each, rules)
        decided = ledger.decided()  # no points change what counts
        for each in given:
            if each.parts and not each.read:
                counts = next(counting(ledger, rules, each.student, decided))
                each = replace(each, read=dict.fromkeys(each.parts, counts.digest))
            ledger.decisions.take(when, by, POINTS, each.student, note(each), why)


def check(given: Given, rules: Rules) -> None:
    """Raises UserError for points that the rules do not let be given."""
    most = {key(part, each): each.points for part in PARTS for each in getattr(rules.bonus.rubric, part)}
    for part in PARTS:
        points, limit = getattr(given, part), getattr(rules.bonus, part)
        if points is not None and not 0 <= points <= limit:
            raise UserError(f"{given.student}: {points:g} points for the {part} are not 0 to {limit:g}")
        if points is not None and getattr(rules.bonus.rubric, part):
            names = in_words([name for name in most if name.startswith(f"{part}:")])
            raise UserError(f"{given.student}: the {part} gets its points by criteria; give them for {names}")
    for name, points in given.criteria.items():
        if name not in most:
            mend = f"there are {in_words([*most])}" if most else "the rules have no `bonus.rubric`"
            raise UserError(f"{given.student}: {name!r} is no criterion of the rules; {mend}")
        if not 0 <= points <= most[name]:
            raise UserError(f"{given.student}: {points:g} points for {name!r} are not 0 to {most[name]:g}")


def said_of_groups(entries: Iterable[Entry], given: set[str]) -> Iterator[str]:
    """A line for each group whose members differ in points after these were given points, and how all would have the same.

    Where whoever handed in has withdrawn, each of those who are left is read alone.
    """
    groups: dict[str, dict[str, float]] = {}
    for entry in entries:
        if entry.digest and not is_number(entry.carrier):
            groups.setdefault(entry.carrier, {})[entry.student] = entry.bonus
    for carrier, points in groups.items():
        if given & {*points} and len({*points.values()}) > 1:
            differ = ", ".join(f"{student} {points[student]:g}" for student in sorted(points))
            of_all = f"points for {carrier}, who handed in, are for all who have none alone"
            mend = f"{of_all}; `undo` takes back what one was given alone"
            yield f"one group, and different points for its texts: {differ}; {mend}"


def reading_before(ledger: Ledger, rules: Rules, entry: Entry, by: str) -> ReaderPoints:
    """What points not named stay: the last ones of whomever, or where readers are averaged the reader's own."""
    own = rules.bonus.readers == "mean"
    found = with_groups(readings(ledger, own), {entry.student: entry.carrier})
    return found.get(entry.student, {}).get(by if own else EVERYBODY, ReaderPoints())


def note(given: Given) -> dict[str, Any]:
    """What is given, and nothing else, as the ledger notes it."""
    named = {name: getattr(given, name) for name in (*PARTS, "comment")}
    more = {"criteria": {**given.criteria}, "read": {**given.read}, "unfinished": given.unfinished}
    return {name: value for name, value in named.items() if value is not None} | {
        name: value for name, value in more.items() if value
    }
