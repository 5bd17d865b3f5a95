"""Several at work in a results folder at the same time, as processes of their own: nothing is lost, and none fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.ranking import standings
from grader.ledger.ledger import Ledger, now
from grader.ledger.results_folder import open_results
from grader.publish.publishing import publish
from project.support.errors import UserError
from tests.grader.engines import noted

ROUNDS = 15
GIVES = f"""
import sys
from pathlib import Path
from grader.ledger.ledger import now
from grader.ledger.results_folder import open_results
from grader.publish.publishing import publish
from grader.review.report_points import Given, give
results, part = Path(sys.argv[1]), sys.argv[2]
with open_results(results) as opened:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range({ROUNDS}):
        for student in ("kim", "lee"):
            give(opened.ledger, opened.rules, [Given(student, **{{part: number / 10}})], part, now())
        if number % 7 == 0:
            publish(opened)
    publish(opened)
"""


@pytest.fixture
def course(tmp_path, rules) -> Path:
    everyone = [Student("kim", "Kim", 0.91), Student("lee", "Lee", 0.85), Student("park", "Park", 0.8)]
    write_course(tmp_path / "results", everyone, rules.but(site=rules.site.but(mistakes=0)))
    return tmp_path / "results"


def begun(*command: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def asks(reader: subprocess.Popen[str]) -> str:
    """What a process says until it asks for points."""
    said = ""
    while not said.endswith("stop):"):
        assert (character := reader.stdout.read(1)), said + reader.stderr.read()
        said += character
    return said


def bonuses(results: Path) -> dict[str, float]:
    """Also points that wait for an accuracy, which no board shows."""
    with open_results(results) as opened:
        return {each.student: each.bonus for each in standings(opened.ledger, opened.rules)}


def test_two_who_give_points_beside_a_grader_lose_none_and_publish_whole_files(course):
    both = [begun("-c", GIVES, str(course), part) for part in ("report", "conclusion")]
    for each in both:
        assert each.stdout.readline() == "ready\n"
    with open_results(course, alone=True) as grader:
        for each in both:
            each.stdin.write("go\n")
            each.stdin.flush()
        for number in range(20):  # who came in meanwhile is on the pages that others write, or is not
            grader.ledger.note(now(), noted(f"new-{number}"))
            if number % 10 == 0:
                publish(grader)
        for each in both:
            _, errors = each.communicate(timeout=300)
            assert (each.returncode, errors) == (0, "")
        notes = [each for each in grader.ledger.decisions.history() if each.kind == "points"]
        publish(grader)
    assert len(notes) == 2 * 2 * ROUNDS
    best = (ROUNDS - 1) / 10
    assert bonuses(course) == {"kim": 2 * best, "lee": 2 * best, "park": 0} | {f"new-{n}": 0 for n in range(20)}
    assert not [*course.glob(".site-*"), *course.glob(".leaderboard*")]
    pages = [*(course / "site" / "submissions").iterdir()]
    assert len(pages) == 23 and all(page.read_text().rstrip().endswith("</html>") for page in pages)


def test_two_review_at_once_while_others_look(course, capsys):
    readers = {by: begun("-m", "grader", "review", str(course), "--by", by, "--open") for by in ("kang", "lim")}
    for reader in readers.values():
        assert "kim" in asks(reader)  # both have begun with the same one, and wait for a person
    with pytest.raises(UserError, match="another grader"), open_results(course, alone=True):
        with open_results(course, alone=True):
            raise AssertionError("two graders")
    assert main(["export", str(course), "--format", "feedback"]) == 0 and main(["leaderboard", str(course)]) == 0
    said, errors = readers["kang"].communicate("4\n1\n\n3\n1\n\nq\n", timeout=300)
    assert (readers["kang"].returncode, errors) == (0, "") and "Reviewed: 2" in said
    said, errors = readers["lim"].communicate("5\n\n\n2\n2\n\n", timeout=300)
    assert (readers["lim"].returncode, errors) == (0, "") and "Reviewed: 2" in said
    assert ": lee" not in said and "3 of 3: park" in said, "what another has read meanwhile is passed over"
    assert bonuses(course) == {"kim": 6.0, "lee": 4.0, "park": 4.0}


def test_a_copy_stays_as_it_was_and_holds_nobody_up(course):
    with open_results(course) as opened, opened.ledger.copied() as copy:
        rows = copy.database.execute("SELECT student FROM submissions")  # begun, and not read to its end
        assert rows.fetchone()["student"] == "kim"
        other = Ledger(course / "ledger.sqlite")
        other.note("now", noted("new"))
        other.close()
        assert "new" in opened.ledger.students() and "new" not in copy.students()
