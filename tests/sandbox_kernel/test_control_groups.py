"""Control groups of version 2, on a kernel that has them: what limits programs, and what could keep it from doing so."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from grader.sandbox import supervision
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.control_group import LEAF, ControlGroup, control_group, parent_group
from grader.sandbox.fork_server import ForkServer
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Process, Program, plainly
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.supervision import Outcome
from tests.sandbox_kernel.guest import REPOSITORY, in_guest

GROUPS = Path("/sys/fs/cgroup")
GIVEN = "+memory +pids"
LIMITS = ResourceLimits(120, 10**8, processes=20)
HOARD = "hoard = []\nwhile True: hoard.append(bytearray(10**6))"
BOMB = """
    import itertools, os, time
    for forked in itertools.count(1):
        print(forked, flush=True)
        if os.fork() == 0:
            time.sleep(100)
"""
PRESENT = "print('I ran')"
ways = pytest.mark.parametrize("way", ["started", "forked"])


def scope() -> Path:
    """A group as a delegated scope of systemd's, with this process in it."""
    folder = GROUPS / "scope"
    (GROUPS / "cgroup.subtree_control").write_text(GIVEN)
    folder.mkdir()
    (folder / "cgroup.procs").write_text(str(os.getpid()))
    return folder


def group_of(pid: int | str) -> Path:
    return GROUPS / Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::/")


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    nothing = Path(__file__).with_name("preloads_nothing.py")  # the real imports take half a minute in the guest
    with closing(ForkServer({"/app/preload.py": nothing}, "/app/preload.py", [])) as server:
        server.start()
        yield server


@contextmanager
def launcher(way: str) -> Iterator[tuple]:
    """What starts programs, and a folder for them."""
    with ExitStack() as stack:
        if way == "forked":
            launch = stack.enter_context(fork_server())
            yield launch, stack.enter_context(scratch_folder(launch.scratch))
        else:
            yield {"started": Bubblewrapped, "plain": plainly}[way], stack.enter_context(scratch_folder())


def attempt(launch, folder: Path, code: str, limits: ResourceLimits = LIMITS) -> tuple[Outcome, str]:
    """How a program ends, and what it printed."""
    for name in ("given", "out"):
        (folder / name).mkdir(exist_ok=True)
    script = folder / "given" / "program.py"
    script.write_text(textwrap.dedent(code))
    program = Program(
        str(script) if launch is plainly else "/job/program.py", "-", {"/job": script.parent}, folder / "out"
    )
    outcome = supervision.run(program, limits, folder / "log", launch=launch)
    log = folder / "log"
    return outcome, log.read_text() if log.exists() else ""


@in_guest
@ways
def test_the_kernel_ends_a_hoarder(way, monkeypatch):
    monkeypatch.setattr(supervision, "over_limit", lambda *used: None)  # nobody watches
    scope()
    with launcher(way) as (launch, folder):
        outcome, _ = attempt(launch, folder, HOARD)
    assert outcome.ending == "memory" and 0 < outcome.peak_memory <= LIMITS.memory_bytes


@in_guest
@ways
def test_the_kernel_holds_a_fork_bomb(way, monkeypatch):
    monkeypatch.setattr(supervision, "over_limit", lambda *used: None)
    scope()
    with launcher(way) as (launch, folder):
        outcome, log = attempt(launch, folder, BOMB)
        again, said = attempt(launch, folder, PRESENT)
    assert outcome.ending == "processes"
    assert LIMITS.processes - 4 <= max(int(line) for line in log.split() if line.isdigit()) <= LIMITS.processes + 4
    assert (again.ending, again.status, said) == ("exited", 0, "I ran\n")


@in_guest
def test_groups_are_siblings_of_the_grader_s_and_gone_afterwards():
    folder = scope()
    for _ in range(2):
        with control_group(10**8, 20) as first, control_group(10**8, 20) as second:
            assert first.memory.parent == second.memory.parent == folder and first.memory != second.memory
            assert group_of("self") == folder / LEAF
    assert [each.name for each in folder.iterdir() if each.is_dir()] == [LEAF]
    assert not [each for each in (folder / LEAF).iterdir() if each.is_dir()]


