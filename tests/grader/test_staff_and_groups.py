"""Who is on the board besides single students: staff and baselines, which move nobody, and groups, which hand in once."""

import csv
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.course import Student, students, write_course
from benchmarks.hand_in_systems import zipped
from grader.apart import Apart
from grader.cli import main
from grader.grading.attempts import counting
from grader.grading.dry_run import dry_run
from grader.grading.groups import NOT_THEIR_OWN, for_groups, said_of_groups
from grader.grading.ranking import Entry, order, place, standings
from grader.grading.register_submissions import register
from grader.grading.settings import Settings
from grader.intake.downloads import Download
from grader.intake.last_in_time import counted
from grader.intake.roster import Roster
from grader.intake.roster import Student as Listed
from grader.intake.submission import take_in
from grader.ledger.ledger import now
from grader.ledger.results_folder import open_results, store_rules
from grader.publish import wandb_runs
from grader.review.reading_list import assign, to_read
from grader.rules import Limits
from tests.grader.engines import CRASHED, TESTS, MadeUp, graded, scored
from tests.grader.test_withdrawal import naming, withdraw

MONDAY = datetime(2026, 11, 30, 9, tzinfo=UTC)


def entries_of(results):
    return {each["student"]: each for each in json.loads((results / "leaderboard.json").read_text())["entries"]}


def without_staff(everyone):
    return {
        each["student"]: (each["rank"], each["rank_low"], each["rank_high"]) for each in everyone if not each["staff"]
    }


def test_staff_is_shown_and_marked_and_moves_nobody_s_rank(tmp_path, rules, capsys):
    everyone = students(8)
    write_course(tmp_path / "alone", everyone, rules)
    baseline = Student("baseline-resnet", "ResNet", 0.99)
    site = rules.site.but(names="id")
    write_course(tmp_path / "both", [*everyone, baseline], rules.but(staff=["baseline-*"], site=site))
    alone, both = ([*entries_of(tmp_path / name).values()] for name in ("alone", "both"))
    assert without_staff(both) == without_staff(alone)
    assert both[0]["student"] == "baseline-resnet" and both[0]["rank"] is None and not both[0]["excellent"]
    assert both[0]["accuracy"] == 0.99
    pages = [(tmp_path / name / "site" / "index.html").read_text() for name in ("alone", "both")]
    assert all("8 submissions, 8 above" in page for page in pages)
    page = (tmp_path / "both" / "site" / "submissions" / "baseline-resnet.html").read_text()
    assert '<span class="tag">staff</span>' in page and "<dt>Rank</dt>" not in page
    data = json.loads(re.search('id="data">(.*?)</script>', (tmp_path / "both/site/index.html").read_text())[1])
    assert [(row["order"], row["staff"]) for row in data["entries"]][:2] == [(0, True), (1, False)]
    for form in ("canvas", "feedback"):
        assert main(["export", str(tmp_path / "both"), "--format", form]) in (0, 1)
    assert "baseline" not in (tmp_path / "both" / "canvas.csv").read_text()
    assert not (tmp_path / "both" / "feedback" / "baseline-resnet.md").exists()
    assert (tmp_path / "both" / "feedback" / f"{everyone[0].id}.md").exists()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=12))
def test_ranks_are_those_without_staff(drawn):
    def ranked(made):
        found = sorted(made, key=lambda each: (order(each), each.student))
        place([each for each in found if not each.staff], 3)
        return {each.student: (each.rank, each.rank_low, each.rank_high) for each in found if not each.staff}

    def entries():
        return [
            Entry(
                student=f"s{at}", name="", tier="", verdict="passed" if passed else "below_target", staff=staff,
                accuracy=accuracy, accuracy_low=max(0.0, accuracy - 0.1), accuracy_high=min(1.0, accuracy + 0.1),
            )
            for at, (accuracy, passed, staff) in enumerate(drawn)
        ]  # fmt: skip

    assert ranked(entries()) == ranked([each for each in entries() if not each.staff])


