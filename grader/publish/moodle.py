"""Moodle: its grading worksheet filled in, and feedback named for its bulk upload.

What its importer takes is in its source, `mod/assign/feedback/offline` and `mod/assign/feedback/file` of moodle/moodle: it
finds columns by their headings in the user's language, and skips without a word who is locked or above the maximum.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from grader.grading.ranking import Entry
from grader.intake.hand_in_times import LOGIN, NUMBER
from grader.intake.roster import Student, kinds_of
from grader.intake.system_names import MOODLE, canvas_s
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
from grader.safe_text import csv_text, inert
from grader.tables import heading

# Headings in English and Korean, as the language packs have them; what nobody translated stays English.
GRADE = ("Grade", "성적")
MAXIMUM = ("Maximum grade", "Maximum Grade", "최대 성적")
SCALE = ("Scale", "척도")
CHANGEABLE = ("Grade can be changed", "성적을 변경할 수 있음", "성적 변경 가능")
MODIFIED = {"en": "Last modified (grade)", "ko": "마지막 수정됨(성적)"}
FEEDBACK = ("Feedback comments", "피드백 코멘트")
ID_NUMBER = "개인번호"  # which a Korean worksheet may head it with, beside NUMBER
KOREAN = "식별자"  # what the first column is headed there
NO = ("No", "아니오", "아니요")


def number(entry: Entry) -> str:
    """The number that Moodle gave the student; empty where the download's name has none, or one that others do not say."""
    found = of_moodle(entry)
    return found["id"] if found else ""


def of_moodle(entry: Entry) -> re.Match[str] | None:
    """The parts of a download's name as Moodle makes it. What a student calls a file for Canvas may look like one."""
    found = None if canvas_s(entry.source) else MOODLE.fullmatch(entry.source)
    return found if found and is_known(entry, found["id"], "moodle") else None


def worksheet(
    entries: list[Entry],
    path: Path | None,
    column: str | None,
    feedbacks: dict[str, str],
    most: float,
    listed: Mapping[str, Student] | None = None,
    full: float = 100.0,
) -> Filled:
    """A CSV to import into Moodle: its grading worksheet with grades and comments, or one made of the names.

    A total above the maximum becomes the maximum, which is told: Moodle would skip it. So is who is locked there, and stays.

    Args:
        path: The grading worksheet as Moodle exports it.
        column: The heading of its grades, or its beginning; by default the English or the Korean one.
        feedbacks: Feedback comments by student, as HTML, in which Moodle keeps them.
        most: The highest total that the rules allow.
        full: The same without points for texts.
        listed: The roster's students, by id.
    """
    if path is None:
        made = [["Identifier", "Full name", "Grade", MODIFIED["en"], "Feedback comments"]]
        for entry in entries:
            if not entry.known_as:
                continue
            on_list = (listed or {}).get(entry.student)
            place = number(entry) or (
                on_list.number if on_list and on_list.has_number_of("moodle") and not canvas_s(entry.source) else ""
            )
            identifier = f"Participant {place}" if place else entry.student
            made.append(
                [identifier, on_list.name if on_list else entry.name, grade(entry), "-", feedbacks[entry.student]]
            )
        return Filled(csv_text(made), [entry.student for entry in entries if grade(entry) and not entry.known_as])
    book = Gradebook.read(path)

    def at(headings: tuple[str, ...]) -> int | None:
        return next((place for place, name in enumerate(book.headings) if name in headings), None)

    wanted = book.column(column or next((name for name in GRADE if name in book.headings), GRADE[0]))
    if at(SCALE) is not None and at(MAXIMUM) is None:
        raise book.fault("the assignment is graded by a scale, and not by points; change that there")
    if at(tuple(MODIFIED.values())) is None and book.headings[wanted] in GRADE:
        missing = MODIFIED["ko" if KOREAN in book.headings else "en"]
        raise book.fault(f"has no column {missing!r}, without which Moodle refuses it; download the worksheet again")
    maximum_at, changeable, comments = at(MAXIMUM), at(CHANGEABLE), at(FEEDBACK)
    maxima = [] if maximum_at is None else [numeral(row[maximum_at]) for row in book.rows]
    maximum = min((each for each in maxima if each is not None), default=None)
    book.check_maximum(maximum, full, most)
    ids = [at for at in range(1, wanted) if is_of_one(book.headings[at], book.headings)]
    found, told = book.matched(book.rows, entries, "moodle", 0, ids, listed or {})
    known = []
    for row, entry in found:
        if entry.verdict == MISSING:
            continue
        name = row[1] if wanted > 1 else row[0]
        known.append(id(row))
        if changeable is not None and row[changeable].strip() in NO:
            told.append(f"{name}: is locked there, and stays as it is; the grade here is {grade(entry) or 'none yet'}")
            continue
        if comments is not None:
            row[comments] = inert(feedbacks[entry.student])
        if is_word(row[wanted]):
            told.append(f"{name}: {row[wanted]} stays as it is; the grade here is {grade(entry) or 'none yet'}")
        elif maximum is not None and (points(entry) or 0.0) > maximum:
            row[wanted] = f"{maximum:.2f}"
            told.append(
                f"{name}: {grade(entry)} is above the maximum, and written as {row[wanted]}, or Moodle would skip it"
            )
        else:
            row[wanted] = grade(entry) or row[wanted]
    told += handed_in_nothing([row[1] if wanted > 1 else row[0] for row in book.rows if id(row) not in known])
    return Filled(book.text(range(len(book.headings)), bom=True), left_out(entries, found), told)


def is_of_one(name: str, headings: list[str]) -> bool:
    """Whether cells under a heading tell one student: an id, a login or a mail address, and no name, group or department."""
    return heading(name) in (*NUMBER, *LOGIN, ID_NUMBER) or bool({"id", "login"} & {*kinds_of(name, headings)})


def feedback_name(entry: Entry) -> str:
    """The name of a file that Moodle takes for this participant's feedback; empty where it is none of Moodle's."""
    found = of_moodle(entry)
    if not found:
        return ""
    name = found["name"].replace("_", " ")  # Moodle takes what follows the first underscore for the number
    return f"{name}_{found['id']}_assignfeedback_file_/feedback.html"
