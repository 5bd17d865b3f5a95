"""Whoever withdraws is in no byte of the results, and what was measured stays under a number."""

import json
import re
import shutil
import sqlite3
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.ranking import standings
from grader.intake.identity import free_id
from grader.intake.submission import safe_id
from grader.ledger.ledger import now
from grader.ledger.results_folder import ROSTER_FILE, locked, open_results, store_rules
from grader.ledger.submissions import Noted
from grader.publish.pseudonyms import pseudonyms, shown_names
from grader.publish.traces import Traces
from grader.publish.withdrawal import erase_noted
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
    told = capsys.readouterr().out
    assert naming(course, ID, NAME) == [] and "still told" not in told
    assert "the whole class's canvas.csv, gradescope, feedback went with it: export again" in told
    assert "backups" in told.splitlines()[-1]
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
    assert withdraw(course) == 0
    capsys.readouterr()
    assert withdraw(course) == 0 and f"{ID}: was erased already; withdrawn-1" in capsys.readouterr().out
    assert withdraw(course, "withdrawn-1") == 2
    assert withdraw(course, "s2") == 0
    assert "withdrawn-2" in json.dumps([*said(course, capsys)])


def test_stopped_after_the_files_it_goes_on(course):
    with pytest.MonkeyPatch.context() as stop:
        stop.setattr("grader.publish.withdrawal.erase", lambda *_: 1 / 0)
        assert withdraw(course) == 2
    assert withdraw(course) == 0 and naming(course, ID, NAME) == []


def test_later_runs_pass_over_who_withdrew_until_it_is_taken_back(write_submission, tmp_path, rules, capsys):
    folder = [write_submission(name).parent for name in ("kim-minji", "lee")][0]
    results = tmp_path / "results"
    engine = MadeUp(lambda job: scored(0.9))
    graded(folder, results, rules, engine)
    assert withdraw(results, "kim-minji") == 0
    table = graded(folder, results, rules, engine)
    assert "1 download is of a student who has withdrawn: passed over; delete it there, too" in capsys.readouterr().err
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


def draws_like(student, secret):
    """Another id, of which the pseudonym is the same before any number."""
    name = pseudonyms([student], secret)[student]
    return next(other for at in count() if pseudonyms([other := f"like{at}"], secret)[other] == name)


def test_nobody_else_gets_another_pseudonym(course):
    """Neither who has the same one with a number, nor who has the one that would be drawn for the number in the id's place."""

    def names():
        with open_results(course) as opened:
            everybody = standings(opened.ledger, opened.rules)
            return shown_names(everybody, "pseudonym", opened.secret, opened.ledger)

    with open_results(course) as opened:
        twin, of_number = draws_like(ID, opened.secret), draws_like("withdrawn-1", opened.secret)
        for each in (twin, of_number):
            opened.ledger.note(now(), Noted(each, each, "", "", "", None, False, "images"))
    before = names()
    assert before[twin] == f"{before[ID]}-2"
    assert withdraw(course) == 0
    others = {student: name for student, name in before.items() if student != ID}
    assert others.items() <= names().items()
    with open_results(course) as opened:
        (made,) = [each.id for each in opened.ledger.decisions.history() if each.kind == "withdraw"]
        opened.ledger.decisions.undo(now(), "kang", made)
    assert others.items() <= names().items()
    assert withdraw(course, "s2") == 0
    assert {student: name for student, name in others.items() if student != "s2"}.items() <= names().items()


def test_whoever_takes_a_withdrawal_back_has_the_same_pseudonym_again(course):
    def hand_in(student):
        with open_results(course) as opened:
            opened.ledger.note(now(), Noted(student, student, "", "", "", None, False, "images"))

    def names():
        with open_results(course) as opened:
            everybody = standings(opened.ledger, opened.rules)
            return shown_names(everybody, "pseudonym", opened.secret, opened.ledger)

    with open_results(course) as opened:
        twin = draws_like(ID, opened.secret)
    hand_in(twin)
    before = names()
    for number in ("withdrawn-1", "withdrawn-2"):  # it may be taken back more than once
        assert withdraw(course) == 0
        others = {student: name for student, name in before.items() if student != ID}
        assert others.items() <= names().items() and names()[number] == before[ID]
        with open_results(course) as opened:
            made = max(each.id for each in opened.ledger.decisions.history() if each.kind == "withdraw")
            opened.ledger.decisions.undo(now(), "kang", made)
        hand_in(ID)
        after = names()
        assert before.items() <= after.items() and len({*after.values()}) == len(after)