def test_a_baseline_is_on_no_roster_and_is_not_told_to_be_missing_there(write_submission, tmp_path, rules, capsys):
    folder = [write_submission(name).parent for name in ("baseline-mlp", "kim", "lee")][0]
    (folder / "roster.csv").write_text("id,name\nkim,Kim\n", encoding="utf-8")
    graded(folder, tmp_path / "results", rules.but(staff=["baseline-*"]), MadeUp(lambda job: scored(0.9)))
    said = capsys.readouterr().out
    assert "lee: lee: is not on the roster" in said and "baseline-mlp: is not on" not in said
    found = entries_of(tmp_path / "results")
    assert [name for name, each in found.items() if "is not on the roster" in each["flags"]] == ["lee"]


@pytest.mark.parametrize(
    "role, staff",
    [("", False), ("Student", False), ("학생", False), ("TA", True), ("조교", True), ("Non-editing teacher", True)]
    + [("조원", False), ("조장", False), ("청강생", False), ("Rapporteur", False), ("Student; TA", True)],
)
def test_the_roster_s_role_says_who_is_staff(role, staff, write_submission, tmp_path, rules, capsys):
    folder = write_submission("kim").parent
    (folder / "roster.csv").write_text(f"id,name,role\nkim,Kim,{role}\n", encoding="utf-8")
    graded(folder, tmp_path / "results", rules, MadeUp(lambda job: scored(0.9)))
    assert entries_of(tmp_path / "results")["kim"]["staff"] is staff
    said = "".join(capsys.readouterr())
    assert ("Rapporteur: no role that is known here" in said) is (role == "Rapporteur")
    main(["export", str(tmp_path / "results"), "--format", "canvas"])
    told = capsys.readouterr().out, dry_run(folder, None, rules, Settings("cpu", True, engine=MadeUp(TESTS)))
    assert all(("without rank and grade: kim" in each) is staff for each in told)


@pytest.fixture(scope="module")
def rules(rules):
    return rules.but(limits=Limits())


@pytest.fixture
def team(write_submission, tmp_path):
    """A folder with the hand-in of one of a team of three, and of one who is in none."""
    folder = [write_submission(name).parent for name in ("lee", "han")][0]
    (folder / "roster.csv").write_text("id,name,group\nkim,Kim,red\nlee,Lee,red\npark,Park,red\nhan,Han,\n")
    return folder


def test_one_hand_in_is_trained_once_and_counts_for_all_members(team, tmp_path, rules, capsys):
    trained = []

    def train(job):
        trained.append(job.submission.student)
        return scored(0.9 if job.submission.student == "lee" else 0.8)

    table = graded(team, tmp_path / "results", rules, MadeUp(train))
    assert sorted(trained) == ["han", "lee"]
    found = entries_of(tmp_path / "results")
    assert {name: (each["rank"], each["accuracy"]) for name, each in found.items()} == {
        "kim": (1, 0.9), "lee": (1, 0.9), "park": (1, 0.9), "han": (4, 0.8)
    }  # fmt: skip
    assert "2 submissions, 2 above" in (tmp_path / "results" / "site" / "index.html").read_text(), "the group's is one"
    assert "handed in nothing" not in table and NOT_THEIR_OWN not in found["kim"]["flags"]
    assert graded(team, tmp_path / "results", rules, MadeUp(train), regrade=("kim",)) and trained.count("lee") == 2
    assert graded(team, tmp_path / "results", rules, MadeUp(train)) and len(trained) == 3
    main(["export", str(tmp_path / "results"), "--format", "canvas"])
    with open(tmp_path / "results" / "canvas.csv", encoding="utf-8-sig") as file:
        grades = {row[0]: row[-1] for row in csv.reader(file)}
    assert main(["appeal", str(tmp_path / "results"), "kim"]) == 0
    assert len(json.loads((tmp_path / "results/appeals/kim/appeal.json").read_text())["trainings"]) == 2, "the group's"
    assert {name: grades[name] for name in ("Kim", "Park", "Han")} == {"Kim": "90.00", "Park": "90.00", "Han": "80.00"}


