"""Ledger, ranking and exports: nothing twice, ties told, cells and tables safe."""

import csv
import io
import json
import sqlite3

import pytest

from grader.grading.ranking import Entry, standings
from grader.ledger.ledger import Ledger
from grader.ledger.result import Result
from grader.publish.exports import HEADINGS, as_csv, as_markdown, as_table, display_width, export


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def leaderboard(ledger):
    return [standing.entry for standing in standings(ledger)]


def add(ledger, student, *results, digest="d", name=None, tier="verified"):
    ledger.take_in("now", student, name or student.title(), digest, tier, student, "rules")
    for seed, result in enumerate(results):
        ledger.record("then", "now", student, digest, "rules", seed, result, {"device": "CPU"})


def passed(accuracy, **details):
    verdict = "passed" if accuracy > 0.8 else "below_target"
    return Result(
        verdict, "", accuracy, 15, 1000, 10.0, {"normalization": ["BatchNorm2d"]}, details={"samples": 1000, **details}
    )


def test_a_final_result_is_there_once(ledger):
    add(ledger, "kim", passed(0.9))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record("then", "now", "kim", "d", "rules", 0, passed(0.95), {})
    assert ledger.results("kim", "d", "rules")[0].accuracy == 0.9
    ledger.record("then", "now", "kim", "d", "rules", None, Result("rejected", "x"), {})
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record("then", "now", "kim", "d", "rules", None, Result("rejected", "x"), {})


def test_our_own_failures_are_recorded_and_not_final(ledger):
    add(ledger, "kim", Result("infrastructure", "the disk was full"))
    assert ledger.results("kim", "d", "rules") == {}
    assert leaderboard(ledger)[0].verdict == "infrastructure"
    ledger.record("then", "now", "kim", "d", "rules", 0, passed(0.9), {})
    assert leaderboard(ledger)[0].verdict == "passed"


def test_what_is_written_is_there_for_the_next_process(ledger, tmp_path):
    add(ledger, "kim", passed(0.9))
    again = Ledger(tmp_path / "ledger.sqlite")
    assert again.results("kim", "d", "rules")[0] == passed(0.9)
    again.close()


def test_a_student_s_newest_submission_counts(ledger):
    add(ledger, "kim", passed(0.95), digest="first")
    add(ledger, "kim", passed(0.85), digest="second")
    (entry,) = leaderboard(ledger)
    assert entry.accuracy == 0.85
    add(ledger, "kim", digest="first")
    assert leaderboard(ledger)[0].accuracy == 0.95, "handed in again, the old result is found"


def test_ranks_ties_and_bands(ledger):
    for student, accuracy in (("a", 0.99), ("b", 0.90), ("c", 0.90), ("d", 0.895), ("e", 0.60)):
        add(ledger, student, passed(accuracy))
    add(ledger, "f", Result("failed", "crashed"))
    add(ledger, "g", Result("rejected", "16 epochs"))
    ledger.take_in("now", "h", "H", "d", "verified", "h", "rules")
    entries = leaderboard(ledger)
    assert [(e.student, e.rank, e.rank_low, e.rank_high) for e in entries] == [
        ("a", 1, 1, 1), ("b", 2, 2, 4), ("c", 2, 2, 4), ("d", 4, 2, 4), ("e", 5, 5, 5),
        ("f", None, None, None), ("g", None, None, None), ("h", None, None, None),
    ]  # fmt: skip
    assert [e.verdict for e in entries[4:]] == ["below_target", "failed", "rejected", "pending"]


@pytest.mark.parametrize(("accuracies", "median"), [([0.7, 0.9, 0.85], 0.85), ([0.79, 0.9], 0.79), ([0.9], 0.9)])
def test_the_median_of_the_seeds_decides(ledger, accuracies, median):
    add(ledger, "kim", *map(passed, accuracies))
    (entry,) = leaderboard(ledger)
    assert (entry.accuracy, entry.seeds) == (median, len(accuracies))
    assert entry.verdict == ("passed" if median > 0.8 else "below_target")


def test_all_students_are_told_as_one_by_one(ledger):
    add(ledger, "b", passed(0.9), passed(0.8), passed(0.85))
    add(ledger, "a", passed(0.7), digest="first")
    add(ledger, "a", Result("infrastructure", "full"), Result("infrastructure", "lost"), digest="second")
    add(ledger, "c", passed(0.6), Result("infrastructure", "lost"))
    add(ledger, "d")
    ledger.regrade("now", "c")
    ledger.record("then", "now", "c", "d", "rules", 0, passed(0.65), {})
    found = list(ledger.graded())
    assert [graded.student for graded in found] == ["a", "b", "c", "d"]
    for graded in found:
        assert graded.results == list(ledger.results(graded.student, graded.digest, graded.rules).values())
    ours = [graded.infrastructure and graded.infrastructure.reason for graded in found]
    assert ours == ["lost", None, None, None] and found[2].results == [passed(0.65)] and found[0].digest == "second"


def test_a_seed_that_failed_decides(ledger):
    add(ledger, "kim", passed(0.9), Result("failed", "diverged"))
    assert (leaderboard(ledger)[0].verdict, leaderboard(ledger)[0].reason) == ("failed", "diverged")


def test_leaderboard_json_has_what_it_should(ledger, tmp_path):
    add(ledger, "kim", passed(0.9), name="김민지")
    export(tmp_path, {"max_epochs": 15}, "2026-01-01", "CPU", leaderboard(ledger))
    document = json.loads((tmp_path / "leaderboard.json").read_text())
    assert set(document) == {"assignment", "graded_at", "device", "entries"}
    asked_for = "rank rank_low rank_high student verdict tier accuracy accuracy_low accuracy_high seeds epochs seconds"
    asked_for += " parameters strategies flags bonus total reason"
    (entry,) = document["entries"]
    assert set(asked_for.split()) <= set(entry)
    assert entry["total"] == 90 and entry["name"] == "김민지"


HOSTILE = Entry(None, None, None, "x", "=HYPERLINK('http://x')|<b>", "failed", "audited", reason="@SUM(1) | [x](y)")


def test_cells_are_safe_from_spreadsheets_and_tables_from_markup():
    (row,) = csv.DictReader(io.StringIO(as_csv([HOSTILE])))
    assert row["name"].startswith("'=") and row["reason"].startswith("'@")
    line = as_markdown([HOSTILE], "now", "CPU").splitlines()[-1]
    assert line.replace("\\|", "").count("|") == len(HEADINGS) + 1
    assert "\\<b\\>" in line and "\\[x\\]" in line


def test_the_table_is_aligned_also_in_korean():
    entries = [
        Entry(None, None, None, "a", "김민지", "failed", "verified"),
        Entry(None, None, None, "b", "Alex", "failed", "verified"),
    ]
    first, second = as_table(entries).splitlines()[2:]
    assert display_width(first[: first.index("failed")]) == display_width(second[: second.index("failed")])
