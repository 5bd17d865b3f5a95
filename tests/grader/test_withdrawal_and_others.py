"""What a withdrawal leaves of others as it was: grades of a group, what the grader says of them, and who is on the board."""

import importlib
import json
import sqlite3
from datetime import datetime

import pytest

from benchmarks.course import Student, write_course, write_results
from grader.cli import main
from grader.grading.changes import State, changes
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.ranking import Entry, standings
from grader.intake.identity import ALONE
from grader.ledger.results_folder import ROSTER_FILE, open_results
from grader.publish.traces import Traces
from grader.rules import Limits, Pages
from tests.grader.engines import MadeUp, graded, scored

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


@pytest.mark.parametrize(
    "student, name", [("nothing", "Nora"), ("config", "Con Fig"), ("zoe", "student.yaml says whose")]
)
def test_whoever_is_called_as_the_grader_s_own_words_changes_none_of_what_it_says_of_others(
    student, name, tmp_path, rules
):
    results = tmp_path / "results"
    everyone = [Student(student, name, 0.5), Student("lee", "Lee Jun", 0.8), Student("mal", "Mallory", 0.7)]
    write_results(results, everyone, rules)
    found = {"severity": "warn", "where": "student.yaml", "what": f"the id is {student}", "mend": f"ask {student}"}
    with open_results(results) as opened:
        flags = json.dumps([ALONE, "imports nothing, with which further images could be drawn", "is not on the roster"])
        opened.ledger.database.execute("UPDATE submissions SET flags = ? WHERE student = 'lee'", [flags])
        opened.ledger.note_findings("lee", "0", "1", [found])
        opened.ledger.note_run("1", "/d", {"lee": "/d/a.zip", student: "/d/n.zip"})
        opened.ledger.note_run("2", "/d", {"mal": "/d/a.zip", student: "/d/n.zip"})
    before = grades(results)
    assert withdraw(results, student) == 0
    assert {each: grades(results)[each] for each in ("lee", "mal")} == {each: before[each] for each in ("lee", "mal")}
    quoted = "withdrawn-1" if student == "nothing" else "nothing"
    with open_results(results) as opened:
        assert opened.ledger.flags()["lee"] == [
            ALONE,
            flags.replace("nothing, with", f"{quoted}, with")[2:].split('", "')[1],
            "is not on the roster",
        ]
        (stored,) = opened.ledger.database.execute("SELECT findings FROM findings WHERE digest = '0'").fetchone()
    assert json.loads(stored) == [found | {"what": "the id is withdrawn-1", "mend": "ask withdrawn-1"}]


def test_of_a_finding_s_line_only_what_it_quotes_is_cut():
    traces = Traces.of("config", ["your instructor"], "withdrawn-1")
    line = "config.yaml: has no line for config; ask your instructor"
    for each in (
        "time: came 2 days and 1 hour after the deadline, 2026-11-01T00:00:00+09:00; ask your instructor",
        "has withdrawn",
    ):
        assert traces.cut(each) == each
    assert traces.cut(line) == "config.yaml: has no line for withdrawn-1; ask withdrawn-1"


def test_whoever_is_no_longer_on_the_board_is_among_the_changes():
    old = {
        each: Entry(student=each, name=each, verdict="passed", tier="audited", total=90.0) for each in ("kim", "lee")
    }
    (row,) = changes(State(old, {}), State({"kim": old["kim"]}, {}))
    assert row == ["lee", "passed -> -", "90.00", "", "-", "is not on the leaderboard any more"]


WRITTEN = ["kimminji_v2.zip", "KIM MINJI", "Minji Kim", "Kimm@uni.kr", "김 민지", "김민지의", "kimminji"]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_student_is_found_and_cut_however_it_is_written(text):
    traces = Traces.of("kimminji", ["김민지", "Kim Minji", "kimm@uni.kr"], "withdrawn-1")
    said = f"same as {text}, it seems"
    assert traces.mentioned(said) and traces.cut(said).startswith("same as withdrawn-1")
    assert not traces.mentioned(traces.cut(said)) and "it seems" in traces.cut(said)


