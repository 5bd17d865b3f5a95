"""What is said to a person in one line: mistakes to mend, and notes."""

import sys


class UserError(Exception):
    """One line for a person: what is wrong, where, and how to mend it. Command lines print it and exit with 2."""


def note(line: str) -> None:
    """Say that something chosen has no effect, or another than one would think."""
    print(f"note: {line}", file=sys.stderr, flush=True)
