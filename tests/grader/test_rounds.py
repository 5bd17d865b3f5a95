"""Practice before the final round: other images, another key, no grades, and as many attempts as the rules allow."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grader.cli
from benchmarks.course import Student, write_course, write_results
from grader.cli import main
from grader.grading.quotas import IN_ALL, TODAY, check_open, ids_by_place, same_place, used_up
from grader.grading.ranking import standings
from grader.ledger.results_folder import open_results
from grader.ledger.rounds import new_secret, of_round
from grader.publish.practice_view import quota_in_words, quotas
from grader.publish.publishing import publish
from grader.rerun.grading_data import images_key, prepare
from grader.rules import Limits, Practice
from grader.secret import Secret, read_secret
from project.support.errors import UserError
from tests.data.test_tables import drawn, written
from tests.grader.engines import MadeUp, graded, noted, scored
from tests.grader.test_grading import rules_file
from tests.grader.test_pull_requests import WORKFLOWS
from tests.grader.test_withdrawal import naming

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def begun(results, which):
    """The key of a round, stored as its beginning does."""
    place = of_round(results, which)
    with open_results(place, new=True, secret=new_secret(results, which, None)) as opened:
        return opened.secret


def test_the_final_key_is_drawn_when_that_round_begins_and_knows_the_practice_one(tmp_path):
    practice = begun(tmp_path, "practice")
    assert practice.part == "practice" and not (tmp_path / "secret.json").exists()
    final = begun(tmp_path, "final")
    assert final.part == "final" and final.key != practice.key and final.practice == practice.practice
    assert read_secret((tmp_path / "secret.json").read_bytes()) == final
    with pytest.raises(UserError, match="practice is over"):
        begun(tmp_path, "practice")


@pytest.mark.parametrize("content", [None, b"{"])
def test_where_the_practice_key_is_gone_no_final_key_is_drawn(content, tmp_path):
    begun(tmp_path, "practice")
    (tmp_path / "practice" / "secret.json").unlink()
    if content is not None:
        (tmp_path / "practice" / "secret.json").write_bytes(content)
    with pytest.raises(UserError, match="is gone or damaged"):
        new_secret(tmp_path, "final", None)


def test_who_withdrew_from_practice_is_passed_over_in_the_final_round(write_submission, tmp_path, rules, capsys):
    for student in ("kim", "lee", "park", "baseline-resnet"):
        folder = write_submission(student).parent
    trained, rules = [], rules.but(staff=["baseline-*"])
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))
    results = tmp_path / "results"
    graded(folder, results / "practice", rules, engine, secret=new_secret(results, "practice", None))
    assert main(["withdraw", str(results), "kim", "--yes"]) == 0
    # As if another id had come in Park's place before.
    with open_results(results / "practice") as opened:
        opened.ledger.note_run(NOW.isoformat(), str(folder), {"pak": str(folder / "park")})
        opened.ledger.note(NOW.isoformat(), noted("pak"))
        lay = {name: str(folder / name) for name in ("lee", "park", "baseline-resnet")}
        opened.ledger.note_run(NOW.isoformat(), str(folder), lay)
    trained.clear()
    for student in ("park", "baseline-resnet"):
        shutil.rmtree(folder / student)
    before = capsys.readouterr() and sorted(results.rglob("*"))
    assert main(["run", str(folder), "--out", str(results), "--device", "cpu", "--dry-run"]) == 0
    looked = capsys.readouterr()
    assert "1 student handed in something" in looked.out and "of a student who has withdrawn" in looked.err
    assert "kim" not in looked.out and sorted(results.rglob("*")) == before
    graded(folder, results, rules, engine, secret=new_secret(results, "final", None))
    told = capsys.readouterr()
    kept = ["--rules", str(results / "assignment.json")]
    assert main(["run", str(folder), "--out", str(results), "--device", "cpu", "--dry-run", *kept]) == 0
    assert "of a student who has withdrawn" in capsys.readouterr().err
    assert trained == ["lee"] and "of a student who has withdrawn" in told.err
    assert "handed in to it counts in this round; with nothing handed in to this round: park\n" in told.out


def test_a_withdrawal_that_is_taken_back_in_one_round_names_the_other_one(write_submission, tmp_path, rules, capsys):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    for where, part in ((results / "practice", "practice"), (results, "final")):
        graded(folder, where, rules, MadeUp(lambda job: scored(0.9)), secret=new_secret(results, part, None))
    assert main(["withdraw", str(results), "kim", "--yes"]) == 0
    capsys.readouterr()
    assert main(["undo", str(results), "1"]) == 0
    assert "practice has withdrawals of its own" in capsys.readouterr().out
    assert main(["undo", str(results / "practice"), "1"]) == 0
    assert "practice has withdrawals" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"), [("secret.json", None), ("secret.json", b"{"), ("ledger.sqlite", b"no database" * 99)]
)
def test_what_is_lost_of_practice_is_one_line_that_names_it(name, content, write_submission, tmp_path, rules, capsys):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    for where, part in ((results / "practice", "practice"), (results, "final")):
        graded(folder, where, rules, MadeUp(lambda job: scored(0.9)), secret=new_secret(results, part, None))
    assert main(["withdraw", str(results), "kim", "--yes"]) == 0
    lost = results / "practice" / name
    lost.unlink() if content is None else lost.write_bytes(content)
    capsys.readouterr()
    kept = ["--rules", str(results / "assignment.json")]
    run = ["run", str(folder), "--out", str(results), "--device", "cpu", *kept]
    for command in (["undo", str(results), "1"], run, [*run, "--dry-run"]):
        assert main(command) == 2
        told = capsys.readouterr()
        assert f"{lost}: is " in told.err and told.err.strip().count("\n") == 0, told.err
        assert ("Taken back: 1" in told.out) == (command[0] == "undo")


def test_a_damaged_ledger_is_one_line_of_a_dry_run(write_submission, tmp_path, capsys):
    begun(tmp_path / "results", "final")
    (tmp_path / "results" / "ledger.sqlite").write_bytes(b"no database" * 99)
    (tmp_path / "results" / "assignment.json").write_text("{}")
    folder = write_submission().parent
    kept = ["--rules", str(Path("configs/assignment.yaml"))]
    assert main(["run", str(folder), "--out", str(tmp_path / "results"), "--device", "cpu", "--dry-run", *kept]) == 2
    assert "ledger.sqlite: is damaged" in capsys.readouterr().err


def test_without_practice_a_results_folder_is_what_it_was(tmp_path):
    assert begun(tmp_path, "final").part == "all"
    assert json.loads((tmp_path / "secret.json").read_text()).keys() == {"key", "salt"}


def scoring(rules, secret, results):
    images = prepare(rules, secret, results).scoring_images()
    return {image.numpy().tobytes() for image in images}


def test_of_a_fixed_test_split_practice_shows_a_part_and_the_final_round_the_rest(tmp_path, rules):
    tables = tmp_path / "tables"
    tables.mkdir()
    for name, count in (("Train", 300), ("Val", 100), ("Test", 120)):
        (tables / f"{name}.csv").write_text(written(*drawn(count, 64)))
    source = {"class_path": "project.datasets.tables.ImageTable", "init_args": {"path": str(tables)}}
    rules = rules.but(dataset=source)
    practice = begun(tmp_path / "results", "practice")
    final = begun(tmp_path / "results", "final")
    shown = scoring(rules, practice, tmp_path / "results" / "practice")
    scored_on = scoring(rules, final, tmp_path / "results")
    everything = scoring(rules, Secret.new(), tmp_path / "other")
    assert len(shown) > 40 and len(scored_on) > 40
    assert not shown & scored_on and shown | scored_on == everything


def test_glyphs_are_drawn_anew_for_each_round(tmp_path, rules):
    practice, final = begun(tmp_path, "practice"), begun(tmp_path, "final")
    assert images_key(rules, practice) != images_key(rules, final)
    shown, scored_on = scoring(rules, practice, tmp_path / "practice"), scoring(rules, final, tmp_path)
    assert len(shown) == len(scored_on) == 100 and not shown & scored_on


@given(st.lists(st.integers(0, 3), max_size=6), st.none() | st.integers(1, 3), st.none() | st.integers(1, 6))
def test_a_quota_is_by_the_day_and_in_all(days, per_day, in_all):
    practice = Practice(per_day=per_day, in_all=in_all)
    dates = [date(2026, 11, 27) + timedelta(each) for each in days]
    said = used_up(dates, date(2026, 11, 30), practice)
    if in_all and len(days) >= in_all:
        assert said == IN_ALL
    else:
        assert said == (TODAY if per_day and days.count(3) >= per_day else "")


def test_attempts_beyond_the_quota_are_told_and_not_trained(write_submission, tmp_path, rules, capsys):
    rules, practice = rules.but(practice=Practice(per_day=1)), tmp_path / "results" / "practice"
    trained = []

    def night(width):
        change = lambda config: config["model"]["network"]["init_args"].update(width=width)  # noqa: E731
        folder = write_submission("kim", change, parent=tmp_path / f"night-{width}").parent
        secret = Secret(bytes(16), part="practice")
        return graded(folder, practice, rules, MadeUp(lambda job: trained.append(width) or scored(0.9)), secret=secret)

    night(4)
    capsys.readouterr()
    table = night(5)
    assert trained == [4] and "90.00%" in table
    assert f"kim: {TODAY}; what was trained before stays on the board" in capsys.readouterr().err
    assert main(["export", str(practice), "--format", "canvas"]) == 2
    assert "practice gives no grades" in capsys.readouterr().err
    with open_results(practice) as opened:  # the day after
        opened.ledger.database.execute("UPDATE submissions SET taken_in = '2026-01-01T00:00:00+00:00'")
    night(6)
    assert trained == [4, 6]


def test_a_group_s_hand_in_is_of_the_quota_of_whoever_handed_it_in_and_passed_over_for_all(
    write_submission, tmp_path, rules, capsys
):
    rules, results = rules.but(practice=Practice(in_all=2), limits=Limits()), tmp_path / "practice"
    secret, folder = Secret(bytes(16), part="practice"), tmp_path / "submissions"

    def hand_in(student, width):
        shutil.rmtree(folder / student, ignore_errors=True)
        write_submission(student, lambda config: config["model"]["network"]["init_args"].update(width=width))

    def board(accuracy):
        graded(folder, results, rules, MadeUp(lambda job: scored(accuracy)), secret=secret)
        entries = json.loads((results / "leaderboard.json").read_text())["entries"]
        return {each["student"]: (each["verdict"], each["accuracy"]) for each in entries}

    hand_in("kim", 4), hand_in("lee", 5)
    (folder / "roster.csv").write_text("id,name,group\nkim,Kim,\nlee,Lee,\n")
    board(0.7)
    hand_in("lee", 6)
    before = board(0.8)
    hand_in("lee", 7)
    (folder / "roster.csv").write_text("id,name,group\nkim,Kim,red\nlee,Lee,red\n")
    times = "file,submitted\nkim,2026-11-29T11:00:00+09:00\nlee,2026-11-30T11:00:00+09:00\n"
    (folder / "times.csv").write_text(times)
    assert board(0.9) == before == {"kim": ("passed", 0.7), "lee": ("passed", 0.8)}
    said = capsys.readouterr().err
    assert f"kim: {IN_ALL}" in said and f"lee: {IN_ALL}" in said
    hand_in("kim", 8)
    (folder / "times.csv").write_text(times.replace("11-29", "12-01"))
    assert board(0.9) == {"kim": ("passed", 0.9), "lee": ("passed", 0.9)}, "kim had one left"


def test_what_is_beyond_the_quota_is_not_said_to_count(write_submission, tmp_path, rules, capsys):
    practice, secret = tmp_path / "results" / "practice", Secret(bytes(16), part="practice")
    folder, told = write_submission("choi").parent, []
    (folder / "roster.csv").write_text("id,name,group\nchoi,Choi,a\njung,Jung,a\n")
    for per_day in (None, 1):
        rules = rules.but(practice=Practice(per_day=per_day))
        graded(folder, practice, rules, MadeUp(lambda job: scored(0.9)), secret=secret)
        told.append(capsys.readouterr())
        if per_day is None:
            change = lambda config: config["model"]["network"]["init_args"].update(width=6)  # noqa: E731
            write_submission("jung", change, parent=folder)
            (folder / "times.csv").write_text("file,submitted\nchoi,2026-11-01T09:00Z\njung,2026-11-01T10:00Z\n")
    assert f"choi: {TODAY}" in told[1].err and f"jung: {TODAY}" in told[1].err
    assert "jung counts" not in told[1].out


def test_another_id_in_the_same_place_is_no_new_quota_and_another_place_is_told(
    write_submission, tmp_path, rules, capsys
):
    rules, practice = rules.but(practice=Practice(per_day=1)), tmp_path / "results" / "practice"
    trained, downloads = [], tmp_path / "downloads"
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))

    def night(width, **lies):
        shutil.rmtree(downloads, ignore_errors=True)
        for place, student in lies.items():
            change = lambda config: config["model"]["network"]["init_args"].update(width=width)  # noqa: E731
            downloads.mkdir(exist_ok=True)
            write_submission(student, change, parent=tmp_path / f"night-{width}").rename(downloads / place)
        graded(downloads, practice, rules, engine, secret=Secret(bytes(16), part="practice"))
        said = capsys.readouterr().err
        return [trained.pop() for _ in [*trained]], said

    assert sorted(night(4, a="kim", b="lee")[0]) == ["kim", "lee"]
    got, said = night(5, a="kim2", b="lee")
    assert got == [] and f"kim2: {TODAY} (also as kim, in the same place); what" in said and f"lee: {TODAY};" in said
    got, said = night(6, c="kim3", b="lee")
    assert got == ["kim3"] and "new in this folder: kim3; gone from it: kim." in said
    assert ",kim," in (practice / "leaderboard.csv").read_text(), "what was trained before stays"


def test_where_what_lies_where_has_changed_each_has_the_own_quota():
    runs = ids_by_place([("f", {"kim": "f/1", "lee": "f/2"}), ("f", {"kim": "f/2", "lee": "f/1"})])
    assert same_place(runs, "park", "f/1", {"park"}) == {"kim", "lee"}
    assert same_place(runs, "park", "f/1", {"park", "lee", "kim"}) == set()
    assert same_place(runs, "kim", "f/1", {"kim"}) == {"lee"}
    assert same_place(ids_by_place([("f", {"kim": "f/team", "lee": "f/team"})]), "kim", "f/team", {"kim"}) == set()


def test_a_practice_board_shows_the_places_that_each_moved_since_the_day_began(write_submission, tmp_path, rules):
    practice, accuracies = tmp_path / "results" / "practice", {"kim": 0.9, "lee": 0.8, "park": 0.7}

    def night(name, students, given):
        for student in students:
            change = lambda config: config["model"]["network"]["init_args"].update(width=4 + len(name))  # noqa: E731
            folder = write_submission(student, change, parent=tmp_path / name).parent
        engine = MadeUp(lambda job: scored(given[job.submission.student]))
        graded(folder, practice, rules, engine, secret=Secret(bytes(16), part="practice"))
        return {each["name"]: each["moved"] for each in on_the_page(practice)}

    assert set(night("first", accuracies, accuracies).values()) == {0}  # nobody had a rank when the day began
    with closing(sqlite3.connect(practice / "ledger.sqlite")) as database, database:
        for table, at in (("submissions", "taken_in"), ("measurements", "ended"), ("runs", "at")):
            database.execute(f"UPDATE {table} SET {at} = '2026-01-02T03:04:05.000+00:00'")
    moved = night("a later one", ["park"], {"park": 0.95})
    assert sorted(moved.values()) == [-1, -1, 2]


def on_the_page(results):
    data = re.search('id="data">(.*?)</script>', (results / "site" / "index.html").read_text())
    return json.loads(data[1])["entries"]


@pytest.mark.parametrize("until, deadline, ended", [(-1, None, True), (None, -1, True), (1, -1, True), (1, 1, False)])
def test_practice_ends_with_the_deadline_or_before(until, deadline, ended, rules):
    until, deadline = (None if days is None else NOW + timedelta(days) for days in (until, deadline))
    rules = rules.but(deadline=deadline, practice=Practice(until=until))
    if ended:
        with pytest.raises(UserError, match="--round practice: ended at"):
            check_open(rules, NOW)
    else:
        check_open(rules, NOW)


@pytest.fixture
def made_up(monkeypatch):
    """The command line, with an engine that trains nothing."""
    monkeypatch.setattr("grader.grading.settings.Settings.checked", lambda self: self)
    engine = MadeUp(lambda job: scored(0.7 if "practice" in job.folder.parts else 0.9))
    real = grader.cli.chosen_settings

    def settings(*given, **more):
        return dataclasses.replace(real(*given, **more), engine=engine, device="cpu")

    monkeypatch.setattr(grader.cli, "chosen_settings", settings)


def test_every_command_of_the_page_runs_in_order(made_up, write_submission, tmp_path, monkeypatch):
    """Each round has a folder of its own, and whoever withdraws is in neither."""
    page = Path("docs/rounds.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    write_submission("kim", parent=tmp_path / "downloads")
    write_submission("lee", parent=tmp_path / "downloads")
    rules_file(tmp_path / "rules.yaml")
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    practice, final, *others = [words[3:] for words in commands]
    assert main(practice) == 0
    assert not (results / "leaderboard.json").exists() and (results / "practice" / "site" / "index.html").exists()
    assert main(final) == 0
    boards = [json.loads((place / "leaderboard.json").read_text()) for place in (results / "practice", results)]
    assert [board["entries"][0]["accuracy"] for board in boards] == [0.7, 0.9]
    assert len(others) == 3 and [main(words) for words in others] == [0, 0, 0]
    assert main(practice) == 2
    assert [name for name in naming(results, "kim", "Kim") if not name.endswith(".safetensors")] == []  # images


@pytest.mark.parametrize(
    "limits, moment, told, briefly",
    [
        (
            {"per_day": 2, "in_all": 3},
            12,
            "attempts trained: 1 of 3; the next one counts now",
            "the next one counts now",
        ),
        (
            {"per_day": 1},
            12,
            "attempts trained: 1; the next one counts from 2026-11-25 00:00+00:00",
            "the next one counts",
        ),
        ({"per_day": 1}, 36, "attempts trained: 1; the next one counts now", "the next one counts now"),
        ({"in_all": 1}, 36, "all practice is used", "all practice is used"),
        ({"per_day": 1, "until": datetime(2026, 11, 24, 20, tzinfo=UTC)}, 12, "no day is left", "no day is left"),
    ],
)
def test_what_is_left_of_practice_is_told_with_the_day_from_which_the_next_attempt_counts(
    limits, moment, told, briefly, tmp_path, rules
):
    deadline = datetime(2026, 12, 24, tzinfo=UTC)
    write_results(tmp_path, [Student("s1", "Kim", 0.91)], rules.but(deadline=deadline, practice=Practice(**limits)))
    in_practice(tmp_path)
    with open_results(tmp_path) as opened:
        at = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(hours=moment)
        found = quotas(opened, standings(opened.ledger, opened.rules), at)["s1"]
    assert told in quota_in_words(found, "en") and briefly in quota_in_words(found, "en", brief=True)
    assert not re.search("[a-z]", quota_in_words(found, "ko") + quota_in_words(found, "ko", brief=True))


@pytest.mark.parametrize("public", ["all", "accuracy"])
def test_the_pages_tell_what_is_left_of_practice_and_the_final_ones_nothing(public, tmp_path, rules):
    practice = Practice(per_day=1, in_all=2, public=public)
    write_course(tmp_path, [Student("s1", "Kim", 0.91)], rules.but(practice=practice, limits=Limits()))
    final = [page.read_text() for page in (tmp_path / "site").rglob("*.html")]
    assert not any("one counts" in page or "Practice:" in page for page in final)
    in_practice(tmp_path)
    with open_results(tmp_path) as opened:
        publish(opened)
    assert on_the_page(tmp_path)[0]["practice"] == "the next one counts now"
    pages = [page.read_text() for page in (tmp_path / "site").rglob("submissions/*.html")]
    assert sum("attempts trained: 1 of 2; the next one counts now." in page for page in pages) == (public == "all")
    assert sum("연습 2회 가운데 1회를" in page for page in pages) == (public == "all")


def in_practice(results):
    """Make a results folder one of a practice round."""
    kept = json.loads((results / "secret.json").read_text()) | {"part": "practice"}
    (results / "secret.json").write_text(json.dumps(kept))


@pytest.mark.parametrize("public, told", [("ranks", False), ("accuracy", True)])
def test_practice_shows_in_public_what_the_rules_say(public, told, tmp_path, rules):
    everyone = [Student("s1", "Kim", 0.91), Student("s2", "Lee", 0.87)]
    write_results(tmp_path, everyone, rules.but(practice=Practice(public=public), limits=Limits()))
    in_practice(tmp_path)
    with open_results(tmp_path) as opened:
        publish(opened)
    data = json.loads(re.search('id="data">(.*?)</script>', (tmp_path / "site" / "index.html").read_text())[1])
    assert [row["rank"] for row in data["entries"]] == [1, 2]
    assert [row["accuracy"] is not None for row in data["entries"]] == [told, told]
    for row in data["entries"]:
        assert (row["page"], row["seconds"], row["parameters"], row["curve"]) == ("", None, None, [])
        assert not any(row["strategies"].values())
    assert not [*(tmp_path / "site").rglob("submissions/*.html")]
    for page in ("index.html", "ko/index.html"):
        text = (tmp_path / "site" / page).read_text()
        assert not re.search('id="(cost|curves)"|leaderboard-charts|name="normalization"', text), "headings of nothing"
    assert ("91.00%" in (tmp_path / "leaderboard.md").read_text()) is told
    assert "0.91" in (tmp_path / "leaderboard.csv").read_text()


GRADER = """#!/bin/sh
if [ "$2" = "grader" ]; then
    echo "$*" >> called; echo "kim: passed"; echo "{error}" >&2
    mkdir -p "$6/practice"; echo '{entries}' > "$6/practice/leaderboard.json"; exit {status}