@pytest.mark.parametrize("called", ["group red", "hw4_red", "Lee_Park"])
def test_what_names_the_group_alone_is_the_group_s(called, team, tmp_path, rules, capsys):
    (team / "lee").rename(team / called)
    trained = []
    train = lambda job: trained.append(job.submission.student) or scored(0.9)  # noqa: E731
    for _ in range(2):
        graded(team, tmp_path / "results", rules, MadeUp(train))
    found = entries_of(tmp_path / "results")
    assert {name: each["accuracy"] for name, each in found.items()} == dict.fromkeys(("kim", "lee", "park", "han"), 0.9)
    assert len(trained) == 2, "the group's once"
    assert capsys.readouterr().out.count("tells the group, and not who of it handed it in") == 2
    assert not [flag for each in found.values() for flag in each["flags"] if "another's id" in flag]


def test_wandb_has_a_group_s_training_once_by_who_handed_it_in_and_its_regrade(team, tmp_path, rules, monkeypatch):
    results, engine = tmp_path / "results", MadeUp(lambda job: scored(0.9))
    graded(team, results, rules, engine)
    graded(team, results, rules, engine, regrade=("kim",))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Settings=Mock(), Table=Mock(), init=MagicMock()))
    logged = []
    monkeypatch.setattr(wandb_runs, "log_rerun", lambda *given: logged.append((given[4].student, given[-1])))
    assert "2 runs" in wandb_runs.log_all(results, "offline")
    assert sorted(logged) == [("han", 0), ("lee", 1)]


def test_faults_and_failures_are_the_group_s_too(team, tmp_path, rules):
    graded(team, tmp_path / "results", rules, MadeUp(lambda job: CRASHED))
    assert {each["verdict"] for each in entries_of(tmp_path / "results").values()} == {"failed"}


def test_of_two_members_hand_ins_the_later_counts_and_it_is_told(team, write_submission, tmp_path, rules, capsys):
    write_submission("kim", lambda config: config["model"]["network"]["init_args"].update(width=5))
    times = "".join(f"{name},2026-11-30T{hour}:00:00+09:00\n" for name, hour in (("lee", 10), ("kim", 11)))
    (team / "times.csv").write_text(f"file,submitted\n{times}")
    by_kim = lambda job: scored(0.9 if job.submission.student == "kim" else 0.8)  # noqa: E731
    graded(team, tmp_path / "results", rules, MadeUp(by_kim))
    assert f"lee: kim: {NOT_THEIR_OWN}" in capsys.readouterr().out
    found = entries_of(tmp_path / "results")
    assert {found[name]["accuracy"] for name in ("kim", "lee", "park")} == {0.9}
    assert [name for name, each in found.items() if NOT_THEIR_OWN in each["flags"]] == ["lee"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(-3, 3), min_size=1), st.integers(0, 63))
def test_every_member_of_a_group_has_the_last_hand_in_before_the_deadline(hours, red):
    members = [name for at, name in enumerate("abcdef") if red >> at & 1]
    roster = Roster([Listed(name, name, group="red" if name in members else "") for name in "abcdef"])
    made = [Download(path(name), MONDAY + timedelta(hours=hour), student=name) for name, hour in hours.items()]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("grader.grading.groups.Digests.of", lambda digests, source: str(source))
        found = {each.student: each for each in for_groups(made, roster, lambda each: each.submitted > MONDAY)}
    assert [*found] == sorted(found)
    handed_in = [name for name in members if name in hours]
    if handed_in:
        assert {*members} <= {*found} and len({found[name].source for name in members}) == 1
        chosen = found[members[0]]
        in_time = [hours[name] for name in handed_in if hours[name] <= 0]
        assert chosen.submitted == MONDAY + timedelta(hours=max(in_time or [hours[name] for name in handed_in]))
    assert all(found[name].source == path(name) for name in hours if name not in members)


def path(name):
    return Path("/nowhere") / name


@pytest.mark.parametrize("none", ["", "-", "--", "N/A", "n/a", "없음", "해당 없음", "0", "None", "—"])
def test_what_says_that_there_is_no_group_is_none(none):
    roster = Roster([Listed(name, name, group=none) for name in "abc"])
    made = [Download(path("a"), MONDAY, student="a")]
    assert [each.student for each in for_groups(made, roster, lambda each: False)] == ["a"]
    assert said_of_groups(roster) == ""


