"""What linters say: code formatted, without unused things, importing down the floors; workflows valid, leaking no secrets."""

import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
WORKFLOWS = sorted(map(str, ROOT.glob(".github/workflows/*.yml")))


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


def test_the_workflows_constraints_name_a_version_that_the_bounds_admit():
    pins = [line for line in (ROOT / ".github/constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, _, version in (pin.partition("==") for pin in pins)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = map(Requirement, itertools.chain(project["dependencies"], *project["optional-dependencies"].values()))
    for requirement in (one for one in stated if one.name != project["name"]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement
