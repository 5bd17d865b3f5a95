"""Gradebooks of other systems, filled in: what Canvas and Moodle exported goes in, and what they import comes out."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry
from grader.intake.roster import Student, key, tight
from grader.intake.submission import safe_id
from grader.safe_text import as_written
from grader.tables import separator_of
from project.support.errors import UserError

GRADED = (
    "passed",
    "below_target",
    "rejected",
    "failed",
    "disqualified",
)  # verdicts that stand; the others are ours to repeat
MISSING = "missing"  # of who is on the roster and handed in nothing
ENCODINGS = ("utf-8-sig", "cp949")  # what the systems write, and what a Korean Excel makes of it

LEVELS = 3  # of what tells a student: a number, a whole id or login, a part of one

Matches = list[tuple[list[str], Entry]]
Known = list[set[Any]]  # on each of these levels, what one is known as


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
    """What goes into a gradebook: the total; 0 for what has none; None for what is not graded yet."""
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
            delimiter = separator_of(text)
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
        return as_written(([row[at] for at in kept] for row in [self.headings, *self.rows]), self.delimiter, bom)

    def matched(
        self,
        rows: list[list[str]],
        entries: list[Entry],
        system: str,
        number_at: int,
        ids_at: list[int],
        listed: Mapping[str, Student],
    ) -> tuple[Matches, list[str]]:
        """Rows of known students, one to one, and a line about each that is left empty because it is not told whose it is.

        Only what others than the student say counts: the number that the system gave, or the roster has; else an id or login
        as it is written; else the part before the @, where only one of the two has a mail address: two addresses are two
        people's. Where the number leads to a row with an id or login that the roster has of another, the row is nobody's: a
        roster may have the numbers of another course or assignment.

        Args:
            system: `canvas` or `moodle`, whose numbers stand at the end of the cells `number_at`.
            ids_at: Cells in which an id or a login may stand.
            listed: The roster's students, by id.
        """
        owners: dict[str, set[str]] = {}
        for student, on_list in listed.items():
            for text in spellings((on_list.id, *on_list.logins)):
                owners.setdefault(text, set()).add(student)
        known_by: list[dict[Any, list[int]]] = [{} for _ in range(LEVELS)]  # the places of rows, by what fits them
        for at, row in enumerate(rows):
            for level, called in enumerate(in_row(row, number_at, ids_at)):
                for each in called:
                    known_by[level].setdefault(each, []).append(at)
        of = {entry.student: of_entry(entry, system, listed.get(entry.student)) for entry in entries}
        left, taken, found, told = list(entries), set[int](), Matches(), list[str]()
        for level, known in enumerate(known_by):
            fits = {
                entry.student: [
                    rows[at] for at in sorted({at for each in of[entry.student][level] for at in known.get(each, ())})
                ]
                for entry in left
            }
            claimed = Counter(id(row) for some in fits.values() for row in some)
            for entry in left:
                some = fits[entry.student]
                if len(some) > 1:
                    told.append(f"{entry.student}: fits {len(some)} rows, and none of them is filled in for it")
                elif some and id(some[0]) in taken:
                    told.append(f"{entry.student}: fits a row that is another's for sure, and is left out")
                elif some and (others := anothers(some[0], ids_at, owners, entry.student)):
                    told.append(
                        f"{entry.student}: has the number of a row that by its id or mail is that of {', '.join(others)}, and that "
                        "stays as it is; mend the roster's numbers, or leave them out"
                    )
                elif some and claimed[id(some[0])] > 1:
                    told.append(f"{entry.student}: fits a row that others fit, too, and that stays as it is")
                elif some:
                    found.append((some[0], entry))
            taken |= {*claimed}
            left = [entry for entry in left if not fits[entry.student]]
        return found, told

    def check_maximum(self, maximum: float | None, full: float, most: float) -> None:
        """Raises UserError where an assignment of so many points cannot hold the totals, which go from 0 to `most`, or to
        `full` without points for texts."""
        if maximum is not None and maximum < full:
            what = f"the assignment has {maximum:g} points, and totals here go to {most:g}"
            raise self.fault(f"{what}; give it {most:g} points there, and export the file again")

    def fault(self, what: str) -> UserError:
        return UserError(f"--gradebook {self.path}: {what}")


def anothers(row: list[str], ids_at: list[int], owners: Mapping[str, set[str]], student: str) -> list[str]:
    """Whose ids and logins stand in a row, where none is this student's."""
    found = {each for text in spellings(row[at] for at in ids_at) for each in owners.get(text, ())}
    return [] if student in found else sorted(found)


def is_known(entry: Entry, number: str, system: str) -> bool:
    """Whether a number in a download's name is the student's: by the system, or by the roster."""
    return number in (*entry.known_as.get(system, []), *entry.known_as.get("number", []))


def of_entry(entry: Entry, system: str, on_list: Student | None = None) -> Known:
    """What a student is known as: numbers; ids and logins as they are written; their parts before the @, and whether one of
    them is a mail address."""
    known = entry.known_as
    of_roster = known.get("number", []) if on_list is None or on_list.has_number_of(system) else []
    numbers = known.get(system, []) or of_roster
    names = [*known.get("id", []), *known.get("login", [])]
    return [{*numbers}, spellings(names), {(text, has_mail(names)) for text in spellings(map(local, names))}]


def in_row(row: list[str], number_at: int, ids_at: list[int]) -> Known:
    """What in a row of a gradebook fits a student: of the last, who has a mail address where the row has none, or the
    other way round."""
    number = re.search(r"\d+$", row[number_at].strip())
    names = [row[at] for at in ids_at]
    parts = {(text, not has_mail(names)) for text in spellings(map(local, names))}
    return [{number[0]} if number else set(), spellings(names), parts]


def spellings(names: Iterable[str]) -> set[str]:
    """Names as they are compared: whatever their case, with or without an id's hyphens, and as ids are written here."""
    return {each for text in names for each in (key(text), tight(key(text)), safe_id(text)) if each}


def local(name: str) -> str:
    """The part of a mail address before the @; of another name, all of it."""
    return name.partition("@")[0]


def has_mail(names: Iterable[str]) -> bool:
    return any("@" in name for name in names)


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
    """A line about rows of whom nothing is here; none where there are none. Of whom one is that withdrew, nothing tells."""
    there = (
        f"nothing of theirs is here (not handed in, or withdrawn), and their rows stay as they are: {'; '.join(names)}"
    )
    return [there] if names else []
