"""Control groups: the kernel's own limits on the memory and the processes of a tree, where we may set them.

Version 2 where it is mounted alone (the grader must have a delegated group to itself, as in `systemd-run --user --scope
-p Delegate=yes python -m grader run ...`), version 1 where its controllers are writable (as root).
"""

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader.sandbox.resource_limits import ResourceLimits

ROOT = Path("/sys/fs/cgroup")
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

    def joined(self, command: list[str]) -> list[str]:
        """The command, so started that it and all that comes of it are in the group from the beginning."""
        join = "; ".join(f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}" for folder in self.folders)
        return ["/bin/sh", "-c", f'{join}; exec "$@"', "sh", *command]

    def add(self, pid: int) -> None:
        """Take a process in, and all that it will start."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def limit(self, limits: ResourceLimits) -> None:
        memory = str(limits.memory_bytes)
        (self.memory / ("memory.max" if self.version == 2 else "memory.limit_in_bytes")).write_text(memory)
        swap = self.memory / ("memory.swap.max" if self.version == 2 else "memory.memsw.limit_in_bytes")
        if swap.exists():
            swap.write_text("0" if self.version == 2 else memory)
        # Our own launcher's shell and bubblewrap's processes are in it too.
        (self.pids / "pids.max").write_text(str(limits.processes + 4))

    def memory_used(self) -> int:
        """Bytes, with what lies in the tree's own /tmp and /dev/shm."""
        return number(self.memory / ("memory.current" if self.version == 2 else "memory.usage_in_bytes"))

    def ran_out(self) -> str | None:
        """`memory` or `processes`, where the kernel refused the tree some."""
        events = self.memory / ("memory.events" if self.version == 2 else "memory.oom_control")
        if table(events).get("oom_kill", 0):
            return "memory"
        return "processes" if table(self.pids / "pids.events").get("max", 0) else None

    def end(self) -> None:
        """Kill what is left in the group, wait until it is gone, and remove it."""
        deadline = time.monotonic() + SECONDS_TO_DIE
        for folder in self.folders:
            while folder.exists() and time.monotonic() < deadline:
                for pid in (folder / "cgroup.procs").read_text().split():
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.02)


@contextmanager
def control_group(limits: ResourceLimits, root: Path = ROOT) -> Iterator[ControlGroup | None]:
    """A new group with these limits; None where none can be made here."""
    group = None
    try:
        group = made(root)
        group.limit(limits)
    except OSError:
        if group:
            group.end()
        group = None
    try:
        yield group
    finally:
        if group:
            group.end()


def made(root: Path = ROOT, own: str | None = None) -> ControlGroup:
    """A new group below the grader's own. Raises OSError where none can be made."""
    lines = (Path("/proc/self/cgroup").read_text() if own is None else own).splitlines()
    paths = {name: line.split(":", 2)[2].lstrip("/") for line in lines for name in line.split(":")[1].split(",")}
    name = f"fifteen-epochs-{os.getpid()}-{time.monotonic_ns()}"
    if (root / "cgroup.controllers").exists():
        if "" not in paths:
            raise OSError("no group of version 2")
        parent = root / paths[""]
        if "memory" not in (parent / "cgroup.subtree_control").read_text():
            # A group with processes of its own cannot pass controllers on: the grader moves into one beside.
            beside = parent / "grader"
            beside.mkdir(exist_ok=True)
            (beside / "cgroup.procs").write_text(str(os.getpid()))
            (parent / "cgroup.subtree_control").write_text("+memory +pids")
        folder = parent / name
        folder.mkdir()
        return ControlGroup(folder, folder, 2)
    folders = []
    for controller in ("memory", "pids"):
        if controller not in paths:
            raise OSError(f"no {controller} controller")
        folders.append(root / controller / paths[controller] / name)
        folders[-1].mkdir()
    return ControlGroup(*folders, 1)


def number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def table(file: Path) -> dict[str, int]:
    """A file of lines `name number`; empty where there is none."""
    try:
        pairs = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
