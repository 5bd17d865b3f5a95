"""Time that others took: given back as the kernel counts it, and never made by a program itself."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox import control_group
from grader.sandbox.control_group import ControlGroup
from grader.sandbox.lost_time import Seen, taken
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.supervision import Stopwatch
from tests.grader import test_sandbox
from tests.grader.conftest import needs_sandbox
from tests.grader.test_cores import CORES
from tests.grader.test_sandbox import LIMITS

SECONDS = st.floats(0, 100, allow_nan=False)
TICK = 0.01
execute = test_sandbox.execute


def counted() -> bool:
    try:
        with control_group.control_group(10**8, 20) as group:
            return group is not None and group.processor_seconds() >= 0
    except (OSError, KeyError):
        return False


counts = pytest.mark.skipif(not CORES or not counted(), reason="nobody counts the processor's time for us")


@given(st.integers(1, 16), SECONDS, SECONDS, st.floats(0, 1), st.lists(SECONDS, max_size=5))
def test_nobody_gets_more_of_the_processor_than_the_cores_have_in_the_time_that_counts(
    cores, passed, grader, share, waits
):
    """Whatever its threads waited for, and whatever the kernel's ticks missed of it."""
    own, most = share * cores * passed, cores * passed  # no cores are busier than that
    before, after = Seen(0, 0, 0, 0, {}), Seen(passed, most + TICK * cores, own, grader, dict(enumerate(waits)))
    lost = taken(before, after, cores, TICK)
    assert 0 <= lost <= passed and own <= cores * (passed - lost) + 1e-6


@pytest.mark.parametrize(
    ("busy", "own", "waited", "lost"),
    [
        (10, 5, 5, 5),  # a neighbour took half of its core, and it waited
        (10, 5, 1, 1),  # it slept most of the time
        (10, 10, 90, 0),  # its own threads waited for each other
        (5, 5, 5, 0),
    ],
)
def test_what_others_took_while_it_waited_is_lost(busy, own, waited, lost):
    before, after = Seen(0, 0, 0, 0, {1: 3.0, 2: 7.0}), Seen(10, busy, own, 0, {1: 3.0 + waited})
    assert taken(before, after, 1, 0) == lost


def test_half_of_the_time_always_counts(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    stopwatch = Stopwatch(Program("", "", {}, None))
    clock.now, stopwatch.lost = 10.0, SimpleNamespace(seconds=3.0)
    assert stopwatch.seconds == 7
    stopwatch.lost.seconds = 9.0
    assert stopwatch.seconds == 5


def test_without_groups_that_count_nothing_is_lost(tmp_path):
    with pytest.raises(OSError, match="nobody counts"):
        ControlGroup(tmp_path, tmp_path, 1).processor_seconds()
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert ControlGroup(tmp_path, tmp_path, 2, tmp_path).processor_seconds() == 2.5


WORK = "import time\nbegan = time.process_time()\nwhile time.process_time() - began < {}: pass"
SHARE = frozenset({max(CORES)}) if CORES else frozenset()


@needs_sandbox
@counts
@pytest.mark.slow
def test_a_neighbour_s_time_is_given_back(execute):
    """Five seconds of work beside two busy processes on the same core take fifteen."""
    busy = f"import os\nos.sched_setaffinity(0, {set(SHARE)})\nos.fork()\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", busy], start_new_session=True)
    try:
        began = time.monotonic()
        outcome, _ = execute(WORK.format(5), cores=SHARE)
        passed = time.monotonic() - began
    finally:
        os.killpg(neighbour.pid, 9)
        neighbour.wait()
    assert (outcome.ending, outcome.status) == ("exited", 0)
    assert passed > 8 and outcome.seconds < 0.75 * passed, (outcome.seconds, passed)


@needs_sandbox
@counts
@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import threading\ndef spin():\n    while True: pass\n"
        "for _ in range(15): threading.Thread(target=spin, daemon=True).start()\nspin()",
        "import os\nfor _ in range(15):\n    if not os.fork():\n        while True: pass\nwhile True: pass",
        "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n"
        "    if not os.fork():\n        for _ in range(10**5): pass\n        os._exit(0)",
        "import time\ntime.sleep(60)",
    ],
    ids=["threads", "children", "children that nobody waits for", "sleep"],
)
def test_no_program_gains_time_by_what_it_does_itself(code, execute, monkeypatch):
    """Others on this machine may take from its core meanwhile; that is given back, and no more."""
    execute("pass")  # the fork server has imported then
    told, look = [], ControlGroup.processor_seconds

    def seen(group):
        told.append(look(group))
        return told[-1]

    monkeypatch.setattr(ControlGroup, "processor_seconds", seen)
    began = time.monotonic()
    outcome, _ = execute(code, replace(LIMITS, seconds=6), cores=SHARE)
    passed = time.monotonic() - began
    assert outcome.ending == "time" and 3 <= len(told)
    assert told[-1] - told[0] <= 6.3
    assert passed < (8.5 if "sleep" in code else 14.5)