def test_groups_that_begin_again_in_each_section_are_others():
    placed = {"a": ("1", "1조"), "b": ("1", "1조 "), "c": ("2", "1조"), "d": ("2", "2조"), "e": ("2", "2조")}
    roster = Roster([Listed(name, name, section=section, group=group) for name, (section, group) in placed.items()])
    made = [Download(path(name), MONDAY, student=name) for name in "ace"]
    found = {each.student: each.source.name for each in for_groups(made, roster, lambda each: False)}
    assert found == {"a": "a", "b": "a", "c": "c", "d": "e", "e": "e"}
    assert (
        said_of_groups(roster)
        == "3 groups on the roster: 1조 of section 1 (2), 1조 of section 2 (1), 2조 of section 2 (2)"
    )


def test_who_withdraws_from_a_group_takes_nothing_from_the_others(team, tmp_path, rules):
    results = tmp_path / "results"
    graded(team, results, rules, MadeUp(lambda job: scored(0.9)))
    assert withdraw(results, "lee") == 0
    with open_results(results) as opened:
        found = {each.student: (each.verdict, each.accuracy) for each in standings(opened.ledger, opened.rules)}
    assert found["kim"] == found["park"] == ("passed", 0.9) and found["withdrawn-1"] == ("withdrawn", None)
    assert withdraw(results, "kim") == 0
    assert entries_of(results)["park"]["accuracy"] == 0.9


@pytest.mark.parametrize("withdrew", [False, True])
def test_a_group_s_regrade_that_was_stopped_goes_on_and_is_one_training(withdrew, team, tmp_path, rules, capsys):
    results, engine = tmp_path / "results", MadeUp(lambda job: scored(0.9, seconds=60.0))
    graded(team, results, rules, engine)
    if withdrew:
        assert withdraw(results, "lee") == 0
    for begun in (False, True):
        capsys.readouterr()
        graded(team, results, rules, engine, regrade=("kim", "park"), max_hours=1e-9)
        assert capsys.readouterr().out.count("goes on with the regrade") == 1 + begun
    said = dry_run(team, results, rules, Settings("cpu", False, engine=engine))
    assert f"take about {rules.max_epochs} minutes" in said
    assert f"1 group on the roster: red ({3 - withdrew})" in said
    for student in ("kim", "park"):
        assert main(["explain", str(results), student]) == 0
        assert f"The next run makes 1 training: {'kim' if withdrew else 'lee'}\n" in capsys.readouterr().out


def test_a_group_s_texts_are_read_once_and_their_points_count_for_all_but_who_has_points_alone(
    team, tmp_path, rules, capsys
):
    graded(team, tmp_path / "results", rules, MadeUp(lambda job: scored(0.9)))
    with open_results(tmp_path / "results") as opened:
        assert sorted(entry.student for entry in to_read(opened, "kang")) == ["han", "lee"]
        assert sorted(assign(opened, ["kang"], 1, "prof", "now")) == ["han", "lee"]
    capsys.readouterr()
    for student, points, said in (
        ("lee", "4", ""),
        (
            "park",
            "1",
            "different points for its texts: kim 4, lee 4, park 1; points for lee, who handed in, are for all",
        ),
        ("lee", "4", "kim 4, lee 4, park 1"),
    ):
        assert main(["bonus", str(tmp_path / "results"), student, "--report", points]) == 0
        told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
        assert bool(told) == bool(said) and all(said in line for line in told)
    found = entries_of(tmp_path / "results")
    assert {name: each["bonus"] for name, each in found.items()} == {"kim": 4, "lee": 4, "park": 1, "han": 0}
    assert withdraw(tmp_path / "results", "lee") == 0
    capsys.readouterr()
    assert main(["bonus", str(tmp_path / "results"), "kim", "--report", "3"]) == 0
    assert "one group" not in capsys.readouterr().out, "each of those who are left is read alone"


