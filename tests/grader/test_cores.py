"""Each program's own cores: apart from each other, inherited, and not to be left."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.cores import pin, pool, shares, tasks
from grader.sandbox.scratch import scratch_folder
from tests.grader.conftest import needs_sandbox
from tests.grader.test_sandbox import LIMITS, Execute

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
linux = pytest.mark.skipif(not CORES, reason="only Linux holds a program to cores")
two = pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")


@given(st.integers(1, 40), st.sets(st.integers(0, 200), min_size=1, max_size=64))
def test_shares_are_equal_and_apart_where_there_are_enough_cores(count, cores):
    found = shares(count, cores)
    assert len(found) == count and len({len(share) for share in found}) == 1 and all(found)
    assert frozenset().union(*found) <= cores
    if count <= len(cores):
        assert sum(map(len, found)) == len(frozenset().union(*found))


def test_what_is_taken_from_a_pool_nobody_else_has():
    both = pool(shares(2, {3, 5}))
    assert both.get() != both.get() and both.empty()


@linux
@two
def test_all_that_a_process_started_and_will_start_is_held():
    code = """
import os, threading, time
for _ in range(3):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    if not os.fork():
        time.sleep(30)
print("started", flush=True)
time.sleep(30)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        process.stdout.readline()
        share = frozenset({min(CORES)})
        pin(process.pid, share)
        found = tasks(process.pid)
        assert len(found) >= 7 and all(os.sched_getaffinity(task) == share for task in found)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        process.stdout.close()


@pytest.fixture(params=["started", "forked"])
def both(request, tmp_path):
    """Two places to execute at once."""
    if request.param == "started":
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        yield Execute(tmp_path / "one", Bubblewrapped), Execute(tmp_path / "two", Bubblewrapped)
    else:
        server = request.getfixturevalue("fork_server")
        with scratch_folder(server.scratch) as one, scratch_folder(server.scratch) as other:
            yield Execute(one, server), Execute(other, server)


@needs_sandbox
@two
def test_no_program_leaves_its_cores(both):
    share = frozenset({max(CORES)})
    _, log = both[0](
        """
        import os, time
        for _ in range(50):  # until somebody holds it
            if len(os.sched_getaffinity(0)) > 1:
                time.sleep(0.1)
        try:
            os.sched_setaffinity(0, range(os.cpu_count()))
            print("left")
        except PermissionError:
            print("refused")
        print(*os.sched_getaffinity(0))
        """,
        cores=share,
    )
    assert log.split() == ["refused", str(max(CORES))]


@needs_sandbox
@two
@pytest.mark.slow
def test_twenty_busy_children_take_nothing_from_a_neighbour(both):
    """The neighbour's work takes at most half as long again as alone. Other programs of this machine take from both."""
    busy, honest = both
    work = "x = 0\nfor i in range(30_000_000): x += i"
    first, second = shares(2, CORES)

    def neighbour() -> float:
        began = time.monotonic()
        assert honest(work, cores=second)[0].status == 0
        return time.monotonic() - began

    alone = min(neighbour() for _ in range(2))
    children = "import os\nfor _ in range(20):\n    if not os.fork():\n        while True: pass\nwhile True: pass"
    limits = replace(LIMITS, seconds=3 * alone + 2)
    thread = threading.Thread(target=lambda: busy(children, limits, cores=first))
    thread.start()
    time.sleep(1)
    beside = neighbour()
    thread.join()
    assert beside < 1.5 * alone, (alone, beside)


@needs_sandbox
@two
def test_a_child_that_is_on_its_way_is_held_later(both, monkeypatch):
    """The first time its parent alone is found."""
    share, seen = frozenset({max(CORES)}), []

    def found(root):
        seen.append(tasks(root))
        return seen[-1][:1] if len(seen) < 3 else seen[-1]

    monkeypatch.setattr("grader.sandbox.cores.tasks", found)
    code = """
        import os, time
        child = os.fork()
        for _ in range(100):
            if len(os.sched_getaffinity(0)) > 1:
                time.sleep(0.1)
        if child:
            os.wait()
        print(*os.sched_getaffinity(0))
        """
    _, log = both[0](code, cores=share)
    assert log.split() == [str(max(CORES))] * 2
