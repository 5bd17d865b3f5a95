"""Control groups of version 2, on a folder that looks like one: what a kernel does with its files is not tested here."""

import os
from pathlib import Path

import pytest

from grader.sandbox.control_group import made
from grader.sandbox.resource_limits import ResourceLimits

OWN = "0::/user.slice/scope"


@pytest.fixture
def root(tmp_path) -> Path:
    """A tree of version 2 with a group of ours that has processes of its own."""
    own = tmp_path / "user.slice" / "scope"
    own.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_the_grader_makes_room_beside_itself_and_passes_the_controllers_on(root):
    group = made(root, OWN)
    own = root / "user.slice" / "scope"
    assert (own / "grader" / "cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert group.version == 2 and group.memory.parent == own and group.folders == [group.memory]


def test_a_second_group_moves_nothing_again(root):
    own = root / "user.slice" / "scope"
    (own / "cgroup.subtree_control").write_text("memory pids\n")
    first, second = made(root, OWN), made(root, OWN)
    assert first.memory != second.memory and not (own / "grader").exists()


def test_limits_are_written_and_what_the_kernel_refused_is_read(root):
    group = made(root, OWN)
    (group.memory / "memory.swap.max").write_text("max")
    group.limit(ResourceLimits(memory_bytes=2 * 10**9, processes=50))
    written = {name: (group.memory / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max")}
    assert written == {"memory.max": "2000000000", "memory.swap.max": "0", "pids.max": "54"}
    (group.memory / "memory.current").write_text("123\n")
    assert group.memory_used() == 123 and group.ran_out() is None
    (group.memory / "pids.events").write_text("max 3\n")
    assert group.ran_out() == "processes"
    (group.memory / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 1\n")
    assert group.ran_out() == "memory"


def test_without_a_group_of_its_own_there_is_none(root):
    with pytest.raises(OSError):
        made(root, "1:name=systemd:/")