def test_who_withdrew_leaves_the_others_their_result_in_later_runs_too(team, tmp_path, rules):
    results, trained = tmp_path / "results", []
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))
    graded(team, results, rules, engine)
    assert withdraw(results, "lee") == 0
    for _ in range(2):
        graded(team, results, rules, engine)
        found = entries_of(results)
        assert {name: found[name]["accuracy"] for name in ("kim", "park", "han")} == dict.fromkeys(
            ("kim", "park", "han"), 0.9
        )
    assert sorted(trained) == ["han", "lee"]
    with open_results(results) as opened:
        assert {entry.student for entry in to_read(opened, "kang")} == {"kim", "park", "han"}, "whoever is left is read"
    graded(team, results, rules, engine, regrade=("kim",))
    assert sorted(trained) == ["han", "kim", "lee"], "anew under one of those who are left"


def test_who_trained_it_anew_withdraws_too_and_the_others_still_find_what_it_left(team, tmp_path, rules):
    results = tmp_path / "results"

    def train(job):
        job.folder.mkdir(parents=True)
        (job.folder / "to_draw.json").write_text("{}")
        return scored(0.9)

    graded(team, results, rules, MadeUp(train))
    assert withdraw(results, "lee") == 0
    graded(team, results, rules, MadeUp(train), regrade=("kim",))
    assert withdraw(results, "kim") == 0
    assert naming(results, "kim") == []
    with open_results(results) as opened:
        (park,) = opened.ledger.graded("", "park")
    assert (results / park.measurements[0].folder / "to_draw.json").is_file()
    assert withdraw(results, "park") == 0
    assert naming(results, "park", park.digest) == []


def test_what_was_measured_counts_on_after_a_withdrawal_is_taken_back(team, tmp_path, rules):
    results, trained = tmp_path / "results", []
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))
    graded(team, results, rules, engine)
    for taken_back in (True, False):
        assert withdraw(results, "lee") == 0
        if taken_back:
            assert main(["undo", str(results), "1"]) == 0
        graded(team, results, rules, engine)
        assert sorted(trained) == ["han", "lee"]
        found = entries_of(results)
        assert {name for name, each in found.items() if each["accuracy"] == 0.9} == {
            *("kim", "park", "han"),
            *(["lee"] if taken_back else []),
        }


def test_of_a_group_what_one_handed_in_too_late_goes_with_that_one(team, write_submission, tmp_path, rules):
    results, due = tmp_path / "results", datetime(2026, 12, 4, tzinfo=UTC)
    write_submission("kim", lambda config: config["model"]["network"]["init_args"].update(width=6), parent=team)
    rows = [("lee", due - timedelta(days=1)), ("kim", due + timedelta(days=1))]
    (team / "times.csv").write_text("file,submitted\n" + "".join(f"{name},{when.isoformat()}\n" for name, when in rows))
    for _ in range(2):
        graded(team, results, rules.but(deadline=due), MadeUp(lambda job: scored(0.9)), accept_times=True)
        with open_results(results) as opened:
            handed_in = {each.digest for each in opened.ledger.attempts()}
        assert len(handed_in) == len([*(results / "submissions").glob("*.zip")])
        if "kim" in entries_of(results):
            assert len(handed_in) == 3 and withdraw(results, "kim") == 0
    assert len(handed_in) == 2


def test_who_withdraws_leaves_a_group_what_counts_or_counted_though_it_was_not_trained(
    write_submission, tmp_path, rules
):
    results, due = tmp_path / "results", datetime(2026, 12, 4, tzinfo=UTC)
    rules, roster = (
        rules.but(deadline=due),
        Roster([Listed(name, name, group="red") for name in ("kim", "lee", "park")]),
    )
    wide = lambda width: lambda config: config["model"]["network"]["init_args"].update(width=width)  # noqa: E731
    made = [
        Download(write_submission(f"lee{day}", wide(9 + day)), due + timedelta(days=day), "lee", "Lee", told=True)
        for day in (-2, -1, 1, 30)
    ]
    late = lambda each: each.submitted > due  # noqa: E731
    digests = {each.source.name: take_in(each.source, None, "lee", "Lee").digest for each in made}
    with open_results(results, new=True, secret=TESTS) as opened:
        store_rules(results, rules)
        for counts in (made[:1], made[1:]):
            register(for_groups(counted(counts, late), roster, late), opened, rules)
        opened.ledger.decisions.take(now(), "kang", "extend", "lee", {"days": 2})
        arrived = opened.ledger.in_order_of_arrival()
    assert withdraw(results, "lee") == 0
    with open_results(results) as opened:
        (kim,) = counting(opened.ledger, rules, "kim")
        assert opened.ledger.in_order_of_arrival() == [each.replace("lee", "withdrawn-1") for each in arrived]
        assert {each.digest for each in opened.ledger.attempts("park")} == {
            *(digests[f"lee{day}"] for day in (-2, -1, 1))
        }, "not what came after the extension"
    assert kim.digest == digests["lee1"] and kim.findings is not None, "late, and in time by the extension"


