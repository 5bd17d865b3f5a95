"""Reading reports: by a rubric, by several readers, who do not know whose a text is."""

import dataclasses
import io
import json
import re
import shlex
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.course import SECRET, Student, write_course
from grader.cli import main
from grader.grading.attempts import counting
from grader.grading.explanation import made_of
from grader.grading.grades import Grade
from grader.grading.ranking import standings
from grader.grading.readings import far_apart, points_that_count
from grader.grading.register_submissions import read_submission
from grader.grading.verdicts import checks_by
from grader.intake.checks import check_reports
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import open_results
from grader.ledger.submission_store import keep, kept
from grader.ledger.submissions import Noted
from grader.publish.feedback import feedback
from grader.publish.publishing import publish
from grader.review.reading_list import NUMBERS, assigned, not_final, numbers, shared_out, to_read
from grader.review.report_points import Given, give, read_points, reading_before
from grader.review.report_review import review
from grader.rules import Limits, Points, Rules
from grader.secret import EarlierSecret
from project.support.errors import UserError

RUBRIC = {
    "report": [
        {"name": "evidence", "korean": "근거", "points": 3, "seek": "each claim names the run that shows it"},
        {"name": "method", "korean": "방법", "points": 2},
    ]
}
TEXT = "{name} ({id}) compared four runs with those of kim-101 and lee-102, and the gap closed. "


@pytest.fixture
def course(tmp_path, rules) -> Path:
    kim, lee = (9 * TEXT.format(name=name, id=id) for name, id in (("Kim Minji", "kim-101"), ("Lee Jun", "lee-102")))
    everyone = [
        Student("kim-101", "Kim Minji", 0.91, texts={"REPORT.md": kim, "CONCLUSION.md": kim}, source="kim-101.zip"),
        Student("lee-102", "Lee Jun", 0.85, texts={"kim-101 own.pdf": "%PDF", "CONCLUSION.md": lee}),
        Student("park-103", "Park Ha", 0.8),
        Student("rex-104", "Rex Han", None),
    ]
    write_course(tmp_path / "results", everyone, rules.but(site=rules.site.but(mistakes=0), limits=Limits(minutes=30)))
    return tmp_path / "results"


def with_rules(course: Path, **bonus) -> None:
    """Change the rules of a results folder as an instructor does."""
    kept = json.loads((course / "assignment.json").read_text())
    file = course.parent / "rules.yaml"
    file.write_text(yaml.safe_dump({**kept, "bonus": bonus}), encoding="utf-8")
    assert main(["leaderboard", str(course), "--rules", str(file)]) == 0


def answering(*answers: str | type[BaseException]) -> tuple[Console, io.StringIO]:
    said, waiting = io.StringIO(), iter(answers)
    console = Console(file=said, width=100)

    def answer(prompt="", **_):
        said.write(prompt)
        if isinstance(found := next(waiting), type):
            raise found
        return found

    console.input = answer
    return console, said


# rules


def test_a_rubric_defines_the_points_of_a_part():
    assert Points.model_validate({"rubric": RUBRIC}).report == 5
    assert Points.model_validate({"report": 5, "rubric": RUBRIC}).conclusion == 5
    assert Points.model_validate_json(Points.model_validate({"rubric": RUBRIC}).model_dump_json()).report == 5


@pytest.mark.parametrize(
    ("bonus", "said"),
    [
        ({"report": 4, "rubric": RUBRIC}, "criteria have 5 points together, and the report 4"),
        ({"rubric": {"report": RUBRIC["report"] * 2}}, "evidence is there twice"),
        ({"rubric": {"report": [{"name": "a: b", "points": 1}]}}, "name"),
        ({"rubric": {"report": [{"name": "a", "points": 0}]}}, "points"),
    ],
)
def test_a_wrong_rubric_is_one_line(bonus, said, tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"bonus": bonus}))
    with pytest.raises(UserError, match=said) as raised:
        Rules.load(tmp_path / "rules.yaml")
    assert "\n" not in str(raised.value)


# points by criteria


