"""A kernel of its own for a test: User-Mode Linux, an ordinary process that needs no rights over this machine.

It sees this machine's files, read-only, and has control groups of version 2 at /sys/fs/cgroup, with nothing else in them.
"""

import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
KERNEL = shutil.which("linux.uml")
INSIDE = "FIFTEEN_EPOCHS_IN_GUEST"
MEMORY = "1G"
SECONDS = 200  # at most, of which booting takes two
# /run is the one place of the file tree that can be written. The last command turns the machine off.
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mkdir /run/tmp /run/told
mount -t hostfs -o {told} none /run/told
export {inside}=1 HOME=/run/tmp TMPDIR=/run/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
cd {repository}
{command} > /run/told/output 2>&1 < /dev/null
echo $? > /run/told/status
sync
echo o > /proc/sysrq-trigger
sleep 60
"""


def run(command: list[str]) -> tuple[int | None, str]:
    """Run a command as root in there, from this repository's root.

    Returns its exit status, None where the machine did not come so far, and what it printed, else what the kernel said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        init, told = folder / "init", folder / "told"
        told.mkdir()
        words = {"told": told, "repository": REPOSITORY, "command": shlex.join(command), "inside": INSIDE}
        init.write_text(INIT.format(**words))
        init.chmod(0o755)
        files = ["rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", f"uml_dir={folder}/"]
        console = ["con=null", "con0=null,fd:1", "quiet", "panic=-1"]
        machine = subprocess.Popen(
            [KERNEL, f"mem={MEMORY}", *files, *console],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said = machine.communicate(timeout=SECONDS)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            said = f"not done within {SECONDS} s"
        finally:
            try:
                os.killpg(machine.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            machine.wait()
            machine.stdout.close()
        output, status = (told / "output", told / "status")
        printed = output.read_text("utf-8", "replace") if output.exists() else ""
        if not status.exists():
            return None, printed + said
        return int(status.read_text()), printed


def in_guest(test: Callable) -> Callable:
    """Have a test run in a kernel of its own: here it boots one, in which pytest runs the test itself."""
    if INSIDE in os.environ:
        return test

    @pytest.mark.slow
    @pytest.mark.skipif(KERNEL is None, reason="needs Debian's kernel in a process: apt-get install user-mode-linux")
    @functools.wraps(test)
    def boot(**parameters: object) -> None:
        here = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
        plain = ["-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "-q"]
        status, output = run(["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", sys.executable, "-m", "pytest", *plain, here])
        assert status == 0, output

    return boot
