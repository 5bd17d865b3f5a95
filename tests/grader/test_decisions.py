"""What persons decide: rows that nobody changes, taken back by others, and carried over from older ledgers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.decision_commands import line
from grader.grading.register_submissions import register
from grader.intake.downloads import Download
from grader.ledger import decisions
from grader.ledger.decision_kinds import value_in
from grader.ledger.decisions import Decision
from grader.ledger.ledger import Ledger, now
from grader.ledger.results_folder import open_results
from grader.ledger.submissions import Noted
from grader.review.report_points import Given, give
from project.support.errors import UserError
from tests.grader.engines import TESTS


@pytest.fixture
def course(tmp_path, rules):
    write_course(tmp_path / "results", [Student("kim", "Kim", 0.91), Student("lee", "Lee", 0.85)], rules)
    return tmp_path / "results"


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as opened:
        yield opened


def test_the_last_decision_in_force_counts_and_an_undo_can_be_undone(ledger):
    decisions = ledger.decisions
    first = decisions.take("1", "kang", "points", "kim", {"report": 1.0})
    second = decisions.take("2", "kang", "points", "kim", {"report": 2.0}, "a second look")
    assert decisions.in_force("points")["kim"].value == {"report": 2.0}
    decisions.undo("3", "lee", second, "the wrong student")
    assert decisions.in_force("points")["kim"].id == first
    (undo,) = [each for each in decisions.history() if each.kind == "undo"]
    assert (undo.by, undo.why, undo.student, undo.undoes) == ("lee", "the wrong student", "kim", second)
    decisions.undo("4", "lee", undo.id)
    assert decisions.in_force("points")["kim"].id == second


@pytest.mark.parametrize("number", [0, 7, -1])
def test_what_is_not_there_cannot_be_taken_back(ledger, number):
    ledger.decisions.take("1", "kang", "points", "kim", {})
    with pytest.raises(UserError, match="there is no such decision"):
        ledger.decisions.undo("2", "kang", number)


def test_what_was_taken_back_cannot_be_taken_back_again(ledger):
    number = ledger.decisions.take("1", "kang", "points", "kim", {})
    ledger.decisions.undo("2", "kang", number)
    with pytest.raises(UserError, match="was taken back already"):
        ledger.decisions.undo("3", "kang", number)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12))
def test_history_only_grows_and_what_is_in_force_is_what_no_undo_in_force_takes_back(moves):
    with closing(Ledger(Path(":memory:"))) as ledger:
        made: list[int] = []
        undoes: dict[int, int] = {}

        def stands(number: int) -> bool:
            return not any(stands(undo) for undo, target in undoes.items() if target == number)

        before: list[tuple] = []
        for move in moves:
            known = ledger.decisions.history()
            if move < 4 or not known:
                made.append(ledger.decisions.take("t", "kang", "points", f"s{move % 2}", {"report": move}))
            elif (target := known[move % len(known)]).in_force:
                ledger.decisions.undo("t", "kang", target.id)
                made.append(ledger.decisions.history()[-1].id)
                undoes[made[-1]] = target.id
            rows = [tuple(row) for row in ledger.database.execute("SELECT * FROM decisions ORDER BY id")]
            assert rows[: len(before)] == before
            before = rows
            assert [*filter(stands, made)] == [each.id for each in ledger.decisions.history() if each.in_force]


def test_an_undone_regrade_puts_the_round_before_into_force(ledger):
    ledger.regrade("1", "kang", "kim")
    ledger.regrade("2", "kang", "kim", "an appeal")
    assert ledger.round("kim") == 2 and ledger.round("lee") == 0
    ledger.decisions.undo("3", "kang", 2)
    assert ledger.round("kim") == 1
    ledger.regrade("4", "kang", "kim")
    assert ledger.round("kim") == 3  # the second one's measurements stay what they were


def test_points_and_regrades_of_version_2_become_decisions(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DROP TABLE decisions;"
            "CREATE TABLE regrades (id INTEGER PRIMARY KEY, at TEXT, student TEXT);"
            "CREATE TABLE points (id INTEGER PRIMARY KEY, at TEXT, by TEXT, student TEXT, report REAL,"
            " conclusion REAL, comment TEXT);"
            "INSERT INTO regrades VALUES (1, '2026-11-02', 'kim'), (2, '2026-11-04', 'kim'), (3, '2026-11-05', 'lee');"
            "INSERT INTO points VALUES (1, '2026-11-03', 'kang', 'kim', 3.5, 1.0, '좋아요');"
            "PRAGMA user_version = 2;"
        )
    with closing(Ledger(path)) as ledger:
        assert ledger.decided().rounds == {"kim": [0, 1, 2], "lee": [0, 1]}
        (given,) = ledger.decisions.in_force("points").values()
        assert (given.at, given.by) == ("2026-11-03", "kang")
        assert given.value == {"report": 3.5, "conclusion": 1.0, "comment": "좋아요"}
        assert [each.kind for each in ledger.decisions.history()] == ["regrade", "points", "regrade", "regrade"]


def test_a_damaged_value_is_one_line(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        ledger.decisions.take("1", "kang", "points", "kim", {"report": 1.0})
        ledger.database.execute("UPDATE decisions SET value = '{'")
    with pytest.raises(UserError, match="is damaged"):
        Ledger(path)


def test_history_and_undo_at_the_command_line(course, capsys):
    assert main(["bonus", str(course), "kim", "--report", "3", "--by", "kang"]) == 0
    assert main(["bonus", str(course), "kim", "--report", "4", "--by", "lee"]) == 0
    capsys.readouterr()
    assert main(["history", str(course)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "kang  points  kim" in first and "report 3" in first and "lee" in second
    assert main(["undo", str(course), second.split()[0], "--by", "kang", "--reason", "meant lee"]) == 0
    capsys.readouterr()
    assert main(["explain", str(course), "kim"]) == 0
    assert "3 for report and conclusion wait" in capsys.readouterr().out
    assert main(["history", str(course), "kim"]) == 0
    shown = capsys.readouterr().out
    assert "(taken back)" in shown and "because meant lee" in shown
    assert main(["history", str(course), "lee"]) == 0
    assert "Nobody has decided anything." in capsys.readouterr().out


def test_marks_are_not_for_persons():
    value = {"mark": "ab", "also": ["cd"], "veil": [[3], ["ef"]], "drawn": 5}
    told = line(Decision(1, "2026-12-01T10:00", "kang", "withdraw", "withdrawn-1", value, "", 0, True))
    assert told.endswith("kang  withdraw  withdrawn-1")


@pytest.mark.parametrize("students", [10, 40])
def test_decisions_are_read_once_for_all_students(students, tmp_path, rules, monkeypatch):
    """Those of each: when points are given, submissions taken in, and rounds told."""
    read = []
    monkeypatch.setattr(decisions, "value_in", lambda row: read.append(row["id"]) or value_in(row))
    names = [f"s{at}" for at in range(students)]
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        ledger = opened.ledger
        for name in names:
            ledger.note(now(), Noted(name, name, f"digest of {name}", "verified", f"{name}.zip", None, False, "images"))
            ledger.regrade(now(), "kang", name)
        read.clear()
        give(ledger, rules, [Given(name, 1.0, 1.0) for name in names], "kang", now())
        assert len(read) == students
        read.clear()
        assert {ledger.round(name) for name in names} == {1}
        assert len(read) == 2 * students
        read.clear()
        downloads = [Download(tmp_path / name, None, name, name, told=True) for name in names[:3]]
        register(downloads, opened, rules)
        assert len(read) == 2 * students
