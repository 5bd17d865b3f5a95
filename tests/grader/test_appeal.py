"""The record of one student's grade: all that is known of it, and nothing of anybody else or of the secret."""

import json
import os
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.verdicts import checks_by
from grader.ledger.ledger import now
from grader.ledger.past_measurements import past_measurements
from grader.ledger.results_folder import open_results, store_rules
from grader.ledger.submissions import Noted
from grader.publish.appeal_pages import TEXTS
from grader.rules import LateWork, Limits
from grader.secret import Secret, training_seed
from project.support.errors import STOPPED
from tests.grader.engines import LOST, scored

SECRET = Secret(b"never to be told")
TOMORROW, YESTERDAY = (datetime.now(UTC) + timedelta(days=days) for days in (1, -1))
OTHERS = ("lee-202", "Lee Jun", "ojun77")


@pytest.fixture
def course(tmp_path, rules, monkeypatch) -> Path:
    """Of three, two of whom are named in what is kept of the first, who was graded anew."""
    flag = "its student.yaml says lee-202, which is another's id or is said by others, too"
    everyone = [
        Student("kim-201", "Kim Minji 김민지", 0.79, flags=[flag], source="kim-201.zip"),
        Student("lee-202", "Lee Jun", 0.85, source="ojun77.zip"),
        Student("rex-203", "Rex", None, source="rex-203.zip"),
    ]
    results = tmp_path / "results"
    monkeypatch.setattr("benchmarks.course.SECRET", SECRET)
    rules = rules.but(
        deadline=YESTERDAY, site=rules.site.but(mistakes=0), limits=Limits(minutes=30), target_accuracy=0.8
    )
    write_course(results, everyone, rules)
    with open_results(results) as opened:
        ledger, rules = opened.ledger, opened.rules
        change = "UPDATE submissions SET known_as = ? WHERE student = 'lee-202'"
        ledger.database.execute(change, [json.dumps({"login": ["ojun77@x.org"], "id": ["lee-202"]})])
        (first,) = past_measurements(ledger, "kim-201")
        log = results / first.measurement.folder / "trainee.log"
        log.write_bytes(b"loss 1.5, as lee-202 has it \xff\nmail ojun77@x.org\n")
        (log.parent / "predict.log").write_text("the images that score")
        ledger.decisions.take("then", "kang", "points", "kim-201", {"report": 2.0, "comment": "better than Lee Jun's"})
        ledger.decisions.take("then", "kang", "points", "lee-202", {"report": 5.0, "comment": "not to be seen"})
        ledger.regrade("later", "prof", "kim-201", "an appeal: the GPU was shared with lee-202")
        (graded,) = ledger.graded(checks_by(rules), "kim-201")
        again = scored(0.93, samples=100)
        ledger.record(
            "later", graded, 0, training_seed(SECRET, 0), again, {"device": "GPU 2", "versions": {"torch": "3"}}
        )
    return results


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_byte_tells_of_others_or_of_the_secret(course, language):
    assert main(["appeal", str(course), "kim-201", "--language", language]) == 0
    files = read(course / "appeals" / "kim-201")
    whole = b"\n".join([*files.values(), *(name.encode() for name in files)])
    secret = json.loads((course / "secret.json").read_text())["key"]
    for other in (*OTHERS, "rex-203", "not to be seen", "images that score", secret):
        assert other.encode() not in whole, other
    assert SECRET.key not in whole and "withheld" not in whole.decode() and str(course).encode() not in whole


def test_whom_the_reason_of_a_disqualification_names_by_a_name_of_the_other_s_own_is_not_told(course):
    with open_results(course) as opened:  # that lee-202 is called Lee Jun, nobody else says
        opened.ledger.database.execute("UPDATE submissions SET known_as = '{}' WHERE student = 'lee-202'")
        opened.ledger.decisions.take("then", "prof", "disqualify", "kim-201", {}, "copied from Lee Jun")
    assert main(["appeal", str(course), "kim-201"]) == 0
    whole = b"".join(read(course / "appeals" / "kim-201").values()).decode()
    assert "copied from ▒▒▒" in whole and "Lee Jun" not in whole


