"""Whoever withdraws is in no byte of the results, and what was measured stays under a number."""

import json
import re
import sqlite3

import pytest

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.ranking import standings
from grader.intake.identity import free_id
from grader.intake.submission import safe_id
from grader.ledger.erasure import Traces
from grader.ledger.results_folder import ROSTER_FILE, open_results
from grader.publish.pseudonyms import pseudonyms
from grader.rules import Limits
from tests.grader.engines import MadeUp, graded, scored

NAME, ID = "김민지", "s2026001"


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def naming(folder, *words):
    """The files that have one of these in their name or in their bytes."""
    sought = [word.encode() for word in words]
    return [name for name, found in bytes_of(folder).items() if any(word in name.encode() + found for word in sought)]


def withdraw(results, student=ID):
    return main(["withdraw", str(results), student, "--by", "kang", "--reason", f"{student} asked for it", "--yes"])


@pytest.fixture(scope="module")
def rules(rules):
    return rules.but(limits=Limits())


@pytest.fixture
def course(tmp_path, rules):
    everyone = [
        Student(ID, NAME, 0.95, "audited", [f"{NAME}의 파일"]),
        Student("s2", "Lee", 0.9),
        Student("s3", "Han", 0.8),
    ]
    everyone[1].flags = [f"its student.yaml says {ID}, which is another's id or is said by others, too"]
    results = tmp_path / "results"
    write_course(results, everyone, rules)
    row = {"name": "", "id": "", "number": "", "logins": [], "github": "", "section": ""}
    listed = [row | {"student": ID, "name": NAME, "logins": [f"{ID}@example.ac.kr"]}, row | {"student": "s2"}]
    (results / ROSTER_FILE).write_text(json.dumps(listed, ensure_ascii=False))
    with open_results(results) as opened:
        opened.ledger.note_run("1", "/downloads", {ID: f"/downloads/{ID}.zip", "s2": "/downloads/s2.zip"})
        opened.ledger.note_run("2", f"/downloads/{ID}", {ID: f"/downloads/{ID}"})
        opened.ledger.decisions.take(
            "3", "kang", "points", "s3", {"report": 1.0, "conclusion": 0.0, "comment": f"see {ID}"}
        )
    assert main(["bonus", str(results), ID, "--report", "3", "--comment", f"gut, {NAME}", "--by", "kang"]) == 0
    for form in ("canvas", "feedback", "gradescope"):
        main(["export", str(results), "--format", form])
    (results / "wandb" / "offline-run-1-abcdef").mkdir(parents=True)
    (results / "wandb" / "offline-run-1-abcdef" / "run.wandb").write_text(NAME)
    (results / "ablations").mkdir()
    (results / "ablations" / f"{ID}.png").touch()
    return results


def test_no_byte_of_the_results_names_who_withdrew_and_the_number_has_what_was_measured(course, capsys):
    assert naming(course, ID, NAME)
    with open_results(course) as opened:
        before = {entry.student: (entry.accuracy, entry.total) for entry in standings(opened.ledger, opened.rules)}
    assert withdraw(course) == 0
    assert naming(course, ID, NAME) == [] and "still told" not in capsys.readouterr().out
    with open_results(course) as opened:
        entries = standings(opened.ledger, opened.rules)
        measured = opened.ledger.database.execute(
            "SELECT student, measurement FROM measurements ORDER BY id"
        ).fetchall()
    assert [(entry.student, entry.rank, entry.verdict) for entry in entries] == [
        ("s2", 1, "passed"),
        ("s3", 2, "passed"),
        ("withdrawn-1", None, "withdrawn"),
    ]
    assert {entry.student: (entry.accuracy, entry.total) for entry in entries[:2]} == {
        s: before[s] for s in ("s2", "s3")
    }
    assert measured[0]["student"] == "withdrawn-1" and json.loads(measured[0]["measurement"])["accuracy"] == 0.95
    assert entries[1].points["comment"] == "see withdrawn-1"
    (line,) = [text for text in said(course, capsys) if "  withdraw  withdrawn-1" in text]
    assert "kang  withdraw  withdrawn-1" in line and "withdrawn-1 asked for it" in line


def said(results, capsys):
    capsys.readouterr()
    assert main(["history", str(results)]) == 0
    return capsys.readouterr().out.splitlines()


def test_it_asks_first_and_knows_whom_it_can_erase(course, capsys):
    before = bytes_of(course)
    assert main(["withdraw", str(course), ID]) == 2 and "add --yes" in capsys.readouterr().err
    assert withdraw(course, "nobody") == 2 and "knows no such student" in capsys.readouterr().err
    assert bytes_of(course) == before
    assert withdraw(course) == 0 and withdraw(course) == 2
    assert withdraw(course, "withdrawn-1") == 2
    assert withdraw(course, "s2") == 0
    assert "withdrawn-2" in json.dumps([*said(course, capsys)])


def test_stopped_after_the_files_it_goes_on(course):
    with pytest.MonkeyPatch.context() as stop:
        stop.setattr("grader.publish.withdrawal.erase", lambda *_: 1 / 0)
        assert withdraw(course) == 1
    assert withdraw(course) == 0 and naming(course, ID, NAME) == []