def test_no_form_of_who_withdrew_is_left_of_a_decision_nor_of_who_decided(tmp_path, rules, capsys):
    results = tmp_path / "results"
    write_results(results, [Student(KIM, "김민지", 0.9), Student("lee", "Lee", 0.8)], rules)
    said = "; ".join(each for each in WRITTEN if "@" not in each and each != "Minji Kim")
    assert main(["disqualify", str(results), "lee", "--reason", said, "--by", KIM]) == 0
    assert withdraw(results, KIM, "김 민지 asked") == 0
    assert "still told" not in capsys.readouterr().out
    with open_results(results) as opened:
        made = opened.ledger.decisions.history()
    assert [(each.by, each.why) for each in made] == [
        ("withdrawn-1", "withdrawn-1_v2.zip; withdrawn-1; withdrawn-1; withdrawn-1의; withdrawn-1"),
        ("kang", "withdrawn-1 asked"),
    ]


def test_the_ledger_is_named_where_something_in_it_still_tells(tmp_path, rules, capsys):
    results = tmp_path / "results"
    write_results(results, [Student(KIM, "김민지", 0.9), Student("lee", "Lee", 0.8)], rules)
    with sqlite3.connect(results / "other.sqlite") as database:
        database.execute("CREATE TABLE kept (id INTEGER, by TEXT, next TEXT)")
        database.execute("INSERT INTO kept VALUES (1, ?, 'extend')", [KIM])
    assert withdraw(results, KIM) == 0
    assert f"still told in {results / 'other.sqlite'}\n" in capsys.readouterr().out


def test_whoever_withdrew_stays_veiled_on_the_pages_of_others(tmp_path, rules, capsys):
    results, words = tmp_path / "results", ("김민지", KIM, "김 민지", KIM.upper())
    said = f"\nI compared runs with 김민지 ({KIM}), 김 민지, {KIM.upper()}, {KIM}_v2 and Zed Quux.\n"
    texts = {"REPORT.md": REPORT + said, "CONCLUSION.md": CONCLUSION}
    everyone = [
        Student(KIM, "김민지", 0.9),
        Student("lee", "Lee Jun", 0.8, texts=texts),
        Student("zed", "Zed Quux", 0.85),
    ]
    write_course(results, everyone, rules.but(site=Pages(names="pseudonym")))
    row = {"name": "", "id": "", "number": "", "logins": [], "github": "", "section": ""}
    listed = [row | {"student": each.id, "name": each.name, "id": each.id} for each in everyone]
    (results / ROSTER_FILE).write_text(json.dumps(listed, ensure_ascii=False))
    assert main(["bonus", str(results), "lee", "--report", "2", "--comment", f"like 김 민지 and {KIM}_v2"]) == 0

    def told():
        pages = [path.read_text() for path in (results / "site").rglob("*.html")]
        assert any("I compared runs with" in page and "v2" in page for page in pages)
        return [word for word in (*words, "Zed Quux") if any(word in page for page in pages)]

    assert told() == []
    assert withdraw(results, KIM) == 0
    assert told() == []
    assert main(["appeal", str(results), "lee"]) == 0
    appeal = "".join(path.read_text() for path in (results / "appeals").rglob("*.*") if path.is_file())
    assert not any(word in appeal for word in words)


def test_who_is_in_another_group_now_keeps_the_grade_and_is_nobody_who_comes_instead(
    write_submission, tmp_path, rules, capsys
):
    folder, results = write_submission("lee").parent, tmp_path / "results"
    for listed in ("kim,Kim,red\nlee,Lee,red\n", "kim,Kim,blue\nlee,Lee,red\npark,Park,red\n"):
        (folder / "roster.csv").write_text(f"id,name,group\n{listed}")
        graded(folder, results, rules, MadeUp(lambda job: scored(0.9)))
        assert grades(results)["kim"] == ("passed", 90)
    assert "kim came as park" not in capsys.readouterr().out
    assert withdraw(results, "park") == 0
    assert grades(results).keys() == {"kim", "lee", "withdrawn-1"}


def test_every_id_that_a_withdrawal_erases_is_told(write_submission, tmp_path, rules, capsys):
    results, folder = tmp_path / "results", write_submission("hand-in")
    for own_id in ("eve1", "eve2"):
        (folder / "student.yaml").write_text(f"id: {own_id}\nname: Eve\n")
        graded(folder.parent, results, rules, MadeUp(lambda job: scored(0.9)))
    capsys.readouterr()
    assert withdraw(results, "eve2") == 0
    out = capsys.readouterr().out
    assert "eve2: passed, rank 1 -> withdrawn; withdrawn-2 in" in out
    assert "eve1: the same hand-in under an earlier id; withdrawn-1 in" in out
