"""What leaves: the leaderboard as JSON, CSV and Markdown, and as a table for the terminal."""

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry, band, decision
from grader.safe_text import escaped, inert, table_row
from project.support.files import write_atomically

HEADINGS = (
    "rank",
    "student",
    "name",
    "verdict",
    "tier",
    "accuracy",
    "95 %",
    "epochs",
    "seconds",
    "parameters",
    "total",
    "reason",
)
FIELDS = tuple(Entry.model_fields)
BEST = " ★"
RIGHT = ("rank", "accuracy", "epochs", "seconds", "parameters", "total")


def export(results: Path, assignment: dict[str, Any], graded_at: str, device: str, entries: list[Entry]) -> None:
    """Write leaderboard.json, .csv and .md below `results`."""
    write_atomically(results / "leaderboard.json", as_json(assignment, graded_at, device, entries))
    write_atomically(results / "leaderboard.csv", as_csv(entries))
    write_atomically(results / "leaderboard.md", as_markdown(entries, graded_at, device))


def as_json(assignment: dict[str, Any], graded_at: str, device: str, entries: list[Entry]) -> str:
    """All of it; each entry is a line of its own, which takes a fifth of the time that indented ones take."""
    about = json.dumps(
        {"assignment": assignment, "graded_at": graded_at, "device": device}, indent=2, ensure_ascii=False
    )
    rows = ",\n".join(f"    {json.dumps(values(entry), ensure_ascii=False)}" for entry in entries)
    return about.removesuffix("\n}") + f',\n  "entries": [\n{rows}\n  ]\n}}\n'


def as_csv(entries: list[Entry]) -> str:
    """One row an entry, lists joined by semicolons; no cell can start a spreadsheet's formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        row = values(entry)
        row["strategies"] = "; ".join(name for names in entry.strategies.values() for name in names)
        row["flags"] = "; ".join(entry.flags)
        writer.writerow({key: inert(value) if isinstance(value, str) else value for key, value in row.items()})
    return text.getvalue()


def values(entry: Entry) -> dict[str, Any]:
    """An entry's own values by their names, not copies of them."""
    return {name: getattr(entry, name) for name in FIELDS}


def as_markdown(entries: list[Entry], graded_at: str, device: str) -> str:
    """The table, with everything that Markdown or HTML would read as markup escaped."""
    lines = ["# Leaderboard", "", f"Graded at {graded_at} on {escaped(device)}.", "", table_row(HEADINGS)]
    lines.append(table_row("---:" if heading in RIGHT else "---" for heading in HEADINGS))
    lines += [table_row(map(escaped, cells(entry))) for entry in entries]
    return "\n".join(lines) + "\n"


def as_table(entries: list[Entry]) -> str:
    """The table for a terminal, columns aligned."""
    rows = [HEADINGS, *(cells(entry) for entry in entries)]
    widths = [max(display_width(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = []
    for row in rows:
        padded = []
        for heading, text, width in zip(HEADINGS, row, widths):
            space = " " * (width - display_width(text))
            padded.append(space + text if heading in RIGHT else text + space)
        lines.append("  ".join(padded).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def cells(entry: Entry) -> list[str]:
    """An entry's texts under HEADINGS."""
    scored = entry.accuracy is not None
    return [
        *(f"{band(entry)}{BEST if entry.excellent else ''}", entry.student, entry.name, entry.verdict, entry.tier),
        f"{entry.accuracy:.2%}" if scored else "",
        f"{100 * entry.accuracy_low:.1f}-{100 * entry.accuracy_high:.1f}" if scored else "",
        "" if entry.epochs is None else str(entry.epochs),
        "" if entry.seconds is None else f"{entry.seconds:.0f}",
        "" if entry.parameters is None else f"{entry.parameters:,}",
        "" if entry.total is None else f"{entry.total:.2f}",
        "; ".join(filter(None, [entry.reason, decision(entry), *entry.flags])),
    ]


def display_width(text: str) -> int:
    """Columns that a text takes in a terminal: Korean and other wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