fi
exec {python} "$@"
"""


@pytest.mark.parametrize(
    "error, status, came",
    [("", 0, 0), ("error: the disk of kim is full", 1, 1), ("error: --round practice: ended at noon", 2, 0)],
)
def test_the_nightly_workflow_practises_and_names_nobody(error, status, came, tmp_path):
    entries = json.dumps({"entries": [{"verdict": "passed", "student": "kim"}] * 2})
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(GRADER.format(error=error, entries=entries, status=status, python=sys.executable))
    python.chmod(0o755)
    job = WORKFLOWS["practice"]["jobs"]["practice"]
    steps = {step["name"].partition(" ")[0]: step["run"] for step in job["steps"] if "run" in step}
    summary = tmp_path / "summary.md"
    places = {"SUBMISSIONS": "downloads", "RESULTS": "of kim's", "RULES": "rules.yaml"}

    def run(step):
        known = {**os.environ, **places, "GITHUB_STEP_SUMMARY": str(summary)}
        found = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", steps[step]], cwd=tmp_path, env=known, capture_output=True, text=True
        )
        assert "kim" not in (found.stdout + found.stderr).replace(places["RESULTS"], "")
        return found.returncode

    assert run("Practise") == came
    words = "-m grader run downloads --out of kim's --rules rules.yaml --round practice --wait"
    assert (tmp_path / "called").read_text() == f"{words}\n"
    assert run("Say") == 0 and summary.read_text() == "|verdict|submissions|\n|---|---:|\n|passed|2|\n"
    (tmp_path / "of kim's" / "secret.json").touch()  # the final round has begun
    assert run("Practise") == 0 and (tmp_path / "called").read_text() == f"{words}\n"


def test_the_nightly_workflow_may_nothing_but_read_and_starts_where_it_is_set_up_alone():
    workflow = WORKFLOWS["practice"]
    assert {*workflow[True]} == {"workflow_dispatch", "schedule"} and workflow["permissions"] == {}
    job = workflow["jobs"]["practice"]
    assert job["permissions"] == {"contents": "read"} and "self-hosted" in job["runs-on"]
    assert all(f"vars.{name} != ''" in job["if"] for name in ("SUBMISSIONS", "RESULTS", "PRACTICE_RULES"))
    assert "secrets." not in json.dumps(workflow, default=str) and "upload" not in json.dumps(workflow, default=str)
