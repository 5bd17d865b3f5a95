"""Ledger, ranking and exports: nothing twice, ties told, cells and tables safe."""

import csv
import io
import json
import sqlite3
from contextlib import closing

import pytest
from rich.cells import cell_len

from grader.grading.ranking import Entry, decision, standings
from grader.grading.verdicts import checks_by
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import OpenResults, store_rules
from grader.publish.feedback import feedback
from grader.publish.leaderboard_files import HEADINGS, as_csv, as_markdown, as_table, write_leaderboard
from grader.rules import Rules
from grader.secret import BYTES, Secret
from tests.grader.engines import CRASHED, LOST, noted, scored

GIVEN = {"report": 3.0, "conclusion": 4.0, "comment": ""}

NOON = "2026-12-01T12:00:00.000+00:00"


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


RULES = Rules()
CHECKS = checks_by(RULES)


def of(ledger, student):
    return next(ledger.graded(CHECKS, student))


def add(ledger, student, *measurements, digest="d", name=None, tier="verified"):
    ledger.note(NOON, noted(student, digest, name, tier))
    for index, measurement in enumerate(measurements):
        ledger.record("then", of(ledger, student), index, index + 100, measurement, {"device": "CPU"})


def passed(accuracy):
    return scored(accuracy, samples=1000)


def test_a_measurement_is_there_once(ledger):
    ledger.note(NOON, noted("kim"))
    before = of(ledger, "kim")
    ledger.record("then", before, 0, 100, passed(0.9), {})
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record("then", before, 0, 100, passed(0.95), {})
    assert of(ledger, "kim").measurements[0].accuracy == 0.9


def test_one_that_is_made_anew_replaces_the_other_once_and_both_stay(ledger):
    stopped = Measurement(outcome="limit", said="training took longer than 30 minutes", limits={"minutes": 30})
    add(ledger, "kim", stopped)
    before = of(ledger, "kim")
    ledger.record("then", before, 0, 100, passed(0.9), {})
    assert of(ledger, "kim").measurements == {0: passed(0.9)}
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record("then", before, 0, 100, passed(0.95), {})
    assert ledger.database.execute("SELECT count(*) FROM measurements").fetchone()[0] == 2


def test_our_own_failures_are_recorded_and_do_not_count(ledger):
    add(ledger, "kim", LOST)
    assert of(ledger, "kim").measurements == {} and of(ledger, "kim").infrastructure == LOST
    assert standings(ledger, RULES)[0].verdict == "infrastructure"
    ledger.record("then", of(ledger, "kim"), 0, 100, passed(0.9), {})
    assert standings(ledger, RULES)[0].verdict == "passed"


def test_what_is_written_is_there_for_the_next_process(ledger, tmp_path):
    add(ledger, "kim", passed(0.9))
    again = Ledger(tmp_path / "ledger.sqlite")
    assert of(again, "kim").measurements == {0: passed(0.9)}
    again.close()


def test_where_a_commit_fails_nothing_is_written_and_the_ledger_stays_usable(ledger, tmp_path):
    add(ledger, "kim", passed(0.9))
    ledger.database.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM decisions").fetchall()  # who reads lets others begin to write, but not commit
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            with ledger.all_or_nothing():
                ledger.decisions.take("now", "me", "points", "kim", GIVEN)
    assert not ledger.decisions.history()
    ledger.decisions.take("now", "me", "points", "kim", GIVEN)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as reader:
        assert [json.loads(row[0]) for row in reader.execute("SELECT value FROM decisions")] == [GIVEN]


def test_texts_that_are_no_unicode_come_back_as_texts_that_can_be_published(ledger):
    add(ledger, "kim")
    ledger.note_findings("kim", "d", CHECKS, [{"severity": "reject", "where": "\udcb1 김", "what": "x", "mend": "y"}])
    ledger.decisions.take("now", "k\udcffang", "points", "kim", {**GIVEN, "comment": "good\n\udcff"})
    (entry,) = standings(ledger, RULES)
    assert entry.reason == "? 김: x; y" and (entry.points["by"], entry.points["comment"]) == ("k?ang", "good\n?")


def test_whose_code_ran_is_told_where_code_ran(ledger):
    add(ledger, "kim")
    add(ledger, "lee", passed(0.9))
    told = {entry.student: (entry.tier, feedback(entry, RULES, 1, "x")) for entry in standings(ledger, RULES)}
    assert told["kim"][0] == "" and "code that ran" not in told["kim"][1]
    assert told["lee"][0] == "verified" and "All code that ran" in told["lee"][1]


def test_a_student_s_newest_submission_counts(ledger):
    add(ledger, "kim", passed(0.95), digest="first")
    add(ledger, "kim", passed(0.85), digest="second")
    (entry,) = standings(ledger, RULES)
    assert entry.accuracy == 0.85
    add(ledger, "kim", digest="first")
    assert standings(ledger, RULES)[0].accuracy == 0.95, "handed in again, the old measurement is found"


