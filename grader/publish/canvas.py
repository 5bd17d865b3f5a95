"""Canvas: its gradebook filled in, and feedback named for its bulk upload.

What its importer takes is in its source, `lib/gradebook_importer.rb` of instructure/canvas-lms: names, then `ID`, then ids of
the school's, then `Section`, and the assignment's column under its whole heading, with the number in it.
"""

from collections.abc import Mapping
from pathlib import Path

from grader.grading.ranking import Entry
from grader.intake.roster import Student
from grader.intake.system_names import MOODLE, canvas_ways
from grader.publish.gradebooks import (
    MISSING,
    Filled,
    Gradebook,
    grade,
    handed_in_nothing,
    is_known,
    is_word,
    left_out,
    numeral,
    points,
)
from grader.safe_text import csv_text

NAMES = ("Student", "LastName", "FirstName")
KNOWN = (*NAMES, "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
MADE = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS_POSSIBLE = "Points Possible"
TEST_STUDENT = {"Student", "Test"}  # which Canvas adds to every course


def number(entry: Entry) -> str:
    """The number that Canvas gave the student; empty where the download's name has none, or one that others do not say."""
    return next((way["id"] for way in canvas_ways(entry.source) if is_known(entry, way["id"], "canvas")), "")


def made_row(entry: Entry, listed: Student | None) -> list[str]:
    """A student's row under MADE and the assignment's column, of what the download's name and the roster tell."""
    if listed is None:
        return [entry.name, number(entry), "", entry.student, "", grade(entry)]
    of_roster = listed.number if listed.has_number_of("canvas") and not MOODLE.fullmatch(entry.source) else ""
    login = next(iter(listed.logins), "")
    return [listed.name, number(entry) or of_roster, listed.id, login or entry.student, listed.section, grade(entry)]


def gradebook(
    entries: list[Entry],
    path: Path | None,
    column: str,
    most: float,
    listed: Mapping[str, Student] | None = None,
    full: float = 100.0,
) -> Filled:
    """A CSV to import into Canvas's gradebook: the exported one with the assignment's column filled in.

    Cells that hold words (EX, N/A, a letter) are somebody's decision and stay. More than the points possible is written:
    Canvas takes it, and it is told.

    Args:
        path: The gradebook as Canvas exports it. Without one, rows are made of what the downloads' names and the roster tell.
        column: The heading of the assignment's column, or the beginning of that heading.
        most: The highest total that the rules allow.
        full: The same without points for texts.
        listed: The roster's students, by id.
    """
    if path is None:
        made = [made_row(entry, (listed or {}).get(entry.student)) for entry in entries if entry.known_as]
        unknown = [entry.student for entry in entries if grade(entry) and not entry.known_as]
        return Filled(csv_text([[*MADE, column], *made], bom=False), unknown)
    book = Gradebook.read(path)
    wanted = book.column(column, without=KNOWN)
    at = {name: book.headings.index(name) for name in KNOWN if name in book.headings}
    if "ID" not in at or not at.keys() & {*NAMES}:
        raise book.fault("is no gradebook of Canvas: it has no columns Student and ID")
    names = [at[name] for name in NAMES if name in at]
    possible = next((row for row in book.rows if POINTS_POSSIBLE in row[0]), None)
    maximum = numeral(possible[wanted]) if possible else None
    book.check_maximum(maximum, full, most)
    people = [row for row in book.rows if POINTS_POSSIBLE not in row[0] and row[at["ID"]].strip()]
    ids = [at[name] for name in ("SIS User ID", "SIS Login ID") if name in at]
    found, told = book.matched(people, entries, "canvas", at["ID"], ids, listed or {})
    known = []
    for row, entry in found:
        if entry.verdict == MISSING:
            continue
        name = ", ".join(row[place] for place in names)
        known.append(id(row))
        if is_word(row[wanted]):
            told.append(f"{name}: {row[wanted]} stays as it is; the grade here is {grade(entry) or 'none yet'}")
        else:
            row[wanted] = grade(entry) or row[wanted]
            if maximum is not None and (points(entry) or 0.0) > maximum:
                told.append(f"{name}: {grade(entry)} is above the {maximum:g} points possible, and written so")
    absent = [row for row in people if id(row) not in known]
    everybody = [[row[place] for place in names] for row in absent]
    told += handed_in_nothing([", ".join(name) for name in everybody if {*", ".join(name).split(", ")} != TEST_STUDENT])
    kept = sorted({*at.values(), wanted})
    return Filled(book.text(kept, bom=book.bom and "LastName" not in at), left_out(entries, found), told)


def feedback_name(entry: Entry) -> str:
    """The name of a file that Canvas takes for a comment to this submission: the download's, with the numbers in it."""
    found = number(entry)
    return f"{entry.source.rpartition('.')[0] or entry.source}.html" if found else ""
