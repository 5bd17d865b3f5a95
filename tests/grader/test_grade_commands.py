"""Decisions for single students at the command line: what they change, which attempt counts by them, and a grade explained."""

import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest

from benchmarks.course import students, write_course
from grader.cli import main
from grader.grading.attempts import counting
from grader.grading.hand_ins import hand_ins
from grader.grading.register_submissions import register
from grader.grading.verdicts import pending_trainings, verdict
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import open_results
from grader.rules import LateWork, Limits, Rules
from tests.grader.engines import MadeUp, graded, scored
from tests.grader.test_grades import DAY, DUE, HOUR, PENALTY, board, course, noted, rules_file, said


@pytest.fixture(scope="module")
def rules(rules):
    """The tests' rules, with time enough for made-up trainings."""
    return rules.but(limits=Limits())


@pytest.fixture
def results(tmp_path, rules):
    return course(tmp_path / "results", rules.but(deadline=DUE), {"kim": DUE - HOUR, "lee": DUE + 2 * DAY})


def test_an_extension_is_tried_taken_explained_and_taken_back(results, capsys):
    assert board(results)["lee"]["verdict"] == "rejected"
    assert "after the deadline" in (why := said(capsys, "explain", results, "lee")) and "ask your instructor" not in why
    ledger = (results / "ledger.sqlite").read_bytes()
    shown = said(capsys, "extend", results, "lee", "--days", "2", "--try")
    assert "rejected -> passed" in shown and "Nothing was decided." in shown
    assert (results / "ledger.sqlite").read_bytes() == ledger and board(results)["lee"]["verdict"] == "rejected"
    again = said(
        capsys, "extend", results, "lee", "--until", (DUE + 2 * DAY).isoformat(), "--reason", "ill", "--by", "kang"
    )
    assert shown.splitlines()[:2] == again.splitlines()[:2]
    assert board(results)["lee"]["verdict"] == "passed"
    why = said(capsys, "explain", results, "lee")
    assert ", the first training, which ranks\n" in why
    assert (
        "extended to 2026-12-06" in why
        and "deadline extended to 2026-12-06" in why
        and "because: ill" in why
        and "gradebook   85.00" in why
    )
    said(capsys, "undo", results, "1")
    assert board(results)["lee"]["verdict"] == "rejected"
    assert "gradebook   0.00" in said(capsys, "explain", results, "lee")


def test_an_exemption_frees_of_one_rule_alone(tmp_path, rules, capsys):
    results = course(tmp_path / "results", rules.but(deadline=DUE, **PENALTY), {"lee": DUE + 3 * DAY})
    assert (board(results)["lee"]["penalty"], len(board(results)["lee"]["flags"])) == (10.0, 1)
    said(capsys, "exempt", results, "lee", "--from", "reports")
    said(capsys, "exempt", results, "lee", "--from", "normalization")
    assert board(results)["lee"]["penalty"] == 10.0
    shown = said(capsys, "exempt", results, "lee", "--from", "late")
    assert "75.00 -> 85.00" in shown and "no more: -10.00 for 2 late days" in shown
    assert (board(results)["lee"]["penalty"], board(results)["lee"]["flags"]) == (0.0, [])
    assert "exempt" in said(capsys, "history", results, "lee")


