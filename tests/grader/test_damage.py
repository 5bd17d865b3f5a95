"""A results folder in which something is cut off, lost, replaced or full: one line that says the way back, and nothing drawn over."""

import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.course import SECRET, students, write_course
from grader.cli import main
from grader.grading.ranking import judged, standings
from grader.ledger.results_folder import open_results
from grader.rerun.grading_data import prepare
from grader.rules import Rules
from grader.secret import Secret
from project.support.errors import UserError
from tests.grader.conftest import TINY_GLYPHS
from tests.grader.engines import MadeUp, graded, scored

RULES = Rules().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
DAMAGE = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "short of its end": lambda content: content.rstrip()[:-1],
    "other bytes": lambda content: b"\xff" * len(content),
    "other data": lambda content: b"[]",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("course") / "results"
    write_course(folder, students(3), RULES)
    return folder


@pytest.fixture
def course(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "results")


@contextmanager
def raw_ledger(folder: Path) -> Iterator[sqlite3.Connection]:
    """The ledger as SQLite has it, to damage it."""
    with closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as database:
        yield database


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def said_by(command: list[str], capsys) -> str:
    """What a command says that fails by a person's mistake, in one line."""
    capsys.readouterr()
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def grade(submission: Path, results: Path, secret: Secret = SECRET) -> str:
    return graded(submission.parent, results, RULES, MadeUp(lambda job: scored()), secret=secret)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize(
    "name", ["withheld/*.json", "training/train.safetensors", "scoring/test.safetensors", "scoring/classes.json"]
)
def test_images_and_labels_that_are_damaged_are_drawn_again_by_who_removes_them(course, write_submission, name, damage):
    with open_results(course) as opened:
        before = prepare(RULES, opened.secret, course).labels_N.tolist()
    (file,) = course.rglob(name)
    file.write_bytes(damage(file.read_bytes()))
    stays = state(course / "data") | state(course / "withheld")
    with pytest.raises(UserError, match=r"damaged .*; remove \S*withheld/\w+.json, and the next run") as raised:
        grade(write_submission(), course)
    assert state(course / "data") | state(course / "withheld") == stays and "\n" not in str(raised.value)
    next((course / "withheld").iterdir()).unlink()
    assert "kim-minji" in grade(write_submission("lee"), course)
    with open_results(course) as opened:
        assert prepare(RULES, opened.secret, course).labels_N.tolist() == before


@pytest.mark.parametrize("damage", [*DAMAGE.values(), None], ids=[*DAMAGE, "gone"])
def test_rules_that_are_damaged_are_named_again(course, damage, tmp_path, capsys):
    file, table = course / "assignment.json", (course / "leaderboard.csv").read_text()
    file.write_bytes(damage(file.read_bytes())) if damage else file.unlink()
    before = state(course)
    for command in (
        ["leaderboard"],
        ["export", "--format", "csv"],
        ["similar"],
        ["bonus", "s2026000", "--report", "1"],
    ):
        said = said_by([command[0], str(course), *command[1:]], capsys)
        assert "assignment.json" in said and f"leaderboard {course} --rules YAML" in said
    assert state(course) == before
    rules = tmp_path / "rules.yaml"
    rules.write_text("seeds: 1\n")
    assert "names other images" in said_by(["leaderboard", str(course), "--rules", str(rules)], capsys)
    rules.write_text(yaml.safe_dump({"dataset": RULES.dataset, "seeds_near_target": 1}))
    assert main(["leaderboard", str(course), "--rules", str(rules)]) == 0
    assert (course / "leaderboard.csv").read_text() == table


@pytest.mark.parametrize(
    "secret", [Secret(b"another key here").to_json(), Secret(SECRET.key, 1).to_json(), '{"seed": 5}']
)
def test_a_secret_of_another_folder_is_refused_before_anything_is_drawn(course, secret, write_submission, capsys):
    file = course / "secret.json"
    own = file.read_bytes()
    file.write_text(secret)
    before = state(course)
    said = said_by(["leaderboard", str(course)], capsys)
    assert "secret.json: is not the one" in said and "put a copy in its place" in said
    with pytest.raises(UserError, match="secret.json: is not the one"):
        grade(write_submission(), course)
    assert state(course) == before
    file.write_bytes(own)
    assert main(["leaderboard", str(course)]) == 0


