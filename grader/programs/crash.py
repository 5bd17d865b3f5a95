"""Runs inside a sandbox, beside a student's own code: writes down which line of theirs an exception came from.

It shares a process with code that could make it say anything: outside, what it writes is text for a person, no more.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from project.support.errors import UserError
from project.support.own_code import Frame, caused, frames, message, source

MOST_FRAMES, MOST_CHARACTERS = 6, 2000


@contextmanager
def told(out: Path, own: str, ours: str) -> Iterator[None]:
    """Write `crash.json` into `out` when an exception ends this; then the exception goes on its way.

    Nothing is written of mistakes that our own code tells in one line, where no code of the student's caused them. A
    SystemExit of the student's becomes one of status 1, so that it is not taken for ours.

    Args:
        own: Folder of the student's modules.
        ours: Folder of our package `project`.
    """
    try:
        yield
    except BaseException as error:
        exits = False
        with suppress(BaseException):  # the student's classes have a say in what an exception answers
            origin, theirs = source(error, lambda file: file.startswith(f"{own}/"), caused)
            if theirs or not isinstance(error, (UserError, SystemExit)):
                exits = isinstance(error, SystemExit)
                inside = [] if theirs else [frame for frame in frames(error) if frame.file.startswith(f"{ours}/")]
                record = {
                    "exception": type(origin).__name__[:MOST_CHARACTERS],
                    "message": message(origin)[:MOST_CHARACTERS],
                    "frames": [named(frame, own) for frame in theirs[-MOST_FRAMES:]],
                    "inside": [named(frame, ours) for frame in inside[-1:]],
                }
                Path(out, "crash.json").write_text(json.dumps(record), encoding="utf-8")
        with suppress(BaseException):
            sys.stdout.flush()  # else what was printed before would follow the traceback in the log
        if exits:
            sys.exit(1)
        raise


def named(frame: Frame, folder: str) -> dict[str, Any]:
    file = frame.file.removeprefix(f"{folder}/")
    return {"file": file, "line": frame.line, "function": frame.function[:MOST_CHARACTERS]}
