"""What docs/upgrade.md shows works as it says: a backup and back, and fixes merged into a course made from the template."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from benchmarks.course import students, write_course
from grader.cli import main
from tests.grader.test_damage import RULES

PAGE = Path("docs/upgrade.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
IDENTITY = [f"GIT_{who}_{what}=x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]


def test_every_command_of_the_grader_runs_in_order(tmp_path, monkeypatch, capsys):
    write_course(tmp_path / "results", students(2), RULES)
    board = (tmp_path / "results" / "leaderboard.csv").read_text()
    monkeypatch.chdir(tmp_path)
    for line in (line for block in BLOCKS for line in block.splitlines() if line.startswith("python -m grader")):
        assert main(shlex.split(line)[3:]) == 0, line
    assert Path("restored/leaderboard.csv").read_text() == Path("results/leaderboard.csv").read_text() == board


@pytest.fixture
def shell(tmp_path, monkeypatch):
    for each in (*IDENTITY, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"):
        monkeypatch.setenv(*each.split("=", 1))

    def run(folder: Path, script: str) -> str:
        done = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def commit(shell, folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    shell(folder, "git add -A; git commit -qm 'a change'")


@pytest.mark.parametrize("made", ["template", "fork"])
def test_fixes_come_into_a_course_that_has_its_own(made, shell, tmp_path):
    theirs, course = tmp_path / "upstream", tmp_path / "course"
    theirs.mkdir()
    shell(theirs, "git init -q -b main")
    commit(shell, theirs, grader="older", rules="target: 0.8\n\n\n\nseeds: 1\n")
    commit(shell, theirs, grader="faulty")
    if made == "fork":
        shell(tmp_path, "git clone -q -o origin upstream course")
    else:
        course.mkdir()
        shell(course, "git init -q -b main; cp ../upstream/* .; git add -A; git commit -qm 'Initial commit'")
    commit(shell, course, rules="target: 0.7\n\n\n\nseeds: 1\n", ours="ours")
    commit(shell, theirs, grader="mended", rules="target: 0.8\n\n\n\nseeds: 3\n")
    once, always = (block for block in BLOCKS if block.startswith(("git fetch", "git remote")))
    once = once.replace("URL", "../upstream")
    shell(course, once if made == "template" else "\n".join(once.splitlines()[:2]))
    shell(course, always)
    commit(shell, theirs, grader="mended twice")
    shell(course, always)
    assert (course / "grader").read_text() == "mended twice" and (course / "ours").read_text() == "ours"
    assert (course / "rules").read_text() == "target: 0.7\n\n\n\nseeds: 3\n"


def test_rules_that_changed_on_both_sides_get_a_file_of_their_own(shell, tmp_path):
    theirs, course = tmp_path / "upstream", tmp_path / "course"
    (theirs / "configs").mkdir(parents=True)
    shell(theirs, "git init -q -b main")
    commit(shell, theirs, **{"configs/assignment.yaml": "target: 0.8\n"})
    shell(tmp_path, "git clone -q -o upstream upstream course")
    commit(shell, course, **{"configs/assignment.yaml": "target: 0.7\n"})
    commit(shell, theirs, **{"configs/assignment.yaml": "target: 0.8 # to exceed\n"}, mended="yes")
    shell(course, "git fetch -q upstream; ! git merge --no-edit upstream/main")
    shell(course, next(block for block in BLOCKS if block.startswith("git show")))
    found = {path: (course / path).read_text() for path in ("configs/assignment.yaml", "rules.yaml", "mended")}
    assert list(found.values()) == ["target: 0.8 # to exceed\n", "target: 0.7\n", "yes"]
    assert shell(course, "git status --porcelain") == ""
