"""A program is watched: it runs to its end, or to a limit, and then nothing of it is left."""

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from grader.rerun.bubblewrap import Bubblewrapped
from grader.rerun.control_group import ControlGroup, control_group
from grader.rerun.program import Launch, Program
from grader.rerun.usage import folder_contents, usage
from project.assignment import Limits

LOG_BYTES = 2 * 10**6  # kept of what a program prints; the rest is read and thrown away
POLL_SECONDS = 0.2
# Escape sequences, control characters but the newline, and those that turn the direction of writing
CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
SANDBOX_ERROR = 97  # the exit status told where there was no program to have one

Ending = Literal["exited", "time", "memory", "output", "processes", "sandbox"]


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        ending: `exited` by itself, ended for a limit (`time`, `memory`, `output`, `processes`), or `sandbox` where the
            sandbox itself failed, which is never the program's fault.
        status: The exit status; negative for a signal.
        seconds: Wall-clock time, as Stopwatch counts it.
        peak_memory: Largest sum seen of the processes' memory, in bytes.
        detail: What the sandbox said, where it failed.
    """

    ending: Ending
    status: int
    seconds: float
    peak_memory: int
    detail: str = ""


class Stopwatch:
    """A program's time: from its start, or of one with a turn from where it says so; without its wait for that turn."""

    def __init__(self, program: Program):
        self.says = program.says if program.turn else (None, None)  # one without could stop its time by that
        self.heard: dict[str, float] = {}
        self.started, self.begun = time.monotonic(), None
        self.ready = threading.Event()

    def hear(self, line: str) -> None:
        """A line that the program printed."""
        if (said := line.strip()) in self.says:
            self.heard.setdefault(said, time.monotonic())
            if said == self.says[1]:
                self.ready.set()

    def begin(self) -> None:
        """Its turn has come."""
        self.begun = time.monotonic()

    @property
    def seconds(self) -> float:
        now = time.monotonic()
        counts, ready = (self.heard.get(said) for said in self.says)
        waited = 0.0 if ready is None else (self.begun or now) - ready
        return now - (counts or self.started) - waited


class Stopped(BaseException):
    """The grader is told to stop; no verdict about anything."""


def run(
    program: Program,
    limits: Limits,
    log: Path,
    watch: Callable[[str], None] = lambda line: None,
    launch: Launch = Bubblewrapped,
) -> Outcome:
    """Run a program to its end or to a limit; when this returns, no process of it is left.

    Args:
        program: What to run. Its turn is the caller's to release.
        limits: What it may use.
        log: File for the first LOG_BYTES of what it prints.
        watch: Called with each line it prints, control characters and all.
        launch: Starts it.
    """
    with ExitStack() as stack:
        group = stack.enter_context(control_group(limits))
        try:
            running = launch(program, group)
        except OSError as error:
            return Outcome("sandbox", SANDBOX_ERROR, 0.0, 0, str(error))
        stack.callback(running.close)
        stopwatch = Stopwatch(program)

        def hear(line: str) -> None:
            stopwatch.hear(line)
            watch(line)

        reader = threading.Thread(target=keep_log, args=(running.output, log, hear), daemon=True)
        reader.start()
        peak, ending = 0, "exited"
        waits = program.turn is not None
        try:
            while not running.wait(0 if waits else POLL_SECONDS):
                if program.stop is not None and program.stop.is_set():
                    raise Stopped
                memory, tasks = used(group, running.pid)
                peak = max(peak, memory)
                exceeded = over_limit(limits, stopwatch.seconds, memory, tasks, program.output)
                if exceeded := exceeded or group and group.ran_out():
                    ending = exceeded
                    break
                if waits and stopwatch.ready.wait(POLL_SECONDS) and program.turn.acquire(timeout=POLL_SECONDS):
                    waits = False
                    program.begins()
                    stopwatch.begin()
                    running.begin()
        finally:
            running.kill()
            reader.join(5)
        seconds, status = stopwatch.seconds, running.status
        if group and ending == "exited" and status != 0:
            ending = group.ran_out() or ending
        if ending == "exited" and (failure := running.failure()):
            head = log.read_text("utf-8", "replace")[:300] if log.exists() else ""
            return Outcome("sandbox", SANDBOX_ERROR, seconds, peak, " ".join(head.split()) or failure)
        return Outcome(ending, SANDBOX_ERROR if status is None else status, seconds, peak)


def used(group: ControlGroup | None, pid: int) -> tuple[int, int]:
    """Memory in bytes and number of threads of a tree: by its control group, else summed over its processes."""
    if group is None:
        return usage(pid)
    return group.memory_used(), 0  # the kernel itself refuses one process too many


def over_limit(limits: Limits, seconds: float, memory: int, tasks: int, output: Path) -> Ending | None:
    """The limit that is exceeded, if any."""
    if seconds > limits.minutes * 60:
        return "time"
    if memory > limits.memory_gb * 10**9:
        return "memory"
    if tasks > limits.processes:
        return "processes"
    written, files = folder_contents(output, limits.output_files)
    if written > limits.output_mb * 10**6 or files > limits.output_files:
        return "output"
    return None


def keep_log(stream: BinaryIO, log: Path, watch: Callable[[str], None]) -> None:
    """Copy a stream's first LOG_BYTES to a file, and read the rest, so that its writer never blocks on us.

    Control characters and what else does not print become spaces: a log must not steer the terminal that shows it.
    """
    kept = 0
    with open(log, "w", encoding="utf-8") as file:
        while chunk := stream.readline(4096):
            line = CONTROL.sub(" ", chunk.decode("utf-8", "replace"))
            if kept < LOG_BYTES:
                kept += len(line)
                file.write(line if kept < LOG_BYTES else line + "\n[the rest is left out]\n")
                file.flush()
            watch(line)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end however deep or locked what a program left in it is."""
    folder = Path(tempfile.mkdtemp(prefix="fifteen-epochs-", dir=parent))
    try:
        yield folder
    finally:
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            if folder.exists():
                subprocess.run([*command, str(folder)], stderr=subprocess.DEVNULL)
