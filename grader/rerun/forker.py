"""Runs inside bubblewrap, with all rights there: imports once, then forks a child for each program. `forker.py SOCKET`.

On the socket (a descriptor's number) comes a message for each program, as JSON: `script`, `argument`, `environment`,
`read_only`, `output`, `shelf`, `sizes` and `kept` (see `walls.furnish`); with it come three descriptors: a socket to tell of its
end, its input and its output. Nothing of a student's is looked at here, but in the last of the processes that come of it.
"""

import gc
import json
import os
import runpy
import socket
import sys
from typing import Any

READY, HERE, GO = b"ready", b"here", b"go"
USUAL = {
    "network": "project.networks.ConvNet",
    "optimizer": "torch.optim.SGD",
    "scheduler": "project.optimization.OneCycle",
    "initialization": "project.initialization.He",
    "normalization": "project.normalization.BatchNormalization",
}


def preload() -> None:
    """Import what a training and a prediction will import."""
    import pytorch_lightning  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torchvision  # noqa: F401

    import project.cli

    # Each import is cached by now; so is what it takes to read the types of the command line, and of usual classes.
    project.cli.complete_config([f"--model.{name}={usual}" for name, usual in USUAL.items()])


def check_forkable() -> None:
    """Raises RuntimeError where a child could not compute, or could reach what others compute with."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"{threads} threads run after the imports, of which a child would have but one")
    with open("/proc/self/maps") as maps:
        if shared := [line for line in maps if "w" in line.split()[1] and "s" in line.split()[1]]:
            raise RuntimeError(f"memory is shared: {shared[0].strip()}")


def main(control: socket.socket) -> None:
    gc.disable()  # else a tenth of the imports' time; nothing of them becomes garbage
    preload()
    check_forkable()
    gc.freeze()  # objects that children will not touch only to count them
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
    """Fork a program's first process, which sees to all others, and end."""
    import seccomp
    import walls

    tell = socket.socket(fileno=status)
    try:
        walls.leave()
        if os.fork():
            os._exit(0)
        tell.send(HERE)
        if tell.recv(10) != GO:
            os._exit(1)
        walls.furnish(wanted["read_only"], wanted["output"], wanted["shelf"], wanted["sizes"], wanted["kept"])
        walls.shrink()
        walls.keep_out(others=True)
        if program := seccomp.program():
            walls.filter_calls(program)
        child = os.fork()
    except BaseException as error:
        tell.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    if child == 0:
        walls.keep_out(others=False)
        become(wanted, stdin, stdout)
    os.closerange(0, status)
    os.closerange(status + 1, os.sysconf("SC_OPEN_MAX"))
    while True:
        pid, how = os.wait()  # orphans come here, too
        if pid == child:
            tell.send(json.dumps({"status": os.waitstatus_to_exitcode(how)}).encode())
            os._exit(0)  # and the kernel ends all others


def become(wanted: dict[str, Any], stdin: int, stdout: int) -> None:
    """Be the program, to its end."""
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
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status & 0xFF)


if __name__ == "__main__":
    sys.path[:0] = ["/app"]
    main(socket.socket(fileno=int(sys.argv[1])))
