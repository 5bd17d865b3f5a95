"""A class's repository: folders for weeks, and in them a folder for each student, by the student's name.

macOS writes a name in Hangul in another normal form (NFD) than everything else (NFC); git takes the two for two folders.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from grader.intake.submission import ARCHIVES, MAX_DEPTH, UNREAD, WRAPPER_MARK, named_by_folder
from grader.safe_text import printable
from project.support.errors import UserError

WORK = (".ipynb", ".py", ".bundle", *ARCHIVES, *UNREAD)  # what a student's folder has, besides texts
WORK_FILES = (WRAPPER_MARK, "student.yaml", "REPORT.md", "CONCLUSION.md")
OF_THE_TEMPLATE = ("main.py", "project", "configs")
MARKS = (WRAPPER_MARK, "student.yaml")
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

    None where nobody's folder is found.

    Raises:
        UserError: Several weeks have.
    """
    if all((folder / name).exists() for name in OF_THE_TEMPLATE):  # a student's fork of it
        return None
    level = [folder]
    for _ in range(LEVELS):
        weeks = [each for each in level if any(map(is_student, folders_in(each)))]
        if weeks:
            configured = [week for week in weeks if holds_work(week, (WRAPPER_MARK,), ())] or weeks
            if len(configured) > 1:
                listed = ", ".join(printable(week.name) for week in configured)
                raise UserError(f"{folder}: {listed} each hold students' folders; name one, such as {configured[-1]}")
            return configured[0]
        level = [inner for each in level for inner in folders_in(each)][:MOST_LOOKED_AT]
    return None


def is_student(folder: Path) -> bool:
    """Whether a folder is a student's: by its name and what it holds, or by a submission's own files."""
    if named_by_folder(folder.name)[0] and not folder.name[0].isdigit():  # `4주차` is a week's
        return holds_work(folder)
    inner = folders_in(folder)
    return any((place / name).is_file() for place in (folder, *inner[: len(inner) == 1]) for name in MARKS)


def unreadable(folder: Path) -> str:
    """Why a folder may not be read; empty where it may."""
    try:
        os.listdir(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder; none where it may not be read."""
    if unreadable(folder):
        return []
    return [
        entry
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.is_symlink() and not is_hidden(entry)
    ]


def in_repository(folder: Path) -> bool:
    """Whether a folder lies in a checked-out repository."""
    return any((place / ".git").exists() for place in (folder.resolve(), *folder.resolve().parents))
