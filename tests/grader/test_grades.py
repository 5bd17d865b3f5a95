"""Grades are a pure function of what was measured, of the rules and of the decisions in force."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.explanation import at
from grader.grading.grades import Grade, grade, points_for
from grader.grading.personal_rules import in_time, lateness
from grader.grading.ranking import standings
from grader.ledger.results_folder import open_results
from grader.ledger.submissions import Noted
from grader.ledger.terms import NO_TERMS, Terms
from grader.publish.publishing import publish
from grader.rules import Grades, LateWork, Limits, Rules
from project.support.errors import UserError

DUE = datetime(2026, 12, 4, 23, 59, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CUTOFFS = [(0.8, 60.0), (0.9, 100.0)]
CLASS = [
    Student("kim", "Kim", 0.91),
    Student("lee", "Lee", 0.85),
    Student("park", "Park", 0.7),
    Student("choi", "Choi", None),
]


@pytest.fixture(scope="module")
def rules(rules):
    """The tests' rules, with time enough for made-up trainings."""
    return rules.but(limits=Limits())


def noted(submitted=None, marked_late=False, time_by="times.csv", digest="d", **more) -> Noted:
    return Noted("kim", "Kim", digest, "verified", "kim", submitted, marked_late, "images", time_by, **more)


def course(folder, rules, submitted=()):
    """A graded course, its deadline passed, whose students handed in at these times."""
    write_course(folder, CLASS, rules)
    with open_results(folder) as opened:
        for student, time in dict(submitted).items():
            opened.ledger.database.execute(
                "UPDATE submissions SET submitted = ?, time_by = 'times.csv' WHERE student = ?",
                [time.isoformat(), student],
            )
        publish(opened)
    return folder


def rules_file(folder, rules, **changes):
    path = folder / "other.yaml"
    path.write_text(yaml.safe_dump({**json.loads(rules.model_dump_json()), **changes}))
    return path


def board(results):
    return {row["student"]: row for row in json.loads((results / "leaderboard.json").read_text())["entries"]}


def said(capsys, *args):
    assert main([*map(str, args)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("grades", "points"),
    [
        (Grades(), {0.0: 0, 0.8512: 85.12, 1.0: 100}),
        (Grades(cutoffs=CUTOFFS, between="steps"), {0.79: 0, 0.8: 60, 0.899: 60, 0.9: 100, 1.0: 100}),
        (Grades(cutoffs=CUTOFFS), {0.79: 0, 0.8: 60, 0.85: 80, 0.9: 100, 1.0: 100}),
    ],
    ids=["none", "steps", "interpolated"],
)
def test_points_for_an_accuracy(grades, points):
    assert {accuracy: points_for(accuracy, grades) for accuracy in points} == points


@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.floats(0, 1000)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]
    ),
    st.sampled_from(["interpolated", "steps"]),
    st.lists(st.floats(0, 1), min_size=2, max_size=9),
)
def test_more_accuracy_is_never_worth_less_nor_beyond_the_cutoffs(cutoffs, between, accuracies):
    accuracies_of, points_of = zip(*cutoffs)
    rising = [*zip((each / 1000 for each in sorted(accuracies_of)), sorted(points_of))]
    grades = Grades(cutoffs=rising, between=between)
    points = [points_for(accuracy, grades) for accuracy in sorted(accuracies)]
    assert all(a <= b + 1e-4 for a, b in pairwise(points)) and 0 <= min(points) and max(points) <= grades.most + 1e-4
    assert all(abs(points_for(accuracy, grades) - worth) < 1e-4 for accuracy, worth in rising)


@pytest.mark.parametrize(
    ("late", "days", "free", "penalty"),
    [
        (timedelta(0), 0, 0, 0),
        (timedelta(seconds=1), 1, 1, 0),
        (DAY, 1, 1, 0),
        (DAY + timedelta(seconds=1), 2, 1, 5),
        (3 * DAY, 3, 1, 10),
        (300 * DAY, 300, 1, 94),
    ],
)
def test_begun_days_cost_points_after_the_free_ones_and_never_more_than_there_are(late, days, free, penalty):
    rules = Rules(deadline=DUE, late="flag", late_work=LateWork(free_days=1, points_a_day=5))
    made = grade(0.9, noted(DUE + late), NO_TERMS, rules, {"report": 3.0, "conclusion": 1.0})
    assert made == Grade(90.0, 3.0, 1.0, days, free, penalty) and made.total == 94 - penalty


