"""Watches a program until it ends or reaches a limit; then nothing of it is left."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TextIO

from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.control_group import ControlGroup, control_group
from grader.sandbox.cores import pin
from grader.sandbox.disk import PRIVATE_FILES
from grader.sandbox.lost_time import LostTime
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.resource_usage import folder_contents, unlinked_bytes, usage
from grader.sandbox.sandboxed_program import Launch, Program, Running

LOG_BYTES = 2 * 10**6  # kept of what a program prints; the rest is read and thrown away
LINE_BYTES = 20  # that a line counts at least: a million empty ones would keep the grader busy for seconds
BLOCK, PAUSE = 1 << 16, 1e-3  # bytes and seconds: what is thrown away is read in these steps, 60 MB a second
POLL_SECONDS = 0.2
# Escape sequences, all control characters but the newline, and those that change the direction of writing
CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

Ending = Literal["exited", "time", "memory", "output", "processes", "sandbox"]


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        ending: `exited` by itself, ended for a limit (`time`, `memory`, `output`, `processes`), or `sandbox` where the
            sandbox itself failed, which is never the program's fault.
        status: The exit status; negative for a signal; None where the program had none.
        seconds: As Stopwatch counts them.
        peak_memory: Largest sum seen of the processes' memory, in bytes.
        detail: What the sandbox said, where it failed.
        processor_seconds: That all its processes took of the processor; None where the kernel does not count them.
    """

    ending: Ending
    status: int | None
    seconds: float
    peak_memory: int
    detail: str = ""
    processor_seconds: float | None = None


class Stopwatch:
    """A program's time since it said that its time counts, before which nothing of a student's runs.

    Without a turn, no line but that one is believed; with one, the wait for it does not count. Nor does what others took
    from its cores, but half of the time always counts: no program has its place longer than twice its limit.
    """

    def __init__(self, program: Program):
        self.program = program
        self.started = time.monotonic()
        self.heard: dict[str, float] = {}
        self.begun: float | None = None  # when its turn came
        self.ready = threading.Event()
        self.lost: LostTime | None = None

    def hear(self, line: str) -> None:
        """A line that the program printed."""
        said = line.strip()
        if said and said in self.program.says:
            self.heard.setdefault(said, time.monotonic())
            if said == self.program.says[1]:
                self.ready.set()

    @property
    def came_to_student(self) -> bool:
        """Whether it said that what was handed in comes next."""
        return bool(self.program.says[0]) and self.program.says[0] in self.heard

    @property
    def counts(self) -> bool:
        """Whether its time has begun to count."""
        return not self.program.says[0] or self.came_to_student

    @property
    def seconds(self) -> float:
        now = time.monotonic()
        counts, ready = self.program.says
        waited = (self.begun or now) - self.heard[ready] if self.program.turn and ready in self.heard else 0.0
        passed = now - self.heard.get(counts, self.started) - waited
        return passed - min(self.lost.seconds, passed / 2) if self.lost else passed


class Stopped(BaseException):
    """The grader was told to stop: no verdict."""


