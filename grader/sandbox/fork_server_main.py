"""Runs inside bubblewrap, with all rights there: imports once, then forks a child for each program.

`fork_server_main.py SOCKET PRELOAD`: the number of a socket's descriptor, and a script that imports what programs need.
On the socket comes a message for each program, as JSON: `script`, `argument`, `environment`, `read_only`, `output`,
`shelf`, `sizes` and `kept` (see `namespaces.mount_view`), with three descriptors: a socket to report its end, its input
and its output. Only the program's own process, the last that is forked, looks at anything of a student's.
"""

import gc
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import namespaces  # noqa: E402
import seccomp  # noqa: E402

del sys.path[0]  # programs must not find these

READY, HERE, GO, OPEN = b"ready", b"here", b"go", b"open"
CORE_BYTES = 1  # as in sandboxed_program.py


def check_forkable() -> None:
    """Raises RuntimeError where a child would lack threads, or share memory with other children."""
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        raise RuntimeError(f"{threads} threads run after the imports, of which a child would have only one")
    with open("/proc/self/maps") as maps:
        if shared := [line for line in maps if "w" in line.split()[1] and "s" in line.split()[1]]:
            raise RuntimeError(f"memory is shared: {shared[0].strip()}")


def main(control: socket.socket, preload: str) -> None:
    gc.disable()  # it would take a tenth of the imports' time and find nothing
    runpy.run_path(preload, run_name="__main__")
    check_forkable()
    gc.freeze()  # a child's collections then leave the shared pages alone
    gc.enable()
    control.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 100_000, 3)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            start(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        os.wait()


def start(wanted: dict[str, Any], status: int, stdin: int, stdout: int) -> None:
    """Fork a program's first process, which starts the program and reports its end; then end."""
    tell = socket.socket(fileno=status)
    try:
        namespaces.leave()
        if os.fork():
            os._exit(0)
        tell.send(HERE)
        if tell.recv(10) != GO:
            os._exit(1)
        namespaces.mount_view(wanted["read_only"], wanted["output"], wanted["shelf"], wanted["sizes"], wanted["kept"])
        out = os.open("/out", os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(tell, [OPEN], [out])
        os.close(out)
        namespaces.shrink()
        namespaces.keep_out(others=True)
        with suppress(ValueError):  # as sandboxed_program.py does for what starts anew
            resource.setrlimit(resource.RLIMIT_CORE, (CORE_BYTES, CORE_BYTES))
        # Chosen when it was imported; the filter knows no epoll.
        selectors.DefaultSelector = selectors.PollSelector  # type: ignore[misc, assignment]
        if program := seccomp.program():
            namespaces.filter_calls(program)
        # The kernel keeps from the first process what it does not handle. Python handles this one, by an exception.
        handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
        child = os.fork()
    except BaseException as error:
        tell.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    if child == 0:
        signal.signal(signal.SIGINT, handler)
        namespaces.keep_out(others=False)
        become(wanted, stdin, stdout)
    os.closerange(0, status)
    os.closerange(status + 1, os.sysconf("SC_OPEN_MAX"))
    while True:
        pid, how = os.wait()  # orphans of the program come here, too
        if pid == child:
            # The kernel would end all others only when this process has let go of its memory, which takes a while.
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            tell.send(json.dumps({"status": os.waitstatus_to_exitcode(how)}).encode())
            os._exit(0)


def become(wanted: dict[str, Any], stdin: int, stdout: int) -> None:
    """Run the program in this process, and end with its exit status."""
    status = 1
    try:
        for number, descriptor in enumerate((stdin, stdout, stdout)):
            os.dup2(descriptor, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.setsid()
        os.chdir("/out")
        os.environ.update(wanted["environment"])
        sys.argv[:] = [wanted["script"], wanted["argument"]]
        runpy.run_path(wanted["script"], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.stdout.flush()  # or what was printed before would come after the reason
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status & 0xFF)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
