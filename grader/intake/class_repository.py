"""A class's repository: folders for weeks, and in them a folder for each student, by the student's name.

macOS writes a name in Hangul in another normal form (NFD) than everything else (NFC); git takes the two for two folders.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from grader.intake.git_repositories import FOLDER
from grader.intake.hand_in_times import METADATA, SCORES, TIMES
from grader.intake.submission import ARCHIVES, MAX_DEPTH, UNREAD, WRAPPER_MARK, named_by_folder
from grader.intake.system_names import may_be_student_s
from grader.safe_text import printable
from project.support.errors import UserError, note

PACKED = (".bundle", *ARCHIVES, *UNREAD)
WORK = (".ipynb", ".py", *PACKED)  # what a student's folder has, besides texts
WORK_FILES = (WRAPPER_MARK, "student.yaml", "REPORT.md", "CONCLUSION.md")
OF_THE_TEMPLATE = ("main.py", "project", "configs")
MARKS = (WRAPPER_MARK, "student.yaml")
TABLES = (METADATA, SCORES, TIMES)  # each beside the downloads that it tells of
LEVELS = 3  # so deep lie students' folders: course/week/student
MOST_LOOKED_AT = 10_000  # files and folders, to tell what a folder holds


def holds_work(folder: Path, names: tuple[str, ...] = WORK_FILES, suffixes: tuple[str, ...] = WORK) -> bool:
    """Whether something in a folder, at any depth that a submission may have, was made to be handed in."""
    return any(
        path.name in names or path.name.lower().endswith(suffixes) or path.name == ".git" for path in inside(folder)
    )


def inside(folder: Path) -> Iterator[Path]:
    """The files and folders in a folder, down to a submission's depth; links are not followed."""
    left = MOST_LOOKED_AT
    for parent, folders, names in os.walk(folder):
        if len(Path(parent).relative_to(folder).parts) >= MAX_DEPTH:
            folders.clear()
        for name in sorted([*folders, *names]):
            if not (left := left - 1):
                return
            yield Path(parent, name)


def is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "__"))


def students_folder(folder: Path) -> Path | None:
    """The folder that holds the students': `folder` itself, or the one week below it whose students have configurations.

    A folder with a single one below it may as well be a student's own: it is a week's only where nothing else was handed in
    beside it. What is passed over beside a week is told.

    None where nobody's folder is found.

    Raises:
        UserError: Several weeks have, or something else beside a week was handed in.
    """
    if all((folder / name).exists() for name in OF_THE_TEMPLATE):  # a student's fork of it
        return None
    level = [folder]
    for _ in range(LEVELS):
        if weeks := [each for each in level if holds_students(each)]:
            return chosen(folder, weeks)
        level = [inner for each in level for inner in folders_in(each)][:MOST_LOOKED_AT]
    return None


def chosen(folder: Path, weeks: list[Path]) -> Path:
    """Of the folders below `folder` that hold students', all equally deep, the one that is meant. Raises UserError."""
    configured = [week for week in weeks if holds_work(week, (WRAPPER_MARK,), ())] or weeks
    several = [week for week in configured if holds_students(week, 2)]
    week = (several or configured)[0]
    passed_over: list[str] = []
    for place in [each for each in (*reversed(week.parents), week) if each.is_relative_to(folder)][:-1]:
        beside = [each for each in entries_in(place) if not week.is_relative_to(each) and is_work(each)]
        if beside and not several:
            return place
        passed_over += [printable(each.name) for each in beside]
        others = [each.name for each in beside if each not in weeks and is_work(each, MARKS, PACKED)]
        if others and len(configured) == 1:
            told = f"{printable(week.name)} holds students' folders, and {printable(', '.join(others))} hand-ins, too"
            raise UserError(f"{place}: {told}; name one of them, or move these downloads out of the repository")
    if len(configured) > 1:
        listed = ", ".join(printable(each.name) for each in configured)
        raise UserError(f"{folder}: {listed} each hold students' folders; name one, such as {configured[-1]}")
    if passed_over:
        note(f"{folder}: the students' folders are those in {week.name}; passed over: {', '.join(passed_over)}")
    return week


def holds_students(folder: Path, fewest: int = 1) -> bool:
    """Whether so many of the folders and archives in a folder are students', or a system's table beside them says so."""
    found = (each for each in entries_in(folder) if is_student(each))
    return any((folder / name).is_file() for name in TABLES) or len([*islice(found, fewest)]) == fewest


def is_student(entry: Path) -> bool:
    """Whether a folder or an archive is a student's: by its name and what it holds, or by a submission's own files."""
    if may_be_student_s(entry.name):  # as a system calls what was handed in
        return entry.is_dir() or is_work(entry, (), PACKED)
    if not entry.is_dir():
        return False
    if named_by_folder(entry.name)[0] and not entry.name[0].isdigit():  # `4주차` is a week's
        return holds_work(entry)
    inner = folders_in(entry)
    places = (entry, entry / FOLDER, *inner[: len(inner) == 1])
    return any((place / name).is_file() for place in places for name in MARKS)


def is_work(entry: Path, names: tuple[str, ...] = WORK_FILES, suffixes: tuple[str, ...] = WORK) -> bool:
    """Whether a file was made to be handed in by itself, or a folder holds something that was."""
    return holds_work(entry, names, suffixes) if entry.is_dir() else entry.name.lower().endswith(PACKED)


def unreadable(folder: Path) -> str:
    """Why a folder may not be read; empty where it may."""
    try:
        os.listdir(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder; none where it may not be read."""
    return [entry for entry in entries_in(folder) if entry.is_dir()]


def entries_in(folder: Path) -> list[Path]:
    """The files and folders in a folder, without links and what is hidden; none where it may not be read."""
    if unreadable(folder):
        return []
    return [entry for entry in sorted(folder.iterdir()) if not entry.is_symlink() and not is_hidden(entry)]


def in_repository(folder: Path) -> bool:
    """Whether a folder lies in a checked-out repository."""
    return any((place / ".git").exists() for place in (folder.resolve(), *folder.resolve().parents))
