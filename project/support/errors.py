"""What a person is told in one line: mistakes to mend, and notes."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

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


def note(line: str) -> None:
    """Say that a setting has no effect, or not the one that its name suggests."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def exit_status(command: Callable[[Sequence[str]], int], args: Sequence[str]) -> int:
    """Run a command. A person's mistake is one line on stderr and exit status 2; Ctrl-C is 130."""
    try:
        return command(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return STOPPED
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):  # how Lightning's Trainer ends after Ctrl-C
            return STOPPED
        raise
