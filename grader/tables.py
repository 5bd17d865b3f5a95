"""Tables that an instructor has: of a spreadsheet or another system, in the encoding and with the separators of either."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import zip_longest
from pathlib import Path

import dateparser
from charset_normalizer import from_bytes

from grader.safe_text import normal, printable
from project.support.errors import UserError

ENCODINGS = ["ascii", "utf_8", "utf_16", "cp949"]  # what systems and spreadsheets write, in Korea and elsewhere
SEPARATORS = ",;\t"
LANGUAGES = ["en", "ko"]  # of dates
TITLES = 5  # lines among the first of which the headings are
MOST_BYTES = 5_000_000  # a roster of 10,000 students has a tenth of that
csv.field_size_limit(MOST_BYTES)  # a text that was written into Moodle is one cell
MOST_CELLS = 1_000_000  # headings times rows; a gradebook of 2,000 students with 200 columns has 400,000


def heading(text: str) -> str:
    """A heading without what two hands write differently: `Student_ID` and `student id` are one."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def read_table(path: Path, is_known: Callable[[str], bool] = lambda _: True) -> tuple[list[str], list[dict[str, str]]]:
    """A CSV's headings, and its rows by them. All is text, in its normal form (NFC), without space around it.

    The encoding is told by charset-normalizer; the separator is the one that divides the headings most often. A row's
    surplus cells are left out, missing ones are empty, and rows without any text are no rows.

    Args:
        is_known: Whether a cell is a heading: a few lines before the first that has one are a title.

    Raises:
        UserError: It cannot be read, is too large, or two columns have one heading.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES // 10**6} MB")
        best = from_bytes(content, cp_isolation=ENCODINGS).best() if content.strip() else None
        if best is None:
            raise ValueError("it is no text" if content.strip() else "it is empty")
        text = normal(str(best).removeprefix("\ufeff"))
        separator = separator_of(text)
        lines = [
            [cell.strip() for cell in row]
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            if any(cell.strip() for cell in row)
        ]
        if not lines:
            raise ValueError("it is empty")
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({printable(str(error), 200)}); save it as CSV, in UTF-8") from None
    begin = next((at for at, line in enumerate(lines[:TITLES]) if any(map(is_known, line))), 0)
    headings, rows = lines[begin], lines[begin + 1 :]
    if len(headings) * len(rows) > MOST_CELLS:
        size = f"{len(headings):,} columns and {len(rows):,} rows"
        raise UserError(f"{path}: has {size}, which is more than a class's table; leave out what is not needed")
    if twice := [one for one, times in Counter(headings).items() if one and times > 1]:
        raise UserError(f"{path}: two columns are headed {printable(twice[0])!r}; leave one out")
    return headings, [dict(zip_longest(headings, row[: len(headings)], fillvalue="")) for row in rows]


def separator_of(text: str) -> str:
    """What divides a table's headings most often. Raises csv.Error."""
    first = text.lstrip("\ufeff\r\n").partition("\n")[0]
    return max(SEPARATORS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))


def read_time(text: str, zone: tzinfo) -> datetime | None:
    """A complete date and time as a system writes it out, in English or Korean, in a time zone; None for anything else."""
    settings = {"RETURN_AS_TIMEZONE_AWARE": False, "PARSERS": ["absolute-time"], "STRICT_PARSING": True}
    time = dateparser.parse(text, languages=LANGUAGES, settings=settings) if text else None
    return time and time.replace(tzinfo=zone)
