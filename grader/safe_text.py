"""Text from strangers, made safe for where it is shown: a terminal, a spreadsheet, Markdown."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: str, length: int = 80) -> str:
    """Text without control and formatting characters (which can hide or reverse what follows), on one line."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[: 10 * length])
    return " ".join(kept.split())[:length]


def storable(text: str) -> str:
    """Text that every file and database can hold: bytes that were no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()


def normal(name: str) -> str:
    """A name as everything but macOS writes it (NFC): the same name, the same text."""
    return unicodedata.normalize("NFC", name)


def inert(text: str) -> str:
    """Text that a spreadsheet takes for text: an apostrophe before what could begin a formula. A hyphen alone cannot.

    Spreadsheets of East Asian languages take full-width signs (NFKC makes them plain) for signs.
    """
    begins = text[:1] + unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if text != "-" and any(sign in begins for sign in "=+-@\t\r") else text


def csv_text(rows: Iterable[Iterable[Any]], delimiter: str = ",", bom: bool = True) -> str:
    """The rows as CSV, in which no cell can be a formula in a spreadsheet. Only with the mark (BOM) does Excel read Korean."""
    return as_written(
        ([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows), delimiter, bom
    )


def as_written(rows: Iterable[Iterable[Any]], delimiter: str, bom: bool) -> str:
    """The same of cells that are another system's own, and come back to it unchanged."""
    text = io.StringIO()
    text.write("\ufeff" if bom else "")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def in_words(names: Sequence[str]) -> str:
    """`a, b and c`; of no names, nothing."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def escaped(text: str) -> str:
    """Text that Markdown and HTML take for text."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!~&])", r"\\\1", text)


def table_row(texts: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(texts)} |"
