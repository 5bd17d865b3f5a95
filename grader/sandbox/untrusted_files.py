"""Files that a sandbox left: each is read as if it were a trap."""

import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from grader.safe_text import printable

MAX_JSON_BYTES = 10**6
T = TypeVar("T")


class Unreadable(Exception):
    """A file that is missing, or not what it should be; the message is the reason, in one line."""


def read_output(path: Path, limit: int) -> bytes:
    """The bytes of a regular file that a sandbox wrote. Raises Unreadable for a link, a pipe, a device, or too much.

    No folder on the way may be a link either: it would lead to files of ours, or of other students.
    """
    if os.path.realpath(path.parent) != os.path.abspath(path.parent):
        raise Unreadable(f"left no {path.name} in a folder of its own")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Unreadable(f"left no {path.name} ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"{path.name} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unreadable(f"{path.name} is larger than {limit:,} bytes")
    return content


@contextmanager
def distrusted(name: str) -> Iterator[None]:
    """Turn whatever is raised here into Unreadable: what a sandbox left can make a reader fail in ways that nobody listed,
    and that must never count as a fault of ours."""
    try:
        yield
    except Unreadable:
        raise
    except Exception as error:
        said = printable(f"{type(error).__name__}: {error}", 120)
        raise Unreadable(f"{name} is not what it should be ({said})") from None


def read_json(path: Path, take: Callable[[Any], T]) -> T:
    """What `take` makes of JSON that a sandbox wrote. Raises Unreadable, also for whatever `take` raises.

    NaN and infinities are refused.
    """

    def finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError("a number is not finite")
        return number

    with distrusted(path.name):
        return take(json.loads(read_output(path, MAX_JSON_BYTES), parse_float=finite, parse_constant=finite))
