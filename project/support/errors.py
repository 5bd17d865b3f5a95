"""What a person is told in one line: mistakes to mend, and notes."""

import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)

HERE = Path(__file__).resolve().parents[2]
INSTALLED = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
OURS = [HERE / "project", HERE / "grader", HERE / "main.py"]
FRAMES = 3  # of a student's own code that an error shows

NO_GPU = ("no NVIDIA driver", "No CUDA GPUs", "not compiled with CUDA")  # torch's words where there is none

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
        if in_own_words(error) is not None:
            raise
        raise UserError(f"{setting}: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """What an exception says, at most 300 characters of it; its kind, where that is a name or nothing alone."""
    said = " ".join(str(error).split())[:300].rstrip(".")
    return said if " " in said else f"{type(error).__name__} {said}".strip()


def note(line: str) -> None:
    """Say that a setting has no effect, or not the one that its name suggests."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def gpu_cure(error: BaseException) -> str:
    """How to mend a network that asks for a GPU where there is none; nothing for another error, or where it is said."""
    cure = "; leave out .cuda(): the trainer moves the network and the images"
    said = str(error)
    return cure if any(words in said for words in NO_GPU) and cure not in said else ""


def in_own_words(error: BaseException) -> str | None:
    """An error that a student's own code raised: what it is, and their last lines that led to it; None for another."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and not any(Path(frame.filename).is_relative_to(one) for one in (*INSTALLED, *OURS))
    ]
    if not frames:
        return None
    shown = [f"  {frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames[-FRAMES:]]
    return "\n".join([f"{type(error).__name__}: {error}{gpu_cure(error)}", *shown])


def exit_status(command: Callable[[Sequence[str]], int], args: Sequence[str]) -> int:
    """Run a command. A person's mistake is one line on stderr and exit status 2; Ctrl-C is 130.

    An error in a student's own code is told by their own lines, without ours, and exit status 1.
    """
    try:
        status = command(args)
        sys.stdout.flush()  # here, where it is known what to do if nobody reads it any more
        return status
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # whoever reads has enough, such as `head`; what Python still has for it goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):  # how Lightning's Trainer ends after Ctrl-C
            return STOPPED
        raise
    except Exception as error:
        if (said := in_own_words(error)) is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        return 1
