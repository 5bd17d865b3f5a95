"""Work on what strangers wrote, in another process and within limits: what a piece comes to is nobody else's trouble.

The process, without torch, imports a module of ours once and is asked for one call after the other. Where a call fails,
the next one gets a new process. Arguments and values are JSON, so that nothing that comes back is executed.
"""

import importlib
import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from grader.safe_text import printable
from project.support.errors import UserError

SECONDS = 60  # of a CPU's time for one call; the costliest that is honest takes two
PATIENCE = 3  # times as long on the clock, for a machine that does other things, too
MEMORY = 2 * 10**9  # bytes
MOST_ANSWER = 20 * 10**6  # bytes
REPOSITORY = Path(__file__).parents[1]
READY = b"ready\n"
KILLED = f"was ended by signal {signal.SIGKILL}"


class Failed(Exception):
    """A call came to nothing; the message says why in words that follow a subject, such as `took longer than 60 s`."""


class OurFault(Exception):
    """What a function raises from an OSError that is no fault of what it looks at; the caller gets that OSError."""


class Apart:
    """Calls the functions of a module in another process. A context, for a single thread.

    Args:
        module: In full.
    """

    def __init__(self, module: str, seconds: int = SECONDS, memory: int = MEMORY):
        self.module, self.seconds, self.memory = module, seconds, memory
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process:
            self.process.kill()  # it waits for a call and has nothing to lose
        self.end()

    def end(self) -> int:
        """End the process, if there is one. Returns its exit status, negative for a signal."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        try:
            return process.wait(0.1)  # where it has ended by itself
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            process.kill()
            process.communicate()

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function of the module returns, plain data.

        Raises:
            Failed: It raised something, used up its time or memory, or was killed.
            OSError: It says that this is our own fault.
            UserError: No such process can be started.
        """
        answer = self.answer(function, arguments)
        if answer.get("failed") == KILLED:  # perhaps for want of memory that others hold
            answer = self.answer(function, arguments)
        if fault := answer.get("ours"):
            raise OSError(*fault)
        if reason := answer.get("failed"):
            raise Failed(reason)
        return answer["value"]

    def answer(self, function: str, arguments: Any) -> dict[str, Any]:
        """`value`, `failed` or `ours`."""
        late = f"took longer than {self.seconds} s"
        process = self.process or self.start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps([function, arguments]).encode() + b"\n")
            process.stdin.flush()
            if line := read_line(process.stdout.fileno(), PATIENCE * self.seconds):
                answer: dict[str, Any] = json.loads(line)
                if "failed" in answer:
                    self.end()
                return answer
        except BrokenPipeError:
            pass
        except TimeoutError:
            self.end()
            return {"failed": late}
        except OverflowError:
            self.end()
            return {"failed": f"has more to say than {MOST_ANSWER // 10**6} MB"}
        status = self.end()
        by_signal = late if status == -signal.SIGXCPU else f"was ended by signal {-status}"
        return {"failed": by_signal if status < 0 else "ended before it was done"}

    def start(self) -> subprocess.Popen[bytes]:
        serving = f"from grader.apart import serve; serve({self.module!r}, {self.seconds}, {self.memory})"
        command, pipe = [sys.executable, "-c", serving], subprocess.PIPE
        # A session of its own: Ctrl-C is for who asks.
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=REPOSITORY, start_new_session=True)
        self.process = process
        assert process.stdout
        if process.stdout.readline() != READY:
            self.end()
            raise UserError("the process that reads submissions cannot start; what is recorded is safe")
        return process


def read_line(pipe: int, seconds: float) -> bytes:
    """The next line; empty where a pipe ends before the line does.

    Raises:
        TimeoutError: It does not come in time.
        OverflowError: It is too long.
    """
    until, parts, size = time.monotonic() + seconds, list[bytes](), 0
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(pipe, 2**20)
        parts.append(part)
        if part.endswith(b"\n"):
            return b"".join(parts)
        if not part:
            return b""
        if (size := size + len(part)) > MOST_ANSWER:
            raise OverflowError
    raise TimeoutError


def serve(module: str, seconds: int, memory: int) -> None:
    """Answer requests from stdin, one a line, until it ends."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever is printed is no reply
    functions = importlib.import_module(module)
    limit(resource.RLIMIT_CORE, 1)  # not 0, with which a host's own program would still get the dump
    limit(resource.RLIMIT_AS, memory)
    with suppress(BrokenPipeError):  # whoever asked was killed
        replies.write(READY)
        for line in sys.stdin.buffer:
            function, arguments = json.loads(line)
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + seconds)
            replies.write(answered(lambda: getattr(functions, function)(*arguments), memory) + b"\n")


def answered(call: Callable[[], Any], memory: int) -> bytes:
    """What a call comes to, as JSON."""
    try:
        return json.dumps({"value": call()}).encode()
    except OurFault as fault:
        error = fault.__cause__
        assert isinstance(error, OSError)
        return json.dumps({"ours": [error.errno, error.strerror, error.filename and str(error.filename)]}).encode()
    except MemoryError:
        reason = f"took more than {memory / 1e9:g} GB of memory"
    except RecursionError:
        reason = "is nested too deeply"
    except BaseException as error:
        reason = f"raised {type(error).__name__}: {printable(str(error).partition(chr(10))[0])}"
    return json.dumps({"failed": reason}).encode()


def limit(what: int, most: int) -> None:
    """Set a limit, as far as the one that nobody can raise allows it."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
