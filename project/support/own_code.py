"""Errors in code that is a student's own: whose line it was, said in two lines, with the cure; the rest goes to a file."""

import os
import re
import sys
import sysconfig
import tempfile
import traceback
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from project.support.cures import cure, words

HERE = Path(__file__).resolve().parents[2]
NOT_THEIRS = [HERE / "project", HERE / "grader", HERE / "main.py", Path(sysconfig.get_path("stdlib"))]
INSTALLED = {"site-packages", "dist-packages"}  # names of folders
TAKEN_NAMES = {  # that a module of theirs may not have: a grading would import one for the other
    *sys.stdlib_module_names,
    *("torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning", "lightning_utilities", "jsonargparse"),
    *("numpy", "yaml", "wandb", "safetensors", "matplotlib", "PIL", "psutil", "project", "grader", "submission"),
    *("main", "evidence", "trainee", "predictor", "sitecustomize", "usercustomize", "conftest", "pytest"),
}
OF_A_WORKER = "Original Traceback (most recent call last)"  # what a DataLoader passes on of an exception is a text
WRITTEN_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')
LONGEST_CHAIN = 20  # of exceptions that others caused
MOST_CHARACTERS = 250  # of a message


class Frame(NamedTuple):
    """A place in a file: the line, and the function that it is in."""

    file: str
    line: int
    function: str


def theirs(file: str) -> bool:
    """Whether a file is neither ours, nor Python's, nor an installed package's."""
    path = Path(file)
    ours = any(path.is_relative_to(folder) for folder in NOT_THEIRS)
    return bool(file) and not file.startswith("<") and not ours and not INSTALLED & {*path.parts}


def source(
    error: BaseException, theirs: Callable[[str], bool], behind: Callable[[BaseException], BaseException | None]
) -> tuple[BaseException, list[Frame]]:
    """The exception that a student's code raised, where others wrapped it, and its frames there, the innermost last.

    Args:
        theirs: Whether a file is the student's.
        behind: What an exception stands for; None where it stands for itself.
    """
    each, known = error, 0
    while each is not None and known < LONGEST_CHAIN:
        if found := [frame for frame in frames(each) if theirs(frame.file)]:
            return each, found
        each, known = behind(each), known + 1  # type: ignore[assignment]  # the loop ends with None
    return error, []


def caused(error: BaseException) -> BaseException | None:
    """The exception behind another: its cause, or the one that it was raised in the handling of."""
    return error.__context__ if error.__cause__ is None else error.__cause__


def frames(error: BaseException) -> list[Frame]:
    """All frames of an exception, the innermost last; also of one that a worker process raised."""
    walked = ((frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__))
    found = [Frame(code.co_filename, line, code.co_name) for code, line in walked]
    if isinstance(error, SyntaxError):
        found.append(Frame(str(error.filename), error.lineno or 0, "<module>"))
    text = words(error)
    written = WRITTEN_FRAME.findall(text[-100_000:]) if OF_A_WORKER in text else []
    return found + [Frame(file, int(line), function) for file, line, function in written]


def message(error: BaseException) -> str:
    """What an exception says; of one that a worker raised, its last line."""
    text = words(error, "it cannot say what is wrong")
    if OF_A_WORKER in text:
        text = text.strip().splitlines()[-1].removeprefix(f"{type(error).__name__}: ")
    return text


class OwnError(NamedTuple):
    """An error in a student's own code.

    Attributes:
        said: File, line, exception and message, in one line.
        cure: One sentence, without its full stop.
    """

    said: str
    cure: str


def own_error(error: BaseException, stands_for_itself: type[BaseException]) -> OwnError | None:
    """What is told of an error that a student's code raised, or that was raised about one of their objects.

    Args:
        stands_for_itself: Errors that are told as they are, unless they were raised `from` one of the student's.
    """

    def behind(each: BaseException) -> BaseException | None:
        return each.__cause__ if isinstance(each, stands_for_itself) else caused(each)

    origin, found = source(error, theirs, behind)
    if isinstance(origin, stands_for_itself) and found:
        return None  # they asked our code for something that it refuses in words of its own
    if not found and isinstance(origin, stands_for_itself | SystemExit):
        return None
    text = " ".join(message(origin).split())
    about = about_which(origin, text)
    if found:
        file, line, function = found[-1]
        place = f"{short(file)}, line {line}" + ("" if function == "<module>" else f", in {function}")
    elif about:
        place = defined(about, text)
    else:
        return None
    mend = cure(origin, text, about)
    text = text.removesuffix(f"; {mend}")
    text = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
    return OwnError(f"{place}: {type(origin).__name__}{': ' if text else ''}{text}", mend)


def about_which(error: BaseException, said: str) -> Any:
    """The class or function of the student's that the message names, or else that was at work last; None without any."""
    own = list(owned(error))
    return next((each for each in own if f"{each.__name__}." in said), own[0] if own else None)


def owned(error: BaseException) -> Iterator[Any]:
    """Classes and functions of the student's that were at work, those of the innermost frame first."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        for value in dict(sorted(frame.f_locals.items(), key=lambda item: item[0] != "self")).values():
            thing = value.func if isinstance(value, partial) else value
            thing = thing if isinstance(thing, type | types.FunctionType) else type(thing)
            if theirs(file_of(thing)):
                yield thing


def file_of(thing: type | types.FunctionType) -> str:
    """The file that a class or function is written in."""
    if isinstance(thing, types.FunctionType):
        return thing.__code__.co_filename
    return str(getattr(sys.modules.get(thing.__module__), "__file__", ""))


def defined(thing: type | types.FunctionType, said: str) -> str:
    """Where something of a student's is written: the line of the method that a message names, else its name."""
    methods = [thing] if isinstance(thing, types.FunctionType) else vars(thing).values()
    for method in methods:
        if isinstance(method, types.FunctionType) and f"{method.__name__}()" in said:
            return f"{short(file_of(thing))}, line {method.__code__.co_firstlineno}"
    return f"{short(file_of(thing))}, {thing.__name__}"


def short(file: str) -> str:
    """A file's name, from here where it lies below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def keep_traceback(error: BaseException) -> str:
    """Write the whole traceback to a new file, and return the file's name."""
    descriptor, path = tempfile.mkstemp(prefix="traceback-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.writelines(traceback.format_exception(error))
    return path
