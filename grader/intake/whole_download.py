"""What a system gives of a whole class in one zip, which is to be unpacked, and is no student's submission."""

import re
import zipfile
from itertools import islice
from pathlib import Path

from grader.apart import Apart, Failed
from grader.intake.submission import DAMAGED
from grader.intake.system_names import canvas_s, moodle_s
from grader.safe_text import normal
from project.support.errors import UserError

GRADESCOPE = re.compile(r"submission_(\d+)")
MOST_NAMES = 100_000  # that are looked at


def check_unpacked(path: Path) -> None:
    """Raises UserError for a zip of several students' hand-ins, named as Canvas, Moodle or Gradescope name them."""
    if not path.is_file() or path.suffix.lower() != ".zip":
        return
    try:
        with Apart("grader.intake.whole_download") as apart:  # anybody may have packed it
            number = int(apart.call("students_in", str(path.absolute())))
    except Failed:  # as whoever takes it in will say
        return
    if number > 1:
        raise UserError(
            f"{path}: looks like a system's download of {number} students; unpack it into a folder, and name that"
        )


def students_in(zipped: str) -> int:
    """Of how many students the names in a zip tell; 0 for one that cannot be read."""
    try:
        with zipfile.ZipFile(zipped) as archive:
            names = archive.namelist()
    except DAMAGED:
        return 0
    return len({number for name in islice(names, MOST_NAMES) if (number := student_in(name))})


def student_in(name: str) -> str:
    """The number that a system gave the student whose file this is; empty where no such name is on its way."""
    for part in normal(name).split("/")[:2]:
        if found := canvas_s(part) or next(iter(moodle_s(part)), None):
            return found["id"]
        if found := GRADESCOPE.fullmatch(part):
            return found[1]
    return ""
