"""Folders of killed processes are removed, and nobody else's."""

import subprocess
import sys

import pytest

from grader.sandbox.scratch import LOCK, PREFIX, Scratch, sweep

KILLED = (
    "import os; from grader.sandbox.scratch import Scratch; print(Scratch().path, flush=True); os.kill(os.getpid(), 9)"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_left_the_next_one_removes(temporary):
    subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.DEVNULL)
    (left,) = temporary.iterdir()
    (left / "deep").mkdir(mode=0o000)
    alive = Scratch()
    other = Scratch()
    assert sorted(temporary.iterdir()) == sorted([alive.path, other.path])
    alive.remove()
    other.remove()
    assert not list(temporary.iterdir())


def test_what_is_being_made_stays_whenever_another_process_sweeps(temporary):
    def sweep_at_each_line(frame, event, argument):
        if frame.f_code is Scratch.__init__.__code__:
            sweep(temporary)
            return sweep_at_each_line

    before = sys.gettrace()
    sys.settrace(sweep_at_each_line)
    try:
        made = Scratch()
    finally:
        sys.settrace(before)
    sweep(temporary)
    assert [path.name for path in made.path.iterdir()] == [LOCK]


def test_what_only_looks_like_one_stays(temporary):
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / ".lock").touch()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    (temporary / f"{PREFIX}new").mkdir()
    Scratch().remove()
    assert len(list(temporary.iterdir())) == 3 and (temporary / "elsewhere" / ".lock").exists()
