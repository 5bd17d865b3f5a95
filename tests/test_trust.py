"""The promises of docs/trust.md: each has a mechanism that exists and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "trust.md"
HEAD = "| promise | mechanism | tests |\n|---|---|---|\n"
LINK = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")
ROWS = [row.strip("| ").split(" | ") for row in PAGE.read_text().partition(HEAD)[2].partition("\n\n")[0].splitlines()]


@cache
def names_in(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_there_are_promises():
    assert len(ROWS) >= 15 and len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_promise_has_a_mechanism_and_tests(row):
    _, mechanism, tests = row
    assert LINK.search(mechanism) and all((ROOT / path).is_file() for _, path in LINK.findall(mechanism))
    named = [(name.strip("`"), ROOT / path) for name, path in LINK.findall(tests)]
    assert named and not LINK.sub("", tests).strip(", ")
    for name, file in named:
        assert name.startswith("test_") and name in names_in(file), f"{file.name} has no {name}"
