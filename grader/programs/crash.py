"""Runs inside a sandbox, beside a student's own code: writes down which line of theirs an exception came from.

It shares a process with code that could make it say anything: outside, what it writes is text for a person, no more.
"""

import json
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from project.support.errors import UserError

MOST_FRAMES, MOST_CHARACTERS = 6, 2000
LONGEST_CHAIN = 20
OF_A_WORKER = "Original Traceback (most recent call last)"  # what a DataLoader passes on of an exception is a text
WRITTEN_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')

Frame = tuple[str, int, str]  # file, line, function


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
            origin, frames = source(error, own)
            if frames or not isinstance(error, (UserError, SystemExit)):
                exits = isinstance(error, SystemExit)
                inside = [] if frames else of_traceback(error, ours)
                record = {
                    "exception": type(origin).__name__[:MOST_CHARACTERS],
                    "message": message(origin)[:MOST_CHARACTERS],
                    "frames": [named(frame, own) for frame in frames[-MOST_FRAMES:]],
                    "inside": [named(frame, ours) for frame in inside[-1:]],
                }
                Path(out, "crash.json").write_text(json.dumps(record), encoding="utf-8")
        with suppress(BaseException):
            sys.stdout.flush()  # else what was printed before would follow the traceback in the log
        if exits:
            sys.exit(1)
        raise


def source(error: BaseException, own: str) -> tuple[BaseException, list[Frame]]:
    """The exception that the student's code raised, where parsers and Lightning wrapped it, and its frames there."""
    known: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and len(known) < LONGEST_CHAIN:
        if found := of_traceback(each, own) or of_text(each, own):
            return each, found
        known.append(each)
        each = each.__context__ if each.__cause__ is None else each.__cause__
    return error, []


def of_traceback(error: BaseException, folder: str) -> list[Frame]:
    """The frames in files below `folder`, the innermost last."""
    walked = ((frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__))
    found = [(code.co_filename, line, code.co_name) for code, line in walked]
    if isinstance(error, SyntaxError):
        found.append((str(error.filename), error.lineno or 0, "<module>"))
    return [frame for frame in found if frame[0].startswith(f"{folder}/")]


def of_text(error: BaseException, folder: str) -> list[Frame]:
    """The same, of an exception that a worker process raised."""
    text = str(error) if isinstance(error, Exception) else ""
    written = WRITTEN_FRAME.findall(text[-100_000:]) if OF_A_WORKER in text else []
    return [(file, int(line), function) for file, line, function in written if file.startswith(f"{folder}/")]


def message(error: BaseException) -> str:
    """What an exception says; of one that a worker raised, its last line."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:
        return "it cannot say what is wrong"
    if OF_A_WORKER in text:
        text = text.strip().splitlines()[-1].removeprefix(f"{type(error).__name__}: ")
    return text


def named(frame: Frame, folder: str) -> dict[str, Any]:
    file, line, function = frame
    return {"file": file.removeprefix(f"{folder}/"), "line": line, "function": function[:MOST_CHARACTERS]}
