"""Gradebooks of other systems, filled in: what Canvas and Moodle exported goes in, and what they import comes out."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grader.grading.ranking import Entry
from grader.intake.submission import safe_id
from grader.safe_text import csv_text
from project.support.errors import UserError

GRADED = ("passed", "below_target", "rejected", "failed")  # verdicts that stand; the others are ours to repeat
FULL = 100.0  # points, of an accuracy of 1; the bonus comes on top
ENCODINGS = ("utf-8-sig", "cp949")  # what the systems write, and what a Korean Excel makes of it

Matches = list[tuple[list[str], Entry]]


@dataclass
class Filled:
    """A file for another system.

    Attributes:
        left_out: Graded students who have no row in it.
        told: What the instructor has to know of it, a line each.
    """

    text: str
    left_out: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def points(entry: Entry) -> float | None:
    """What goes into a gradebook: the total; 0 for what is rejected or failed; None for what is not graded yet."""
    if entry.verdict not in GRADED:
        return None
    return 0.0 if entry.total is None else round(entry.total, 2)


def grade(entry: Entry) -> str:
    """The points as a gradebook's cell; empty for none."""
    found = points(entry)
    return "" if found is None else f"{found:.2f}"


@dataclass
class Gradebook:
    """A table as a system exported it. Cells are kept as they are, and so are order, separators and quotes' meaning."""

    path: Path
    headings: list[str]
    rows: list[list[str]]
    delimiter: str
    bom: bool

    @classmethod
    def read(cls, path: Path) -> "Gradebook":
        """Raises UserError where the file is no table."""
        try:
            content = path.read_bytes()
            text = decoded(content)
            first_line = text.partition("\n")[0]
            delimiter = max(",;\t", key=lambda mark: len(next(csv.reader([first_line], delimiter=mark), [])))
            headings, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        except (OSError, ValueError, csv.Error) as error:
            said = "it is empty" if "unpack" in str(error) else str(error)
            raise UserError(f"--gradebook {path}: cannot be read ({said})") from None
        width = len(headings)  # a row's surplus cells are left out, missing ones are empty
        rows = [(row + [""] * width)[:width] for row in rows if row]
        return cls(path, headings, rows, delimiter, content.startswith(b"\xef\xbb\xbf"))

    def column(self, beginning: str, without: Iterable[str] = ()) -> int:
        """The place of the heading that is just `beginning`, else of the only one that begins with it.

        `without` are headings that identify students; the first column always does. Raises UserError where there is none.
        """
        allowed = [at for at, name in enumerate(self.headings) if at and name not in without]
        found = [at for at in allowed if self.headings[at] == beginning]
        if len(found) > 1:
            raise self.fault(f"two columns are headed {beginning!r}; rename one, and name the other with --column")
        found = found or [at for at in allowed if self.headings[at].lower().startswith(beginning.lower())]
        if len(found) != 1:
            some = f"{len(found)} columns to fill in begin" if found else "no column to fill in begins"
            there = ", ".join(self.headings[at] for at in allowed)
            raise self.fault(f"{some} with {beginning!r}; name one with --column; there are {there}")
        return found[0]

    def text(self, columns: Iterable[int], bom: bool) -> str:
        """The file with these columns alone."""
        kept = list(columns)
        return csv_text(([row[at] for at in kept] for row in [self.headings, *self.rows]), self.delimiter, bom)

    def matched(
        self,
        rows: list[list[str]],
        entries: list[Entry],
        number_of: Callable[[Entry], str],
        number_at: int,
        ids_at: list[int],
    ) -> Matches:
        """Rows of known students.

        Whom the system gave a number (`number_of` tells it by the download's name) is found by it alone, at the end of the
        cell `number_at`; the others by their id, which may stand in any of the cells `ids_at`, or before the @ in one.
        """
        by_number = {number_of(entry): entry for entry in entries}
        by_id = {entry.student: entry for entry in entries if not number_of(entry)}
        found = []
        for row in rows:
            written = re.search(r"\d+$", row[number_at].strip())
            values = [row[at].strip() for at in (number_at, *ids_at)]
            keys = [key for value in values for key in (value, safe_id(value), safe_id(value.partition("@")[0]))]
            entry = by_number.get(written[0]) if written else None
            if entry := entry or next((by_id[key] for key in keys if key in by_id), None):
                found.append((row, entry))
        return found

    def check_maximum(self, maximum: float | None, most: float) -> None:
        """Raises UserError where an assignment of so many points cannot hold the totals, which go from 0 to `most`."""
        if maximum is not None and maximum < FULL:
            what = f"the assignment has {maximum:g} points, and totals here go to {most:g}"
            raise self.fault(f"{what}; give it {most:g} points there, and export the file again")

    def fault(self, what: str) -> UserError:
        return UserError(f"--gradebook {self.path}: {what}")


def decoded(content: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"its text is neither of {' and '.join(ENCODINGS)}")


def numeral(cell: str) -> float | None:
    """The number in a cell, with a point or a comma for the fraction; None for words such as EX."""
    try:
        return float(cell.strip().replace(",", "."))
    except ValueError:
        return None


def is_word(cell: str) -> bool:
    """Whether a cell holds what a person or the system has decided in words: EX, N/A, a letter. A dash is no word."""
    return numeral(cell) is None and cell.strip() not in ("", "-")


def left_out(entries: list[Entry], found: Matches) -> list[str]:
    """Graded students without a row."""
    there = {entry.student for _, entry in found}
    return [entry.student for entry in entries if grade(entry) and entry.student not in there]


def handed_in_nothing(names: list[str]) -> list[str]:
    """A line about rows of whom nothing was handed in; none where there are none."""
    return [f"handed in nothing, and stays as it is: {'; '.join(names)}"] if names else []
