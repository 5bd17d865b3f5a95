"""Control groups: the kernel's own limits on the memory and the processes of a tree, where we may set them.

Version 2 where it is mounted alone and the grader's group is the grader's to divide, as a container's root or in
`systemd-run --user --scope -p Delegate=yes python -m grader run ...`; version 1 where its controllers are writable (as root).

In version 2 a group that passes limits on to groups within it can have no processes of its own (cgroups(7), "no internal
processes"). So whatever runs in the grader's group, other graders included, moves into a leaf of it, once, and every
program's group is that leaf's sibling.
"""

import errno
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path("/sys/fs/cgroup")
PREFIX = "fifteen-epochs-"
LEAF = f"{PREFIX}grader"
MOVES = 20  # at most: what is being moved may start processes meanwhile
EXTRA_PROCESSES = 4  # the launcher's own: a shell, and bubblewrap's
SECONDS_TO_DIE = 10


@dataclass(frozen=True)
class ControlGroup:
    """A group for one tree of processes. In version 2 both folders are the same one.

    Attributes:
        memory, pids: The folders of its controllers.
        version: 1 or 2.
    """

    memory: Path
    pids: Path
    version: int

    @property
    def folders(self) -> list[Path]:
        return list(dict.fromkeys((self.memory, self.pids)))

    def child(self) -> "ControlGroup":
        """A new group within this one."""
        new = {folder: Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)) for folder in self.folders}
        return ControlGroup(new[self.memory], new[self.pids], self.version)

    def add(self, pid: int) -> None:
        """Take a process in, and all that it will start. Raises OSError where the kernel refuses."""
        for folder in self.folders:
            write(folder / "cgroup.procs", pid)

    def limit(self, memory: int, processes: int) -> None:
        """Set limits: bytes, swapped out or not, and processes and threads at any moment."""
        two = self.version == 2
        write(self.memory / ("memory.max" if two else "memory.limit_in_bytes"), memory)
        swap = self.memory / ("memory.swap.max" if two else "memory.memsw.limit_in_bytes")
        if swap.exists():
            write(swap, 0 if two else memory)
        if two:
            write(self.memory / "memory.oom.group", 1)  # a part of a program gives no result that could be trusted
        write(self.pids / "pids.max", processes + EXTRA_PROCESSES)

    def memory_used(self) -> int:
        """Bytes, with what lies in the tree's own /tmp and /dev/shm. Raises OSError where the limits are gone."""
        file = self.memory / ("memory.current" if self.version == 2 else "memory.usage_in_bytes")
        return int(file.read_text())

    def ran_out(self) -> Literal["memory", "processes", "machine"] | None:
        """What the kernel refused the tree: `memory` or `processes` beyond its limit, or memory that the `machine`, or
        a group around the grader, had none of."""
        events = table(self.memory / ("memory.events" if self.version == 2 else "memory.oom_control"))
        if events.get("oom_kill"):
            return "memory" if self.version == 1 or events["oom"] else "machine"
        return "processes" if table(self.pids / "pids.events").get("max") else None

    def end(self) -> None:
        """Kill what is left in the group, wait until it is gone, and remove it."""
        deadline = time.monotonic() + SECONDS_TO_DIE
        for folder in self.folders:
            while folder.exists() and time.monotonic() < deadline:
                for pid in (folder / "cgroup.procs").read_text().split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.02)


@contextmanager
def control_group(memory: int, processes: int, root: Path = ROOT) -> Iterator[ControlGroup | None]:
    """A new group with limits (see `ControlGroup.limit`); None where none can be made here.

    Raises OSError where others have been made, and this one cannot: no program goes without limits that others have.
    """
    try:
        parent = parent_group(root)
    except OSError:
        parent = None
    if parent is None:
        yield None
        return
    group = parent.child()
    try:
        group.limit(memory, processes)
        yield group
    finally:
        group.end()


@cache
def parent_group(root: Path = ROOT) -> ControlGroup:
    """The group that all of ours are made in, and that nothing runs in any more. Raises OSError, with the reason, where
    the kernel sets no limits for us.

    It is found once, and before anything is started that would have to move along.
    """
    parent = enclosing_group(root, Path("/proc/self/cgroup").read_text())
    if parent.version == 2:
        pass_on(parent.memory)
    tried = parent.child()
    try:
        tried.limit(10**9, 64)
    finally:
        tried.end()
    return parent


def enclosing_group(root: Path, own: str) -> ControlGroup:
    """The group of a process with this /proc/PID/cgroup; where that is the leaf of graders, the one around it."""
    paths = {
        name: line.split(":", 2)[2].lstrip("/") for line in own.splitlines() for name in line.split(":")[1].split(",")
    }
    if (root / "cgroup.controllers").exists():
        if "" not in paths:
            raise OSError("this process is in no control group of version 2")
        group = root / paths[""]
        group = group.parent if group.name == LEAF else group
        return ControlGroup(group, group, 2)
    for controller in ("memory", "pids"):
        if controller not in paths:
            raise OSError(f"there is no {controller} controller")
    return ControlGroup(root / "memory" / paths["memory"], root / "pids" / paths["pids"], 1)


def pass_on(group: Path) -> None:
    """Have groups within one of version 2 limit memory and processes, moving into its leaf what runs in it itself."""
    given = (group / "cgroup.controllers").read_text().split()
    for controller in ("memory", "pids"):
        if controller not in given:
            raise OSError(f"{group} is given no {controller} controller")
    for _ in range(MOVES):
        try:
            return write(group / "cgroup.subtree_control", "+memory +pids")
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        leaf = group / LEAF
        leaf.mkdir(exist_ok=True)
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                write(leaf / "cgroup.procs", pid)
    raise OSError(f"{group} has processes that cannot be moved")


def write(file: Path, value: int | str) -> None:
    """Write to one of the kernel's files, whose refusals come without the file's name."""
    try:
        file.write_text(str(value))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def table(file: Path) -> dict[str, int]:
    """A file of lines `name number`; empty where there is none."""
    try:
        pairs = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