def test_later_runs_pass_over_who_withdrew_until_it_is_taken_back(write_submission, tmp_path, rules, capsys):
    folder = [write_submission(name).parent for name in ("kim-minji", "lee")][0]
    results = tmp_path / "results"
    engine = MadeUp(lambda job: scored(0.9))
    graded(folder, results, rules, engine)
    assert withdraw(results, "kim-minji") == 0
    table = graded(folder, results, rules, engine)
    assert "1 of these downloads are of students who have withdrawn" in capsys.readouterr().err
    assert "kim-minji" not in table and "withdrawn-1" in table and naming(results, "kim-minji", "Kim-Minji") == []
    (number,) = [line.split()[0] for line in said(results, capsys) if "withdraw " in line]
    assert main(["undo", str(results), number, "--by", "kang"]) == 0
    table = graded(folder, results, rules, engine)
    assert "kim-minji" in table and "withdrawn-1" in table


def test_nobody_else_can_be_called_as_who_withdrew(write_submission, tmp_path, rules):
    folder, results, engine = (
        write_submission("kim-minji").parent,
        tmp_path / "results",
        MadeUp(lambda job: scored(0.9)),
    )
    graded(folder, results, rules, engine)
    assert withdraw(results, "kim-minji") == 0
    later = [write_submission("withdrawn-1", parent=tmp_path / "later"), tmp_path / "later" / "other"]
    write_submission("Withdrawn 1", parent=tmp_path / "elsewhere").rename(later[1])
    graded(later[0].parent, results, rules, engine)
    with open_results(results) as opened:
        found = {entry.student: entry.verdict for entry in standings(opened.ledger, opened.rules)}
    assert found.pop("withdrawn-1") == "withdrawn" and len(found) == 2 and "withdrawn" not in found.values()


@pytest.mark.parametrize("text", ["withdrawn-1", "Withdrawn 23", "withdrawn", "(withdrawn_1)"])
def test_no_id_is_a_number_of_who_withdrew_nor_becomes_one(text):
    assert not re.fullmatch(r"withdrawn-\d+", safe_id(text)) and safe_id(safe_id(text)) == safe_id(text)
    assert not re.fullmatch(r"withdrawn-\d+", free_id(safe_id(text), [safe_id(text)]))


def test_the_ledger_s_free_pages_hold_nothing(tmp_path, rules):
    results = tmp_path / "results"
    write_course(results, [Student(ID, NAME, 0.9), *(Student(f"x{n}", f"X {n}", 0.5) for n in range(20))], rules)
    with sqlite3.connect(results / "ledger.sqlite") as database:  # as an earlier version left it
        database.execute("CREATE TABLE old AS SELECT * FROM submissions")
        database.execute("DROP TABLE old")
    assert withdraw(results) == 0 and naming(results, ID, NAME) == []


def test_what_tells_of_a_student_is_cut_as_whole_words_alone():
    traces = Traces.of("kim", ["An", "Kim Minji", "김민지", "12", "1234567"], "withdrawn-1")
    told = ["kim-lee", "kimchi", "An error of Kim Minji, 김민지의 1234567, 12"]
    cut = ["withdrawn-1-lee", "kimchi", "An error of withdrawn-1, withdrawn-1의 withdrawn-1, 12"]
    assert traces.cut(told) == cut
    assert traces.cut({"what": told, "kim": "kim", "until": "kim"}) == {"what": cut, "kim": "kim", "until": "kim"}


def test_nobody_else_gets_another_pseudonym(course):
    def names():
        with open_results(course) as opened:
            return pseudonyms(opened.ledger.in_order_of_arrival(), opened.secret)

    before = names()
    assert withdraw(course) == 0
    assert {student: before[student] for student in ("s2", "s3")}.items() <= names().items()


@pytest.mark.parametrize(
    "word", ["where", "severity", "reject", "late", "report", "conclusion", "until", "round", "2026"]
)
def test_whoever_is_called_as_the_ledger_s_own_words_takes_none_of_them_along(word, tmp_path, rules):
    results = tmp_path / "results"
    write_course(
        results, [Student("aaa1", word, 0.95), Student("bbb1", "Lee", 0.9), Student("ccc1", "Han", None)], rules
    )
    with open_results(results) as opened:
        for kind, value in (("exempt", {"from": "late"}), ("extend", {"until": "2026-12-20T00:00:00+09:00"})):
            opened.ledger.decisions.take("1", "kang", kind, "bbb1", value)
        given = {"report": 3.0, "conclusion": 1.0, "comment": f"not as {word} has it"}
        opened.ledger.decisions.take("2", "kang", "points", "bbb1", given)
        opened.ledger.regrade("3", "kang", "ccc1")
        before = {each.student: (each.verdict, each.total) for each in standings(opened.ledger, opened.rules)}
    assert withdraw(results, "aaa1") == 0
    with open_results(results) as opened:
        after = {each.student: (each.verdict, each.total) for each in standings(opened.ledger, opened.rules)}
        assert opened.ledger.decisions.in_force("points")["bbb1"].value["comment"] == "not as withdrawn-1 has it"
        assert opened.ledger.terms()["bbb1"].exempt and opened.ledger.round("ccc1") == 1
    assert {s: said for s, said in after.items() if s in ("bbb1", "ccc1")} == {s: before[s] for s in ("bbb1", "ccc1")}
    assert main(["disqualify", str(results), "withdrawn-1", "--reason", "late"]) == 2
