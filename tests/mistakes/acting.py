"""Acts mistakes out, in this process: what a command says of one, and how it ends."""

import importlib
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from grader.cli import main as grader
from main import main
from tests.mistakes.commands import GRADER, MAIN, SUBMISSIONS, write_files, write_submission
from tests.mistakes.own_code import IMPORTS, OPTION, RAISED, REFUSED, SMALL
from tests.mistakes.settings import BASE, FILES, LINES, OPTIONS, OTHER_FILES

MOST_CHARACTERS = 500  # of what is said in one line


class Told(NamedTuple):
    """What a command said of a mistake, and its exit status.

    Attributes:
        status: None where it ended by a traceback.
        lines: On stderr, but for notes; of `check`, which writes a report, those on stdout that reject.
    """

    status: int | None
    lines: list[str]

    @property
    def fault(self) -> str:
        """What is wrong with how it was told; empty where nothing is: one line, at most one more of a cure, and a status."""
        if self.status is None:
            return "a traceback"
        if self.status not in (1, 2):
            return f"exit status {self.status}"
        cure = self.lines[1].startswith("  ") if len(self.lines) == 2 else False
        if len(self.lines) != 1 and not cure:
            return f"{len(self.lines)} lines"
        return "too long" if any(len(line) > MOST_CHARACTERS for line in self.lines) else ""


class Mistake(NamedTuple):
    """A mistake by a name, what it has to be told as (parts, between ` | `), and what acts it out in an empty folder."""

    name: str
    expected: str
    act: Callable[[Path], Told]


def told(command: Callable[[list[str]], int], args: Sequence[str]) -> Told:
    """Run a command, and catch all that it says."""
    out, err = StringIO(), StringIO()
    status: int | None
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = command(list(args))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except Exception:
            traceback.print_exc()
            status = None
    said = [line for line in err.getvalue().splitlines() if line.strip() and not line.startswith("note: ")]
    if args[:1] == ["check"] and not said:
        said = [line for line in out.getvalue().splitlines() if line.startswith("reject")]
    return Told(status, said)


@contextmanager
def own_module(folder: Path, code: str) -> Iterator[None]:
    """The code as a module `mine`, which is in nobody's way afterwards."""
    (folder / "mine.py").write_text(IMPORTS + code, encoding="utf-8")
    sys.modules.pop("mine", None)
    sys.path.insert(0, str(folder))
    kept, tempfile.tempdir = tempfile.tempdir, str(folder)  # where tracebacks are kept
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        tempfile.tempdir = kept
        sys.modules.pop("mine", None)


def own_code(folder: Path, code: str, *options: str) -> Told:
    """Train with what a module `mine` defines."""
    chosen = [f"{OPTION[name]}=mine.{name}" for name in re.findall(r"class (\w+)", code) if name in OPTION]
    with own_module(folder, code):
        return told(
            main, ["fit", *SMALL, f"--run.folder={folder / 'runs'}", "--model.network=mine.Net", *chosen, *options]
        )


def setting(folder: Path, args: Sequence[str]) -> Told:
    return told(main, ["fit", *args, f"--run.folder={folder / 'runs'}"])


def setting_in_file(folder: Path, text: str) -> Told:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return setting(folder, [*BASE, "--config", str(folder / "mine.yaml")])


def in_command(program: Callable[[list[str]], int], line: str, folder: Path, course: Path) -> Told:
    """Run a line of commands.py in which {tmp} and {course} stand for folders."""
    write_files(folder)
    return told(program, shlex.split(line.replace("{tmp}", str(folder)).replace("{course}", str(course))))


def in_submission(folder: Path, name: str) -> Told:
    write_submission(folder / "kim-minji", SUBMISSIONS[name][0])
    return told(grader, ["check", str(folder / "kim-minji")])


def mistakes(course: Path) -> Iterator[Mistake]:
    """All of them, by kind.

    Args:
        course: A folder of results, for the grader's commands.
    """
    for name, (code, expected) in {**RAISED, **REFUSED}.items():
        yield Mistake(f"own code: {name}", expected, lambda folder, code=code: own_code(folder, code))
    for line, expected in OPTIONS.items():
        args = [*(() if ".help" in line else BASE), *line.split(" ")]
        yield Mistake(f"`fit ... {line}`", expected, lambda folder, args=args: setting(folder, args))
    for given, parts in LINES:
        name = f"`fit {' '.join(given)}`"
        yield Mistake(name, " | ".join(parts), lambda folder, args=given: setting(folder, args))
    for text, expected in [*FILES.items(), *((text, " | ".join(parts)) for text, parts in OTHER_FILES)]:
        yield Mistake(f"a file that says `{text}`", expected, lambda folder, text=text: setting_in_file(folder, text))
    for program, named, lines in ((main, "main.py", MAIN), (grader, "-m grader", GRADER)):
        for line, expected in lines.items():
            act = lambda folder, program=program, line=line: in_command(program, line, folder, course)  # noqa: E731
            yield Mistake(f"`python {named} {line}`", expected, act)
    for name, (_, expected) in SUBMISSIONS.items():
        act = lambda folder, name=name: in_submission(folder, name)  # noqa: E731
        yield Mistake(f"a submission: {name}", expected, act)