@in_guest
def test_what_was_started_before_does_not_keep_the_controllers_away():
    folder = scope()
    child = subprocess.Popen(["sleep", "1000"])
    with fork_server() as server, control_group(10**8, 20) as group:
        assert int((group.memory / "memory.max").read_text()) <= 10**8
        assert (folder / "cgroup.procs").read_text() == ""
        assert group_of(child.pid) == group_of(server.process.pid) == folder / LEAF
    child.kill()
    child.wait()


@in_guest
@pytest.mark.parametrize("way", ["started", "forked", "plain"])
def test_what_cannot_join_does_not_run(way):
    scope()
    with launcher(way) as (launch, folder):

        def spoil(program: Program, limits: ResourceLimits, group: ControlGroup):
            (group.memory / "within").mkdir()
            (group.memory / "cgroup.subtree_control").write_text(GIVEN)  # from here on it takes no process
            try:
                return launch(program, limits, group)
            finally:
                (group.memory / "within").rmdir()

        outcome, log = attempt(spoil, folder, "open('ran', 'w')")
        assert outcome.ending == "sandbox" and "cgroup.procs" in outcome.detail
        assert not log and not list((folder / "out").iterdir())
        assert attempt(launch, folder, PRESENT)[1] == "I ran\n"


@in_guest
def test_graders_in_one_scope_at_once_and_one_after_the_other():
    folder = scope()
    grader = """
        from grader.sandbox.control_group import control_group
        for _ in range(20):
            with control_group(10**8, 20) as group:
                print(group.memory.parent)
    """
    for _ in range(2):
        command = [sys.executable, "-c", textwrap.dedent(grader)]
        graders = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        said = [each.communicate()[0].split() for each in graders]
        assert said == [[str(folder)] * 20] * 3


@in_guest
@pytest.mark.parametrize("way", ["started", "forked", "plain"])
def test_a_machine_that_runs_out_of_memory_is_nobody_s_fault_but_ours(way):
    folder = scope()
    with launcher(way) as (launch, place):
        attempt(launch, place, PRESENT)
        (folder / "memory.max").write_text(str(int((folder / "memory.current").read_text()) + 5 * 10**7))
        outcome, _ = attempt(launch, place, HOARD, ResourceLimits(120, 5 * 10**8))
    assert outcome.ending == "sandbox" and "ran out of memory" in outcome.detail


@in_guest
def test_a_scope_delegated_to_a_user_will_do():
    folder = scope()
    for place in (folder, *(folder / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads"))):
        os.chown(place, 1000, 1000)

    def grade() -> None:
        os.setgid(1000)
        os.setuid(1000)
        with control_group(10**7, 20) as group:
            hoard = ["/bin/sh", "-c", "head -c 100000000 /dev/zero | tail"]
            process = Process(hoard, Program("", "", {}, Path("/")), group, {"PATH": os.environ["PATH"]})
            assert process.wait(60) and group.ran_out() == "memory"

    user = multiprocessing.get_context("fork").Process(target=grade)
    user.start()
    user.join()
    assert user.exitcode == 0


@in_guest
def test_where_no_controllers_are_given_there_is_no_group_and_the_reason_is_told():
    (GROUPS / "scope").mkdir()
    (GROUPS / "scope" / "cgroup.procs").write_text(str(os.getpid()))
    with pytest.raises(OSError, match="scope.* memory"):
        parent_group()
    with control_group(10**8, 20) as group:
        assert group is None


@in_guest
def test_the_doctor_says_who_limits():
    from grader.engines.doctor import limits

    scope()
    said = {finding.name: finding for finding in limits()}
    for name in ("memory", "processes"):
        assert said[name].good and said[name].said == "limited by the kernel (control groups, version 2)"
