"""Several runs into one results folder: whose a download is stays so, nobody is there twice, and nobody gets lost."""

from datetime import UTC, datetime, timedelta

import pytest

from grader.grading.hand_ins import hand_ins
from grader.grading.presence import held, presence, said_of_others
from grader.grading.quotas import ids_by_place, same_place
from grader.grading.ranking import standings
from grader.grading.register_submissions import note_run, register
from grader.intake.roster import Roster
from grader.ledger.results_folder import open_results
from tests.grader.engines import TESTS, noted


class Counted(dict):
    """Where hand-ins lay, and how often any such was gone through."""

    read = 0

    def items(self):
        Counted.read += 1
        return super().items()


@pytest.mark.parametrize("students", [10, 40])
def test_each_run_is_gone_through_once_however_many_students_there_are(students):
    runs = [
        (f"/c/{section}", Counted({f"{section}{at}": f"/c/{section}/{at}.zip" for at in range(students)}))
        for section in "abab"
    ]
    runs.append(("/c/b", Counted({f"new{at}": f"/c/b/{at}.zip" for at in range(students)})))
    Counted.read = 0
    found = presence(runs)
    assert Counted.read == len(runs)
    assert found.superseded == {f"b{at}": f"new{at}" for at in range(students)}
    Counted.read, places = 0, ids_by_place(runs)
    assert all(same_place(places, f"new{at}", f"/c/b/{at}.zip", {f"new{at}"}) == {f"b{at}"} for at in range(students))
    assert Counted.read == 0


NO_MORE = "is no more among the downloads that it was in"


@pytest.fixture
def run(tmp_path, rules):
    """Takes a folder into one results folder, as a run does, and returns who is on the list, with the flags."""

    def once(folder, rules=rules, roster=None):
        with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
            ledger = opened.ledger
            downloads = hand_ins(folder, rules, roster, held(ledger.runs(), ledger.held()))
            register(downloads, opened, rules)
            note_run(folder, downloads, opened)
            print(*said_of_others(ledger.runs(), ledger.held(), ledger.flags(), ledger.called()), sep="\n")
            return {each.student: (each.source, each.flags) for each in standings(ledger, rules)}

    return once


@pytest.fixture
def hand_in(write_submission, tmp_path):
    """Writes a submission of somebody who says an id, into a folder."""

    def write(name, own_id, section="a"):
        folder = tmp_path / section / name
        if not folder.exists():
            write_submission(name, parent=tmp_path / section)
        (folder / "student.yaml").write_text(f"id: {own_id}\nname: Name of {own_id}\n")
        return tmp_path / section

    return write


@pytest.mark.parametrize("theirs, before", [("bob", "bob"), ("work", "work"), ("work", "bob")])
@pytest.mark.parametrize("section", ["a", "b"])
@pytest.mark.parametrize("impostor", ["alice", "zoe"])
def test_who_says_another_s_id_in_a_later_run_takes_nothing(theirs, before, section, impostor, hand_in, run):
    """Also where the other is in another part of the class; folders are read in the order of their names."""
    student = "bob"
    assert run(hand_in(theirs, student)) == {student: (theirs, [])}
    found = run(hand_in(impostor, student, section))
    assert found.keys() == {student, impostor} and found[student] == (theirs, [])
    assert found[impostor][0] == impostor and "another's id" in found[impostor][1][0]


def test_who_changes_the_id_between_runs_is_on_the_list_once(hand_in, run, capsys):
    other = hand_in("kim", "kim")
    for own_id in ("eve1", "eve2", "eve3"):
        found = run(hand_in("hand-in", own_id))
        assert found == {"kim": ("kim", []), own_id: ("hand-in", [])}
    assert "eve2: hand-in came as eve3 now, and eve2 is on no list any more" in capsys.readouterr().out
    assert run(hand_in("hand-in", "eve1")).keys() == {"kim", "eve1"}, "the way back"
    assert other.exists()


def test_names_that_shift_when_somebody_is_first_leave_everybody_their_ids(hand_in, run):
    """As a browser numbers files of one name, `submission (1)` is another's after one more came first."""
    for name, own_id in {"work": "bob", "work-1": "carl"}.items():
        folder = hand_in(name, own_id)
    run(folder)
    for name, own_id in {"work": "eve", "work-1": "bob", "work-2": "carl"}.items():
        hand_in(name, own_id)
    assert run(folder) == {"bob": ("work-1", []), "carl": ("work-2", []), "eve": ("work", [])}
    for name, own_id in {"work": "carl", "work-1": "eve", "work-2": "bob"}.items():
        hand_in(name, own_id)
    assert run(folder) == {"bob": ("work-2", []), "carl": ("work", []), "eve": ("work-1", [])}


@pytest.mark.parametrize("more", ["dan", "bob"])
def test_whose_place_another_has_now_stays_on_the_list(more, hand_in, run):
    """Where that other was known before, or where others say the id, too."""
    hand_in("work", "bob")
    run(hand_in("work-1", "carl"))
    hand_in("work", "carl"), hand_in("work-1", "bob" if more == "bob" else "eve")
    found = run(hand_in("work-2", more))
    assert found["bob"] == ("work", [NO_MORE]) and found["carl"] == ("work", [])


