"""A folder of downloads: whose each of them is, when it was handed in, and which attempt counts.

Three systems' names are understood: Canvas (`kimminji_LATE_12345_678901_file.zip`), Moodle
(`Kim Minji_1234567_assignsubmission_file_`), and GitHub Classroom (`homework-submissions/homework-minji`). Any other
download belongs to whoever its student.yaml names; where that names nobody, to whom its own name tells (`week4/김민지`).
"""

import csv
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from grader.apart import Apart, Failed
from grader.intake.class_repository import holds_work, in_repository, is_hidden, students_folder
from grader.intake.git_repositories import FOLDER, has_files, is_packed
from grader.intake.submission import ARCHIVES, WRAPPER_MARK, named_by_folder, safe_id
from grader.safe_text import printable
from project.support.errors import UserError, note

TIMES = "times.csv"  # columns `file` and `submitted`, for systems whose downloads do not keep the time
CANVAS = re.compile(r"(?P<name>[^\W_]+)(?P<late>_LATE)?_(?P<id>\d+)_\d+_.+")
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(_.*)?")
CLASSROOM = "-submissions"
YEAR_9999 = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Download:
    """A file or folder as the instructor got it.

    Attributes:
        source: Where it lies.
        submitted: When the server got it, from `times.csv` beside it; otherwise when it was last modified.
        student: The student's id, safe as a file name; empty where the download's name does not tell.
        name: The student's name, as far as the download's name tells it.
        late: Whether the system itself marked it as late.
        attempts: How many other attempts of this student do not count.
        told: Whether whose it is can be told without a student.yaml: by the system, or by a folder among others'.
    """

    source: Path
    submitted: datetime
    student: str = ""
    name: str = ""
    late: bool = False
    attempts: int = 0
    told: bool = False


def find_downloads(folder: Path, deadline: datetime | None = None) -> list[Download]:
    """The downloads that count; `folder` itself where it is a submission.

    Of a student's attempts the last before the deadline counts; where there is none, the last.

    What is passed over is told in a line each.

    Raises:
        UserError: `times.csv` cannot be read, or names what is not there; or a repository holds several weeks' work.
    """
    if not folder.is_dir() or (folder / WRAPPER_MARK).exists() or is_packed(folder):
        return [Download(folder, modified(folder))]
    if has_files(folder) and (folder / FOLDER).exists():
        return [Download(folder, modified(folder))]
    if in_repository(folder):
        students = students_folder(folder)
        if students is None and has_files(folder):  # it has no submission/ folder, and is told so
            return [Download(folder, modified(folder))]
        folder = students or folder
    times = submission_times(folder / TIMES)
    classroom = folder.resolve().name
    prefix = classroom.removesuffix(CLASSROOM) + "-" if classroom.endswith(CLASSROOM) else None
    found = []
    for entry in sorted(folder.iterdir()):
        if is_hidden(entry) or entry.name == TIMES:
            continue
        if not (entry.is_dir() or entry.name.lower().endswith((*ARCHIVES, ".bundle"))):
            note(f"{printable(entry.name)}: a file by itself is no submission; passed over")
        elif download := read_name(entry, times.get(normal(entry.name)) or modified(entry), prefix):
            told = download.student or named_by_folder(entry.name)[0]
            if not told and entry.is_dir() and not entry.is_symlink() and not holds_work(entry):
                note(f"{printable(entry.name)}: nothing in this folder is a submission's; passed over")
            else:
                found.append(replace(download, told=bool(download.student) or entry.is_dir()))
    return counted(without_twins(found), deadline)


def without_twins(downloads: list[Download]) -> list[Download]:
    """Folders whose names differ in their normal form alone are one student's; of equal ones only one is left."""
    by_name: dict[str, list[Download]] = {}
    for download in downloads:
        by_name.setdefault(normal(download.source.name), []).append(download)
    left = []
    for name, twins in by_name.items():
        if len(twins) > 1:
            different = {digest(twin.source) or str(twin.source): twin for twin in twins}
            what = (
                "with different files: the newer one counts"
                if len(different) > 1
                else "with the same files: one counts"
            )
            note(f"{printable(name)}: is there twice, its name spelled in two ways (NFC and NFD), {what}")
            twins = list(different.values())
        left += twins
    return left


def digest(source: Path) -> str:
    """That of a download's files, which are read in another process; empty where they cannot be read."""
    try:
        with Apart("grader.intake.submission") as apart:
            return str(apart.call("digest_of", str(source.absolute())))
    except Failed:  # as those who examine it will say
        return ""


def read_name(entry: Path, submitted: datetime, prefix: str | None = None) -> Download | None:
    """What a download's name tells; None for what the system has added to the files handed in."""
    name = normal(entry.name)
    if match := CANVAS.fullmatch(name):  # first, for it ends with what the student called the file
        return Download(entry, submitted, *known(match["name"], match["id"]), late=bool(match["late"]))
    if match := MOODLE.fullmatch(name):
        return Download(entry, submitted, *known(match["name"], match["id"])) if match["kind"] == "file" else None
    if prefix and name.startswith(normal(prefix)) and entry.is_dir():
        user = name.removeprefix(normal(prefix))
        return Download(entry, submitted, safe_id(user), printable(user))
    return Download(entry, submitted)


def known(name: str, number: str) -> tuple[str, str]:
    """Id and name of a student. The system's number in the id tells students of the same name apart."""
    return safe_id(f"{safe_id(name)[:40]}-{number}"), printable(name)


def counted(downloads: list[Download], deadline: datetime | None) -> list[Download]:
    """The attempts that count, in the order of the downloads."""
    by_student: dict[str, list[Download]] = {}
    for download in downloads:
        by_student.setdefault(download.student or normal(str(download.source)), []).append(download)
    chosen = []
    for attempts in by_student.values():
        attempts.sort(key=lambda attempt: (attempt.submitted, attempt.source.name))
        in_time = [a for a in attempts if not a.late and (deadline is None or a.submitted <= deadline)]
        chosen.append(replace((in_time or attempts)[-1], attempts=len(attempts) - 1))
    return chosen


def submission_times(table: Path) -> dict[str, datetime]:
    """Times by file name in its normal form, from a CSV file; empty where there is no such file."""
    if not table.is_file():
        return {}
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, restval="")
            times = {normal(row["file"]): datetime.fromisoformat(row["submitted"].strip()) for row in rows}
        there = {normal(entry.name) for entry in table.parent.iterdir()}
        for name, time in times.items():
            if name not in there:
                raise ValueError(f"there is no {name}")
            if time.tzinfo is None:
                raise ValueError(f"the time of {name} has no time zone")
        return times
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        expected = "expected the columns file and submitted, such as kim.zip and 2026-12-04T23:59:00+09:00"
        raise UserError(f"{table}: {printable(str(error), 200)}; {expected}") from None


def normal(name: str) -> str:
    """A name as everything but macOS writes it (NFC): the same name, the same text."""
    return unicodedata.normalize("NFC", name)


def modified(path: Path) -> datetime:
    """When a file was last modified; a time that no calendar has becomes the nearest one that every calendar has."""
    return datetime.fromtimestamp(min(max(path.lstat().st_mtime, 0), YEAR_9999), UTC)
