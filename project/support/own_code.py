"""Errors in code that is a student's own: whose line it was, said in two lines, with the cure; the rest goes to a file."""

import os
import re
import sysconfig
import tempfile
import traceback
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from project.support.cures import cure

HERE = Path(__file__).resolve().parents[2]
NOT_THEIRS = [HERE / "project", HERE / "grader", HERE / "main.py"]
NOT_THEIRS += [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
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
    return not file.startswith("<") and not any(path.is_relative_to(folder) for folder in NOT_THEIRS)


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


def words(error: BaseException, otherwise: str = "") -> str:
    """The text of an exception, in which a student's class has a say."""
    try:
        return str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:
        return otherwise


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
    about = None
    if found and isinstance(origin, stands_for_itself):
        return None  # they asked our code for something that it refuses in words of its own
    if found:
        file, line, function = found[-1]
        place = f"{short(file)}, line {line}" + ("" if function == "<module>" else f", in {function}")
        about = next(owned(origin), None)
    elif not isinstance(error, stands_for_itself | SystemExit) and (about := next(owned(error), None)):
        place = defined(about, message(error))
    else:
        return None
    text = " ".join(message(origin).split())
    mend = cure(origin, text, about)
    text = text.removesuffix(f"; {mend}")
    text = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
    return OwnError(f"{place}: {type(origin).__name__}{': ' if text else ''}{text}", mend)


def owned(error: BaseException) -> Iterator[Any]:
    """Classes of the student's that were at work, those of the innermost frame first."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        values = frame.f_locals
        for value in (values.get("self"), *reversed(values.values())):
            value = value.func if isinstance(value, partial) else value
            kind = value if isinstance(value, type | types.FunctionType) else type(value)
            code = next((each.__code__ for each in functions(kind)), None)
            if code and theirs(code.co_filename):
                yield kind


def functions(thing: Any) -> Iterator[types.FunctionType]:
    """The functions that a class itself defines, or the function."""
    for value in [thing] if isinstance(thing, types.FunctionType) else vars(thing).values():
        if isinstance(value, types.FunctionType):
            yield value


def defined(thing: Any, said: str) -> str:
    """Where something of a student's is written: the method that a message names, else its first one."""
    named = [each for each in functions(thing) if f"{each.__name__}()" in said]
    code = [*named, *functions(thing)][0].__code__
    place = f"{short(code.co_filename)}, line {code.co_firstlineno}"
    return place if named else f"{short(code.co_filename)}, {thing.__name__}"


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
