"""What linters say: code formatted, without unused things, importing down the floors; workflows valid, leaking no secrets."""

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
        ["lint-imports", "--no-cache", "--no-logo"],
        ["zizmor", "--offline", "--no-progress", *WORKFLOWS],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_linters_find_nothing(command):
    assert WORKFLOWS
    checked = subprocess.run([TOOLS / command[0], *command[1:]], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
