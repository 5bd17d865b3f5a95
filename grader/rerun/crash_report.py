"""What a program left about the exception that ended it: read as if it were a trap, and put into words."""

import builtins
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.safe_text import printable
from grader.sandbox.untrusted_files import Unreadable, read_json

OF_PYTHON = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
OF_TORCH = {"AcceleratorError", "BackendCompilerFailed", "LinAlgError", "OutOfMemoryError"}
FILE_OF_OURS = re.compile(r"\w[\w/]*\.py")
MOST_FRAMES = 6
LONGEST_LINE, LONGEST_MESSAGE = 120, 200


@dataclass(frozen=True)
class Crash:
    """An exception that ended a program.

    Attributes:
        exception: Name of its class.
        message: What it says.
        frames: The last calls in the student's own files, the innermost last, each as
            `my_network.py, line 12, in forward: x = self.fc1(x)`.
        where: The innermost of them without its code; else the place in our own code; may be empty.
    """

    exception: str
    message: str
    frames: list[str]
    where: str

    @property
    def said(self) -> str:
        """Place, exception and message."""
        raised = f"{self.exception}: {self.message}" if self.message else self.exception
        return f"{self.where}: {raised}" if self.where else raised

    @property
    def said_publicly(self) -> str:
        """The same in words that are no student's."""
        known = self.exception in OF_PYTHON | OF_TORCH
        raised = self.exception if known else "an exception of its own"
        return f"its code raised {raised}" if self.frames else f"it ended in {raised}"


def read_crash(path: Path, modules: dict[str, bytes]) -> Crash | None:
    """What `crash.told` wrote; None where there is nothing of that kind.

    Args:
        modules: The student's own files, by their names. Lines are quoted from these, whatever the record says.
    """

    def crash(record: dict[str, Any]) -> Crash:
        exception, message = str(record["exception"]), str(record["message"])
        frames = [quoted(frame, modules) for frame in record["frames"][-MOST_FRAMES:]]
        inside = [place_of_ours(frame) for frame in record["inside"][-1:]]
        where = [place for place, _ in frames] or inside
        code = [f"{place}: {line}" if line else place for place, line in frames]
        return Crash(printable(exception, 60), printable(message, LONGEST_MESSAGE), code, where[-1] if where else "")

    try:
        return read_json(path, crash)
    except Unreadable:
        return None


def quoted(frame: dict[str, Any], modules: dict[str, bytes]) -> tuple[str, str]:
    """A frame's place, and the line of the student's file there. Raises KeyError or ValueError where there is none."""
    file, line = str(frame["file"]), int(frame["line"])
    lines = list(io.StringIO(modules[file].decode("utf-8", "replace"), newline=None))  # what ends a line in Python
    if not 1 <= line <= len(lines):
        raise ValueError(f"{file} has no line {line}")
    return place(file, line, str(frame["function"])), printable(lines[line - 1], LONGEST_LINE)


def place_of_ours(frame: dict[str, Any]) -> str:
    """A place in our own code, in words. Raises ValueError where it cannot be one."""
    file, line = str(frame["file"]), int(frame["line"])
    if not FILE_OF_OURS.fullmatch(file):
        raise ValueError(f"{file} is no file of ours")
    return f"in the course's {place(f'project/{file}', line, str(frame['function']))}"


def place(file: str, line: int, function: str) -> str:
    called = "" if function == "<module>" else f", in {printable(function, 40)}"
    return f"{printable(file)}, line {line}{called}"
