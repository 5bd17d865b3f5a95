"""Results that the rules hold back: drafts until somebody releases them, and drafts again where that is taken back."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.ledger.results_folder import open_results, store_rules
from grader.publish.publishing import publish
from grader.publish.release import said_of_page
from grader.publish.wandb_runs import log_all
from grader.rules import Practice
from tests.grader.test_rounds import in_practice

OUT = ("site", "feedback", "gradescope", "canvas-feedback.zip", "moodle-feedback.zip")


@pytest.fixture
def course(tmp_path, rules) -> Path:
    site = rules.site.but(mistakes=0, release="manual")
    write_course(tmp_path / "results", [Student("kim", "Kim", 0.91), Student("lee", "Lee", None)], rules.but(site=site))
    return tmp_path / "results"


def exported(course: Path) -> None:
    for form in ("feedback", "gradescope", "canvas-feedback", "moodle-feedback"):
        main(["export", str(course), "--format", form])  # 1 where a student has no row there


def there(folder: Path) -> set[str]:
    return {name for name in OUT if (folder / name).exists()}


def test_a_page_is_called_a_draft_until_it_is_released(course):
    with open_results(course) as opened:
        assert said_of_page(opened).endswith(f"index.html is a draft, until `python -m grader release {course}`.")
    assert main(["release", str(course)]) == 0
    with open_results(course) as opened:
        assert said_of_page(opened).endswith("site/index.html is the page to publish.")


def test_what_is_held_back_is_in_the_draft_alone_and_a_release_can_be_taken_back(course, tmp_path, capsys):
    exported(course)
    assert "results are not released" in capsys.readouterr().out
    assert there(course) == set() and there(course / "draft") == {*OUT}
    by = ["--rules", str(course / "assignment.json")]
    given = ["gradescope", "--results", str(course), "--out", str(tmp_path / "a.zip"), *by]
    assert main(given) == 2 and "not released" in capsys.readouterr().err and not (tmp_path / "a.zip").exists()

    assert main(["release", str(course), "--by", "kang", "--reason", "all are read"]) == 0
    assert f"undo {course} 1" in capsys.readouterr().out
    assert there(course) == {"site"} and not (course / "draft").exists()
    exported(course)
    assert "not released" not in capsys.readouterr().out and there(course) == {*OUT}
    assert main(given) == 0
    assert main(given[:-2]) == 2  # uploads would be checked by other rules
    told = capsys.readouterr().err
    assert "is graded by other rules than" in told and f"--rules {course / 'assignment.json'} takes its own" in told
    assert main(["release", str(course)]) == 2 and "published already" in capsys.readouterr().err

    assert main(["undo", str(course), "1", "--by", "kang", "--reason", "a wrong target"]) == 0
    assert there(course) == set() and there(course / "draft") == {*OUT}
    assert (course / "draft" / "site" / "index.html").exists()
    assert main(["release", str(course)]) == 0 and there(course) == {"site"}


def test_without_that_rule_all_is_published_at_once(course, capsys):
    with open_results(course) as opened:
        rules = opened.rules
    store_rules(course, rules.but(site=rules.site.but(release="at_once")))
    assert main(["leaderboard", str(course)]) == 0
    assert there(course) == {"site"} and not (course / "draft").exists()
    assert main(["release", str(course)]) == 2
    assert "at once, by the rules" in capsys.readouterr().err
    with open_results(course) as opened:
        assert not opened.ledger.decisions.history()


def test_a_practice_board_is_never_held_back(course):
    assert there(course) == set()
    in_practice(course)
    with open_results(course) as opened:
        publish(opened)
    assert there(course) == {"site"} and not (course / "draft").exists()


def test_rules_that_hold_back_take_what_was_published_out_again(course):
    rules = json.loads((course / "assignment.json").read_text())
    for release, kept in (("at_once", {"site"}), ("manual", set())):
        file = course.parent / "rules.json"
        file.write_text(json.dumps({**rules, "site": {**rules["site"], "release": release}}))
        assert main(["leaderboard", str(course), "--rules", str(file)]) == 0
        assert there(course) == kept


def test_a_release_says_what_is_not_final_and_publishes_all_the_same(course, capsys):
    with open_results(course) as opened:
        opened.ledger.database.execute("DELETE FROM measurements WHERE student = 'kim'")
    assert main(["assign", str(course), "--readers", "kang"]) == 0
    assert main(["bonus", str(course), "kim", "--report", "1", "--by", "kang"]) == 0
    capsys.readouterr()
    assert main(["release", str(course)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("note    1 submission is not graded yet; `run` goes on with that\n")
    assert "report and conclusion of 1 submission are not read to the end yet" in told and there(course) == {"site"}


@pytest.mark.parametrize("held_back", ["release", "practice.public"])
def test_nothing_is_logged_to_wandb_that_is_not_public(held_back, course):
    """Whoever has the project can read it."""
    if held_back != "release":
        with open_results(course) as opened:
            store_rules(course, opened.rules.but(practice=Practice(public="ranks")))
        in_practice(course)
    assert held_back in log_all(course, "offline") and not (course / "wandb").exists()


def test_an_export_for_a_system_that_others_did_not_hand_in_by_says_so(course, capsys):
    assert main(["export", str(course), "--format", "canvas-feedback"]) == 1
    assert "canvas-feedback.zip: nothing in it for kim, lee, whose hand-ins are not called" in capsys.readouterr().err


def test_points_that_wait_for_an_accuracy_are_on_no_board_and_explained(course, capsys):
    with open_results(course) as opened:
        rules = opened.rules
    store_rules(course, rules.but(site=rules.site.but(release="at_once")))
    assert main(["bonus", str(course), "lee", "--report", "2"]) == 0
    data = (course / "site" / "index.html").read_text()
    (lee,) = (
        row
        for row in json.loads(re.search('id="data">(.*?)</script>', data)[1])["entries"]
        if row["verdict"] == "rejected"
    )
    assert not lee["bonus"] and "by the rank alone: bands may overlap" in data
    capsys.readouterr()
    assert main(["explain", str(course), "lee"]) == 0
    assert "2 for report and conclusion wait" in capsys.readouterr().out


def test_all_unknown_students_of_a_table_are_named_with_their_lines(course, tmp_path, capsys):
    (tmp_path / "points.csv").write_text("student,report\nkim,1\nkin,1\nlea,2\n")
    assert main(["bonus", str(course), "--csv", str(tmp_path / "points.csv")]) == 2
    told = capsys.readouterr().err
    assert "points.csv, line 3: kin; " in told and "points.csv, line 4: lea: the ledger knows no such student" in told
    assert "none of the points were taken" in told
