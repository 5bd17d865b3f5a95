"""A program of ours that is to run beside what a student handed in: what it may see, and what a launcher makes of it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from grader.sandbox.control_group import ControlGroup

ENVIRONMENT = {
    "HOME": "/tmp",
    "USER": "student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "WANDB_MODE": "disabled",
    "PYTHONHASHSEED": "0",
}
PYTHON = ("-s", "-P")  # nothing to import from a home or a working directory
HELD = ("/bin/sh", "-c", 'read -r go && exec "$@"', "sh")  # before a command: not before a line on its standard input


class Turn(Protocol):
    """A lock."""

    def acquire(self, *, timeout: float) -> bool: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Program:
    """What to run, and what it may see.

    Attributes:
        script: A Python file.
        argument: Its single argument: a path as seen inside.
        inputs: Read-only files and folders: path inside -> path on this machine.
        output: The folder that it may write, seen as /out.
        gpu: Number of the NVIDIA GPU that it may use; None for none.
        turn: What it has to hold while it works. It is started before that, so that it can prepare, and told to begin by a
            line on its standard input.
        says: Of one with a turn: the lines that it prints when its time begins to count, and when it is ready for its turn. They
            count once, so that what runs after them can move nothing.
        begins: Called when it has its turn, before it is told. From here on the turn is the caller's to release.
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
    begins: Callable[[], None] = lambda: None
    stop: threading.Event | None = None


class Running(Protocol):
    """A program that a launcher has started.

    Attributes:
        pid: On this machine, of the root of its tree of processes.
        output: What it prints.
        status: Its exit status, negative for a signal; None while it runs.
    """

    pid: int
    output: IO[bytes]

    @property
    def status(self) -> int | None: ...

    def begin(self) -> None:
        """Tell a program that waits for its turn to begin, if it is still there."""

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""

    def kill(self) -> None:
        """Kill it and all that it started. When this returns, nothing of it is left."""

    def failure(self) -> str | None:
        """Of a program that has ended: what kept it from starting, in one line; None where it did start."""

    def close(self) -> None:
        """Let go of what was needed to watch it."""


# Raises OSError where it cannot start the program.
Launch = Callable[[Program, ControlGroup | None], Running]


class Process:
    """A program that is a process of ours, with whatever it started.

    Args:
        command: Its command line.
        group: That it is in before it begins. Raises OSError where it cannot be.
        descriptors: That it inherits.
    """

    def __init__(
        self,
        command: list[str],
        program: Program,
        group: ControlGroup | None,
        environment: dict[str, str],
        descriptors: Sequence[int] = (),
    ):
        self.process = subprocess.Popen(
            [*HELD, *command] if group else command,
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
            if group:
                group.add(self.pid)
                self.tell("go")
        except OSError:
            self.kill()
            self.input.close()
            self.output.close()
            raise
        if program.turn is None:
            self.input.close()

    @property
    def status(self) -> int | None:
        return self.process.returncode

    def begin(self) -> None:
        self.tell("begin")
        self.input.close()

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it is still there."""
        with suppress(BrokenPipeError):
            os.write(self.input.fileno(), f"{line}\n".encode())

    def wait(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def failure(self) -> str | None:
        return None

    def close(self) -> None:
        self.input.close()


def plainly(program: Program, group: ControlGroup | None) -> Process:
    """Start a program without a sandbox, with all our rights."""
    environment = {**ENVIRONMENT, **program.environment}
    environment["HOME"] = environment["MPLCONFIGDIR"] = str(program.output)
    return Process([sys.executable, *PYTHON, program.script, program.argument], program, group, environment)