def test_who_is_disqualified_has_no_rank_and_the_evidence_stays(results, capsys):
    assert (board(results)["kim"]["rank"], board(results)["park"]["rank"]) == (1, 2)
    said(capsys, "disqualify", results, "kim", "--reason", "bought")
    kim = board(results)["kim"]
    assert (kim["verdict"], kim["rank"], kim["total"], kim["reason"]) == (
        *("disqualified", None, None),
        "disqualified by a person",
    )
    assert kim["strategies"] and board(results)["park"]["rank"] == 1
    why = said(capsys, "explain", results, "kim")
    assert (
        "91.00%" in why
        and "disqualified, by" in why
        and "because: bought" in why
        and "gradebook   0.00" in why
        and "next run" not in why
    )
    said(capsys, "undo", results, "1")
    assert board(results)["kim"]["rank"] == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["extend", "lee"], "--until TIME or --days N"),
        (["extend", "lee", "--days", "0"], "take 1 to 365"),
        (["extend", "lee", "--until", "2026-12-04T23:59:00Z"], "is not after the deadline"),
        (["extend", "nobody", "--days", "1"], "nobody of this id"),
        (["exempt", "nobody", "--from", "late"], "nobody of this id"),
        (["disqualify", "lee"], "say why with --reason"),
        (["disqualify", "lee", "--reason", " "], "say why with --reason"),
        (["explain", "nobody"], "nobody of this id"),
        (["rules", "--try", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_decides_nothing(results, capsys, args, words):
    assert main([args[0], str(results), *args[1:]]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error and "\n" not in error
    assert "Nobody has decided anything." in said(capsys, "history", results)


def test_a_mark_without_a_time_is_told_with_an_extension(tmp_path, rules, capsys):
    results = course(tmp_path / "results", rules.but(deadline=DUE, late="flag"))
    with open_results(results) as opened:
        opened.ledger.database.execute("UPDATE submissions SET marked_late = 1 WHERE student = 'lee'")
    assert "`exempt --from late`" in said(capsys, "extend", results, "lee", "--days", "1")
    assert "`exempt --from late`" not in said(capsys, "extend", results, "kim", "--days", "1")


def times(folder, **when):
    rows = [f"{name},{time.isoformat()}" for name, time in when.items()]
    (folder / "times.csv").write_text("\n".join(["file,submitted", *rows]) + "\n")


def test_a_late_attempt_that_was_passed_over_counts_by_an_extension_and_only_it_is_trained(
    write_submission, tmp_path, rules, capsys
):
    rules, engine = rules.but(deadline=DUE), MadeUp(lambda job: scored(0.9))
    folder, results = tmp_path / "submissions", tmp_path / "results"
    write_submission()
    times(folder, **{"kim-minji": DUE - HOUR})
    graded(folder, results, rules, engine)
    (folder / "kim-minji" / "REPORT.md").write_text("A better report. " * 60)
    times(folder, **{"kim-minji": DUE + HOUR})
    graded(folder, results, rules, engine, accept_times=True)
    assert board(results)["kim-minji"]["verdict"] == "passed"
    shown = said(capsys, "extend", results, "kim-minji", "--days", "1", "--try")
    assert "passed -> pending" in shown and "The next run makes 1 training: kim-minji" in shown
    said(capsys, "extend", results, "kim-minji", "--days", "1")
    with open_results(results) as opened:
        made = opened.ledger.database.execute("SELECT count(*) FROM measurements").fetchone()[0]
    graded(folder, results, rules, engine)
    with open_results(results) as opened:
        assert opened.ledger.database.execute("SELECT count(*) FROM measurements").fetchone()[0] == made + 1
    said(capsys, "undo", results, "1")  # what was measured of the earlier attempt still stands
    with open_results(results) as opened:
        (counts,) = counting(opened.ledger, opened.rules)
        assert counts.submitted == DUE - HOUR and not pending_trainings(counts, opened.rules)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


DUE_RULES = Rules(deadline=DUE)
KNOWN = {"known_as": {"id": ["kim"]}}


def digest(ledger, rules=DUE_RULES):
    (found,) = counting(ledger, rules)
    return found.digest


def test_which_attempt_counts(ledger):
    early, late, later = (
        noted(DUE + time, digest=name, **KNOWN) for time, name in ((-HOUR, "a"), (HOUR, "b"), (30 * HOUR, "c"))
    )
    for each in (late, later, early):
        ledger.note("then", each)
    assert digest(ledger) == "a"
    assert digest(ledger, Rules(deadline=DUE, late_work=LateWork(free_days=1))) == "b"
    assert digest(ledger, Rules(deadline=DUE, late_work=LateWork(free_days=2))) == "c"
    ledger.decisions.take("now", "kang", "extend", "kim", {"days": 1})
    assert digest(ledger) == "b"
    ledger.decisions.take("now", "kang", "exempt", "kim", {"from": "late"})
    assert digest(ledger) == "c"
    for number in (1, 2):
        ledger.decisions.undo("now", "kang", number)
    assert digest(ledger) == "a"


@pytest.mark.parametrize("known", [KNOWN, {}], ids=["told by others", "a claim"])
def test_what_was_passed_over_counts_by_a_later_deadline_for_all_as_by_an_extension(known, ledger):
    early, late = (noted(DUE + time, digest=name, **known) for time, name in ((-HOUR, "a"), (HOUR, "b")))
    later = Rules(deadline=DUE + 2 * HOUR)
    for _ in range(3):
        ledger.note("then", early)
        ledger.note_passed_over("then", late)
        ledger.note("then", early)
        assert (digest(ledger), digest(ledger, later)) == ("a", "b")
        (of_later,) = counting(ledger, later)
        assert of_later.known_as == known.get("known_as", {})
        assert bool(ledger.called()) == bool(known), "that it was passed over tells nothing of whose it is"
        rows = ledger.database.execute("SELECT count(*) FROM submissions").fetchone()[0]
        assert rows == 3
    ledger.note("then", late)  # by a run with that deadline, and then the old one holds again
    assert digest(ledger, later) == "b" and digest(ledger) == "b"
    ledger.note_passed_over("then", late)
    ledger.note("then", early)
    assert (digest(ledger), digest(ledger, later)) == ("a", "b")
    ledger.note("then", noted(DUE + HOUR / 2, digest="c", **known))  # handed in before that, and noted later
    assert digest(ledger, later) == "b"
    ledger.note("then", noted(DUE + 1.5 * HOUR, digest="d", **known))
    assert digest(ledger, later) == "d"


def test_the_newest_counts_among_those_in_time_whatever_their_dates(ledger):
    for name, time in (("a", -HOUR), ("b", -2 * HOUR)):
        ledger.note("then", noted(DUE + time, digest=name, **KNOWN))
    assert digest(ledger) == digest(ledger, Rules()) == "b"
    ledger.note("then", noted(DUE - HOUR, digest="a", **KNOWN))
    assert digest(ledger) == "a"


def test_an_attempt_that_only_a_claim_makes_this_student_s_comes_before_nobody(ledger):
    ledger.note("then", noted(DUE + HOUR, digest="claimed"))
    ledger.note("then", noted(DUE - HOUR, digest="own", **KNOWN))
    ledger.database.execute("UPDATE submissions SET source = 'other' WHERE digest = 'claimed'")
    assert digest(ledger, Rules(deadline=DUE, late_work=LateWork(free_days=2))) == "own"


def test_a_registration_notes_what_was_passed_over_once(write_submission, tmp_path, rules):
    rules, folder = rules.but(deadline=DUE), tmp_path / "submissions"
    write_submission()
    with open_results(tmp_path / "results", new=True) as opened:
        times(folder, **{"kim-minji": DUE - HOUR})
        register(hand_ins(folder, rules), opened, rules)
        (folder / "kim-minji" / "REPORT.md").write_text("Another report. " * 60)
        times(folder, **{"kim-minji": DUE + timedelta(minutes=1)})
        for _ in range(3):
            register(hand_ins(folder, rules), opened, rules)
        rows = opened.ledger.database.execute("SELECT submitted FROM submissions ORDER BY id").fetchall()
        assert [row[0] for row in rows] == [
            each.isoformat() for each in (DUE - HOUR, DUE + timedelta(minutes=1), DUE - HOUR)
        ]
        (counts,) = counting(opened.ledger, rules)
        assert verdict(counts, rules).name == "pending"


def test_who_reads_only_the_beginning_ends_nothing_with_a_traceback(tmp_path, rules):
    write_course(tmp_path / "results", students(300), rules)
    command = f"{sys.executable} -m grader leaderboard {tmp_path / 'results'} | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[0] == "rank" and done.stderr == "" and done.returncode in (0, 1)


def test_a_decision_shows_whom_it_is_about_and_only_counts_who_moves(tmp_path, rules, capsys):
    write_course(tmp_path / "results", students(40), rules)
    best = max(students(40), key=lambda each: each.accuracy or 0).id
    assert main(["disqualify", str(tmp_path / "results"), best, "--reason", "copied", "--try"]) == 0
    shown = capsys.readouterr().out
    (row,) = [line for line in shown.splitlines() if " -> " in line]
    assert row.split()[0] == best and re.search(r"\d+ others move to another rank, with the same grade", shown)


def test_points_and_what_is_taken_back_are_told_and_not_the_whole_board(results, capsys):
    told = said(capsys, "bonus", results, "kim", "--report", "3", "--by", "kang")
    assert "91.00 -> 94.00" in told and "3.00 for the texts" in told and "lee" not in told
    told = said(capsys, "undo", results, "1")
    assert "94.00 -> 91.00" in told and "no more: 3.00 for the texts" in told and "lee" not in told
    assert "Taken back: 1" in told


def test_rules_that_no_pages_can_be_made_of_are_not_kept(results, tmp_path, rules, monkeypatch, capsys):
    kept, before = (results / "assignment.json").read_bytes(), board(results)
    other = rules_file(tmp_path, rules, target_accuracy=0.9)
    with monkeypatch.context() as broken:
        broken.setattr("grader.publish.publishing.build", lambda *_: 1 / 0)
        assert main(["leaderboard", str(results), "--rules", str(other)]) != 0
    assert (results / "assignment.json").read_bytes() == kept
    said(capsys, "leaderboard", results)
    assert board(results) == before
    assert "target_accuracy 0.02 -> 0.9" in said(capsys, "leaderboard", results, "--rules", other)
    assert board(results)["lee"]["verdict"] == "below_target"


def test_rules_on_trial_tell_what_the_file_leaves_out_and_who_is_staff(results, tmp_path, rules, capsys):
    said(capsys, "leaderboard", results, "--rules", rules_file(tmp_path, rules, seeds_near_target=5, late="flag"))
    short = tmp_path / "short.yaml"
    short.write_text("target_accuracy: 0.02\nstaff: [lee]\nlimits: {minutes: 20}\nsite: {boards: [seconds]}\n")
    told = said(capsys, "rules", results, "--try", short)
    assert "seeds_near_target 5 -> 3, the default: the file leaves it out" in told
    assert "limits.minutes 30.0 -> 20.0\n" in told and 'site.boards [] -> ["seconds"]\n' in told
    assert "late flag -> reject, the default" in told and "dataset" not in told and "target_accuracy" not in told
    (row,) = [line for line in told.splitlines() if line.startswith("lee")]
    assert "staff: without a rank, and in no gradebook" in row


def test_rules_on_trial_tell_what_they_would_publish(results, tmp_path, rules, capsys):
    manual = rules_file(tmp_path, rules, site={"release": "manual"})
    assert "take out what is published" in said(capsys, "rules", results, "--try", manual)
    said(capsys, "leaderboard", results, "--rules", manual)
    assert "publish the results at once" in said(capsys, "rules", results, "--try", rules_file(tmp_path, rules))
    said(capsys, "release", results)
    assert "at once," not in said(capsys, "rules", results, "--try", rules_file(tmp_path, rules))


def test_an_explanation_tells_what_a_later_decision_superseded_and_no_cost_that_is_none(tmp_path, rules, capsys):
    grace = {"deadline": DUE, "late_work": LateWork(free_days=3)}
    results = course(tmp_path / "results", rules.but(**grace, staff=["park"]), {"lee": DUE + 2 * DAY})
    lines = said(capsys, "explain", results, "lee")
    assert "2 begun days, 2 of them free, without any cost" in lines and "-0.00" not in lines
    for days in ("1", "2"):
        said(capsys, "extend", results, "lee", "--days", days)
    first, second = [each for each in said(capsys, "explain", results, "lee").splitlines() if "decided" in each]
    assert "superseded" in first and "deadline extended by 1 day, by" in first and "superseded" not in second
    lines = said(capsys, "explain", results, "park")
    assert "staff has no rank" in lines and "nothing, for staff is in no gradebook" in lines
    assert main(["withdraw", str(results), "kim", "--yes"]) == 0
    lines = said(capsys, "explain", results, "withdrawn-1")
    assert "has withdrawn is in no gradebook" in lines and "none, as whoever this was has withdrawn" in lines


def test_an_explanation_of_practice_names_no_grade(results, monkeypatch, capsys):
    secret = json.loads((results / "secret.json").read_text())
    (results / "secret.json").write_text(json.dumps(secret | {"part": "practice"}))
    assert "gradebook   nothing, for practice gives no grades" in said(capsys, "explain", results, "kim")
