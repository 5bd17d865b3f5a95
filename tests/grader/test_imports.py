"""What commands and rooms bring along when they are imported, each in a fresh interpreter: this one has imported all."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

from grader.packages import INSTALL, lack, lacking, release

HEAVY = ["project", "numpy", "torch", "torchvision", "torchmetrics", "pytorch_lightning"]

# Runs `python -m grader` where no package is installed but those that are admitted.
FEW_PACKAGES = """
import runpy, sys
from importlib.machinery import PathFinder

ADMITTED = {"annotated_types", "jsonargparse", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yaml"}

class Refusal:
    def find_spec(self, name, path=None, target=None):
        found = PathFinder.find_spec(name, path)
        if found and "-packages/" in str(found.origin) and name.partition(".")[0] not in ADMITTED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusal())
runpy.run_module("grader", run_name="__main__", alter_sys=True)
"""


def python(*args) -> subprocess.CompletedProcess:
    """Ends within a bound that nothing here comes near: these commands answer within a second."""
    return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, timeout=30)


def test_the_walls_bring_neither_the_project_nor_torch():
    program = f"import sys, grader.sandbox.supervision; print([name for name in {HEAVY} if name in sys.modules])"
    assert python("-c", program).stdout == "[]\n"


def test_a_submission_is_checked_and_packed_with_few_packages(write_submission, tmp_path):
    """At once, then, and on a machine that has nothing of what training or grading needs."""
    folder, archive = write_submission(), tmp_path / "kim.zip"
    for command in (["check", folder], ["pack", folder, "--out", archive], ["check", archive]):
        done = python("-c", FEW_PACKAGES, *command)
        assert (done.returncode, done.stderr) == (0, "") and "kim-minji: ready to hand in" in done.stdout


@pytest.mark.parametrize("command", [["run", "{}", "--out", "{}"], ["example", "{}/new"]], ids=" ".join)
def test_what_needs_other_packages_says_in_one_line_how_to_get_them(command, tmp_path):
    done = python("-c", FEW_PACKAGES, *(word.format(tmp_path) for word in command))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and f"; {INSTALL}" in done.stderr, done.stderr


@pytest.fixture
def without(tmp_path):
    """Runs `python -m grader` where these packages are not installed; with "*", none is."""

    def run(hidden, *args) -> subprocess.CompletedProcess:
        place = tmp_path / "packages"
        place.mkdir()
        for path in (path for folder in site.getsitepackages() for path in Path(folder).glob("*")):
            if not hidden.match(path.name):
                (place / path.name).symlink_to(path)
        environment = {**os.environ, "PYTHONPATH": f"{Path.cwd()}:{place}"}
        return subprocess.run(
            [sys.executable, "-S", "-m", "grader", *args], capture_output=True, text=True, timeout=120, env=environment
        )

    return run


def test_the_doctor_names_what_is_missing_before_torch_is_there(without):
    done = without(re.compile("torch|functorch|nh3"), "doctor")
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("NO   packages")]
    assert line.endswith(f"missing: torch, torchvision, torchmetrics, nh3; {INSTALL}")
    assert "Not fit to grade: packages" in done.stdout and " git " in done.stdout and " disk " in done.stdout


def test_where_nothing_is_installed_the_doctor_names_all_of_it_in_a_line(without):
    done = without(re.compile(""), "doctor")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "missing: torch, torchvision, " in done.stderr and f" more; {INSTALL}" in done.stderr


def test_a_package_that_is_too_old_is_lacking():
    assert lacking() == [] and lack("pytest[x]>=1.2,<99") == "" and lack("no-such-package>=1") == "no-such-package"
    assert lack("pytest>=999").endswith("(needs 999)")
    assert release("2.15.0+cpu") == [2, 15, 0] and release("2.9.1rc1") < release("2.11")
