"""A program of ours that runs what a student handed in: what it may see, and what a launcher makes of it."""

import os
import resource
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from grader.sandbox.control_group import ControlGroup
from grader.sandbox.cores import Cores
from grader.sandbox.disk import Disk
from grader.sandbox.resource_limits import ResourceLimits

ENVIRONMENT = {
    "HOME": "/tmp",
    "USER": "student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "WANDB_MODE": "disabled",
    "PYTHONHASHSEED": "0",
}
PYTHON_OPTIONS = ("-s", "-P")  # nothing is imported from a home or a working directory
# Of a crashed process's memory, one byte: with this limit alone the kernel starts no program of the host's either, where
# its core_pattern is a pipe to one, which would run as root and outside of all limits (core(5); fs/coredump.c).
CORE_BYTES = 1
# What follows these starts after a line on its standard input.
WAIT_FOR_LINE = ("/bin/sh", "-c", 'read -r go && exec "$@"', "sh")
TELL_AND_WAIT = ("/bin/sh", "-c", 'echo here && read -r go && exec "$@"', "sh")  # first it says that it is there


class Turn(Protocol):
    """What one program, or a few at once, may hold: a lock or a semaphore."""

    def acquire(self, *, timeout: float) -> bool: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Program:
    """What to run, and what it may see.

    Attributes:
        script: A Python file.
        argument: Its single argument: a path as seen inside.
        inputs: Read-only files and folders: path inside -> path on this machine.
        output: The folder that it may write, seen as /out. In a sandbox it is the disk's, and copied here at the end.
        gpu: Number of the device file of the NVIDIA GPU that it may use; None for none.
        environment: Variables in addition to ENVIRONMENT.
        turn: What it must hold while it works. It is started before that, so that it can prepare, and told to begin by
            a line on its standard input.
        says: The lines by which it tells that all that may fail through our fault is done, and that it is ready for its
            turn. Its time counts from the first. Each counts once: what runs later cannot repeat it.
        begins: Called when the turn has come, before the program is told. From then on the caller has to release it. It
            returns the cores that the program is held to; None for all.
        cores: Those that it is held to from its start.
        stop: Set by another thread, it ends the program, and `run` raises Stopped.
    """

    script: str
    argument: str
    inputs: dict[str, Path]
    output: Path
    gpu: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    turn: Turn | None = None
    says: tuple[str, str] = ("", "")
    begins: Callable[[], Cores | None] = lambda: None
    cores: Cores | None = None
    stop: threading.Event | None = None


class Running(ABC):
    """A program that a launcher has started.

    Attributes:
        pid: On this machine, of the root of its tree of processes.
        input: Its standard input, closed but where it waits for its turn.
        output: What it prints.
        status: Its exit status, negative for a signal; None while it runs.
        disk: The file system of its own that it writes to; None where it writes to its output folder itself.
        private: Its other places to write of which the kernel limits the bytes alone, not the number of files.
    """

    pid: int
    input: IO[bytes]
    output: IO[bytes]
    status: int | None = None
    disk: Disk | None = None
    private: Sequence[Disk] = ()

    def begin(self) -> None:
        """Tell a program that waits for its turn to begin."""
        self.tell("begin")
        self.input.close()

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it is still there."""
        with suppress(BrokenPipeError):
            os.write(self.input.fileno(), f"{line}\n".encode())

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it and all that it started. When this returns, nothing of it is left."""

    def failure(self) -> str | None:
        """What kept a program that has ended from starting, in one line; None where it did start."""
        return None

    def lost(self) -> str | None:
        """What of ours, out of the program's reach, ended before it did, in one line; None where nothing did."""
        return None

    def close(self) -> None:
        """Let go of what was needed to watch it."""
        self.input.close()
        for disk in (self.disk, *self.private):
            if disk:
                disk.close()


# Raises OSError where it cannot start the program.
Launch = Callable[[Program, ResourceLimits, ControlGroup | None], Running]


class Process(Running):
    """A program that is a child process of ours. Raises OSError where it cannot start within its group."""

    def __init__(
        self,
        command: list[str],
        program: Program,
        group: ControlGroup | None,
        environment: dict[str, str],
        descriptors: Sequence[int] = (),
    ):
        self.process = subprocess.Popen(
            [*WAIT_FOR_LINE, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=program.output,
            start_new_session=True,
            pass_fds=descriptors,
        )
        assert self.process.stdin and self.process.stdout
        self.pid, self.input, self.output = self.process.pid, self.process.stdin, self.process.stdout
        try:
            with suppress(PermissionError):  # where the host allows none at all, and we may not raise that
                resource.prlimit(self.pid, resource.RLIMIT_CORE, (CORE_BYTES, CORE_BYTES))
            if group:
                group.add(self.pid)
            self.tell("go")
            self.enter()
        except OSError:
            self.kill()
            self.input.close()
            self.output.close()
            raise
        if program.turn is None:
            self.input.close()

    def enter(self) -> None:
        """What a launcher does between the start and the program's own code. Raises OSError where that does not begin."""

    def wait(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self.status = self.process.wait(seconds)
        return self.status is not None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.status = self.process.wait()


def plainly(program: Program, limits: ResourceLimits, group: ControlGroup | None) -> Process:
    """Start a program without a sandbox, with all our rights."""
    environment = {**ENVIRONMENT, **program.environment}
    environment["HOME"] = environment["MPLCONFIGDIR"] = str(program.output)
    return Process([sys.executable, *PYTHON_OPTIONS, program.script, program.argument], program, group, environment)
