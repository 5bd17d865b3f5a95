"""What a student handed in over time, and boards that go by another column."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.course import students, write_course
from grader.cli import main
from grader.grading.boards import board
from grader.grading.ranking import Entry
from grader.ledger.results_folder import open_results
from tests.grader.engines import MadeUp, graded, scored


def changed(width):
    return lambda config: config["model"]["network"]["init_args"].update(width=width)


def test_every_attempt_is_listed_with_its_verdict_and_the_last_counts(write_submission, tmp_path, rules, capsys):
    accuracies = iter([0.7, 0.8])
    engine, results = MadeUp(lambda job: scored(next(accuracies))), tmp_path / "results"
    for width, change in (
        (4, changed(4)),
        (5, changed(5)),
        (6, lambda config: config["trainer"].update(max_epochs=99)),
    ):
        folder = write_submission("kim", change, parent=tmp_path / f"night-{width}").parent
        graded(folder, results, rules, engine)
    capsys.readouterr()
    assert main(["attempts", str(results), "kim"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("1  handed in 20") and "passed  70.00%  another one took its place" in first
    assert "passed  80.00%  another one took its place" in second
    assert "rejected  counts: the last one in time  (config.yaml" in third


def test_a_run_by_other_rules_says_what_they_change(write_submission, tmp_path, rules, capsys):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    for those in (rules.but(target_accuracy=0.5, grades=rules.grades.but(cutoffs=[(0.5, 90.0)])), rules, rules):
        graded(folder, results, those, MadeUp(lambda job: scored(0.7)))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("rule ")]
    assert [line.split()[1] for line in told] == ["target_accuracy", "grades.cutoffs"], (
        "once, and none of the first run"
    )
    assert f"0.5 -> {rules.target_accuracy}" in told[0]


def test_an_attempt_that_came_too_late_is_told_so_and_times_have_their_zone(write_submission, tmp_path, rules, capsys):
    results, due = tmp_path / "results", datetime.fromisoformat("2026-11-02T09:00:00+09:00")
    for width, day in ((4, 1), (5, 2), (6, 4)):
        folder = write_submission("kim", changed(width), parent=tmp_path / f"night-{width}").parent
        (folder / "times.csv").write_text(f"file,submitted\nkim,2026-11-0{day}T08:00:00+09:00\n")
        graded(folder, results, rules.but(deadline=due), MadeUp(lambda job: scored(0.7)))
    capsys.readouterr()
    assert main(["attempts", str(results), "kim"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert "handed in 2026-11-01 08:00+09:00" in first and "another one took its place" in first
    assert "counts: the last one in time" in second
    assert "rejected  came too late  (time: came 1 day and 23 hours after" in third


def test_attempts_of_a_round_before_a_regrade_keep_what_they_came_to(write_submission, tmp_path, rules, capsys):
    accuracies = iter([0.7, 0.8, 0.9])
    engine, results = MadeUp(lambda job: scored(next(accuracies))), tmp_path / "results"
    for width in (4, 5):
        folder = write_submission("kim", changed(width), parent=tmp_path / f"night-{width}").parent
        graded(folder, results, rules, engine)
    graded(folder, results, rules, engine, regrade=("kim",))
    capsys.readouterr()
    assert main(["attempts", str(results), "kim"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "70.00%" in first and "90.00%  counts" in second


def test_attempts_of_a_round_that_was_taken_back_have_what_they_came_to_before(
    write_submission, tmp_path, rules, capsys
):
    accuracies = iter([0.7, 0.9, 0.8])
    engine, results = MadeUp(lambda job: scored(next(accuracies))), tmp_path / "results"
    folder = write_submission("kim", changed(4), parent=tmp_path / "night-4").parent
    graded(folder, results, rules, engine)
    graded(folder, results, rules, engine, regrade=("kim",))
    assert main(["undo", str(results), "1"]) == 0
    graded(write_submission("kim", changed(5), parent=tmp_path / "night-5").parent, results, rules, engine)
    capsys.readouterr()
    assert main(["attempts", str(results), "kim"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "passed  70.00%  another one took its place" in first and "passed  80.00%  counts" in second


def test_of_nobody_there_are_no_attempts(tmp_path, rules, capsys):
    write_course(tmp_path, students(2), rules)
    assert main(["attempts", str(tmp_path), "nobody"]) == 2
    assert "the ledger knows no such student" in capsys.readouterr().err


def entry(at, **values):
    return Entry(**{"student": f"s{at}", "name": "", "tier": "", "verdict": "passed", **values})


@given(st.lists(st.tuples(st.none() | st.integers(1, 9), st.booleans(), st.sampled_from(["passed", "failed"]))))
def test_a_board_ranks_who_passed_by_the_lowest_number_and_staff_not_at_all(drawn):
    made = [
        entry(at, parameters=number, staff=staff, verdict=verdict) for at, (number, staff, verdict) in enumerate(drawn)
    ]
    found = board(made, "parameters")
    assert {place.entry.student for place in found} == {
        e.student for e in made if e.parameters and e.verdict == "passed"
    }
    assert [place.value for place in found] == sorted(place.value for place in found)
    for rank, value, one in found:
        better = [each for each in found if not each.entry.staff and each.value < value]
        assert rank == (None if one.staff else 1 + len(better))


@pytest.mark.parametrize("column", ["epochs_to_target", "seconds", "parameters"])
def test_a_board_is_printed_and_a_page_where_the_rules_name_it(column, tmp_path, rules, capsys):
    everyone = students(6)
    site = rules.site.but(boards=[column], names="id")
    write_course(tmp_path, everyone, rules.but(site=site, limits=rules.limits.but(minutes=30), target_accuracy=0.5))
    with open_results(tmp_path) as opened:
        assert opened.rules.site.boards == [column]
    assert main(["leaderboard", str(tmp_path), "--by", column]) == 0
    heading, first = [line for line in capsys.readouterr().out.splitlines() if line][:2]
    assert column in heading and first.startswith("1 ")
    for place in (tmp_path / "site", tmp_path / "site" / "ko"):
        page = (place / f"{column}.html").read_text()
        assert page.index(first.split()[1]) < page.index("</tr>", page.index("<tbody>"))
        assert f'href="{column}.html"' in (place / "index.html").read_text()
        assert not (place / "rank.html").exists()


def test_attempts_are_in_the_order_in_which_they_were_handed_in(write_submission, tmp_path, rules, capsys):
    engine, results = MadeUp(lambda job: scored(0.7)), tmp_path / "results"
    for width, day in ((4, 2), (5, 3), (6, 1)):  # the first one was found last
        folder = write_submission("kim", changed(width), parent=tmp_path / f"night-{width}").parent
        (folder / "times.csv").write_text(f"file,submitted\nkim,2026-11-0{day}T09:00:00+09:00\n")
        graded(folder, results, rules, engine)
    capsys.readouterr()
    assert main(["attempts", str(results), "kim"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("handed in ")[1][:10] for line in lines] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"] and "counts" in lines[0]


def test_a_board_on_which_nobody_is_says_so(tmp_path, rules, capsys):
    write_course(tmp_path, students(2), rules.but(target_accuracy=0.999, limits=rules.limits.but(minutes=30)))
    capsys.readouterr()
    assert main(["leaderboard", str(tmp_path), "--by", "seconds"]) == 0
    assert capsys.readouterr().out.strip() == "Nobody has passed with a known seconds."