@pytest.mark.parametrize("late", [DAY, -HOUR, 3 * DAY])
def test_a_recorded_time_settles_what_a_system_marked_by_its_own_deadline(late):
    rules = Rules(deadline=DUE, late_work=LateWork(free_days=2))
    by_time, both = (lateness(DUE + late, marked, "Classroom 50's scores.csv", rules) for marked in (False, True))
    assert both == by_time
    assert lateness(DUE + late, True, "the file's own date", rules), "which is a guess"
    assert lateness(DUE + late, True, "times.csv", Rules()), "where nothing else says what is late"


def test_a_share_is_one_of_all_that_was_earned():
    rules = Rules(deadline=DUE, late="flag", late_work=LateWork(share_a_day=0.1))
    made = grade(0.9, noted(DUE + DAY + HOUR), NO_TERMS, rules, {"report": 5.0, "conclusion": 5.0})
    assert (made.penalty, made.total) == (20.0, 80.0)


def test_what_only_a_mark_calls_late_is_one_day_late():
    rules = Rules(deadline=DUE, late="flag", late_work=LateWork(points_a_day=5))
    assert grade(0.9, noted(None, True), NO_TERMS, rules).penalty == 5
    assert grade(0.9, noted(None, False), NO_TERMS, rules).penalty == 0


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        (NO_TERMS, 4),
        (Terms(until=DUE + 2 * DAY), 2),
        (Terms(days=3), 1),
        (Terms(until=DUE - DAY), 4),
        (Terms(days=9), 0),
        (Terms(exempt=frozenset({"late"})), 0),
        (Terms(exempt=frozenset({"reports"})), 4),
    ],
)
def test_days_count_from_the_student_s_own_deadline(terms, days):
    rules = Rules(deadline=DUE, late="flag")
    assert grade(0.9, noted(DUE + 4 * DAY), terms, rules).days_late == days


