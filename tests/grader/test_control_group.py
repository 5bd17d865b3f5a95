"""Control groups, on folders that look like them: what a kernel does with its files is tested in `tests/sandbox_kernel`."""

import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from grader.engines import doctor
from grader.sandbox import control_group as module
from grader.sandbox import supervision
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.control_group import LEAF, PREFIX, ControlGroup, control_group, enclosing_group, parent_group
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Process, Program, plainly
from tests.grader.conftest import needs_sandbox

OWN = "0::/user.slice/scope"
VERSION_1 = "9:name=systemd:/\n8:cpu,cpuacct:/\n4:memory:/a\n3:pids:/b\n0::/\n"


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    return tmp_path


@pytest.fixture
def group(tmp_path) -> ControlGroup:
    (tmp_path / "group").mkdir()
    return ControlGroup(tmp_path / "group", tmp_path / "group", 2)


@pytest.mark.parametrize("own", [OWN, f"{OWN}/{LEAF}"])
def test_groups_are_made_in_the_grader_s_own_and_never_in_its_leaf(own, root):
    parent = enclosing_group(root, own)
    assert parent.version == 2 and parent.folders == [root / "user.slice" / "scope"]


def test_in_version_1_each_controller_has_a_tree(tmp_path):
    counts = tmp_path / "cpuacct"
    found = enclosing_group(tmp_path, VERSION_1)
    assert found == ControlGroup(tmp_path / "memory" / "a", tmp_path / "pids" / "b", 1, counts)


def test_where_there_is_no_group_the_reason_is_told(root, tmp_path):
    with pytest.raises(OSError, match="version 2"):
        enclosing_group(root, "1:name=systemd:/")
    (root / "cgroup.controllers").unlink()
    with pytest.raises(OSError, match="no pids controller"):
        enclosing_group(root, "4:memory:/a")
    with pytest.raises(OSError):
        parent_group(tmp_path / "nowhere")
    with control_group(10**9, 50, tmp_path / "nowhere") as none:
        assert none is None


def test_what_killed_graders_left_is_removed(tmp_path):
    names = {"old": 3600, "busy": 3600, "new": 0, "grader": 3600}
    for name, age in names.items():
        (tmp_path / f"{PREFIX}{name}").mkdir()
        if name == "busy":
            (tmp_path / f"{PREFIX}{name}" / "process").mkdir()  # cannot be removed, as with one of the kernel's
        os.utime(tmp_path / f"{PREFIX}{name}", (time.time() - age,) * 2)
    (tmp_path / "somebody-s").mkdir()
    ControlGroup(tmp_path, tmp_path, 2).sweep()
    left = {folder.name.removeprefix(PREFIX) for folder in tmp_path.iterdir()}
    assert left == {"busy", "new", "grader", "somebody-s"}


def test_limits_are_written_and_what_the_kernel_refused_is_read(group):
    folder = group.memory
    (folder / "memory.swap.max").write_text("max")
    group.limit(2 * 10**9, 50)
    written = {
        name: (folder / name).read_text() for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max")
    }
    assert written == {"memory.max": "2000000000", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "54"}
    (folder / "memory.current").write_text("123\n")
    assert group.memory_used() == 123 and group.ran_out() is None
    (folder / "pids.events").write_text("max 3\n")
    assert group.ran_out() == "processes"
    (folder / "memory.events").write_text("low 0\nmax 9\noom 0\noom_kill 1\n")
    assert group.ran_out() == "machine"
    (folder / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 1\n")
    assert group.ran_out() == "memory"


@pytest.mark.parametrize("launch", [pytest.param(Bubblewrapped, marks=needs_sandbox), plainly])
def test_what_cannot_join_its_group_does_not_run(launch, tmp_path, monkeypatch):
    gone = ControlGroup(tmp_path / "gone", tmp_path / "gone", 2)
    monkeypatch.setattr(supervision, "control_group", lambda memory, processes: nullcontext(gone))
    outcome = attempt(launch, tmp_path)
    assert outcome.ending == "sandbox" and "gone/cgroup.procs" in outcome.detail
    assert not list((tmp_path / "out").iterdir())


def test_limits_that_vanish_end_the_program(group, tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "control_group", lambda memory, processes: nullcontext(group))
    outcome = attempt(plainly, tmp_path, "import time; time.sleep(60)")
    assert outcome.ending == "sandbox" and "memory.current" in outcome.detail


def test_nothing_runs_without_limits_that_others_had(tmp_path, monkeypatch):
    parent = ControlGroup(tmp_path / "gone", tmp_path / "gone", 2)
    monkeypatch.setattr(module, "parent_group", lambda root: parent)
    assert attempt(plainly, tmp_path).ending == "sandbox"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kernel", [True, False])
def test_the_doctor_says_who_limits(kernel, group, monkeypatch):
    def parent() -> ControlGroup:
        if kernel:
            return group
        raise OSError("the reason")

    monkeypatch.setattr(doctor, "parent_group", parent)
    monkeypatch.setattr(doctor, "ended_by", lambda code: "memory" if "hoard" in code else "processes")
    memory, processes, _ = doctor.limits()
    assert memory.good and processes.good == kernel
    for finding in (memory, processes):
        assert ("by the kernel" in finding.said) == kernel and ("the reason" in finding.said) != kernel
    monkeypatch.setattr(doctor, "ended_by", lambda code: "exited")
    assert not any(finding.good for finding in doctor.limits()[:2])


@pytest.mark.parametrize("waits", [True, False])
def test_a_program_hears_of_its_turn_alone(waits, group, tmp_path):
    program = Program("", "", {}, tmp_path, turn=object() if waits else None)
    process = Process(["cat"], program, group, {"PATH": "/usr/bin:/bin"})
    if waits:
        process.begin()
    with process.output:
        assert process.output.read() == (b"begin\n" if waits else b"")
    assert process.wait(10) and process.status == 0
    assert (group.pids / "cgroup.procs").read_text() == str(process.pid)


def attempt(launch, folder: Path, code: str = "open('ran', 'w')") -> supervision.Outcome:
    (folder / "out").mkdir()
    (folder / "program.py").write_text(code)
    script = folder / "program.py"
    program = Program(str(script) if launch is plainly else "/program.py", "", {"/program.py": script}, folder / "out")
    return supervision.run(program, ResourceLimits(30), folder / "log", launch=launch)
