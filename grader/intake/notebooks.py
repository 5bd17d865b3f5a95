"""Reads a Jupyter notebook without running it, and finds the report and the conclusion among its cells.

The rule, closed, as docs/assignment.md states it:

1. A heading that begins with one of a part's WORDS, whatever numbers and signs (and "week") come before it, begins that part.
   It ends before the next heading of the same or a higher level, or before one that begins the other part. Code between is
   left out.
2. Where no heading begins a conclusion, the Markdown cells after the last cell with code are it, but for what is the report.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from grader.safe_text import storable

WORDS = {
    "report": ("report", "theory", "보고서", "리포트", "이론"),
    "conclusion": ("conclusion", "conclusions", "analysis", "결론", "분석", "결과 분석"),
}
MOST_PARTS = 1_000_000  # lists, objects and texts in the JSON; each takes some 60 bytes of memory
MOST_CHARACTERS = 1_000_000  # of all sources; the cells behind them are left out
MOST_OUTPUT = 2_000  # characters kept of what a cell printed, the last ones
HEADING = re.compile(r" {0,3}(#{1,6})(?!#)(.*)")  # also without the space that is often forgotten
FENCE = re.compile(r" {0,3}(```|~~~)")
BEGINS = {
    part: re.compile(r"[\W\d_]*(?:(?:주차|week)[\W\d_]*)?(?:" + "|".join(words) + ")(?![a-z])", re.IGNORECASE)
    for part, words in WORDS.items()
}
PICTURE_DATA = re.compile(r"(?:data:[\w/.+-]{1,60}[;,]|attachment:)[^\s)\"'>]*")
CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class NotANotebook(Exception):
    """A file that cannot be read as a notebook; the message is the reason, in one line."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook.

    Attributes:
        source: Markdown without the data of pictures, or code.
        output: The text that its code printed, at most MOST_OUTPUT characters.
    """

    kind: Literal["markdown", "code"]
    source: str
    output: str = ""


def read_notebook(content: bytes) -> list[Cell]:
    """The cells that hold anything, of a notebook in format 3 or 4. Raises NotANotebook."""
    if sum(map(content.count, (b"[", b"{", b'"'))) > MOST_PARTS:
        raise NotANotebook("has more parts than any notebook; clear its outputs")
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotANotebook(f"is no notebook ({type(error).__name__}); save it anew in Jupyter or Colab") from None
    found = notebook if isinstance(notebook, dict) else {}
    sheets = found.get("worksheets", [found])  # of format 3
    if not isinstance(sheets, list) or not all(
        isinstance(s, dict) and isinstance(s.get("cells"), list) for s in sheets
    ):
        raise NotANotebook("is no notebook (it has no cells); save it anew in Jupyter or Colab")
    read, left = [], MOST_CHARACTERS
    for cell in map(read_cell, [cell for sheet in sheets for cell in listed(sheet["cells"])]):
        if cell.source.strip() and left > 0:
            read.append(replace(cell, source=cell.source[:left]))
            left -= len(cell.source)
    return read


def listed(value: Any) -> list[dict[Any, Any]]:
    """The dictionaries in what should be a list of them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def joined(value: Any) -> str:
    """A text, which a notebook may hold as a list of its lines."""
    lines = value if isinstance(value, list) else [value]
    return storable("".join(line for line in lines if isinstance(line, str)))


def read_cell(cell: dict[Any, Any]) -> Cell:
    """A cell; one that is neither code nor Markdown is empty."""
    kind = cell.get("cell_type")
    source = CONTROL.sub(" ", joined(cell.get("source", cell.get("input"))).replace("\r\n", "\n"))
    if kind == "code":
        return Cell("code", source, printed(listed(cell.get("outputs"))))
    if kind == "heading":  # of format 3
        level = cell.get("level")
        source = f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {source}"
    return Cell("markdown", without_picture_data(source) if kind in ("markdown", "heading") else "")


def printed(outputs: list[dict[Any, Any]]) -> str:
    """What a cell's outputs say in plain text, the end of it; nothing of pictures, tables or HTML."""
    said = []
    for output in outputs:
        data = output.get("data")
        if output.get("output_type") == "stream":
            said.append(joined(output.get("text")))
        elif isinstance(data, dict) and data.keys() == {"text/plain"}:  # beside a picture it only names it
            said.append(joined(data["text/plain"]) + "\n")
    text = "\n".join(line.rpartition("\r")[2] for line in "".join(said)[-100_000:].replace("\r\n", "\n").split("\n"))
    return CONTROL.sub(" ", text).strip()[-MOST_OUTPUT:]


def without_picture_data(markdown: str) -> str:
    """Markdown in which pictures are named, but not contained."""
    return PICTURE_DATA.sub("picture", markdown)


def part_named(title: str) -> str:
    """The part whose word a heading or the name of a file begins with; empty for none."""
    text = unicodedata.normalize("NFC", title[:200])
    return next((part for part, begins in BEGINS.items() if begins.match(text)), "")


def parts_in(cells: list[Cell]) -> dict[str, str]:
    """The Markdown of the parts that the rule finds, by the part's name."""
    last_code = max((number for number, cell in enumerate(cells) if cell.kind == "code"), default=-1)
    found: dict[str, list[str]] = {part: [] for part in WORDS}
    last = []
    for number, part, line in lines_by_part(cells):
        if part:
            found[part].append(line)
        elif number > last_code:
            last.append(line)
    if not found["conclusion"]:
        found["conclusion"] = last
    return {part: text for part, lines in found.items() if (text := "\n".join(lines).strip())}


def lines_by_part(cells: list[Cell]) -> Iterator[tuple[int, str, str]]:
    """Each line of Markdown: the number of its cell, the part that it belongs to (empty for none), and the line."""
    part, depth = "", 0
    for number, cell in enumerate(cells):
        if cell.kind == "code":
            continue
        fence = ""
        for line in cell.source.splitlines():
            if mark := FENCE.match(line):
                fence = "" if fence == mark[1] else fence or mark[1]
            elif not fence and (heading := HEADING.match(line)):
                level, named = len(heading[1]), part_named(heading[2])
                if level <= depth or (named and named != part):
                    part, depth = (named, level) if named else ("", 0)
            yield number, part, line
        yield number, part, ""
