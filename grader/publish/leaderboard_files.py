"""The leaderboard as JSON, CSV and Markdown, and as a table for the terminal.

Ids and names are in JSON and CSV, and in the table, which are the instructor's; Markdown calls students as the pages do. The
table alone quotes what a student wrote.
"""

import json
from typing import Any

from rich.cells import cell_len

from grader.grading.boards import Place
from grader.grading.ranking import Entry, band, decision
from grader.intake.checks import for_instructor
from grader.ledger.results_folder import OpenResults
from grader.publish.practice_view import as_public
from grader.publish.pseudonyms import called
from grader.publish.public_words import public
from grader.safe_text import csv_text, escaped, table_row
from project.support.files import write_atomically

HEADINGS = "rank student name verdict tier accuracy 95% epochs seconds parameters total reason".split()
ALIGNED_RIGHT = ("rank", "accuracy", "epochs", "seconds", "parameters", "total")
BEST = " ★"


def write_leaderboard(opened: OpenResults, entries: list[Entry]) -> None:
    """Write leaderboard.json, .csv and .md into a results folder."""
    entries = [public(entry) for entry in entries]
    graded_at, device = opened.ledger.graded_at(), opened.ledger.devices()
    board = {
        "assignment": opened.rules.model_dump(mode="json"),
        "graded_at": graded_at,
        "device": device,
        "entries": [entry.model_dump(mode="json") for entry in entries],
    }
    text = json.dumps(board, indent=2, ensure_ascii=False)
    write_atomically(opened.folder / "leaderboard.json", text + "\n")
    write_atomically(opened.folder / "leaderboard.csv", as_csv(entries))
    named = called(as_public(entries, opened), opened.rules.site.names, opened.secret, opened.ledger)
    write_atomically(opened.folder / "leaderboard.md", as_markdown(named, graded_at, device, opened.rules.of_images))


def as_csv(entries: list[Entry]) -> str:
    """A row for each entry, lists joined by semicolons; no cell can be a formula in a spreadsheet."""
    rows: list[list[Any]] = [[name for name, field in Entry.model_fields.items() if not field.exclude]]
    for entry in entries:
        strategies = "; ".join(name for names in entry.strategies.values() for name in names)
        rows.append([*(entry.model_dump() | {"strategies": strategies, "flags": "; ".join(entry.flags)}).values()])
    return csv_text(rows)


def as_markdown(entries: list[Entry], graded_at: str, device: str, of_images: str = "") -> str:
    """The table without ids, with everything that Markdown or HTML would read as markup escaped."""
    headings = [heading for heading in HEADINGS if heading != "student"]
    said = f"Graded at {graded_at} on {escaped(device)}. {of_images}".strip()
    lines = ["# Leaderboard", "", said, "", table_row(headings)]
    lines.append(table_row("---:" if heading in ALIGNED_RIGHT else "---" for heading in headings))
    for entry in entries:
        texts = dict(zip(HEADINGS, cells(entry, entry.reason)))
        lines.append(table_row(escaped(texts[heading]) for heading in headings))
    return "\n".join(lines) + "\n"


def as_table(entries: list[Entry]) -> str:
    """The table for an instructor's terminal, where Korean and other wide characters take two columns."""
    rows = [HEADINGS, *(cells(entry, for_instructor(entry.own_reason)) for entry in entries)]
    widths = [max(map(cell_len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(aligned, HEADINGS, row, widths)).rstrip() for row in rows)


def as_board(places: list[Place], column: str) -> str:
    """Another board for the terminal."""
    if not places:
        return f"Nobody has passed with a known {column}."
    rows = [["rank", "student", "name", column, "accuracy"]]
    for rank, value, entry in places:
        shown_value = f"{value:,.1f}" if column == "seconds" else f"{value:,}"
        rows.append([shown(rank, "d"), *cells(entry, "")[1:3], shown_value, shown(entry.accuracy, ".2%")])
    widths = [max(map(cell_len, each)) for each in zip(*rows)]
    return "\n".join(
        "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(row, widths)).rstrip() for row in rows
    )


def aligned(heading: str, text: str, width: int) -> str:
    space = " " * (width - cell_len(text))
    return space + text if heading in ALIGNED_RIGHT else text + space


def cells(entry: Entry, reason: str) -> list[str]:
    """An entry's texts under HEADINGS."""
    low, high = entry.accuracy_low, entry.accuracy_high
    return [
        band(entry) + (BEST if entry.excellent else ""),
        entry.student,
        entry.name + " (staff)" * entry.staff,
        entry.verdict,
        entry.tier,
        shown(entry.accuracy, ".2%"),
        "" if low is None or high is None else f"{100 * low:.1f}-{100 * high:.1f}",
        shown(entry.epochs, "d"),
        shown(entry.seconds, ".0f"),
        shown(entry.parameters, ","),
        shown(entry.total, ".2f"),
        "; ".join(filter(None, [reason, decision(entry), *entry.flags])),
    ]


def shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