@pytest.mark.parametrize("name", ["secret.json", "ledger.sqlite"])
def test_nothing_is_begun_anew_where_a_piece_is_lost(course, name, write_submission, capsys):
    (course / name).unlink()
    before = state(course)
    said = said_by(["leaderboard", str(course)], capsys)
    assert f"{name}" in said and "gone" in said and "put a copy in its place" in said
    with pytest.raises(UserError, match="gone"):
        grade(write_submission(), course)
    assert state(course) == before


def broken(content: bytes, draw: random.Random) -> bytes:
    """The ledger's bytes, cut off, zeroed in part, or with some of them changed."""
    changed, at = bytearray(content), draw.randrange(len(content))
    match draw.randrange(4):
        case 0:
            return content[: max(1, at)]
        case 1:
            changed[at : at + 4096] = bytes(len(changed[at : at + 4096]))
        case 2:
            changed[at] ^= 1 << draw.randrange(8)
        case 3:
            for _ in range(200):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def look_at_all(results: Path) -> None:
    with open_results(results) as opened:
        for graded, _ in judged(opened.ledger, opened.rules):
            opened.ledger.variants(graded)
        standings(opened.ledger, opened.rules), opened.ledger.devices(), opened.ledger.circumstances()
        datetime.fromisoformat(opened.ledger.graded_at())


