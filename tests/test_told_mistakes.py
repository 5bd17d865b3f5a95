"""Mistakes in whole commands, the grader's and those of studies among them: one line and an exit status for each."""

import pytest

from grader.cli import main as grader
from main import main
from tests.mistakes.acting import in_command, in_submission
from tests.mistakes.commands import GRADER, MAIN, SUBMISSIONS, write_made_up_course


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "course"
    write_made_up_course(folder)
    return folder


@pytest.mark.parametrize(
    ("program", "line", "expected"),
    [(program, *item) for program, lines in ((main, MAIN), (grader, GRADER)) for item in lines.items()],
    ids=lambda value: value[-60:] if isinstance(value, str) else value.__module__,
)
def test_a_mistake_in_a_command_is_one_line(program, line, expected, course, tmp_path):
    found = in_command(program, line, tmp_path, course)
    assert not found.fault and found.status == 2, found
    assert found.lines[0].startswith("error: ") and expected.replace("{tmp}", str(tmp_path)) in found.lines[0], found
    assert not any(path.is_file() for path in (tmp_path / "r").rglob("*")), "a mistake leaves no half-made run behind"


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_mistake_in_a_submission_is_one_line(name, tmp_path):
    found = in_submission(tmp_path, name)
    assert not found.fault and found.status == 1 and SUBMISSIONS[name][1] in found.lines[0], found