def test_a_review_asks_by_criteria_and_feedback_and_pages_show_them(course):
    with_rules(course, rubric=RUBRIC)
    console, said = answering("2", "9", "1", "4", "clear", "q")
    with open_results(course) as opened:
        assert review(opened, "kang", named=True, console=console) == 1
        entry = standings(opened.ledger, opened.rules)[0]
        told = {language: feedback(entry, opened.rules, 3, "x", language) for language in ("en", "ko")}
    assert "each claim names the run" in said.getvalue() and "is not 0 to 2" in said.getvalue()
    assert (entry.student, entry.points["report"], entry.bonus) == ("kim-101", 3.0, 7.0)
    assert "- report, evidence: 2 of 3" in told["en"] and "- 보고서, 근거: 2 / 3" in told["ko"]
    assert main(["leaderboard", str(course)]) == 0
    for folder, row in (("", "<td>Report</td><td>evidence</td><td>2 of 3</td>"), ("ko/", "<td>근거</td><td>2/3</td>")):
        assert sum(row in page.read_text() for page in (course / "site").glob(f"{folder}submissions/*.html")) == 1


def test_criteria_from_the_command_line_and_from_a_table(course, tmp_path, capsys):
    with_rules(course, rubric=RUBRIC)
    table = tmp_path / "points.csv"
    table.write_text("student,report: evidence,report: method,conclusion\nkim-101,2.5,,1\nlee-102,,1,\n")
    assert main(["bonus", str(course), "--csv", str(table), "--by", "kang"]) == 0
    assert main(["bonus", str(course), "kim-101", "--criterion", "report: method=2", "--by", "kang"]) == 0
    with open_results(course) as opened:
        found = points_that_count(opened.ledger, opened.rules)
    assert (found["kim-101"]["report"], found["kim-101"]["conclusion"]) == (4.5, 1.0)
    assert (found["lee-102"]["report"], found["lee-102"]["conclusion"]) == (1.0, 0.0)
    capsys.readouterr()
    assert main(["history", str(course), "lee-102"]) == 0
    assert "criteria report: method 1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report", "3"], "gets its points by criteria"),
        (["--criterion", "report: evidence=4"], "are not 0 to 3"),
        (["--criterion", "report: evidence=nan"], "are not 0 to 3"),
        (["--criterion", "report: style=1"], "no criterion of the rules"),
        (["--criterion", "evidence=1"], "write it as"),
        (["--criterion", "report: evidence=much"], "no number"),
    ],
)
def test_wrong_criteria_are_one_line_and_give_nothing(arguments, said, course, capsys):
    with_rules(course, rubric=RUBRIC)
    capsys.readouterr()
    assert main(["bonus", str(course), "kim-101", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    with open_results(course) as opened:
        assert not opened.ledger.decisions.history()


# several readers


def test_the_mean_of_what_readers_gave_last_counts_and_a_wide_difference_is_told(course, capsys):
    with_rules(course, readers="mean")
    for by, report in (("kang", "1"), ("lee", "5"), ("kang", "2")):
        assert main(["bonus", str(course), "kim-101", "--report", report, "--by", by, "--comment", by]) == 0
    assert "kim-101: readers are far apart about the report: kang gives 2, lee gives 5" in capsys.readouterr().out
    assert main(["bonus", str(course), "kim-101", "--conclusion", "4", "--by", "lee"]) == 0
    with open_results(course) as opened:
        found = points_that_count(opened.ledger, opened.rules)["kim-101"]
        assert (found["report"], found["conclusion"], found["comment"]) == (3.5, 4.0, "kang\n\nlee")
        last = [each for each in opened.ledger.decisions.history("kim-101") if each.by == "kang"][-1]
        opened.ledger.decisions.undo("now", "kang", last.id)
        assert points_that_count(opened.ledger, opened.rules)["kim-101"]["report"] == 3.0
    with_rules(course)  # taken back, the last note counts, as it ever did
    with open_results(course) as opened:
        assert points_that_count(opened.ledger, opened.rules)["kim-101"]["report"] == 5.0
        assert far_apart(opened.ledger, opened.rules) == []


def test_readers_of_different_criteria_add_up_and_a_part_that_nobody_read_is_not_read_yet(course, capsys):
    with_rules(course, readers="mean", rubric=RUBRIC)
    first, second = (f"report: {each['name']}={each['points']}" for each in RUBRIC["report"])
    for by, criterion in (("kang", first), ("lee", second)):
        assert main(["bonus", str(course), "kim-101", "--criterion", criterion, "--by", by]) == 0
    with open_results(course) as opened:
        found = points_that_count(opened.ledger, opened.rules)["kim-101"]
    assert (found["report"], found["given"]) == (5.0, {"report": "kang and lee"})
    capsys.readouterr()
    assert main(["explain", str(course), "kim-101"]) == 0
    said = capsys.readouterr().out
    assert "5.00 of 5, by kang and lee" in said and "conclusion  not read yet" in said
    assert main(["export", str(course), "--format", "feedback"]) == 0
    assert "report 5 of 5, conclusion - of" in (course / "feedback" / "kim-101.md").read_text()


EVIDENCE, METHOD = (f"report: {each['name']}" for each in RUBRIC["report"])
GIVEN = st.one_of(
    st.fixed_dictionaries({"report": st.integers(0, 5)}),
    st.fixed_dictionaries({"conclusion": st.integers(0, 5)}),
    st.fixed_dictionaries({"comment": st.just("clear")}),
    st.dictionaries(st.sampled_from([EVIDENCE, METHOD, "report: proof"]), st.integers(0, 4), min_size=1).map(
        lambda criteria: {"criteria": criteria}
    ),
)
NOTES = st.lists(st.tuples(st.sampled_from(["kang", "lim"]), st.sampled_from(["kim", "lee"]), GIVEN), max_size=6)
BONUS = st.builds(
    lambda rubric, readers: Points.model_validate({"rubric": rubric, "readers": readers}),
    st.sampled_from([RUBRIC, {}]),
    st.sampled_from(["last", "mean"]),
)
GROUP = {"kim": "kim", "lee": "kim"}  # kim handed in for both


def points_by(rules: Rules, notes) -> dict:
    """What notes come to; one that is None was given, and taken back."""
    with closing(Ledger(Path(":memory:"))) as ledger:
        for by, student, value in notes:
            number = ledger.decisions.take(
                "now", by, "points", student, value or {"report": 4, "criteria": {METHOD: 1}}
            )
            if value is None:
                ledger.decisions.undo("now", by, number)
        found = points_that_count(ledger, rules, GROUP)
    return {
        student: {part: each[part] for part in ("report", "conclusion")}
        for student, each in found.items()
        if each["given"]
    }


@settings(max_examples=60)
@given(NOTES, BONUS, st.data())
def test_points_rise_with_what_is_given_and_what_is_taken_back_was_never_there(notes, bonus, data):
    rules = Rules().but(bonus=bonus)
    found = points_by(rules, notes)
    for each in found.values():
        assert 0 <= each["report"] <= bonus.report and 0 <= each["conclusion"] <= bonus.conclusion
    at = data.draw(st.integers(0, len(notes)))
    who = data.draw(st.tuples(st.sampled_from(["kang", "lim"]), st.sampled_from(["kim", "lee"])))
    assert points_by(rules, [*notes[:at], (*who, None), *notes[at:]]) == found
    assert points_by(rules, [*notes[:at], (*who, {"comment": "well done"}), *notes[at:]]) == found
    if bonus.rubric.report:
        assert points_by(rules, [*notes[:at], (*who, {"criteria": {"report: proof": 9}}), *notes[at:]]) == found
    if notes:
        by, student, value = notes[at % len(notes)]
        value = {name: each + 1 if isinstance(each, int) else each for name, each in value.items()}
        value |= (
            {"criteria": {name: each + 1 for name, each in value["criteria"].items()}} if "criteria" in value else {}
        )
        more = points_by(rules, [*notes[: at % len(notes)], (by, student, value), *notes[at % len(notes) + 1 :]])
        assert more.keys() == found.keys()
        assert all(more[student][part] >= each[part] for student, each in found.items() for part in each)


@pytest.mark.parametrize(
    ("readers", "notes", "expected"),
    [
        ("mean", [("kang", {"criteria": {"report: old": 2}, "report": 2}), ("kang", {"criteria": {EVIDENCE: 1}})], 1),
        ("mean", [("kang", {"report": 5}), ("lim", {"criteria": {EVIDENCE: 0, METHOD: 0}})], 2.5),
        ("mean", [("kang", {"report": 5}), ("lim", {"criteria": {EVIDENCE: 1, METHOD: 0}})], 3),
        ("last", [("kang", {"report": 5}), ("lim", {"criteria": {EVIDENCE: 1}})], 1),
        ("last", [("kang", {"criteria": {EVIDENCE: 9, METHOD: 0}})], 3),
        # As earlier versions noted it: each note has what the one before had.
        (
            "last",
            [
                ("kang", {"report": 2, "criteria": {EVIDENCE: 2}}),
                ("lim", {"report": 3, "criteria": {EVIDENCE: 2, METHOD: 1}}),
            ],
            3,
        ),
    ],
)
def test_criteria_of_now_count_for_a_reader_before_the_whole(readers, notes, expected):
    rules = Rules().but(bonus=Points.model_validate({"rubric": RUBRIC, "readers": readers}))
    assert points_by(rules, [(by, "kim", value) for by, value in notes])["kim"]["report"] == expected


def test_a_rubric_that_is_dropped_leaves_the_points():
    assert points_by(Rules(), [("kang", "kim", {"criteria": {EVIDENCE: 2, METHOD: 1}})])["kim"]["report"] == 3


@pytest.mark.parametrize("readers", ["last", "mean"])
def test_a_member_is_told_that_the_group_s_reader_stopped_until_the_own_texts_are_read(readers):
    rules, both = Rules().but(bonus=Points(readers=readers)), {"report": "d", "conclusion": "d"}
    with closing(Ledger(Path(":memory:"))) as ledger:
        for student, note, said in (
            ("kim", {"report": 2, "unfinished": True}, True),
            ("lee", {"comment": "well done"}, True),
            ("lee", {"read": both}, False),
        ):
            ledger.decisions.take("now", "kang", "points", student, note)
            assert points_that_count(ledger, rules, GROUP)["lee"]["unfinished"] is said, note


@pytest.mark.parametrize("readers", ["last", "mean"])
def test_a_member_keeps_the_groups_points_but_for_its_own(readers):
    rules = Rules().but(bonus=Points(readers=readers))
    notes = [("kang", "kim", {"report": 5, "conclusion": 4}), ("kang", "lee", {"comment": "well done"})]
    assert points_by(rules, notes)["lee"] == {"report": 5, "conclusion": 4}
    assert points_by(rules, [*notes, ("lim", "lee", {"report": 1})]) == {
        "kim": {"report": 5, "conclusion": 4},
        "lee": {"report": 1, "conclusion": 4},
    }


def test_undo_takes_points_back_after_others_were_given(course, capsys):
    assert main(["bonus", str(course), "kim-101", "--report", "5", "--by", "kang"]) == 0
    assert main(["bonus", str(course), "kim-101", "--conclusion", "2", "--by", "lim"]) == 0
    capsys.readouterr()
    assert main(["explain", str(course), "kim-101"]) == 0
    said = capsys.readouterr().out
    assert "5.00 of 5, by kang" in said and "2.00 of 5, by lim" in said and "superseded" not in said
    assert main(["undo", str(course), "1", "--by", "kang"]) == 0
    with open_results(course) as opened:
        (entry,) = (each for each in standings(opened.ledger, opened.rules) if each.student == "kim-101")
    assert (entry.bonus, entry.points["given"]) == (2.0, {"conclusion": "lim"})


@given(st.integers(0, 40), st.integers(1, 6), st.data())
def test_all_read_as_many_give_or_take_one_and_nobody_twice(count, readers, data):
    names, each = [f"r{n}" for n in range(readers)], data.draw(st.integers(1, readers))
    students = [f"s{n}" for n in range(count)]
    found = shared_out(students, names, each, {}, SECRET)
    assert all(len(got) == len({*got}) == each for got in found.values()) and found.keys() == {*students}
    loads = [sum(name in got for got in found.values()) for name in names]
    assert max(loads) - min(loads) <= 1
    assert shared_out(data.draw(st.permutations(students)), names, each, {}, SECRET) == found
    some = {student: found[student] for student in students[: count // 2]}
    assert shared_out(students, names, each, some, SECRET).items() >= some.items(), "who is asked stays asked"


def test_each_reader_gets_the_own_ones_until_they_are_read(course, capsys):
    assert main(["assign", str(course), "--readers", "kang,lim", "--by", "prof", "--reason", "two sections"]) == 0
    assert "kang: 2 to read" in capsys.readouterr().out
    with open_results(course) as opened:
        asked = assigned(opened.ledger)
        own = {by: {entry.student for entry in to_read(opened, by)} for by in ("kang", "lim")}
        assert own == {by: {s for s, readers in asked.items() if by in readers} for by in own}
        assert own["kang"] | own["lim"] == asked.keys() and not own["kang"] & own["lim"]
        first = sorted(own["kang"])[0]
        give(opened.ledger, opened.rules, [Given(first, report=1)], "lim", "now")
        assert first in {entry.student for entry in to_read(opened, "kang")}, "another's points are not the reader's"
        give(opened.ledger, opened.rules, [Given(first, report=2)], "kang", "now")
        assert first not in {entry.student for entry in to_read(opened, "kang")}
        assert first in {entry.student for entry in to_read(opened, "kang", again=True)}
    assert main(["history", str(course), first]) == 0
    assert "readers kang  because two sections" in capsys.readouterr().out
    assert main(["assign", str(course), "--readers", "kang,lim"]) == 0  # decides nothing new
    with open_results(course) as opened:
        assert sum(each.kind == "readers" for each in opened.ledger.decisions.history()) == 4
    assert main(["assign", str(course), "--readers", "kang,oh"]) == 0  # lim is ill
    with open_results(course) as opened:
        now_asked = assigned(opened.ledger)
    assert {s for s, readers in now_asked.items() if readers == ["kang"]} == own["kang"]
    assert {s for s, readers in now_asked.items() if readers == ["oh"]} == own["lim"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["assign", "--readers", "kang", "--each", "2"], "only 1 readers"),
        (["assign", "--readers", "kang,kang"], "is there twice"),
        (["assign", "--readers", "kang", "--each", "0"], "take 1 or more"),
        (["review", "--by", "stranger"], "was not asked to read; kang and lim were"),
    ],
)
def test_a_mistake_of_readers_is_one_line(command, said, course, capsys):
    assert main(["assign", str(course), "--readers", "kang,lim"]) == 0
    capsys.readouterr()
    assert main([command[0], str(course), *command[1:]]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# blind


def test_a_blind_reader_sees_numbers_until_all_is_read(course):
    console, said = answering(*["1", "1", ""] * 4)
    with open_results(course) as opened:
        known = numbers(opened.ledger.in_order_of_arrival(), opened.secret)
        assert review(opened, "kang", console=console) == 4
        assert all(found["report"] == 1.0 for found in points_that_count(opened.ledger, opened.rules).values())
    text = said.getvalue()
    read, _, told = text.partition(f"No. {min(known.values())} is ")
    for secret in ("kim", "minji", "lee", "park", "rex", "rank", "passed", "rejected", "91.00", "85.00"):
        assert secret not in read.lower().replace("compared", ""), secret
    assert "compared four runs" in read and f"{known['lee-102']}-report-1.pdf" in read
    assert [at for at in (read.find(f"No. {n}") for n in sorted(known.values())) if at < 0] == []
    assert all(f"No. {number} is {student}" in text for student, number in known.items()) and told


def test_a_reader_may_be_in_any_folder(course, monkeypatch):
    monkeypatch.chdir(course.parent)
    console, said = answering(*["1", "1", ""] * 4)
    with open_results(Path(course.name)) as opened:
        assert review(opened, "kang", console=console) == 4
    assert "compared four runs" in said.getvalue()


def test_a_blind_reader_who_stops_is_told_nothing_and_an_open_one_all(course):
    console, said = answering("1", "1", "", "q")
    with open_results(course) as opened:
        assert review(opened, "kang", console=console) == 1
    assert not re.search(r"No. \d+ is ", said.getvalue()) and "kim-101" not in said.getvalue()
    console, said = answering("q")
    with open_results(course) as opened:
        review(opened, "kang", again=True, named=True, console=console)
    assert "kim-101" in said.getvalue() and "passed, 91.00%, rank 1" in said.getvalue()


@pytest.mark.parametrize("secret", [SECRET, EarlierSecret(seed=5)], ids=["key", "earlier"])
def test_numbers_stay_when_others_hand_in_and_none_is_there_twice(secret):
    ids = [f"s{number}" for number in range(500)]
    found = numbers(ids, secret)
    assert len({*found.values()}) == 500 and {*found.values()} <= {*NUMBERS}
    assert numbers(ids[:100], secret) == {student: found[student] for student in ids[:100]}
    assert sorted(ids, key=found.get) != ids


# a hand-in that is read again


def hand_in_again(course: Path, student: str, digest: str, **texts: str) -> None:
    """What a later run notes of other files of the same student."""
    with open_results(course) as opened:
        graded = next(counting(opened.ledger, opened.rules, student))
        before = kept(course, graded.digest)
        keep(course, digest, before | {f"{name}.md": text.encode() for name, text in texts.items()})
        names = (field.name for field in dataclasses.fields(Noted))
        noted = {name: getattr(graded, name) for name in names} | {"digest": digest}
        opened.ledger.note("2026-11-30", Noted(**noted))
        opened.ledger.note_findings(student, digest, checks_by(opened.rules), [])


@pytest.mark.parametrize("readers", ["last", "mean"])
def test_points_for_an_earlier_hand_in_count_until_the_new_one_is_read_and_all_are_told(readers, course, capsys):
    with_rules(course, readers=readers)
    for student in ("kim-101", "lee-102"):
        assert main(["bonus", str(course), student, "--report", "3", "--conclusion", "2", "--by", "kang"]) == 0
    hand_in_again(course, "kim-101", "b" * 64, REPORT="another text " * 40)
    capsys.readouterr()
    assert main(["leaderboard", str(course)]) == 0
    assert "Points for an earlier hand-in, until `review` has the new one read: kim-101" in capsys.readouterr().out
    with open_results(course) as opened:
        assert "kim-101" in {entry.student for entry in to_read(opened, "kang")}
        found = {entry.student: entry for entry in standings(opened.ledger, opened.rules)}
        told = {language: feedback(found["kim-101"], opened.rules, 3, "x", language) for language in ("en", "ko")}
        assert found["kim-101"].bonus == 5 and found["kim-101"].points["earlier"] == ["report", "conclusion"]
        assert found["lee-102"].points["earlier"] == []
        assert "an earlier hand-in (report & conclusion)" in told["en"] and "이전 제출물" in told["ko"]
        console, said = answering(*"ss", "", "", "")  # the last one has no accuracy yet
        review(opened, "kang", named=True, console=console)
        after = {entry.student: entry for entry in standings(opened.ledger, opened.rules)}["kim-101"]
        assert (after.bonus, after.points["earlier"]) == (5, []), "Enter gives the same points for what is read now"
        assert "kim-101" not in {entry.student for entry in to_read(opened, "kang")}
    assert "the report is another one, the conclusion is the same" in " ".join(said.getvalue().split())
    pages = [page.read_text() for page in (course / "site").glob("**/submissions/*.html")]
    assert sum("were given for an earlier hand-in" in page for page in pages) == 1
    assert sum("이전 제출물을 읽고" in page for page in pages) == 1


def test_of_an_earlier_hand_in_what_is_given_anew_is_for_the_one_of_now(course, capsys):
    assert main(["bonus", str(course), "kim-101", "--report", "3", "--conclusion", "2", "--by", "kang"]) == 0
    hand_in_again(course, "kim-101", "b" * 64)
    assert main(["bonus", str(course), "kim-101", "--conclusion", "4", "--by", "kang"]) == 0
    capsys.readouterr()
    assert main(["history", str(course), "kim-101"]) == 0
    assert "conclusion 4.0, read conclusion bbbbbbbbbbbb" in capsys.readouterr().out
    with open_results(course) as opened:
        (entry,) = (each for each in standings(opened.ledger, opened.rules) if each.student == "kim-101")
        said = dict(made_of(entry, Grade(80.0, 3.0, 4.0), opened.rules))
    assert entry.points["earlier"] == ["report"]
    assert said["report"] == "3.00 of 5, by kang, for an earlier hand-in" and said["conclusion"] == "4.00 of 5, by kang"


def test_of_what_was_not_handed_in_nobody_waits_for_a_reading(course, write_submission, rules, tmp_path):
    (finding,) = check_reports(read_submission(write_submission("oh", **{"CONCLUSION.md": None})), {})
    with open_results(course) as opened:
        (entry,) = (each for each in standings(opened.ledger, opened.rules) if each.student == "kim-101")
        entry.warnings = [str(finding.by_rules(opened.rules))]
        told = dict(made_of(entry, Grade(80.0), opened.rules))
    assert (told["report"], told["conclusion"]) == ("not read yet", "none was handed in")


@pytest.mark.parametrize("stop", [EOFError, KeyboardInterrupt, "q"])
def test_who_stops_in_the_middle_of_a_student_keeps_the_answers_and_is_asked_again(stop, course, capsys):
    with_rules(course, rubric=RUBRIC)
    console, said = answering("2", stop)
    with open_results(course) as opened:
        assert review(opened, "kang", named=True, console=console) == 1
        assert points_that_count(opened.ledger, opened.rules)["kim-101"]["criteria"] == {"report: evidence": 2.0}
        assert "kim-101: kept so far: report: evidence 2; `review` asks again" in said.getvalue()
        assert "kim-101" in {entry.student for entry in to_read(opened, "kang")}
        assert not_final(opened) == ["report and conclusion of 4 submissions are not read to the end yet; see `review`"]
        assert main(["explain", str(course), "kim-101"]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "report 2.00 of 5, by kang; a reader stopped in the middle, and `review` asks for the rest" in told
        assert "decided points: report: evidence 2, stopped in the middle, by kang on" in told
        console, said = answering("", "1", "", "", "q")
        assert review(opened, "kang", named=True, console=console) == 1
        assert "it was read in part" in said.getvalue()
        assert points_that_count(opened.ledger, opened.rules)["kim-101"]["report"] == 3.0 and "now 2" in said.getvalue()
        assert "kim-101" not in {entry.student for entry in to_read(opened, "kang")}


@pytest.mark.parametrize(("readers", "left"), [("last", 3), ("mean", 4)])
def test_what_another_reader_ended_is_final_where_the_last_one_counts(readers, left, course):
    with_rules(course, readers=readers)
    with open_results(course) as opened:
        for by, unfinished in (("kang", True), ("lim", False)):
            give(opened.ledger, opened.rules, [Given("kim-101", 2, 3, unfinished=unfinished)], by, "now")
        assert not_final(opened)[-1].startswith(f"report and conclusion of {left} submissions are not read")
        assert ("kim-101" in {entry.student for entry in to_read(opened, "kang")}) == (readers == "mean")


@pytest.mark.parametrize("readers", ["last", "mean"])
def test_whose_group_was_read_before_one_withdrew_is_not_asked_for_again(readers, course):
    with_rules(course, readers=readers)
    with open_results(course) as opened:
        ledger = opened.ledger
        known = json.dumps({"group": ["red"], "handed_in_by": ["lee-102"]})
        query = (
            "UPDATE submissions SET known_as = ?, digest = (SELECT digest FROM submissions WHERE student = 'lee-102')"
        )
        ledger.database.execute(f"{query} WHERE student = 'kim-101'", [known])
        give(ledger, opened.rules, [Given("lee-102", 2, 3)], "kang", "now")
    assert main(["withdraw", str(course), "lee-102", "--yes"]) == 0
    with open_results(course) as opened:
        assert {entry.student for entry in to_read(opened, "kang")} == {"park-103", "rex-104"}
        assert not_final(opened)[-1].startswith("report and conclusion of 2 submissions are not read")
        (kim,) = (entry for entry in to_read(opened, "kang", again=True) if entry.student == "kim-101")
        assert reading_before(opened.ledger, opened.rules, kim, "kang").points == {"report": 2, "conclusion": 3}


def test_who_withdraws_while_being_read_ends_no_review(course):
    def withdraws(prompt="", **_):
        if "conclusion" in prompt and "kim-101" in students:
            students.remove("kim-101")
            assert main(["withdraw", str(course), "kim-101", "--yes"]) == 0
        return "1"

    students, said = ["kim-101"], io.StringIO()
    console = Console(file=said, width=100)
    console.input = withdraws
    with open_results(course) as opened:
        assert review(opened, "kang", console=console) == 3
        assert len(points_that_count(opened.ledger, opened.rules)) == 3
    read = said.getvalue().partition(" is ")[0]
    assert "these points are not kept: the ledger knows no such student" in said.getvalue()
    assert "kim-101" not in said.getvalue() and read


def test_points_for_who_withdraws_meanwhile_are_told_to_be_gone(course, monkeypatch, capsys):
    def publish_after_a_withdrawal(opened, by=""):
        monkeypatch.undo()
        assert main(["withdraw", str(course), "kim-101", "--yes"]) == 0
        publish(opened, by)

    monkeypatch.setattr("grader.publish.publishing.publish", publish_after_a_withdrawal)
    assert main(["bonus", str(course), "kim-101", "--report", "1"]) == 2
    assert "kim-101: withdrew meanwhile, and the points are gone" in capsys.readouterr().err


# the page


def test_the_commands_that_the_page_on_reviewing_names(tmp_path, rules, monkeypatch, capsys):
    page = Path("docs/reviewing.md").read_text(encoding="utf-8")
    blocks: dict[str, list[str]] = {"yaml": [], "bash": []}
    for kind, block in re.findall(r"```(yaml|bash)\n(.*?)```", page, re.DOTALL):
        blocks[kind].append(block)
    bonus = Points.model_validate(yaml.safe_load(blocks["yaml"][0])["bonus"])
    site = rules.site.but(mistakes=0, release="manual")
    results = tmp_path / "results"
    write_course(results, [Student("kim", "Kim", 0.9), Student("lee", "Lee", 0.8)], rules.but(bonus=bonus, site=site))
    (tmp_path / "points.csv").write_text("student,report: evidence,conclusion,comment\nkim,1,2,good\n")
    commands = [shlex.split(line) for block in blocks["bash"] for line in block.splitlines()]
    assert len(commands) == 10 and {command[3] for command in commands} >= {"assign", "review", "release", "appeal"}
    monkeypatch.setattr("sys.stdin", io.StringIO())  # a reader who stops at once
    places = {"results": str(results), "points.csv": str(tmp_path / "points.csv"), "appeal-kim": str(tmp_path / "kim")}
    for command in commands:
        assert command[:3] == ["python", "-m", "grader"]
        words = [places.get(word, word) for word in command[3:]]
        if words[0] == "undo":
            with open_results(results) as opened:
                words[2] = str(opened.ledger.decisions.in_force("release")[""].id)
        assert main(words) == 0, command
    assert not (results / "site").exists() and (tmp_path / "kim" / "appeal.json").exists()
    assert "kang gives 1, lee gives 2" not in capsys.readouterr().out


@pytest.mark.parametrize("headings", ["report,report", "report: evidence,report:evidence", "comment,report,comment"])
def test_a_table_of_points_with_a_column_twice_gives_none(headings, tmp_path):
    table = tmp_path / "points.csv"
    table.write_text(f"student,{headings}\nkim{',1' * (headings.count(',') + 1)}\n")
    with pytest.raises(UserError, match="is there twice; leave one out"):
        read_points(table)