@pytest.mark.parametrize("draws", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_however_a_ledger_is_damaged_it_is_one_line_or_still_readable(course, draws):
    file = course / "ledger.sqlite"
    content, draw, lines = file.read_bytes(), random.Random(draws), 0
    for _ in range(draws):
        file.write_bytes(damaged := broken(content, draw))
        try:
            look_at_all(course)
        except UserError as error:
            assert "ledger" in str(error) or "secret.json" in str(error)  # a seed that was changed is another secret's
            assert "put a copy" in str(error) or "newer version" in str(error)
            assert "\n" not in str(error) and file.read_bytes() == damaged
            lines += 1
    assert lines > draws / 2


def test_a_ledger_without_a_byte_is_not_begun_anew(course, capsys):
    (course / "ledger.sqlite").write_bytes(b"")
    assert "ledger.sqlite: is gone, or empty" in said_by(["leaderboard", str(course)], capsys)
    assert (course / "ledger.sqlite").read_bytes() == b""


@pytest.mark.slow
def test_an_older_copy_of_the_folder_or_of_its_ledger_goes_on(whole, write_submission, tmp_path):
    """What was measured since is measured again, with the same seeds; nothing is there twice."""
    first, results = write_submission(), tmp_path / "results"
    grade(first, results)
    older = shutil.copytree(results, tmp_path / "older")
    write_submission("lee-jun")
    table = grade(first, results)
    shutil.copyfile(older / "ledger.sqlite", results / "ledger.sqlite")
    assert grade(first, results) == table == grade(first, older)
    with open_results(older) as one, open_results(results) as other:
        rows = "SELECT student, training, seed, round, counts FROM measurements ORDER BY id"
        same = [[tuple(row) for row in each.ledger.database.execute(rows)] for each in (one, other)]
    assert same[0] == same[1] and len(same[0]) == 2


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of so many kB, and another of that name in its place."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(kilobytes: int) -> Path:
        unmount()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", place], capture_output=True)
        if made.returncode:
            pytest.skip("no right to mount a small disk")
        return place

    def unmount() -> None:
        if place.is_mount():
            subprocess.run(["umount", place], check=True)

    yield mounted
    unmount()


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return ballast


@pytest.mark.parametrize(
    "command",
    [["leaderboard"], ["similar"], ["export", "--format", "feedback"], ["bonus", "s2026001", "--report", "1"]],
    ids=lambda command: command[0],
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(whole, small_disk, command, capsys):
    results = shutil.copytree(whole, small_disk(50_000) / "results")
    ballast = fill(results.parent)
    before = state(results)
    command = [command[0], str(results), *command[1:]]
    said = said_by(command, capsys)
    assert "cannot be written" in said and "No space left" in said or "disk is full" in said
    assert state(results) == before
    ballast.unlink()
    assert main(command) == 0


@pytest.mark.slow
def test_wherever_a_disk_fills_up_a_grading_ends_with_a_line(write_submission, small_disk):
    submission, passed = write_submission(), 0
    for kilobytes in (8, 16, 32, 64, 96, 128, 256, 512, 1024, 1500, 2000, 4000, 8000, 16_000):
        results = small_disk(kilobytes) / "results"
        try:
            grade(submission, results)
            passed += 1
        except UserError as error:
            assert "cannot be written" in str(error) and "goes on" in str(error) or "--out" in str(error), kilobytes
            assert not passed and "\n" not in str(error)
    assert passed


@pytest.mark.parametrize(
    ("kind", "column", "content", "what"),
    [
        ("extend", "value", '{"until": "soon"}', "until"),
        ("extend", "value", '{"until": "2026-12-06T23:59:00"}', "until"),
        ("extend", "value", '{"until": "1765000000"}', "until"),
        ("extend", "value", '{"until": "2026-12-06 23:59z"}', "until"),
        ("extend", "value", '{"until": "9999-12-06T23:59:00Z"}', "until"),
        ("extend", "value", '{"days": "two"}', "days"),
        ("extend", "value", '{"days": 99999999}', "days"),
        ("extend", "value", "{}", "either until or days"),
        ("exempt", "value", '{"from": "all"}', "from"),
        ("exempt", "value", "{}", "from"),
        ("points", "value", '{"report": "three"}', "report"),
        ("points", "value", '{"report": 1e999}', "report"),
        ("points", "value", '{"comment": 3}', "comment"),
        ("points", "value", '{"criteria": {"report: evidence": null}}', "criteria"),
        ("regrade", "value", '{"round": -1}', "round"),
        ("readers", "value", '{"readers": "kang"}', "readers"),
        ("withdraw", "value", "{}", "mark"),
        ("disqualify", "kind", "pardon", "pardon"),
        ("disqualify", "why", b"\xff", "why"),
        ("disqualify", "undoes", 77, "77"),
    ],
)
def test_a_damaged_decision_is_told_by_its_number(course, kind, column, content, what, capsys):
    values = {
        "extend": {"days": 1},
        "exempt": {"from": "late"},
        "regrade": {"round": 1},
        "readers": {"readers": ["kang"]},
        "withdraw": {"mark": "0"},
    }
    with open_results(course) as opened:
        opened.ledger.decisions.take("1", "kang", "points", "s2026000", {"report": 1.0})
        opened.ledger.decisions.take("2", "kang", kind, "s2026001", values.get(kind, {}))
        opened.ledger.decisions.history()
        opened.ledger.database.execute(f"UPDATE decisions SET {column} = ? WHERE id = 2", [content])
    before = state(course)
    for command in (
        ["leaderboard"],
        ["history"],
        ["undo", "2"],
        ["bonus", "s2026000", "--report", "1"],
        ["explain", "s2026000"],
    ):
        said = said_by([command[0], str(course), *command[1:]], capsys)
        assert "decision 2 is damaged" in said and what in said and "put a copy of the ledger in its place" in said
    assert state(course) == before


def test_what_takes_back_another_students_decision_is_damaged(course, capsys):
    with open_results(course) as opened:
        opened.ledger.decisions.take("1", "kang", "points", "s2026000", {"report": 1.0})
        opened.ledger.decisions.take("2", "kang", "disqualify", "s2026001", {})
        opened.ledger.database.execute("UPDATE decisions SET kind = 'undo', undoes = 1 WHERE id = 2")
    assert "decision 2 is damaged" in said_by(["leaderboard", str(course)], capsys)
    with raw_ledger(course) as database:
        database.execute("UPDATE decisions SET kind = 'disqualify', undoes = 0 WHERE id = 2")
        database.execute("UPDATE decisions SET id = 0 WHERE id = 1")
    assert "decision 0 is damaged" in said_by(["leaderboard", str(course)], capsys)


@pytest.mark.parametrize("value", [{}, {"unfinished": True}, {"read": {"report": "0"}}, {"criteria": {}}])
def test_a_note_that_gives_no_points_and_says_nothing_changes_no_grade(course, value):
    before = (course / "leaderboard.csv").read_text()
    with open_results(course) as opened:
        opened.ledger.decisions.take("1", "kang", "points", "s2026000", value)
    assert main(["leaderboard", str(course)]) == main(["explain", str(course), "s2026000"]) == 0
    assert (course / "leaderboard.csv").read_text() == before


COMMANDS = (
    ["leaderboard"],
    ["explain", "s2026000"],
    ["history"],
    ["attempts", "s2026000"],
    ["appeal", "s2026000"],
    ["export", "--format", "feedback"],
    ["bonus", "s2026000", "--report", "1"],
)
DAMAGED_ROWS = [
    ("submissions", "submitted", "2026-12-01T00:00:00"),
    ("submissions", "submitted", "2026-12-01"),
    ("submissions", "submitted", "0001-01-01T00:00:00+14:00"),
    ("submissions", "submitted", 5),
    ("submissions", "taken_in", "yesterday"),
    ("submissions", "flags", "[1]"),
    ("submissions", "known_as", '{"handed_in_by": []}'),
    ("submissions", "known_as", '{"handed_in_by": [""]}'),
    ("submissions", "known_as", '{"id": 5}'),
    ("submissions", "known_as", "{"),
    ("submissions", "tier", "gold"),
    ("submissions", "name", b"\xff"),
    ("submissions", "student", b"\xff"),
    ("submissions", "digest", "../../x"),
    ("submissions", "marked_late", "no"),
    ("runs", "hand_ins", '{"lee": [1]}'),
    ("runs", "folder", b"\xff"),
    ("findings", "findings", '[{"severity": "odd", "where": "x", "what": "y", "mend": "z"}]'),
    ("findings", "findings", '[{"severity": "Reject", "where": "x", "what": "y", "mend": "z"}]'),
    ("findings", "findings", '[{"severity": "reject", "where": 1, "what": "y", "mend": "z"}]'),
    ("findings", "findings", '[{"severity": "reject"}]'),
    ("measurements", "training", -1),
    ("measurements", "round", -1),
    ("measurements", "counts", 2),
    ("measurements", "ended", "then"),
    ("measurements", "circumstances", '{"device": 5}'),
    ("measurements", "circumstances", '{"versions": 3}'),
    ("measurements", "measurement", '{"outcome": "scored"}'),
    ("measurements", "measurement", '{"outcome": "won"}'),
    ("measurements", "measurement", '{"outcome": "scored", "accuracy": 0.5, "samples": -5}'),
]


@pytest.mark.parametrize(("table", "column", "content"), DAMAGED_ROWS)
def test_a_damaged_row_is_told_by_its_table_and_number(table, column, content, course):
    with open_results(course) as opened:
        opened.ledger.note_run("now", "downloads", {"s2026000": "kim.zip"})
    with raw_ledger(course) as database:
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", [content])
    with pytest.raises(UserError, match=f"row 1 of the ledger's {table} is damaged.*{column}.*put a copy") as raised:
        look_at_all(course)
    assert "\n" not in str(raised.value)


def test_every_command_says_it_of_a_damaged_row(course, capsys):
    with raw_ledger(course) as database:
        database.execute("UPDATE submissions SET submitted = '2026-12-01' WHERE id = 1")
    before = state(course)
    for command in COMMANDS:
        said = said_by([command[0], str(course), *command[1:]], capsys)
        assert "row 1 of the ledger's submissions is damaged" in said and "it has no time zone" in said
    assert state(course) == before


VALUES = st.one_of(
    st.integers(-3, 10),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.text(max_size=8),
    st.sampled_from(["[]", "{}", "[1]", '{"a": 1}', '{"a": [null]}', "2026-12-01", "2026-12-01T00:00:00", "1e999"]),
)


@pytest.mark.parametrize("table", ["submissions", "runs", "findings", "measurements", "decisions"])
def test_whatever_stands_in_a_column_is_one_line_or_still_readable(table, whole, tmp_path):
    """Never a traceback. Rows are damaged in a copy of the ledger, the folder stays."""
    results = shutil.copytree(whole, tmp_path / "results")
    with open_results(results) as opened:
        opened.ledger.note_run("now", "downloads", {"s2026000": "kim.zip"})
        opened.ledger.decisions.take("1", "kang", "points", "s2026000", {"report": 1.0})
        opened.ledger.decisions.take("1", "kang", "extend", "s2026001", {"days": 1})
    content = (results / "ledger.sqlite").read_bytes()
    with raw_ledger(results) as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]

    @settings(max_examples=30)
    @given(st.sampled_from(columns), VALUES)
    def damaged(column, value):
        (results / "ledger.sqlite").write_bytes(content)
        with raw_ledger(results) as database:
            try:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", [value])
            except sqlite3.IntegrityError:
                return
        try:
            look_at_all(results)
        except UserError as error:
            assert "\n" not in str(error) and ("put a copy" in str(error) or "secret.json" in str(error))

    damaged()
