"""What learning-management systems take: Gradescope's results.json, and points for the gradebooks of Canvas and Moodle."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry, Standing
from grader.intake.submission import safe_id
from grader.rules import Rules
from grader.safe_text import inert
from project.support.errors import UserError

GRADED = ("passed", "below_target", "rejected", "failed")  # what is not ours to repeat
CANVAS_IDS, MOODLE_IDS = ("ID", "SIS User ID", "SIS Login ID"), ("Identifier", "ID number", "Email address")


def points(entry: Entry) -> float | None:
    """What goes into a gradebook: the total; 0 for what is rejected or failed; None for what is not graded yet."""
    if entry.verdict not in GRADED:
        return None
    return 0.0 if entry.total is None else round(entry.total, 2)


def gradescope(standing: Standing, rules: Rules, output: str) -> str:
    """One submission's results.json, after Gradescope's autograder specification.

    Args:
        output: What the student reads, as Markdown.
    """
    entry = standing.entry

    def test(name: str, passed: bool, said: str) -> dict[str, Any]:
        status = "passed" if passed else "failed"
        return {"name": name, "status": status, "output": said, "visibility": "visible"}

    tests = [
        test("rules and format", entry.verdict != "rejected", entry.reason if entry.verdict == "rejected" else "kept")
    ]
    board: list[dict[str, Any]] = []
    if entry.accuracy is not None:
        share = f"{entry.accuracy:.2%}"
        tests += [
            test(f"accuracy above {rules.target}", entry.verdict == "passed", share),
            test(f"at most {rules.max_epochs} epochs", entry.epochs <= rules.max_epochs, str(entry.epochs)),
        ]
        board = [
            {"name": "accuracy (%)", "value": round(100 * entry.accuracy, 2), "order": "desc"},
            {"name": "epochs to target", "value": entry.epochs_to_target or "-", "order": "asc"},
            {"name": "seconds", "value": round(entry.seconds, 1), "order": "asc"},
            {"name": "parameters", "value": entry.parameters, "order": "asc"},
        ]
        for family in rules.families:
            used = entry.strategies.get(family, [])
            tests.append(test(family, bool(used), ", ".join(used)))
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


def canvas(standings: list[Standing], gradebook: str | None, column: str) -> str:
    """A CSV to import into Canvas's gradebook.

    Args:
        gradebook: The gradebook as Canvas exports it: its rows, ids and column headings are taken over. Without one, rows
            are made from what the downloads' names tell.
        column: The assignment's name, or the beginning of its heading in the gradebook.
    """
    if gradebook is None:
        rows = [
            [
                standing.entry.name,
                number(standing.entry.student),
                "",
                standing.entry.student,
                "",
                as_cell(points(standing.entry)),
            ]
            for standing in standings
        ]
        return written([["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column], *rows])
    heading, rows = read(gradebook)
    wanted = find_column(heading, column)
    kept = [name for name in ("Student", "ID", "SIS User ID", "SIS Login ID", "Section") if name in heading]
    fill = filler(standings, CANVAS_IDS)
    for row in rows:
        if "points possible" not in row.get("Student", "").lower():
            row[wanted] = fill(row, lambda standing: as_cell(points(standing.entry))) or row[wanted]
    return written([[*kept, wanted], *([row[name] for name in (*kept, wanted)] for row in rows)])


def moodle(standings: list[Standing], worksheet: str | None, feedbacks: dict[str, str]) -> str:
    """A CSV to import into Moodle: its grading worksheet with grades and comments filled in, or one made from the names.

    Args:
        worksheet: The grading worksheet as Moodle exports it.
        feedbacks: Feedback comments by student.
    """
    if worksheet is None:
        rows = [
            [
                f"Participant {number(s.entry.student)}" if number(s.entry.student) else s.entry.student,
                *(s.entry.name, as_cell(points(s.entry)), feedbacks[s.entry.student]),
            ]
            for s in standings
        ]
        return written([["Identifier", "Full name", "Grade", "Feedback comments"], *rows])
    heading, rows = read(worksheet)
    grade = find_column(heading, "Grade")
    comments = "Feedback comments" if "Feedback comments" in heading else None
    fill = filler(standings, MOODLE_IDS)
    for row in rows:
        row[grade] = fill(row, lambda standing: as_cell(points(standing.entry))) or row[grade]
        if comments:
            row[comments] = fill(row, lambda standing: feedbacks[standing.entry.student]) or row[comments]
    return written([heading, *([row[name] for name in heading] for row in rows)])


def filler(standings: list[Standing], columns: tuple[str, ...]) -> Callable[..., str]:
    """Finds a gradebook row's student by any of these columns, and gives a text for it; empty for one of no submission."""
    known: dict[str, Standing] = {}
    for standing in standings:
        student = standing.entry.student
        known |= {student: standing} | ({number(student): standing} if number(student) else {})

    def fill(row: dict[str, str], text: Callable[[Standing], str]) -> str:
        for column in columns:
            value = row.get(column, "").strip().removeprefix("Participant ")
            for key in (value, safe_id(value), safe_id(value.partition("@")[0])):
                if key and key in known:
                    return text(known[key])
        return ""

    return fill


def number(student: str) -> str:
    """The system's own number in an id made from a download's name; empty where there is none."""
    found = re.search(r"(?:^|-)(\d+)$", student)
    return found[1] if found else ""


def find_column(heading: list[str], beginning: str) -> str:
    found = [name for name in heading if name.lower().startswith(beginning.lower())]
    if len(found) != 1:
        some = f"{len(found)} columns begin" if found else "no column begins"
        raise UserError(
            f"--gradebook: {some} with {beginning!r}; name one with --column; there are {', '.join(heading)}"
        )
    return found[0]


def read(gradebook: str) -> tuple[list[str], list[dict[str, str]]]:
    try:
        reader = csv.DictReader(io.StringIO(gradebook), strict=True, restval="")
        rows = [{name: value for name, value in row.items() if name is not None} for row in reader]
        return list(reader.fieldnames or []), rows
    except csv.Error as error:
        raise UserError(f"--gradebook: is no CSV ({error})") from None


def as_cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def written(rows: list[list[str]]) -> str:
    """The rows as CSV. What a gradebook has for nothing, a hyphen, stays one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [cell if cell == "-" else inert(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def read_gradebook(path: Path | None) -> str | None:
    """A gradebook's text. Raises UserError where it cannot be read."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--gradebook {path}: cannot be read ({error})") from None
