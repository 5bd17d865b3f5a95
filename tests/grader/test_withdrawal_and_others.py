"""What a withdrawal leaves of others as it was: grades of a group, what the grader says of them, and who is on the board."""

import importlib
import json
from datetime import datetime

import pytest

from benchmarks.course import Student, write_results
from grader.cli import main
from grader.grading.ranking import standings
from grader.ledger.results_folder import open_results
from grader.rules import Limits, Pages

KIM = "kimminji"


@pytest.fixture(scope="module")
def rules(rules):
    return rules.but(limits=Limits(), site=Pages(best=0))


def withdraw(results, student, reason=""):
    return main(["withdraw", str(results), student, "--by", "kang", "--reason", reason, "--yes"])


def grades(results):
    with open_results(results) as opened:
        return {each.student: (each.verdict, each.total) for each in standings(opened.ledger, opened.rules)}


@pytest.fixture
def pair(tmp_path, rules):
    """Kim's hand-in, late, which counts for Lee, too."""
    late = "2026-11-03T10:00:00+09:00"
    results = tmp_path / "results"
    everyone = [Student(KIM, "김민지", 0.9), Student("lee", "Lee", None), Student("park", "Park", 0.8)]
    write_results(results, everyone, rules.but(deadline=datetime.fromisoformat("2026-11-01T00:00:00+09:00")))
    with open_results(results) as opened:
        database = opened.ledger.database
        (digest,) = database.execute("SELECT digest FROM submissions WHERE student = ?", [KIM]).fetchone()
        known = json.dumps({"group": ["g1"], "handed_in_by": [KIM]})
        database.execute("DELETE FROM findings WHERE student = 'lee'")
        database.execute("UPDATE submissions SET submitted = ? WHERE student IN (?, 'lee')", [late, KIM])
        database.execute("UPDATE submissions SET digest = ?, known_as = ? WHERE student = 'lee'", [digest, known])
    return results


def test_what_was_decided_for_a_group_s_hand_in_holds_for_whoever_stays(pair):
    given = ["--report", "5", "--conclusion", "4", "--comment", "gut, 김민지"]
    assert main(["extend", str(pair), KIM, "--days", "4", "--reason", f"{KIM} was ill"]) == 0
    assert main(["bonus", str(pair), KIM, *given]) == 0
    assert main(["exempt", str(pair), KIM, "--from", "reports"]) == 0 and main(["undo", str(pair), "3"]) == 0
    before = grades(pair)
    assert before["lee"][0] == "passed"
    assert withdraw(pair, KIM) == 0
    assert grades(pair)["lee"] == before["lee"]
    with open_results(pair) as opened:
        made = opened.ledger.decisions.history()
    assert [(each.kind, each.student, each.why) for each in made[:-1]] == [
        (kind, "withdrawn-1", "") for kind in ("extend", "points", "exempt", "undo")
    ]
    assert made[1].value["comment"] == "gut, withdrawn-1"


def test_where_nobody_goes_on_with_it_nothing_decided_of_who_withdrew_is_kept(pair):
    assert main(["exempt", str(pair), "park", "--from", "late"]) == 0
    assert withdraw(pair, "park") == 0
    with open_results(pair) as opened:
        assert [each.kind for each in opened.ledger.decisions.history()] == ["withdraw"]


@pytest.mark.parametrize(
    "command, first",
    [
        (["disqualify", KIM, "--reason", "김민지 copied"], "grader.grading.changes.state"),
        (["extend", KIM, "--until", "2026-12-05T00:00:00+09:00"], "grader.grading.changes.state"),
        (["appeal", KIM], "grader.publish.appeal.as_markdown"),
    ],
    ids=["disqualify", "extend", "appeal"],
)
def test_whoever_withdraws_while_another_command_is_at_work_stays_erased(pair, command, first, monkeypatch, capsys):
    module, _, name = first.rpartition(".")
    usual = getattr(importlib.import_module(module), name)

    def after_a_withdrawal(*args):
        if not (pair / "leaderboard.csv").exists():  # which the withdrawal writes
            monkeypatch.setattr(first, usual)
            assert withdraw(pair, KIM) == 0
        return usual(*args)

    monkeypatch.setattr(first, after_a_withdrawal)
    assert main([command[0], str(pair), *command[1:]]) == 2
    assert KIM in capsys.readouterr().err.splitlines()[-1]
    assert not (pair / "appeals" / KIM).exists()
    with open_results(pair) as opened:
        assert [each.kind for each in opened.ledger.decisions.history()] == ["withdraw"]