@pytest.mark.parametrize(
    ("yaml_text", "said"),
    [
        ("grades: {cutoffs: [[0.9, 80], [0.8, 90]]}", "grades.cutoffs: accuracies must rise, and points not fall"),
        ("grades: {cutoffs: [[0.8, 80], [0.9, 70]]}", "accuracies must rise, and points not fall"),
        ("grades: {cutoffs: [[80, 60]]}", "the accuracy from 0 to 1"),
        ("grades: {cutoffs: [[0.8, -1]]}", "the points from 0 to"),
        ("grades: {cutoffs: [[0.8, 1.0e+308]]}", "the points from 0 to"),
        ("bonus: {report: 1.0e+308}", "bonus.report"),
        ("deadline: 9999-12-31T23:59:59Z", "take a year up to 9000"),
        ("grades: {cutoffs: [[0.8]]}", "grades.cutoffs.0.1"),
        ("grades: {between: linear}", "grades.between"),
        ("late_work: {free_days: 1}", "nothing is late without a deadline"),
        ("deadline: 2026-12-04T23:59:00Z\nlate_work: {points_a_day: 5}", "add a last_date, or late: flag"),
        ("deadline: 2026-12-04T23:59:00Z\nlate_work: {last_date: 2026-12-04T23:59:00Z}", "must lie after the deadline"),
        ("deadline: 2026-12-04T23:59:00Z\nlate: flag\nlate_work: {points_a_day: 5, share_a_day: 0.1}", "not both"),
        ("late_work: {share_a_day: 10}", "late_work.share_a_day"),
        ("late_work: {last_date: 5}", "write it as 2026-12-04"),
        ('deadline: "1765000000"', "write it as 2026-12-04"),
        ('practice: {until: "1765000000.5"}', "write it as 2026-12-04"),
        (
            "deadline: 2026-12-04T23:59:00Z\nlate_work: {free_days: 3, last_date: 2026-12-05T23:59:00Z}",
            "before the 3 free days after the deadline are over",
        ),
        ("deadline: 2026-12-04T23:59:00Z\npractice: {until: 2026-12-05T23:59:00Z}", "must not lie after the deadline"),
    ],
)
def test_rules_that_cannot_be_are_told_in_one_line(tmp_path, yaml_text, said):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml_text)
    with pytest.raises(UserError, match=".+") as caught:
        Rules.load(path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_leaderboard_takes_cutoffs_and_gives_them_back_byte_for_byte(tmp_path, rules, capsys):
    results = course(tmp_path / "results", rules)
    files = ("leaderboard.json", "leaderboard.csv", "leaderboard.md", "site/index.html")
    before = {name: (results / name).read_bytes() for name in files}
    was = tmp_path / "was.json"
    was.write_bytes((results / "assignment.json").read_bytes())
    other = rules_file(tmp_path, rules, grades={"cutoffs": [[0.6, 50], [0.9, 100]], "between": "steps"})
    said(capsys, "leaderboard", results, "--rules", other)
    assert {student: row["total"] for student, row in board(results).items()} == {
        "kim": 100.0,
        "lee": 50.0,
        "park": 50.0,
        "choi": None,
    }
    said(capsys, "leaderboard", results, "--rules", was)
    assert {name: (results / name).read_bytes() for name in files} == before


PENALTY = {"late": "flag", "late_work": LateWork(points_a_day=5, free_days=1)}


def test_other_rules_on_trial_say_whose_grade_changes_and_write_nothing(tmp_path, rules, capsys):
    late = rules.but(deadline=DUE, **PENALTY)
    results = course(tmp_path / "results", late, {"lee": DUE + 2 * DAY})
    kept = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    other = rules_file(tmp_path, late, target_accuracy=0.88, seeds_near_target=1)
    shown = said(capsys, "rules", results, "--try", other)
    lee = next(row for row in shown.splitlines() if row.startswith("lee"))
    assert (
        "passed -> below_target" in lee
        and "not above 88%" in lee
        and not any(row.startswith("kim") for row in shown.splitlines())
    )
    other = rules_file(tmp_path, late, late_work={"points_a_day": 10, "free_days": 1})
    lee = next(row for row in said(capsys, "rules", results, "--try", other).splitlines() if row.startswith("lee"))
    assert "80.00 -> 75.00" in lee and "-5.00" in lee and "-10.00 for 1 late day" in lee
    other = rules_file(tmp_path, late)
    assert "No verdict, grade or rank changes." in said(capsys, "rules", results, "--try", other)
    other = rules_file(tmp_path, late, seeds=2)
    assert "The next run makes 3 trainings: kim, lee, park" in said(capsys, "rules", results, "--try", other)
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == kept
    assert main(["rules", str(results), "--try", str(rules_file(tmp_path, late, monitor_fraction=0.5))]) == 2


def test_the_gradebook_and_the_feedback_have_the_same_grade(tmp_path, rules, capsys):
    late = rules.but(deadline=DUE, **PENALTY, grades=Grades(cutoffs=[(0.8, 15.0), (0.9, 20.0)]))
    results = course(tmp_path / "results", late, {"kim": DUE + 3 * DAY})
    said(capsys, "disqualify", results, "lee", "--reason", "copied from Kim")
    total = board(results)["kim"]["total"]
    assert total == 10.0 == 20.0 - board(results)["kim"]["penalty"]
    said(capsys, "export", results, "--format", "canvas", "--column", "Epochs")
    assert ",10.00" in (results / "canvas.csv").read_text() and "lee,,0.00" in (results / "canvas.csv").read_text()
    gradebook = tmp_path / "gradebook.csv"
    head = "Student,ID,SIS User ID,SIS Login ID,Section,Fifteen Epochs (7)\n"
    gradebook.write_text(head + "    Points Possible,,,,,20\nKim,1,kim,kim,,\n")
    assert (
        main(
            ["export", str(results), "--format", "canvas", "--gradebook", str(gradebook), "--out", str(tmp_path / "o")]
        )
        == 1
    )
    assert "Kim,1,kim,kim,,10.00" in (tmp_path / "o").read_text()
    gradebook.write_text(head + "    Points Possible,,,,,19\nKim,1,kim,kim,,\n")
    assert main(["export", str(results), "--format", "canvas", "--gradebook", str(gradebook)]) == 2
    for language, words in (("en", "Begun days late: 3, free of cost: 1: -10.00"), ("ko", "3일")):
        said(capsys, "export", results, "--format", "feedback", "--language", language)
        assert words in (results / "feedback" / "kim.md").read_text()
        assert "copied from Kim" in (results / "feedback" / "lee.md").read_text()
    pages = {page.name: page.read_text() for page in (results / "site" / "submissions").glob("*.html")}
    assert any("-10.00 late" in page and "20.00 accuracy" in page for page in pages.values())
    assert not any("copied from" in page for page in pages.values())


DECISIONS = st.sampled_from(
    [
        (student, kind, value)
        for student in ("kim", "lee", "park")
        for kind, value in (
            ("extend", {"days": 2}),
            ("exempt", {"from": "late"}),
            ("exempt", {"from": "normalization"}),
            ("disqualify", {}),
            ("points", {"report": 2.0, "conclusion": 1.0, "comment": ""}),
        )
    ]
)


@pytest.fixture(scope="module")
def late_course(tmp_path_factory, rules):
    graded = rules.but(deadline=DUE, **PENALTY)
    submitted = {"kim": DUE + 2 * DAY, "lee": DUE + 3 * DAY, "park": DUE + 4 * DAY}
    return course(tmp_path_factory.mktemp("late") / "results", graded, submitted)


@settings(max_examples=30)
@given(
    st.lists(DECISIONS, max_size=6, unique_by=repr).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(some))
    )
)
def test_decisions_about_different_students_or_things_commute_and_undone_they_never_were(late_course, orders):
    with open_results(late_course) as opened:
        ledger, rules = opened.ledger, opened.rules
        start = standings(ledger, rules)
        found = []
        for order in orders:
            with ledger.taken_back():
                for student, kind, value in order:
                    ledger.decisions.take("then", "kang", kind, student, value)
                found.append(standings(ledger, rules))
                for each in ledger.decisions.history():
                    ledger.decisions.undo("later", "kang", each.id)
                assert standings(ledger, rules) == start
        # Who gave points when is told with them; the ledger's clock is the same here.
        assert found[0] == found[1]
        assert standings(ledger, rules) == start