def run(
    program: Program,
    limits: ResourceLimits,
    log: Path,
    watch: Callable[[str], None] = lambda line: None,
    launch: Launch = Bubblewrapped,
) -> Outcome:
    """Run a program to its end or to a limit; when this returns, no process of it is left.

    Args:
        log: File for the first LOG_BYTES of what it prints.
        watch: Called with each line that is kept in the log, without control characters.

    Raises Stopped where its `stop` is set, and OSError where the log cannot be written.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open(log, "w", encoding="utf-8"))
        try:
            group = stack.enter_context(control_group(limits.memory_bytes, limits.processes))
            running = launch(program, limits, group)
        except OSError as error:
            return Outcome("sandbox", None, 0.0, 0, str(error))
        stack.callback(running.close)
        stopwatch = Stopwatch(program)
        reader = threading.Thread(target=keep_log, args=(running.output, file, (stopwatch.hear, watch)), daemon=True)
        reader.start()
        ending: Ending | Literal["machine"] = "exited"
        peak, turn, cores = 0, program.turn, program.cores
        try:
            while not running.wait(0 if turn else POLL_SECONDS):
                if program.stop is not None and program.stop.is_set():
                    raise Stopped
                if cores:  # each time, since a child may be on its way while its parent is held
                    pin(running.pid, cores)
                    if group and stopwatch.counts:
                        stopwatch.lost = stopwatch.lost or LostTime(running.pid, cores, group)
                        stopwatch.lost.look()
                try:
                    # A group needs no count of processes: the kernel refuses one too many.
                    memory, tasks = (group.memory_used(), 0) if group else usage(running.pid)
                except OSError as error:
                    return Outcome("sandbox", None, stopwatch.seconds, peak, f"its limits are gone: {error}")
                peak = max(peak, memory)
                refused = group.ran_out() if group else None
                exceeded = over_limit(limits, stopwatch.seconds, memory, tasks, *written(running, program, limits))
                if exceeded or refused:
                    ending = exceeded or refused or ending
                    break
                if turn and stopwatch.ready.wait(POLL_SECONDS) and turn.acquire(timeout=POLL_SECONDS):
                    turn = None
                    if cores := program.begins():
                        pin(running.pid, cores)  # before it is told
                    stopwatch.begun = time.monotonic()
                    running.begin()
        finally:
            running.kill()
            reader.join(5)
        seconds, status = stopwatch.seconds, running.status
        if running.disk and ending == "exited":
            ending = over_limit(limits, 0.0, 0, 0, *written(running, program, limits)) or ending
        if running.disk and not running.disk.copy(program.output, limits) and ending == "exited":
            ending = "output"
        if group and ending == "exited" and status != 0:
            ending = group.ran_out() or ending
        if ending == "machine":
            return Outcome("sandbox", None, seconds, peak, "the machine ran out of memory")
        well = ending == "exited" and status == 0
        if not well and (fault := fault_of_ours(ending, running, program, limits, stopwatch)):
            said = " ".join(log.read_text("utf-8", "replace").split())[-300:]
            return Outcome("sandbox", None, seconds, peak, f"{fault}: {said}" if said else fault)
        return Outcome(ending, status, seconds, peak, processor_seconds=processor_seconds(group))


def processor_seconds(group: ControlGroup | None) -> float | None:
    """What all processes of a group took of the processor; None where the kernel does not count it for us."""
    with suppress(OSError, KeyError):
        return group.processor_seconds() if group else None
    return None


def fault_of_ours(
    ending: Ending, running: Running, program: Program, limits: ResourceLimits, stopwatch: Stopwatch
) -> str | None:
    """Why a program that failed may not be to blame; None where it is.

    Once it came to what was handed in, only what no program can reach excuses it.
    """
    if not stopwatch.came_to_student:
        if program.says[0]:
            return running.failure() or "it failed before it came to what was handed in"
        if ending == "exited" and (failure := running.failure()):
            return failure
    if ending != "exited":
        return None
    if lost := running.lost():
        return lost
    if running.disk:
        return None  # what is full then is its own
    used, _ = folder_contents(program.output, limits.output_files)
    if shutil.disk_usage(program.output).free + used < limits.output_bytes:
        return f"the disk lacks room for the {limits.output_bytes / 1e6:g} MB that it may write"
    return None


def written(running: Running, program: Program, limits: ResourceLimits) -> tuple[int, int]:
    """Bytes that a program has written, and files and folders: too many where another place of its own has."""
    if any(disk.used()[1] > PRIVATE_FILES for disk in running.private):
        return 0, limits.output_files + 1
    if running.disk:
        return running.disk.used()
    used, files = folder_contents(program.output, limits.output_files)
    return used + unlinked_bytes(running.pid, program.output), files


def over_limit(limits: ResourceLimits, seconds: float, memory: int, tasks: int, used: int, files: int) -> Ending | None:
    """The limit that is exceeded, if any."""
    if seconds > limits.seconds:
        return "time"
    if memory > limits.memory_bytes:
        return "memory"
    if tasks > limits.processes:
        return "processes"
    if used > limits.output_bytes or files > limits.output_files:
        return "output"
    return None


def keep_log(stream: IO[bytes], log: TextIO, listeners: Iterable[Callable[[str], None]]) -> None:
    """Copy a stream's first LOG_BYTES to a log, and read the rest, so that its writer is not held up; close it.

    Only what is kept is heard. The rest is not even split into lines, and read no faster than anything honest is printed:
    a flood would cost us as much as its writer.
    Control characters become spaces: a log must not steer the terminal that shows it. Whatever fails here, such as a
    full disk or a closed terminal, must not fail the writer.
    """
    kept = 0
    with stream:
        while kept < LOG_BYTES and (chunk := stream.readline(4096)):
            line = CONTROL.sub(" ", chunk.decode("utf-8", "replace"))
            for hear in listeners:
                with suppress(Exception, SystemExit):  # SystemExit: what rich makes of a broken pipe
                    hear(line)
            kept += max(len(line), LINE_BYTES)
            with suppress(OSError, ValueError):  # ValueError: closed, since the reader did not end in time
                log.write(line if kept < LOG_BYTES else line + "\n[the rest is left out]\n")
                log.flush()
        while os.read(stream.fileno(), BLOCK):
            time.sleep(PAUSE)
