"""A class's repository: folders for weeks, and in them a folder for each student, by the student's name.

macOS writes a name in Hangul in another normal form (NFD) than everything else (NFC); git takes the two for two folders.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from grader.intake.file_dates import MOST_LOOKED_AT, inside
from grader.intake.git_repositories import FOLDER
from grader.intake.hand_in_times import METADATA, SCORES, TIMES
from grader.intake.submission import ARCHIVES, UNREAD, WRAPPER_MARK, named_by_folder
from grader.intake.system_names import may_be_student_s
from grader.safe_text import normal, printable
from project.support.errors import UserError, note

PACKED = (".bundle", *ARCHIVES, *UNREAD)
WORK = (".ipynb", ".py", *PACKED)  # what a student's folder has, besides texts
WORK_FILES = (WRAPPER_MARK, "student.yaml", "REPORT.md", "CONCLUSION.md")
OF_THE_TEMPLATE = ("main.py", "project", "configs")
MARKS = (WRAPPER_MARK, "student.yaml")
TABLES = (METADATA, SCORES, TIMES)  # each beside the downloads that it tells of
OF_A_WEEK = re.compile(r"(week|wk)[\W_]*\d+|\d{1,2}[\W_]*(주차?|차시|회차)", re.IGNORECASE)  # and nobody's name
LEVELS = 3  # so deep lie students' folders: course/week/student


def holds_work(folder: Path, names: tuple[str, ...] = WORK_FILES, suffixes: tuple[str, ...] = WORK) -> bool:
    """Whether something in a folder, at any depth that a submission may have, was made to be handed in."""
    return any(
        path.name in names or path.name.lower().endswith(suffixes) or path.name == ".git" for path in inside(folder)
    )


def is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "__"))


def students_folder(folder: Path) -> Path | None:
    """The folder that holds the students': `folder` itself, or the one week below it whose students have configurations.

    It is looked for from above: the first that holds a student's. One further down that holds no fewer, and several or is called
    like a week, is a question. A folder with a single one below it may as well be a student's own: it is a week's only by its
    name, or where nothing else was handed in beside it. What is passed over, and a choice that could be another, is told.

    None where nobody's folder is found.

    Raises:
        UserError: Several folders may be the one, or something else beside a week was handed in.
    """
    if all((folder / name).exists() for name in OF_THE_TEMPLATE):  # a student's fork of it
        return None
    level, found = [folder], dict[Path, list[Path]]()
    for _ in range(LEVELS):
        here = {each: students_in(each) for each in level}
        holding = {each: students for each, students in here.items() if students or has_table(each)}
        most = max(map(len, found.values()), default=0)
        no_fewer = {each: max(most, 1 if is_week_s(each) else 2) for each in holding}
        if found and (further := [each for each in holding if len(holding[each]) >= no_fewer[each]]):
            told = ", ".join(printable(each.name) for students in found.values() for each in students[:3])
            where = f"name {further[0]}, or move the others out of this folder"
            raise UserError(
                f"{folder}: {told} may be students', and {further[0].name} holds students' folders; {where}"
            )
        found = found or holding
        if any(has_table(each) for each in found):
            break
        level = [inner for each in level for inner in folders_in(each) if inner not in here[each]][:MOST_LOOKED_AT]
    return chosen(folder, found) if found else None


def chosen(folder: Path, weeks: Mapping[Path, list[Path]]) -> Path:
    """Of the folders below `folder` that hold students', all equally deep, the one that is meant. Raises UserError."""
    configured = [week for week in weeks if holds_work(week, (WRAPPER_MARK,), ())] or [*weeks]
    several = [week for week in configured if len(weeks[week]) > 1 or has_table(week)]
    sure = several or [week for week in configured if is_week_s(week)]
    week = (sure or configured)[0]
    passed_over: list[str] = []
    for place in [each for each in (*reversed(week.parents), week) if each.is_relative_to(folder)][:-1]:
        beside = [each for each in entries_in(place) if not week.is_relative_to(each) and is_work(each)]
        if beside and not sure:
            tell_choice(place, configured)
            return place
        passed_over += [printable(each.name) for each in beside]
        others = [each for each in beside if each not in weeks and is_work(each, MARKS, PACKED)]
        handout = several and len(others) == 1 and others[0].is_file()
        if others and not handout and len(configured) == 1:
            listed = printable(", ".join(each.name for each in others))
            told = f"{printable(week.name)} holds students' folders, and {listed} hand-ins, too"
            raise UserError(f"{place}: {told}; name one of them, or move these downloads out of the repository")
    if len(configured) > 1:
        listed = ", ".join(printable(each.name) for each in configured)
        raise UserError(f"{folder}: {listed} each hold students' folders; name one, such as {configured[-1]}")
    if passed_over:
        note(f"{folder}: the students' folders are those in {week.name}; passed over: {', '.join(passed_over)}")
    if not has_table(week) and (open_ones := [each for each in weeks[week] if not is_surely_student(each)]):
        if len(weeks[week]) - len(open_ones) < 2:
            tell_choice(week, open_ones)
    return week


def tell_choice(place: Path, taken: list[Path]) -> None:
    """Say which folders in one are taken for students', though they may be weeks'."""
    listed = ", ".join(printable(each.name) for each in taken)
    note(
        f"{place}: {listed} taken for one student's each; if students' folders lie in one, name it, such as {taken[-1]}"
    )


def students_in(folder: Path) -> list[Path]:
    """The folders and archives in a folder that are students'."""
    return [each for each in entries_in(folder) if is_student(each)]


def is_week_s(folder: Path) -> bool:
    """Whether a folder's name is a week's: `week4`, `4주차`."""
    return bool(OF_A_WEEK.fullmatch(normal(folder.name)))


def has_table(folder: Path) -> bool:
    """Whether a system's table lies in a folder, as beside the downloads that it tells of."""
    return any((folder / name).is_file() for name in TABLES)


def is_student(entry: Path) -> bool:
    """Whether a folder or an archive is a student's: surely, or since the only folder in it has a submission's own files."""
    if is_surely_student(entry):
        return True
    if not entry.is_dir() or is_week_s(entry):
        return False
    inner = folders_in(entry)
    return len(inner) == 1 and has_marks(inner[0])


def is_surely_student(entry: Path) -> bool:
    """Whether it is by its name and what it holds, or by a submission's own files."""
    if may_be_student_s(entry.name):  # as a system calls what was handed in
        return entry.is_dir() or is_work(entry, (), PACKED)
    if not entry.is_dir():
        return False
    if named_by_folder(entry.name)[0] and not entry.name[0].isdigit():  # `4주차` is a week's
        return holds_work(entry)
    return has_marks(entry) or has_marks(entry / FOLDER)


def has_marks(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MARKS)


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
