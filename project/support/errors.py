"""What a person is told in one line: mistakes to mend, and notes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from project.support.own_code import keep_traceback, own_error

Number = TypeVar("Number", int, float)

STOPPED = 130  # the shell's exit status for Ctrl-C


class UserError(Exception):
    """One line for a person: what is wrong, where, and how to mend it. Command lines print it and exit with 2."""


def in_range(what: str, value: Number, interval: str) -> Number:
    """`value`, if it lies in the interval, such as "[0, 1)"; else UserError."""
    low, high = map(float, interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below):
        raise UserError(f"{what} {value:g} is not in {interval}")
    return value


@contextmanager
def blamed_on(setting: str) -> Iterator[None]:
    """What a library refuses in here is a mistake in that setting: a UserError, in one line.

    An error in a student's own code stays as it is.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if own_error(error, UserError):
            raise
        raise UserError(f"{setting}: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """What an exception says, at most 300 characters of it; its kind, where that is a name or nothing alone."""
    said = " ".join(str(error).split())[:300].rstrip(".")
    return said if " " in said else f"{type(error).__name__} {said}".strip()


def note(line: str) -> None:
    """Say that a setting has no effect, or not the one that its name suggests."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def exit_status(command: Callable[[Sequence[str]], int], args: Sequence[str]) -> int:
    """Run a command. A person's mistake is one line on stderr and exit status 2; Ctrl-C is 130.

    An error in a student's own code is their file, line and exception, a second line has the cure and names the file
    with the whole traceback; exit status 2, too.
    """
    try:
        status = command(args)
        sys.stdout.flush()  # here, where it is known what to do if nobody reads it any more
        return status
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # whoever reads has enough, such as `head`; what Python still has for it goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            return STOPPED  # how Lightning's Trainer ends after Ctrl-C
        if own := own_error(error, UserError):
            said = f"{own.said}\n  {own.cure}; the whole traceback is in {keep_traceback(error)}"
        elif isinstance(error, UserError):
            said = str(error)
        else:
            raise
        print(f"error: {said}", file=sys.stderr)
        return 2