def test_a_withdrawal_of_a_version_that_kept_no_pseudonym_is_read(course):
    assert withdraw(course) == 0
    with open_results(course) as opened:
        opened.ledger.database.execute(
            "UPDATE decisions SET value = json_remove(value, '$.drawn') WHERE kind = 'withdraw'"
        )
    with open_results(course) as opened:
        everybody = standings(opened.ledger, opened.rules)
        assert shown_names(everybody, "pseudonym", opened.secret, opened.ledger) == pseudonyms(
            opened.ledger.in_order_of_arrival(), opened.secret
        )


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


def stopped(results, monkeypatch, where):
    """A withdrawal that ends where this is called."""
    module, name = where
    with monkeypatch.context() as stop:
        stop.setattr(f"{module}.{name}", lambda *_, **__: 1 / 0)
        assert withdraw(results) == 2


@pytest.mark.parametrize(
    "where",
    [
        ("grader.publish.withdrawal", "erase_files"),
        ("grader.publish.withdrawal", "erase"),
        ("grader.publish.erasure", "vacuum"),
        ("grader.publish.publishing", "build"),
    ],
    ids=lambda where: where[1],
)
@pytest.mark.parametrize(
    "command",
    [
        ["leaderboard"],
        ["bonus", "s2", "--report", "1"],
        ["extend", "s2", "--days", "1"],
        ["undo", "1"],
        ["export", "--format", "csv"],
        ["withdraw", ID, "--yes"],
    ],
    ids=lambda command: command[0],
)
def test_whoever_publishes_goes_on_with_a_withdrawal_that_was_stopped(course, where, command, monkeypatch, capsys):
    with open_results(course) as opened:
        store_rules(course, opened.rules.but(deadline=datetime(2026, 12, 4, tzinfo=UTC), late="flag"))
    stopped(course, monkeypatch, where)
    assert main([command[0], str(course), *command[1:]]) == 0
    assert naming(course, ID, NAME) == []
    assert main(["leaderboard", str(course)]) == 0 and naming(course, ID, NAME) == []
    assert withdraw(course, "s2") == 0 and "withdrawn-2" in "".join(said(course, capsys))


def test_a_run_goes_on_with_it_before_it_takes_anything_in(write_submission, tmp_path, rules, monkeypatch, capsys):
    folder = [write_submission(name).parent for name in (ID, "lee")][0]
    results = tmp_path / "results"
    graded(folder, results, rules, MadeUp(lambda job: scored(0.9)))
    stopped(results, monkeypatch, ("grader.publish.withdrawal", "erase"))
    with open_results(results, alone=True) as opened:
        erase_noted(opened)
    table = graded(folder, results, rules, MadeUp(lambda job: scored(0.9)))
    assert ID not in table and naming(results, ID) == []


def test_stopped_in_one_round_it_is_gone_on_with_in_the_other(course, rules, monkeypatch):
    write_course(course / "practice", [Student(ID, NAME, 0.7), Student("s2", "Lee", 0.6)], rules)
    stopped(course, monkeypatch, ("grader.publish.erasure", "vacuum"))  # in practice, the first
    assert main(["leaderboard", str(course)]) == 0 and main(["leaderboard", str(course / "practice")]) == 0
    assert naming(course, ID, NAME) == []