def test_points_for_texts_are_never_more_than_the_rules_of_now_allow(tmp_path, rules):
    course(tmp_path / "results", rules)
    assert main(["bonus", str(tmp_path / "results"), "kim", "--report", "5", "--conclusion", "5"]) == 0
    fewer = rules_file(tmp_path, rules, bonus={"report": 2, "conclusion": 0})
    assert main(["leaderboard", str(tmp_path / "results"), "--rules", str(fewer)]) == 0
    (kim,) = [entry for entry in board(tmp_path / "results").values() if entry["student"] == "kim"]
    assert (kim["bonus"], kim["total"]) == (2.0, 93.0)
    assert main(["export", str(tmp_path / "results"), "--format", "feedback"]) == 0
    assert "report 2 of 2, conclusion 0 of 0" in (tmp_path / "results" / "feedback" / "kim.md").read_text()


def test_the_last_date_of_who_has_an_extension_leaves_room_for_the_free_days():
    deadline = datetime(2026, 12, 4, tzinfo=UTC)
    late = LateWork(free_days=3, last_date=deadline + timedelta(days=7))
    rules = Rules(deadline=deadline, late_work=late)
    assert in_time(noted(deadline + timedelta(days=11)), rules, Terms(days=10))
    assert not in_time(noted(deadline + timedelta(days=14)), rules, Terms(days=10))


@pytest.mark.parametrize(("seconds", "told"), [(0, "2026-12-04 23:59+00:00"), (30, "2026-12-04 23:59:30+00:00")])
def test_seconds_are_told_where_there_are_any(seconds, told):
    assert at(datetime(2026, 12, 4, 23, 59, seconds, tzinfo=UTC)) == told