@pytest.mark.parametrize("language, none", [("en", "none that counts"), ("ko", "인정되는 값이 없습니다")])
def test_of_a_disqualified_one_no_number_is_left_out_in_silence_and_no_reader_is_told(course, language, none):
    with open_results(course) as opened:
        opened.ledger.decisions.take("then", "prof", "disqualify", "kim-201", {}, "bought")
        opened.ledger.decisions.take("then", "prof", "readers", "kim-201", {"readers": ["oh"]}, "")
        opened.ledger.decisions.undo("then", "prof", 5, "oh is ill")
    assert main(["appeal", str(course), "kim-201", "--language", language]) == 0
    files = {name: content.decode() for name, content in read(course / "appeals" / "kim-201").items()}
    assert files["appeal.md"].count(f": {none}\n") == 2 and "bought" in files["appeal.md"]
    assert "readers" not in files["appeal.md"] and '"kind": "readers"' not in files["appeal.json"]
    assert not any("oh is ill" in text for text in files.values())


def test_of_what_was_decided_for_a_mate_there_is_what_counts_for_the_group_without_reasons(course, capsys):
    with open_results(course) as opened:
        ledger = opened.ledger
        (kim,) = ledger.graded("", "kim-201")
        rex = replace(kim, student="rex-203", name="Rex")
        attempt = Noted(**{each.name: getattr(rex, each.name) for each in fields(Noted)})
        late = replace(attempt, digest="f" * 64, known_as={"handed_in_by": ["lee-202"]})
        ledger.note_passed_over(now(), late)  # what lee handed in later counts for nobody
        ledger.note(now(), replace(attempt, known_as={"handed_in_by": ["kim-201"]}))
        ledger.decisions.take("then", "kang", "extend", "kim-201", {"days": 3}, "in hospital")
        ledger.decisions.take("then", "kang", "points", "rex-203", {"report": 4.0, "comment": "your own"}, "alone")
        ledger.decisions.take("then", "kang", "disqualify", "kim-201", {}, "bought")
        ledger.decisions.take("then", "kang", "readers", "rex-203", {"readers": ["oh"]})
        for number in (6, 7, 8, 9):
            ledger.decisions.undo("then", "kang", number, f"because of {number}")
    for command in ("history", "appeal"):
        capsys.readouterr()
        assert main([command, str(course), "rex-203"]) == 0
        assert "bought" not in (said := capsys.readouterr().out) and "points  lee" not in said
    found = json.loads((course / "appeals" / "rex-203" / "appeal.json").read_text())["decisions"]
    assert [(each["kind"], each["why"], each["value"].get("comment")) for each in found] == [
        ("points", "", None), ("regrade", "", None), ("extend", "", None), ("points", "alone", "your own")
    ]  # fmt: skip


