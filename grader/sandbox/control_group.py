"""Control groups: the kernel's own limits on the memory and the processes of a program, where we may set them.

Version 2 where it is mounted alone and the grader may divide its own group: in a container's root group, or in
`systemd-run --user --scope -p Delegate=yes python -m grader run ...`. Version 1 where its controllers can be written.

In version 2 a group that sets limits for groups within it can have no processes of its own (cgroups(7), "no internal
processes"). So what runs in the grader's group, other graders too, moves once into a group within it: the leaf. Each
program's group is its sibling.
"""

import errno
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path("/sys/fs/cgroup")
PREFIX = "fifteen-epochs-"
LEAF = f"{PREFIX}grader"
MOVES = 20  # attempts to move all processes: they may start others meanwhile
EXTRA_PROCESSES = 4  # of the launcher itself: a shell, and bubblewrap's
SECONDS_TO_DIE = 10
SECONDS_TO_START = 600  # by then a group has a process


@dataclass(frozen=True)
class ControlGroup:
    """A group of one version, 1 or 2, by the folders of its controllers; in version 2 they are the same folder.

    Attributes:
        processor: Where the processor's time is counted; None where it is not counted for us.
    """

    memory: Path
    pids: Path
    version: int
    processor: Path | None = None

    @property
    def folders(self) -> list[Path]:
        return list(dict.fromkeys(folder for folder in (self.memory, self.pids, self.processor) if folder))

    @contextmanager
    def child(self, memory: int, processes: int) -> Iterator["ControlGroup"]:
        """A new group within this one, with limits (see `limit`). At the end nothing of it is left."""
        new = {folder: Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)) for folder in self.folders}
        group = ControlGroup(
            new[self.memory], new[self.pids], self.version, new[self.processor] if self.processor else None
        )
        try:
            group.limit(memory, processes)
            yield group
        finally:
            group.end()

    def sweep(self) -> None:
        """Remove groups within this one that killed graders left."""
        for folder in self.folders:
            for group in folder.glob(f"{PREFIX}*"):
                with suppress(OSError):  # it is in use, or gone
                    if group.name != LEAF and time.time() - group.stat().st_mtime > SECONDS_TO_START:
                        group.rmdir()

    def add(self, pid: int) -> None:
        """Take a process in, and all that it will start. Raises OSError where the kernel refuses."""
        for folder in self.folders:
            write(folder / "cgroup.procs", pid)

    def limit(self, memory: int, processes: int) -> None:
        """Limit the bytes of memory, swap included, and the number of processes and threads at any moment."""
        two = self.version == 2
        write(self.memory / ("memory.max" if two else "memory.limit_in_bytes"), memory)
        swap = self.memory / ("memory.swap.max" if two else "memory.memsw.limit_in_bytes")
        if swap.exists():
            write(swap, 0 if two else memory)
        if two:
            write(self.memory / "memory.oom.group", 1)  # kill all: a result of what is left could not be trusted
        write(self.pids / "pids.max", processes + EXTRA_PROCESSES)

    def memory_used(self) -> int:
        """Bytes, including those in its /tmp and /dev/shm. Raises OSError where the group is gone."""
        file = self.memory / ("memory.current" if self.version == 2 else "memory.usage_in_bytes")
        return int(file.read_text())

    def processor_seconds(self) -> float:
        """Time of the processor that all that was ever in it has taken. Raises OSError or KeyError where it is not told."""
        if self.processor is None:
            raise OSError("nobody counts the processor's time")
        if self.version == 2:
            return table(self.processor / "cpu.stat")["usage_usec"] / 1e6
        return int((self.processor / "cpuacct.usage").read_text()) / 1e9

    def ran_out(self) -> Literal["memory", "processes", "machine"] | None:
        """What the kernel refused: `memory` or `processes` beyond the limit, or memory that the `machine`, or a group
        around this one, did not have."""
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


def control_group(memory: int, processes: int, root: Path = ROOT) -> AbstractContextManager[ControlGroup | None]:
    """A new group with limits (see `ControlGroup.limit`); None where this machine lets us make none.

    Entering it raises OSError where only this one cannot be made: no program runs without limits that others have.
    """
    try:
        return parent_group(root).child(memory, processes)
    except OSError:
        return nullcontext()


@cache
def parent_group(root: Path = ROOT) -> ControlGroup:
    """The group in which all of ours are made, and in which nothing runs; to be called before anything is started.

    Raises OSError, with the reason, where the kernel sets no limits for us.
    """
    parent = enclosing_group(root, Path("/proc/self/cgroup").read_text())
    if parent.version == 2:
        pass_on(parent.memory)
    parent.sweep()
    if parent.version == 1:
        try:
            with parent.child(10**9, 64):
                return parent
        except OSError:
            parent = replace(parent, processor=None)  # which counts, but limits nothing
    with parent.child(10**9, 64):  # raises OSError where it cannot be limited
        return parent


def enclosing_group(root: Path, own: str) -> ControlGroup:
    """The group of a process with this /proc/PID/cgroup; where that is the leaf, the one around it."""
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path.lstrip("/"))
    if (root / "cgroup.controllers").exists():
        if "" not in paths:
            raise OSError("this process is in no control group of version 2")
        group = root / paths[""]
        group = group.parent if group.name == LEAF else group
        return ControlGroup(group, group, 2, group)
    for controller in ("memory", "pids"):
        if controller not in paths:
            raise OSError(f"there is no {controller} controller")
    counts = root / "cpuacct" / paths["cpuacct"] if "cpuacct" in paths else None
    return ControlGroup(root / "memory" / paths["memory"], root / "pids" / paths["pids"], 1, counts)


def pass_on(group: Path) -> None:
    """Let groups within one of version 2 limit memory and processes, moving what runs in it into its leaf."""
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
    """Write to one of the kernel's files. Its errors name the file, which the kernel's do not."""
    try:
        file.write_text(str(value))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def table(file: Path) -> dict[str, int]:
    """A file of lines `name number`; empty where there is none."""
    try:
        return {name: int(number) for name, number in map(str.split, file.read_text().splitlines())}
    except OSError:
        return {}