def test_a_damaged_practice_round_keeps_the_final_one_from_nothing(course, rules, capsys):
    write_course(course / "practice", [Student(ID, NAME, 0.7), Student("s2", "Lee", 0.6)], rules)
    whole = (course / "practice" / "ledger.sqlite").read_bytes()
    (course / "practice" / "ledger.sqlite").write_bytes(b"no ledger")
    assert withdraw(course) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "practice nothing was erased" in told.err and "`withdraw` again" in told.err
    assert {name.partition("/")[0] for name in naming(course, ID, NAME)} == {"practice"}
    (course / "practice" / "ledger.sqlite").write_bytes(whole)
    assert withdraw(course) == 0 and naming(course, ID, NAME) == []


def test_a_withdrawal_that_was_taken_back_is_not_in_force_again_beside_what_came_since(
    write_submission, tmp_path, rules, capsys
):
    folder, results = write_submission("kim-minji").parent, tmp_path / "results"
    engine = MadeUp(lambda job: scored(0.9))
    graded(folder, results, rules, engine)
    assert withdraw(results, "kim-minji") == 0
    assert main(["undo", str(results), "1"]) == 0 and "nothing that was erased comes back" in capsys.readouterr().out
    assert main(["undo", str(results), "2"]) == 0  # nobody came since: passed over again
    assert "kim-minji" not in graded(write_submission("lee").parent, results, rules, engine)
    assert main(["undo", str(results), "3"]) == 0
    assert "kim-minji" in graded(folder, results, rules, engine)
    before = said(results, capsys)
    assert main(["undo", str(results), "4"]) == 2
    assert f"withdraw {results} kim-minji" in capsys.readouterr().err and said(results, capsys) == before
    assert withdraw(results, "kim-minji") == 0 and naming(results, "kim-minji") == []


def test_it_says_which_decision_it_is(course, capsys):
    assert withdraw(course) == 0
    told = capsys.readouterr().out
    (line,) = [line for line in said(course, capsys) if "withdraw " in line]
    assert f"undo {course} {line.split()[0]}`" in told


def test_it_waits_for_who_is_at_work_where_it_is_asked_to(course, capsys):
    with locked(course):
        assert withdraw(course) == 2 and "add --wait" in capsys.readouterr().err
    assert main(["withdraw", str(course), ID, "--yes", "--wait"]) == 0


def test_what_a_withdrawal_changes_is_told_and_not_the_whole_board(course, capsys):
    capsys.readouterr()
    assert withdraw(course) == 0
    told = capsys.readouterr().out
    assert f"{ID}: passed, rank 1 -> withdrawn" in told and "2 others move to another rank" in told
    assert "verdict" not in told


@pytest.mark.parametrize("archive", ["kim201_lee", "Kim Zebra-lee", "2026_kim201"])
def test_a_pair_s_hand_in_names_who_withdrew_no_more_and_stays_the_other_s(archive, write_submission, tmp_path, rules):
    folder, results, trained = write_submission("kim201").parent, tmp_path / "results", []
    (folder / "kim201" / "student.yaml").write_text("{id: kim201, name: Kim Zebra}\n")
    shutil.make_archive(str(folder / archive), "zip", write_submission("lee"))
    shutil.rmtree(folder / "lee")
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))
    graded(folder, results, rules, engine)
    assert withdraw(results, "kim201") == 0 and naming(results, "kim201", "Kim Zebra") == []
    for _ in range(2):
        graded(folder, results, rules, engine)
        assert naming(results, "kim201", "Kim Zebra") == []
    assert sorted(trained) == ["kim201", "lee"]
    with open_results(results) as opened:
        assert opened.ledger.flags()["lee"] == [] and opened.ledger.ids() == {"lee", "withdrawn-1"}


@given(st.lists(st.sampled_from(["kim", "김민지", "minji", "2026", "_", "-", " ", "."]), max_size=9))
def test_no_name_of_a_file_that_is_cut_has_a_word_left_that_tells(parts):
    traces = Traces.of("kim", ["김민지", "kim minji"], "withdrawn-1")
    cut = traces.cut_path("".join(parts))
    assert "김민지" not in cut and "kim" not in re.split(r"[\W_]+|(?=김)", cut)
    assert traces.cut_path(cut) == cut
