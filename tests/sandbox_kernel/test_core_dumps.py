"""Crashes on a kernel whose core_pattern is a pipe, as systemd-coredump's and apport's are: nothing starts outside."""

import os
import signal
import tempfile
import textwrap
from pathlib import Path

import pytest

from grader.sandbox import supervision
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.scratch import scratch_folder
from tests.hostile.attacks import launcher
from tests.sandbox_kernel.guest import in_guest

CRASHES = """
    import os, resource, signal
    for limit in (0, 0, 1):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
        except (OSError, ValueError):
            pass
        if os.fork() == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.parametrize("name", ["bubblewrap", "forked"])
@in_guest
def test_no_crash_starts_a_program_of_the_host_s(name):
    folder = Path(tempfile.mkdtemp())
    told, helper = folder / "told", folder / "helper"
    helper.write_text(f"#!/bin/sh\ncat > /dev/null\necho started >> {told}\n")
    helper.chmod(0o755)
    Path("/proc/sys/kernel/core_pattern").write_text(f"|{helper}")
    if os.fork() == 0:  # outside of any sandbox it does
        os.kill(os.getpid(), signal.SIGSEGV)
    os.wait()
    assert told.read_text() == "started\n"

    with launcher(name) as (launch, parent), scratch_folder(parent) as scratch:
        (scratch / "given").mkdir()
        (scratch / "out").mkdir()
        (scratch / "given" / "program.py").write_text(textwrap.dedent(CRASHES))
        program = Program("/job/program.py", "-", {"/job": scratch / "given"}, scratch / "out")
        supervision.run(program, ResourceLimits(90, 10**8, processes=20), scratch / "log", launch=launch)
        assert (scratch / "log").read_text().split() == [str(-signal.SIGSEGV)] * 3
    assert told.read_text() == "started\n"
