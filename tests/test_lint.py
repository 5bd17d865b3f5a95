"""What linters say: the code is formatted and without unused things, the workflows are valid and leak no secrets."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(sys.executable).parent
WORKFLOWS = sorted(map(str, Path(__file__).parents[1].glob(".github/workflows/*.yml")))


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "--cache-dir", "{cache}", "project", "grader"],
        ["zizmor", "--offline", "--no-progress", *WORKFLOWS],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_linters_find_nothing(command, tmp_path):
    assert WORKFLOWS
    arguments = [argument.format(cache=tmp_path) for argument in command[1:]]
    checked = subprocess.run([TOOLS / command[0], *arguments], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
