"""The workflows under .github: valid, and without the mistakes that leak secrets."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(sys.executable).parent
WORKFLOWS = sorted(map(str, Path(__file__).parents[1].glob(".github/workflows/*.yml")))


@pytest.mark.parametrize(
    "command",
    [["zizmor", "--offline", "--no-progress"], ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"]],
    ids=lambda command: command[0],
)
def test_workflows_are_clean(command):
    assert WORKFLOWS
    checked = subprocess.run([TOOLS / command[0], *command[1:], *WORKFLOWS], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
