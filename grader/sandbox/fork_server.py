"""Programs that start at once: a process in a sandbox imports everything once, and forks a child for each program.

A program that bubblewrap starts imports for seconds, as long as many a training takes. bubblewrap's walls surround all
children; between one child and the next are those of `namespaces.py`, which leave it no rights.
"""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from grader.sandbox.bubblewrap import prefixes, read_only, sandboxed_python
from grader.sandbox.control_group import ControlGroup, parent_group
from grader.sandbox.disk import PRIVATE, PRIVATE_FILES, Disk, Size, size_for
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program, Running
from grader.sandbox.scratch import Scratch

READY, HERE, GO, OPEN = b"ready", b"here", b"go", b"open"  # as in fork_server_main.py, which imports nothing of ours
SHELF = "/shelf"
WALLS = ("fork_server_main.py", "namespaces.py", "seccomp.py")
ALL_RIGHTS = ("--uid", "0", "--gid", "0", "--cap-add", "ALL")  # over nothing but the sandbox itself
SECONDS_TO_IMPORT = 120
SECONDS_TO_FORK = 30
SECONDS_TO_FOLLOW = 1
CREDENTIALS = struct.Struct("=iII")  # process, user, group: as the kernel vouches for them


class ForkServer:
    """Starts programs by forking. Any number of threads may use it.

    Args:
        code: What all programs see, read-only: path inside -> path on this machine.
        preload: Path inside of a script that imports what programs will need.
        folders: From which programs may have inputs, in addition to `scratch`.
        gpu: Number of the device file of the NVIDIA GPU that programs may use; None for none.
        threads: Number of threads for a program's arithmetic.

    Attributes:
        scratch: Folder in which a program's other inputs must lie.
    """

    def __init__(
        self, code: dict[str, Path], preload: str, folders: list[Path], gpu: int | None = None, threads: int = 1
    ):
        self.code, self.preload, self.gpu, self.threads = code, preload, gpu, threads
        self.folder = Scratch()
        self.scratch = self.folder.path
        self.shelves = {folder: f"{SHELF}/{number}" for number, folder in enumerate(folders)}
        self.shelves[self.scratch] = f"{SHELF}/scratch"
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.ready = False

    def close(self) -> None:
        """End it, and with it all programs."""
        self.end()
        self.folder.remove()

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        if self.control:
            self.control.close()
        self.process = self.control = None
        self.ready = False

    def start(self) -> None:
        """Begin to import. It lives as long as the thread that calls this."""
        with suppress(OSError):
            parent_group()  # found before anything starts, since nothing may run in it
        options = read_only({f"/walls/{name}": Path(__file__).with_name(name) for name in WALLS} | self.code)
        options += ["--dir", "/job", "--dir", "/data", "--dir", "/out", "--tmpfs", SHELF]
        for folder, inside in self.shelves.items():
            options += ["--ro-bind", str(folder), inside]
        options += ["--remount-ro", SHELF]
        environment = {"OMP_NUM_THREADS": str(self.threads), "OPENBLAS_NUM_THREADS": "1"}
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(self.scratch / "fork_server.log", "wb") as log:
            arguments = ["/walls/fork_server_main.py", str(theirs.fileno()), self.preload]
            self.process = subprocess.Popen(
                sandboxed_python(options, environment, arguments, self.gpu, ALL_RIGHTS),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    def wait_until_ready(self) -> None:
        """Have everything imported. Raises OSError where this machine cannot."""
        if self.ready:
            return
        assert self.control is not None, "it has been started"
        self.control.settimeout(SECONDS_TO_IMPORT)
        with suppress(TimeoutError):
            self.ready = self.control.recv(100) == READY
        if not self.ready:
            self.end()
            raise OSError(" ".join((self.scratch / "fork_server.log").read_text("utf-8", "replace").split())[-300:])

    def __call__(self, program: Program, limits: ResourceLimits, group: ControlGroup | None) -> "Forked":
        """Start a program. Raises OSError where that is not possible."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.end()
                self.start()
            self.wait_until_ready()
            return Forked(self, program, limits, group)

    def inside(self, path: Path) -> str:
        """Where the forking process sees a path of this machine. Raises OSError for what it cannot see."""
        for folder, shelf in self.shelves.items():
            if path.is_relative_to(folder):
                return str(shelf / path.relative_to(folder))
        raise OSError(f"{path} is in none of the fork server's folders")


class Forked(Running):
    """A program that runs as a child of the fork server."""

    def __init__(self, server: ForkServer, program: Program, limits: ResourceLimits, group: ControlGroup | None):
        assert server.control is not None and server.process is not None, "it has been started"
        self.server = server.process
        self.error: str | None = None
        self.process: int | None = None  # a descriptor, since a number may come to be another process's
        wanted = {
            "script": program.script,
            "argument": program.argument,
            "environment": program.environment,
            "read_only": {i: server.inside(path) for i, path in program.inputs.items() if i not in server.code},
            "output": size_for(limits),
            "shelf": SHELF,
            "kept": [prefix for prefix in prefixes() if Path(prefix).is_relative_to("/tmp")],
            "sizes": {place: Size(bytes, PRIVATE_FILES) for place, bytes in PRIVATE.items()},
        }
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(SECONDS_TO_FORK)
        their_input, own_input = os.pipe()
        own_output, their_output = os.pipe()
        self.input, self.output = os.fdopen(own_input, "wb"), os.fdopen(own_output, "rb")
        try:
            with theirs:
                descriptors = [theirs.fileno(), their_input, their_output]
                socket.send_fds(server.control, [json.dumps(wanted).encode()], descriptors)
            said, credentials, _, _ = self.socket.recvmsg(100, socket.CMSG_SPACE(CREDENTIALS.size))
            if said != HERE:
                raise OSError("the fork server gave no child")
            self.pid = CREDENTIALS.unpack(credentials[0][2])[0]
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)  # they would take the descriptor's place
            self.process = os.pidfd_open(self.pid)
            if group:
                group.add(self.pid)
            self.socket.send(GO)
            said, descriptors, _, _ = socket.recv_fds(self.socket, 1000, 1, socket.MSG_CMSG_CLOEXEC)
            if said != OPEN:
                raise OSError(json.loads(said)["error"] if said else "the fork server's child is gone")
            self.disk = Disk(descriptors[0])
        except OSError:
            if self.process is not None:
                self.kill()
            self.output.close()
            self.close()
            raise
        finally:
            os.close(their_input)
            os.close(their_output)
        if program.turn is None:
            self.input.close()

    def wait(self, seconds: float) -> bool:
        self.socket.settimeout(max(seconds, 1e-4))
        try:
            said = self.socket.recv(1000)
        except TimeoutError:
            return False
        if said:
            told = json.loads(said)
            self.status, self.error = told.get("status"), told.get("error")
        return True

    def kill(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)
        select.select([self.process], [], [])

    def failure(self) -> str | None:
        if self.status is not None:
            return None
        return self.error or "the first process of the program is gone"

    def lost(self) -> str | None:
        if self.status is None:
            with suppress(subprocess.TimeoutExpired):  # all end together, in no order
                self.server.wait(SECONDS_TO_FOLLOW)
                return "the fork server is gone"
        return None

    def close(self) -> None:
        super().close()
        if self.process is not None:
            os.close(self.process)
        self.socket.close()