def test_another_s_appeal_is_not_written_over_and_what_a_killed_one_left_goes(course, tmp_path, capsys):
    out = tmp_path / "appeals" / "of-today"
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr("grader.sandbox.scratch.Scratch.remove", lambda self: os.close(self.lock))
        killed.setattr("grader.publish.appeal.as_markdown", Mock(side_effect=KeyboardInterrupt))
        assert main(["appeal", str(course), "kim-201", "--out", str(out)]) == STOPPED
    assert len([*out.parent.iterdir()]) == 1
    assert main(["appeal", str(course), "kim-201", "--out", str(out)]) == 0
    assert [*out.parent.iterdir()] == [out]
    before = read(out)
    capsys.readouterr()
    assert main(["appeal", str(course), "rex-203", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "is there already, and the appeal of kim-201" in error and error.count("\n") == 1
    assert read(out) == before and [*out.parent.iterdir()] == [out]


def test_it_has_what_was_measured_and_decided_old_and_new(course, capsys):
    assert main(["appeal", str(course), "kim-201"]) == 0
    files = read(course / "appeals" / "kim-201")
    found = json.loads(files["appeal.json"])
    rounds = [(each["round"], each["verdict"], each["accuracy"]) for each in found["rounds"]]
    assert rounds == [(0, "below_target", 0.79), (1, "passed", 0.93)]
    assert [each["seed"] for each in found["trainings"]] == [training_seed(SECRET, 0)] * 2
    assert [each["circumstances"]["device"] for each in found["trainings"]] == ["CPU: made up", "GPU 2"]
    assert [(each["by"], each["kind"]) for each in found["decisions"]] == [("kang", "points"), ("prof", "regrade")]
    assert "an appeal: the GPU was shared" in found["decisions"][1]["why"]
    assert found["result"]["points"]["report"] == 2.0 and found["rules"]["limits"]["minutes"] == 30
    text = files["appeal.md"].decode()
    assert "79.00%" in text and "93.00%" in text and "Kim Minji 김민지" in text and "## Old and new" in text
    (log,) = (each for each in files if each.startswith("logs/"))
    assert files[log].startswith(b"loss 1.5, as") and f"]({log})" in text


def test_a_fault_of_ours_is_the_result_of_its_own_round_alone(course):
    with open_results(course) as opened:
        for rows in (1, 0, 3):
            opened.ledger.regrade("later", "prof", "kim-201", "another machine")
            by_id = {each.student: each for each in opened.ledger.graded(checks_by(opened.rules))}
            for student, again in [("kim-201", LOST), ("lee-202", scored(0.9)), ("kim-201", LOST)][:rows]:
                seed = training_seed(SECRET, 1)
                opened.ledger.record("later", by_id[student], 1, seed, again, {"device": "GPU 2"})
    assert main(["appeal", str(course), "kim-201"]) == 0
    found = json.loads((course / "appeals" / "kim-201" / "appeal.json").read_text())
    of_rounds = [(each["round"], each["verdict"], "a person has to look" in each["reason"]) for each in found["rounds"]]
    ours = "infrastructure"
    assert of_rounds == [(0, "below_target", False), (1, "passed", False), (2, ours, False), (4, ours, True)]


@pytest.mark.parametrize(
    "dates",
    [
        {"deadline": TOMORROW},
        {"deadline": YESTERDAY, "late": "flag", "late_work": LateWork(last_date=TOMORROW)},
        {"deadline": None},
    ],
)
def test_seeds_wait_until_nobody_can_hand_in_any_more(course, dates):
    with open_results(course) as opened:
        store_rules(course, opened.rules.but(**dates))
    assert main(["appeal", str(course), "kim-201"]) == 0
    found = read(course / "appeals" / "kim-201")
    assert {each["seed"] for each in json.loads(found["appeal.json"])["trainings"]} == {None}
    assert str(training_seed(SECRET, 0)).encode() not in b"".join(found.values())


def test_everybody_can_appeal_again_and_again_and_nothing_else_is_written_over(course, tmp_path, capsys):
    for _ in range(2):
        for student in ("kim-201", "rex-203"):
            assert main(["appeal", str(course), student]) == 0
    assert "is not 1 to 15" in (course / "appeals" / "rex-203" / "appeal.md").read_text()
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    capsys.readouterr()
    for arguments, said in ((["kim-201", "--out", str(own)], "no appeal"), (["nobody"], "no such student")):
        assert main(["appeal", str(course), *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert [*read(own)] == ["thesis.txt"] and not (course / "appeals" / "nobody").exists()


def test_verdicts_and_reasons_are_in_korean_too(course):
    for student in ("kim-201", "rex-203"):
        assert main(["appeal", str(course), student, "--language", "ko"]) == 0
    kim, rex = ((course / "appeals" / name / "appeal.md").read_text() for name in ("kim-201", "rex-203"))
    assert "- 판정: 통과\n" in kim and "| 목표 미달 |" in kim and "목표 80%를 넘지 못했습니다" in kim
    assert "- 판정: 반려 " in rex and "| 반려 |" in rex


def test_both_languages_have_the_same_texts():
    assert TEXTS["en"].keys() == TEXTS["ko"].keys()
    assert all(len(TEXTS["en"][name]) == len(TEXTS["ko"][name]) for name in TEXTS["en"] if name.startswith("columns"))