def test_who_is_on_the_roster_is_never_taken_off_the_list(hand_in, run, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\nbob,Bob\n")
    run(hand_in("work", "bob"), roster=Roster.read(roster))
    found = run(hand_in("work", "eve"), roster=Roster.read(roster))
    assert found.keys() == {"bob", "eve"} and NO_MORE in found["bob"][1]


def test_a_run_over_a_part_of_the_class_loses_nobody(hand_in, run, capsys):
    first, second = hand_in("kim", "kim"), hand_in("lee", "lee", "b")
    hand_in("park", "park")
    run(first), run(second)
    everybody = {"kim": ("kim", []), "lee": ("lee", []), "park": ("park", [])}
    assert run(first / "kim") == everybody
    assert "in none of these downloads, with the results of an earlier run: lee, park" in capsys.readouterr().out
    assert run(first) == everybody


def test_whose_download_is_gone_is_told_and_marked(hand_in, run, capsys):
    folder = hand_in("kim", "kim")
    run(hand_in("hand-in", "eve"))
    (folder / "hand-in").rename(folder / "other")
    hand_in("other", "eve4")
    assert run(folder) == {"kim": ("kim", []), "eve": ("hand-in", [NO_MORE]), "eve4": ("other", [])}
    assert "in none of these downloads, with the results of an earlier run: eve" in capsys.readouterr().out


def test_downloads_that_were_moved_are_the_same_students(hand_in, run, tmp_path):
    run(hand_in("work", "kim"))
    (tmp_path / "a").rename(tmp_path / "moved")
    assert run(tmp_path / "moved") == {"kim": ("work", [])}
    hand_in("work", "kim5", "moved")
    found = run(tmp_path / "moved")
    assert found == {"kim5": ("work", [])}


def test_a_new_download_of_another_id_by_the_same_name_is_marked(hand_in, run):
    run(hand_in("work", "eve1"))
    found = run(hand_in("work", "eve2", "again"))
    assert found == {"eve1": ("work", ["a download of the same name came later as eve2"]), "eve2": ("work", [])}


def test_an_id_that_others_gave_goes_only_to_who_is_called_the_same():
    """A roster's or an account's: in its place is another of the group now, or the same account under the roster's id."""
    runs = [("/d", {"kim": "/d/x"}), ("/d", {"park": "/d/x"})]
    assert presence(runs, called={"park": {("id", "park")}}).superseded == {"kim": "park"}
    for of_park in ({("id", "park")}, set()):
        found = presence(runs, called={"kim": {("id", "kim")}, "park": of_park})
        assert not found.superseded and found.flags == {"kim": NO_MORE}
    of_both = {"kim": {("canvas", "7")}, "park": {("canvas", "7"), ("id", "park")}}
    assert presence(runs, called=of_both).superseded == {"kim": "park"}


@pytest.mark.parametrize("before", ["20260002.0", "2026-0002", "020260002", "20,260,002"])
def test_an_id_that_was_mended_on_the_roster_is_the_same_student_s(before):
    runs = [("/d", {"old": "/d/x"}), ("/d", {"20260002": "/d/x"})]
    called = {"old": {("id", before)}, "20260002": {("id", "20260002")}}
    assert presence(runs, called=called).superseded == {"old": "20260002"}
    (said,) = said_of_others(runs, {"old": "x", "20260002": "x"}, {}, called)
    assert "points and decisions of old are not 20260002's" in said


def test_a_group_that_handed_in_together_stays_together():
    both = ("/d", {"kim": "/d/x", "lee": "/d/x"})
    assert presence([both, both]) == presence([both])
    alone = presence([both, ("/d", {"lee": "/d/x"})])
    assert not alone.superseded and alone.flags == {"kim": NO_MORE}


def test_what_only_a_claim_said_in_time_is_not_the_attempt_of_who_is_known(hand_in, run, rules):
    """Alice said bob's id before he handed in: late, he is late, and gets neither her accuracy nor her time."""
    deadline = datetime.now(UTC) + timedelta(seconds=-60)
    folder, rules = hand_in("alice", "bob"), rules.but(deadline=deadline)
    (folder / "times.csv").write_text("file,submitted\nalice,2026-11-01T00:00:00Z\n")
    assert run(folder, rules).keys() == {"bob"}
    hand_in("bob", "bob")
    (folder / "times.csv").write_text("file,submitted\nalice,2026-11-01T00:00:00Z\nbob,2027-11-01T00:00:00Z\n")
    found = run(folder, rules)
    assert found["bob"][0] == "bob" and found["alice"][0] == "alice"


def test_a_ledger_without_runs_says_nothing_of_them(tmp_path):
    with open_results(tmp_path, new=True, secret=TESTS) as opened:
        opened.ledger.note("2026", noted("kim"))
        assert presence(opened.ledger.runs()) == presence([])
        for _ in range(2):
            opened.ledger.note_run("2026", "/d", {"kim": "/d/kim"})
        assert opened.ledger.runs() == [("/d", {"kim": "/d/kim"})]
