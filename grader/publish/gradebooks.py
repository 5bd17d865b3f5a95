"""What learning-management systems take: Gradescope's results.json, and points for Canvas's and Moodle's gradebooks."""

import csv
import json
import re
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry
from grader.intake.downloads import CANVAS, MOODLE
from grader.intake.submission import safe_id
from grader.rules import Rules
from grader.safe_text import csv_text
from project.support.errors import UserError

GRADED = ("passed", "below_target", "rejected", "failed")  # verdicts that stand; the others are ours to repeat
CANVAS_COLUMNS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
IDENTIFYING = {*CANVAS_COLUMNS, "Full name", "ID number", "Email address"}  # and a gradebook's first column

Filled = tuple[str, list[str]]  # a CSV, and the graded students who have no row in the gradebook


def points(entry: Entry) -> float | None:
    """What goes into a gradebook: the total; 0 for what is rejected or failed; None for what is not graded yet."""
    if entry.verdict not in GRADED:
        return None
    return 0.0 if entry.total is None else round(entry.total, 2)


def grade(entry: Entry) -> str:
    """The points as a gradebook's cell; empty for none."""
    found = points(entry)
    return "" if found is None else f"{found:.2f}"


def gradescope(entry: Entry, rules: Rules, output: str) -> str:
    """One submission's results.json, after Gradescope's autograder specification; `output` is Markdown for the student."""

    def test(name: str, passed: bool, said: str) -> dict[str, str]:
        return {"name": name, "status": "passed" if passed else "failed", "output": said, "visibility": "visible"}

    kept = entry.verdict != "rejected"
    tests = [test("rules and format", kept, "kept" if kept else entry.own_reason)]
    board: list[dict[str, Any]] = []
    if entry.accuracy is not None:
        epochs, seconds = entry.epochs or 0, entry.seconds or 0.0
        tests += [
            test(f"accuracy above {rules.target}", entry.verdict == "passed", f"{entry.accuracy:.2%}"),
            test(f"at most {rules.max_epochs} epochs", epochs <= rules.max_epochs, str(epochs)),
        ]
        for family in rules.families:
            used = entry.strategies.get(family, [])
            tests.append(test(family, bool(used), ", ".join(used)))
        board = [
            {"name": "accuracy (%)", "value": round(100 * entry.accuracy, 2), "order": "desc"},
            {"name": "epochs to target", "value": entry.epochs_to_target or "-", "order": "asc"},
            {"name": "seconds", "value": round(seconds, 1), "order": "asc"},
            {"name": "parameters", "value": entry.parameters, "order": "asc"},
        ]
    results = {
        "score": points(entry) or 0.0,
        "output": output,
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "leaderboard": board,
    }
    return json.dumps(results, indent=2, ensure_ascii=False) + "\n"


def canvas(entries: list[Entry], gradebook: Path | None, column: str) -> Filled:
    """A CSV to import into Canvas's gradebook.

    Args:
        gradebook: The gradebook as Canvas exports it: its rows, ids and column headings are taken over. Without one,
            rows are made of what the downloads' names tell.
        column: The heading of the assignment's column, or the beginning of that heading.
    """
    if gradebook is None:
        made = [[e.name, number(e), "", e.student, "", grade(e)] for e in entries]
        return csv_text([[*CANVAS_COLUMNS, column], *made]), []
    headings, rows = read(gradebook)
    wanted = find_column(headings, column)
    found, left_out = matched(rows, entries, "ID", "SIS User ID", "SIS Login ID")
    for row, entry in found:
        row[wanted] = grade(entry) or row[wanted]
    kept = [name for name in CANVAS_COLUMNS if name in headings] + [wanted]
    return csv_text([kept, *([row[name] for name in kept] for row in rows)]), left_out


def moodle(entries: list[Entry], worksheet: Path | None, column: str, feedbacks: dict[str, str]) -> Filled:
    """A CSV to import into Moodle: its grading worksheet filled in with grades and comments, or one made of the names.

    Args:
        worksheet: The grading worksheet as Moodle exports it.
        column: The heading of its grades, or the beginning of that heading.
        feedbacks: Feedback comments by student.
    """
    if worksheet is None:
        made = [["Identifier", "Full name", "Grade", "Feedback comments"]]
        for entry in entries:
            identifier = f"Participant {number(entry)}" if number(entry) else entry.student
            made.append([identifier, entry.name, grade(entry), feedbacks[entry.student]])
        return csv_text(made), []
    headings, rows = read(worksheet)
    wanted = find_column(headings, column)
    found, left_out = matched(rows, entries, headings[0], "ID number", "Email address")
    for row, entry in found:
        row[wanted] = grade(entry) or row[wanted]
        if "Feedback comments" in headings:
            row["Feedback comments"] = feedbacks[entry.student]
    return csv_text([headings, *([row[name] for name in headings] for row in rows)]), left_out


def matched(
    rows: list[dict[str, str]], entries: list[Entry], *columns: str
) -> tuple[list[tuple[dict[str, str], Entry]], list[str]]:
    """A gradebook's rows of known students, and the graded students who have none.

    Whom the system gave a number is found by it in the first of these columns, such as `Participant 12`; the others by
    their id in any of them.
    """
    by_number = {number(entry): entry for entry in entries}
    by_id = {entry.student: entry for entry in entries if not number(entry)}
    found = []
    for row in rows:
        values = [row.get(column, "").strip() for column in columns]
        keys = [key for value in values for key in (value, safe_id(value), safe_id(value.partition("@")[0]))]
        written = re.search(r"(?:^| )(\d+)$", values[0])
        entry = by_number.get(written[1]) if written else None
        if entry := entry or next((by_id[key] for key in keys if key in by_id), None):
            found.append((row, entry))
    there = {entry.student for _, entry in found}
    return found, [entry.student for entry in entries if grade(entry) and entry.student not in there]


def number(entry: Entry) -> str:
    """The number that Canvas or Moodle gave the student, from the download's name; empty where that is another's."""
    found = CANVAS.fullmatch(entry.source) or MOODLE.fullmatch(entry.source)
    return found["id"] if found else ""


def find_column(headings: list[str], beginning: str) -> str:
    """The heading that is just `beginning`, else the only one that begins with it; none that identifies students."""
    headings = [heading for heading in headings[1:] if heading not in IDENTIFYING]
    if beginning in headings:
        return beginning
    found = [heading for heading in headings if heading.lower().startswith(beginning.lower())]
    if len(found) != 1:
        some = f"{len(found)} columns to fill in begin" if found else "no column to fill in begins"
        there = ", ".join(headings)
        raise UserError(f"--gradebook: {some} with {beginning!r}; name one with --column; there are {there}")
    return found[0]


def read(gradebook: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Headings and rows of a CSV; a row's surplus cells are left out, missing ones are empty."""
    try:
        with open(gradebook, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restval="")
            names = reader.fieldnames or []
            if twice := [name for name in names if names.count(name) > 1]:
                raise csv.Error(f"two columns are headed {twice[0]!r}")
            rows = [{name: value for name, value in row.items() if name is not None} for row in reader]
            return list(names), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--gradebook {gradebook}: cannot be read ({error})") from None
