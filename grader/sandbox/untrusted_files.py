"""Files that a sandbox left: each is read as if it were a trap."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 10**6


class Unreadable(Exception):
    """A file that is missing, or not what it should be; the message is the reason, in one line."""


def read_output(path: Path, limit: int) -> bytes:
    """The bytes of a regular file that a sandbox wrote. Raises Unreadable for a link, a pipe, a device, or too much."""
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


def read_json(path: Path) -> Any:
    """JSON that a sandbox wrote; NaN and infinities are refused."""

    def finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{text} is no finite number")
        return number

    try:
        return json.loads(read_output(path, MAX_JSON_BYTES), parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name} is no JSON ({error})") from None