def test_ranks_ties_and_bands(ledger):
    for student, accuracy in (("a", 0.99), ("b", 0.90), ("c", 0.90), ("d", 0.895), ("e", 0.60)):
        add(ledger, student, passed(accuracy))
    add(ledger, "f", CRASHED)
    ledger.note(NOON, noted("g"))
    ledger.note_findings("g", "d", CHECKS, [{"severity": "reject", "where": "x", "what": "16 epochs", "mend": "15"}])
    ledger.note(NOON, noted("h"))
    entries = standings(ledger, RULES)
    assert [(e.student, e.rank, e.rank_low, e.rank_high) for e in entries] == [
        ("a", 1, 1, 1), ("b", 2, 2, 4), ("c", 2, 2, 4), ("d", 4, 2, 4), ("e", 5, 5, 5),
        ("f", None, None, None), ("g", None, None, None), ("h", None, None, None),
    ]  # fmt: skip
    assert [e.verdict for e in entries[4:]] == ["below_target", "failed", "rejected", "pending"]


@pytest.mark.parametrize(("accuracies", "median"), [([0.7, 0.9, 0.85], 0.85), ([0.79, 0.9], 0.79), ([0.9], 0.9)])
def test_the_median_of_the_seeds_ranks(ledger, accuracies, median):
    add(ledger, "kim", *map(passed, accuracies))
    (entry,) = standings(ledger, Rules(seeds=len(accuracies), seeds_near_target=1))
    assert (entry.accuracy, entry.seeds) == (median, len(accuracies))
    assert entry.verdict == ("passed" if median > 0.8 else "below_target")


def test_all_are_ranked_by_as_many_trainings_and_who_passed_comes_first(ledger):
    add(ledger, "lucky", passed(0.81), passed(0.78), passed(0.79))  # the median of three decides about the target
    add(ledger, "unlucky", passed(0.795), passed(0.82), passed(0.81))
    add(ledger, "far", passed(0.6))
    first, second, third = standings(ledger, RULES)
    assert (first.student, first.verdict, first.accuracy, first.decided_accuracy) == ("unlucky", "passed", 0.795, 0.81)
    assert (second.student, second.verdict, second.accuracy) == ("lucky", "below_target", 0.81)
    assert [entry.seeds for entry in (first, second, third)] == [1, 1, 1] and third.decided_by == 1
    assert "decided by the median of 3 trainings, 81.00%" in decision(first) and not decision(second)
    assert all(entry.rank_low <= entry.rank <= entry.rank_high for entry in (first, second, third))


def test_all_students_are_told_as_one_by_one(ledger):
    add(ledger, "b", passed(0.9), passed(0.8), passed(0.85))
    add(ledger, "a", passed(0.7), digest="first")
    add(ledger, "a", LOST, LOST.but(said="lost"), digest="second")
    add(ledger, "c", passed(0.6), LOST)
    add(ledger, "d")
    ledger.regrade("now", "kang", "c")
    ledger.record("then", of(ledger, "c"), 0, 100, passed(0.65), {})
    found = list(ledger.graded(CHECKS))
    assert [each.student for each in found] == ["a", "b", "c", "d"]
    assert found == [of(ledger, each.student) for each in found]
    ours = [each.infrastructure and each.infrastructure.said for each in found]
    assert ours == ["lost", None, None, None] and found[2].measurements == {0: passed(0.65)}
    assert found[0].digest == "second" and list(found[1].measurements) == [0, 1, 2]


def test_a_training_that_failed_decides(ledger):
    add(ledger, "kim", passed(0.9), CRASHED)
    assert (standings(ledger, RULES)[0].verdict, standings(ledger, RULES)[0].reason) == ("failed", CRASHED.said)


def test_leaderboard_json_has_what_it_should(ledger, tmp_path):
    add(ledger, "kim", passed(0.9), name="김민지")
    store_rules(tmp_path, RULES)
    write_leaderboard(OpenResults(tmp_path, ledger, Secret(bytes(BYTES))), standings(ledger, RULES))
    document = json.loads((tmp_path / "leaderboard.json").read_text())
    assert set(document) == {"assignment", "graded_at", "device", "entries"}
    asked_for = "rank rank_low rank_high student verdict tier accuracy accuracy_low accuracy_high seeds epochs seconds"
    asked_for += " parameters strategies flags bonus total reason"
    (entry,) = document["entries"]
    assert set(asked_for.split()) <= set(entry)
    assert entry["total"] == 90 and entry["name"] == "김민지"
    assert document["device"] == "CPU" and Rules.model_validate_json(json.dumps(document["assignment"])) == RULES


HOSTILE = Entry(
    student="x", name="=HYPERLINK('http://x')|<b>", verdict="failed", tier="audited", reason="@SUM(1) | [x](y)"
)


def test_cells_are_safe_from_spreadsheets_and_tables_from_markup():
    (row,) = csv.DictReader(io.StringIO(as_csv([HOSTILE])))
    assert row["name"].startswith("'=") and row["reason"].startswith("'@")
    line = as_markdown([HOSTILE], "now", "CPU").splitlines()[-1]
    assert line.replace("\\|", "").count("|") == len(HEADINGS)  # no ids
    assert "\\<b\\>" in line and "\\[x\\]" in line


def test_the_table_is_aligned_also_in_korean():
    entries = [
        Entry(student="a", name="김민지", verdict="failed", tier="verified"),
        Entry(student="b", name="Alex", verdict="failed", tier="verified"),
    ]
    first, second = as_table(entries).splitlines()[2:]
    assert cell_len(first[: first.index("failed")]) == cell_len(second[: second.index("failed")])
