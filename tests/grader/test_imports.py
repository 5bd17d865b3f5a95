"""What commands and rooms bring along when they are imported, each in a fresh interpreter: this one has imported all."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("command", [["run", "{}", "--out", "{}"], ["example", "{}/new"], ["doctor"]], ids=" ".join)
def test_what_needs_other_packages_says_in_one_line_how_to_get_them(command, tmp_path):
    done = python("-c", FEW_PACKAGES, *(word.format(tmp_path) for word in command))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "pip install '.[grader]'" in done.stderr, (
        done.stderr
    )