def test_a_group_s_files_are_read_once_and_in_one_process(tmp_path, monkeypatch):
    started, read = [], []
    start, call = Apart.start, Apart.call
    monkeypatch.setattr(Apart, "start", lambda apart: started.append(1) or start(apart))
    monkeypatch.setattr(Apart, "call", lambda apart, name, *of: read.append(of) or call(apart, name, *of))
    names = [f"s{at}" for at in range(12)]
    roster = Roster([Listed(name, name, group=f"g{at % 3}") for at, name in enumerate(names)])
    for name in names:
        (tmp_path / f"{name}.zip").write_bytes(zipped({"config.yaml": name.encode()}))
    made = [Download(tmp_path / f"{name}.zip", MONDAY, name, name) for name in names]
    found = for_groups(made, roster, lambda each: True)
    assert sum(NOT_THEIR_OWN in each.flags for each in found) == 9
    assert len(started) == 1 and sorted(read) == sorted({*read}) and len(read) == 12
    for_groups([replace(each, source=made[0].source) for each in made], roster, lambda each: False)
    assert len(started) == 1, "a file is the same as itself"


def test_late_ones_beside_one_in_time_are_known():
    made = [Download(path(f"{hour}.zip"), MONDAY + timedelta(hours=hour), student="kim") for hour in (-2, -1, 1, 30)]
    (found,) = counted(made, lambda each: each.submitted > MONDAY)
    assert (found.source, found.attempts, [each.source for each in found.passed_over]) == (
        path("-1.zip"), 3, [path("1.zip"), path("30.zip")]
    )  # fmt: skip


def test_an_extension_of_whoever_hands_in_is_the_group_s(team, write_submission, tmp_path, rules, capsys):
    results, trained, due = tmp_path / "results", [], datetime(2026, 12, 4, tzinfo=UTC)
    rules = rules.but(deadline=due)
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))

    def run(**times):
        rows = [f"{name},{when.isoformat()}" for name, when in times.items()]
        (team / "times.csv").write_text("\n".join(["file,submitted", *rows, ""]))
        graded(team, results, rules, engine, accept_times=True)
        return {name: (each["verdict"], each["accuracy"]) for name, each in entries_of(results).items()}

    early = {"lee": due - timedelta(days=1), "han": due - timedelta(days=1)}
    assert run(**early)["kim"] == ("passed", 0.9)
    other = lambda config: config["model"]["network"]["init_args"].update(width=6)  # noqa: E731
    write_submission("kim", other, parent=team)
    late = early | {"kim": due + timedelta(days=1)}
    assert run(**late)["lee"] == ("passed", 0.9) and trained.count("kim") == 0
    capsys.readouterr()
    assert main(["extend", str(results), "kim", "--days", "2", "--try"]) == 0
    assert "The next run makes 1 training: kim\n" in capsys.readouterr().out, "for the group, and once"
    assert main(["extend", str(results), "kim", "--days", "2"]) == 0
    for _ in range(2):
        assert {run(**late)[name] for name in ("kim", "lee", "park")} == {("passed", 0.9)}
    assert trained.count("kim") == 1
    told = {
        "explain": "deadline extended by 2 days for kim, who handed in for the group",
        "history": "extend kim days 2",
    }
    for command, words in told.items():  # of a mate, too
        capsys.readouterr()
        assert main([command, str(results), "lee"]) == 0
        assert words in " ".join(capsys.readouterr().out.split())
