"""What is said to a person in one line: mistakes to mend, and notes."""

import sys
from collections.abc import Callable, Sequence

STOPPED = 130  # the shell's exit status for Ctrl-C


class UserError(Exception):
    """One line for a person: what is wrong, where, and how to mend it. Command lines print it and exit with 2."""


def note(line: str) -> None:
    """Say that something chosen has no effect, or another than one would think."""
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
        if isinstance(ended.__context__, KeyboardInterrupt):  # the Trainer's own end after Ctrl-C
            return STOPPED
        raise
