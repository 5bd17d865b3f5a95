"""Folders of killed processes are removed, and nobody else's."""

import os
import subprocess
import sys

import pytest

from grader.sandbox.scratch import LOCK, PREFIX, Scratch, scratch_folder, sweep

KILLED = """
import os
from grader.sandbox.scratch import Scratch, scratch_folder
{made}
print({path}, flush=True)
os.kill(os.getpid(), 9)
"""
# Forks a child that is killed before its n-th line, for each line of making a folder.
KILLED_AT_EACH_LINE = """
import os, sys
from grader.sandbox.scratch import Scratch

def kill_at_line(frame, event, argument):
    global lines
    if frame.f_code is Scratch.__init__.__code__:
        if event == "line":
            lines -= 1
            if lines < 0:
                os.kill(os.getpid(), 9)
        return kill_at_line

for number in range(100):
    if not (child := os.fork()):
        lines = number
        sys.settrace(kill_at_line)
        Scratch()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(number)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("made", "path"), [("made = Scratch()", "made.path"), ("made = scratch_folder()", "made.__enter__()")]
)
def test_what_a_killed_process_left_the_next_one_removes(made, path, temporary):
    command = [sys.executable, "-c", KILLED.format(made=made, path=path)]
    left = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()
    assert os.path.isdir(left)
    os.makedirs(f"{left}/deep/deeper", mode=0o000)
    alive = Scratch()
    other = Scratch()
    assert sorted(temporary.iterdir()) == sorted([alive.root, other.root])
    alive.remove()
    other.remove()
    assert not list(temporary.iterdir())


def test_a_process_may_be_killed_at_any_moment_of_making_or_removing_one(temporary):
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_EACH_LINE], stdout=subprocess.PIPE, text=True)
    assert int(killed.stdout) > 5
    scratch = Scratch()
    (scratch.path / "left").touch()
    subprocess.run(["rm", "-rf", scratch.path])  # as far as a removal came
    os.close(scratch.lock)
    sweep(temporary)
    assert not list(temporary.iterdir())


def test_what_is_being_made_stays_whenever_another_process_sweeps(temporary):
    def made(sweep_before: int) -> int:
        """Make a folder, swept before that line, and return how many lines that took."""
        lines = 0

        def trace(frame, event, argument):
            nonlocal lines
            if frame.f_code is Scratch.__init__.__code__:
                if event == "line":
                    if lines == sweep_before:
                        sweep(temporary)
                    lines += 1
                return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            scratch = Scratch()
        finally:
            sys.settrace(before)
        sweep(temporary)
        assert scratch.path.is_dir() and (scratch.root / LOCK).exists()
        scratch.remove()
        return lines

    total = made(-1)
    for line in range(total):
        made(line)
    assert total > 5 and not list(temporary.iterdir())


def test_only_its_own_folders_are_swept(temporary):
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / LOCK).touch()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    (temporary / f"{PREFIX}file").touch()
    (temporary / f"{PREFIX}other").mkdir()
    (temporary / f"{PREFIX}other" / "without a lock").touch()
    with scratch_folder() as folder, scratch_folder(folder) as within:
        sweep(temporary)
        sweep(folder)
        assert within.is_dir()
    assert len(list(temporary.iterdir())) == 4 and (temporary / "elsewhere" / LOCK).exists()
