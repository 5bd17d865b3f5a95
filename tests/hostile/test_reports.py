"""Texts of strangers, in everything that the grader writes: they stay texts."""

import csv
import io
import re

import pytest

from grader.grading.ranking import Entry
from grader.publish.leaderboard_files import as_csv, as_markdown, as_table
from grader.safe_text import printable

TEXTS = {
    "a script": "<script>alert(1)</script>",
    "SVG": "<svg onload=alert(1)>",
    "a javascript link": "[me](javascript:alert(1))",
    "a remote image": "![](http://192.0.2.1/track.png)",
    "ANSI codes": "\x1b[2J\x1b]0;title\x07red",
    "a formula": '=HYPERLINK("http://192.0.2.1")',
    "a formula with a plus": "+1+cmd|' /C calc'!A0",
    "a workflow command": "::set-output name=x::y\n::error::z",
    "NUL bytes": "a\0b",
    "right to left": "\u202egnp.exe",
    "a table's bars": "a | b | c",
    "a very long name": "x" * 10**6,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_stay_texts(text):
    name = printable(text)
    entry = Entry(
        **{"rank": 1, "rank_low": 1, "rank_high": 2, "student": "kim", "name": name, "verdict": "passed"},
        **{"tier": "audited", "accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95},
        flags=[name],
        reason=name,
    )
    table, sheet, page = as_table([entry]), as_csv([entry]).removeprefix("\ufeff"), as_markdown([entry], "now", "CPU")
    for written in (table, sheet, page):
        assert all(line.isprintable() for line in written.splitlines())
        assert not re.search(r"^\s*::", written, re.MULTILINE)
        assert len(written) < 5000
    (row,) = csv.DictReader(io.StringIO(sheet))
    assert all(not cell.startswith(("=", "+", "-", "@")) for cell in row.values())
    assert not re.search(r"(?<!\\)[<>]|(?<!\\)!\[|(?<!\\)\]\(", page)
    rows = [re.split(r"(?<!\\)\|", line) for line in page.splitlines() if line.startswith("|")]
    assert len({len(cells) for cells in rows}) == 1
