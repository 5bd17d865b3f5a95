"""What linters say: code formatted, without unused things, importing down the floors; workflows valid, leaking no secrets."""

import ast
import itertools
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
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
        ["mypy", "--cache-dir", "{cache}", "project", "grader"],
        ["lint-imports", "--no-cache", "--no-logo"],
        ["zizmor", "--offline", "--no-progress", *WORKFLOWS],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(ROOT / "docs/examples/gitlab-ci.yml")],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_linters_find_nothing(command, tmp_path):
    assert WORKFLOWS
    arguments = [argument.format(cache=tmp_path) for argument in command[1:]]
    checked = subprocess.run([TOOLS / command[0], *arguments], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


OF_EVERYBODY = {"_asdict", "_exit", "_replace", "_python_dispatch"}  # which Python's documentation has, or torch's


def test_no_private_name_of_a_library_is_used():
    """What a library calls `_name` may be gone with its next version."""
    files = [
        ROOT / "main.py",
        *(file for room in ("project", "grader", "benchmarks") for file in (ROOT / room).rglob("*.py")),
    ]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    nodes = [(file, node) for file, tree in trees.items() for node in ast.walk(tree)]
    ours = {node.name for _, node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)} | OF_EVERYBODY
    ours |= {node.id for _, node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    ours |= {node.attr for _, node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    used = [(file, node, node.attr) for file, node in nodes if isinstance(node, ast.Attribute)]
    for file, node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            used += [(file, node, part) for name in names for part in name.split(".")]
    found = [
        f"{file}:{node.lineno}: {name}"
        for file, node, name in used
        if name.startswith("_") and not name.startswith("__") and name not in ours
    ]
    assert not found


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_workflows_constraints_name_a_version_that_the_bounds_admit():
    pins = [line for line in (ROOT / ".github/constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, _, version in (pin.partition("==") for pin in pins)}
    assert len(pinned) == len(pins), "a package twice, which pip cannot satisfy"
    stated = map(Requirement, itertools.chain(PROJECT["dependencies"], *EXTRAS.values()))
    for requirement in (one for one in stated if one.name != PROJECT["name"]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize(
    ("package", "extras"),
    [("project", []), ("grader/intake", []), ("grader", ["grader", "ray"])],  # students check with what trains
    ids=["project", "grader.intake", "grader"],
)
def test_what_is_imported_is_stated(package, extras):
    stated = itertools.chain(PROJECT["dependencies"], *(EXTRAS[extra] for extra in extras))
    names = {canonicalize_name(Requirement(one).name) for one in stated} | {PROJECT["name"]}
    distributions, found = packages_distributions(), []
    for file in (ROOT / package).rglob("*.py"):
        beside = {"project", "grader", *(other.stem for other in file.parent.glob("*.py"))}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {module.partition(".")[0] for module in modules} - beside - sys.stdlib_module_names:
                found.append(name)
                assert names & {canonicalize_name(one) for one in distributions[name]}, f"{file}: {name}"
    assert found
