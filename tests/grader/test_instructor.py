"""What an instructor does with results: points, near-copies, files for other systems. Cells, limits and who gets what."""

import csv
import io
import json
import random
import re
import sqlite3
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.course import SECRET, Student, students, write_course
from grader.apart import Apart
from grader.cli import main
from grader.grading.ranking import standings
from grader.grading.readings import points_that_count
from grader.grading.settings import Settings
from grader.grading.strategy_contributions import KEYS, contributions, variant, variants
from grader.ledger.measurement import Strategy
from grader.ledger.results_folder import open_results, store_rules, stored_secret
from grader.ledger.submission_store import keep, kept
from grader.publish import wandb_runs
from grader.publish.gradebooks import points
from grader.publish.publishing import publish
from grader.review.ablation import ablate, as_table
from grader.review.report_review import review
from grader.review.similarity import alike, clusters
from grader.review.submission_features import fingerprints, tokens
from grader.rules import Rules
from grader.secret import Secret, training_seed
from project.support.errors import UserError
from project.training.command_line import complete_config
from tests.grader.conftest import TINY_GLYPHS
from tests.grader.engines import LOST, MadeUp, graded, scored

FLAG = "logged 99% while it trained, but scores 85%"
FORMULA = '=HYPERLINK("http://192.0.2.1")'


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})


@pytest.fixture
def course(tmp_path, rules) -> Path:
    """Canvas's and Moodle's ids, one formula for a name, one rejected."""
    everyone = [
        Student("kim-minji-101", "Kim Minji 김민지", 0.91, source="kimminji_101_1_work.zip"),
        Student(
            "lee-jun-102", FORMULA, 0.85, "audited", [FLAG], source="leejun_LATE_102_2_x_9_assignsubmission_file_.zip"
        ),
        Student("park-103", "Park", 0.7, source="Park_103_assignsubmission_file_"),
        Student("rex", "Rex", None, source="homework-rex"),
    ]
    write_course(tmp_path / "results", everyone, rules)
    return tmp_path / "results"


def entries(results: Path) -> dict[str, dict]:
    return {entry["student"]: entry for entry in json.loads((results / "leaderboard.json").read_text())["entries"]}


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


# points


def test_points_are_kept_with_who_gave_them_and_do_not_move_ranks(course, capsys):
    command = ["bonus", str(course), "park-103", "--by", "kang"]
    assert main([*command, "--report", "3", "--comment", "clear"]) == 0
    assert main([*command, "--conclusion", "2"]) == 0  # what is not named stays
    found = entries(course)["park-103"]
    assert (found["bonus"], found["total"], found["rank"]) == (5.0, 75.0, 3)
    with open_results(course) as opened:
        notes = [(note.by, {**note.value}) for note in opened.ledger.decisions.history("park-103")]
        assert [[*value.pop("read")] for _, value in notes] == [["report"], ["conclusion"]]
        assert notes == [("kang", {"report": 3.0, "comment": "clear"}), ("kang", {"conclusion": 2.0})]
        opened.ledger.regrade("now", "kang", "park-103")
        assert points_that_count(opened.ledger, opened.rules)["park-103"]["report"] == 3.0


def test_a_table_of_points_counts_wholly_or_not_at_all(course, tmp_path, capsys):
    table = tmp_path / "points.csv"
    table.write_text("student,report,conclusion,comment\nkim-minji-101,5,,good\nstranger,1,1,\n")
    assert main(["bonus", str(course), "--csv", str(table)]) == 2
    assert "stranger" in capsys.readouterr().err and entries(course)["kim-minji-101"]["bonus"] == 0
    table.write_text("\ufeffstudent,report,conclusion\nkim-minji-101,5,\npark-103,,1.5\n", encoding="utf-8")
    assert main(["bonus", str(course), "--csv", str(table)]) == 0
    assert [entries(course)[name]["bonus"] for name in ("kim-minji-101", "park-103")] == [5.0, 1.5]
    table.write_text("student,report,conclusion\npark-103,4,\npark-103,,2\n")  # two rows about one
    assert main(["bonus", str(course), "--csv", str(table)]) == 0 and entries(course)["park-103"]["bonus"] == 6.0


def test_points_for_who_was_rejected_are_told_not_to_count(course, capsys):
    assert main(["bonus", str(course), "rex", "--report", "3"]) == 0
    assert "rex: rejected, so the total stays 0" in capsys.readouterr().out
    assert main(["bonus", str(course), "park-103", "--report", "3"]) == 0
    assert "stays 0" not in capsys.readouterr().out


def test_a_review_asks_for_each_and_can_be_stopped(course):
    answers = iter(["9", "4", "", "nice \x1b[2J", "s", "q"])
    output = io.StringIO()
    console = Console(file=output, width=100)
    console.input = lambda prompt="", **_: next(answers)
    with open_results(course) as opened:
        done = review(opened, "kang", named=True, console=console)
        given = points_that_count(opened.ledger, opened.rules)
        left = [entry.student for entry in standings(opened.ledger, opened.rules) if entry.points is None]
    assert done == 1 and given["kim-minji-101"]["report"] == 4.0 and "kim-minji-101" not in left
    assert "is not 0 to 5" in output.getvalue() and "one-cycle" in output.getvalue()


def test_points_of_a_review_bear_the_time_at_which_they_were_given(course, monkeypatch):
    clock = iter(["09:00", "09:05", "09:10", "09:15"])
    monkeypatch.setattr("grader.review.report_review.now", lambda: next(clock))
    console = Console(file=io.StringIO())
    console.input = lambda prompt="", **_: "1"
    with open_results(course) as opened:
        assert review(opened, "kang", console=console) == 4
        assert sorted(row["at"] for row in points_that_count(opened.ledger, opened.rules).values()) == [
            "09:00",
            "09:05",
            "09:10",
            "09:15",
        ]


def test_the_best_are_marked_if_they_pass(course, rules, tmp_path):
    assert [name for name, entry in entries(course).items() if entry["excellent"]] == ["kim-minji-101", "lee-jun-102"]


# a ledger that cannot be used


@pytest.fixture
def ledger_that(monkeypatch):
    """Has the next ledger opened with a statement run first."""

    def wrapped(statement):
        connect = sqlite3.connect

        def connected(*arguments, **keywords):
            database = connect(*arguments, **keywords, timeout=0)
            database.execute(statement)
            return database

        monkeypatch.setattr("grader.ledger.ledger.sqlite3.connect", connected)

    return wrapped


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA max_page_count = 1", "cannot be written (database or disk is full)"),
        ("PRAGMA query_only = 1", "cannot be written (attempt to write a readonly database)"),
    ],
)
def test_a_ledger_that_cannot_be_written_is_one_line(statement, said, course, ledger_that, capsys):
    ledger_that(statement)
    assert main(["bonus", str(course), "park-103", "--report", "1", "--comment", "x" * 100_000]) == 2
    error = capsys.readouterr().err
    assert said in error and "goes on" in error and error.count("\n") == 1


def test_a_folder_in_the_leaderboard_s_place_is_one_line(course, capsys):
    (course / "leaderboard.json").unlink()
    (course / "leaderboard.json").mkdir()
    assert main(["leaderboard", str(course)]) == 2
    error = capsys.readouterr().err
    assert "leaderboard.json" in error and error.count("\n") == 1


def test_a_damaged_copy_of_a_submission_is_told_and_kept_anew(course, capfd):
    (archive, *_) = sorted((course / "submissions").iterdir())
    whole, files = archive.read_bytes(), kept(course, archive.stem)
    for damaged in (b"", whole[:50], whole[:50] + b"\xff" * 9 + whole[59:], whole[:-60] + b"\xff" * 9 + whole[-51:]):
        archive.write_bytes(damaged)
        assert kept(course, archive.stem) == {} and f"{archive}: is damaged" in capfd.readouterr().err
    for command in ("leaderboard", "similar"):
        assert main([command, str(course)]) == 0 and f"{archive}: is damaged" in capfd.readouterr().err
    keep(course, archive.stem, files)
    assert kept(course, archive.stem) == files


def test_a_ledger_in_use_by_another_program_is_one_line(course, ledger_that, monkeypatch, capsys):
    ledger_that("SELECT 1")
    monkeypatch.setattr("grader.ledger.ledger.PATIENCE", 0)
    with closing(sqlite3.connect(course / "ledger.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert main(["bonus", str(course), "park-103", "--report", "1"]) == 2
    error = capsys.readouterr().err
    assert "ledger.sqlite: another program has it open" in error and error.count("\n") == 1


@pytest.mark.parametrize("start", [0, 4096], ids=["no database", "pages overwritten"])
def test_a_damaged_ledger_is_one_line(start, course, rules, write_submission, capsys):
    with open(course / "ledger.sqlite", "r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 50_000)
    assert main(["leaderboard", str(course)]) == 2
    error = capsys.readouterr().err
    assert "ledger.sqlite: is damaged" in error and error.count("\n") == 1
    with pytest.raises(UserError, match="is damaged"):
        graded(write_submission().parent, course, rules, MadeUp(None), secret=SECRET)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "5", '{"seed": null}', '{"seed": 5.5}', '{"seed": -3}', '{"key": "ff"}', "\xff"]
)
def test_a_damaged_secret_is_one_line(text, tmp_path):
    (tmp_path / "secret.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="secret.json: is damaged"):
        stored_secret(tmp_path, Secret.new())


FOREIGN = {
    "tables of another version": "PRAGMA user_version = 0",
    "no version": "PRAGMA user_version = -1",
    "tables of another program": "DROP TABLE decisions; CREATE TABLE history (at)",
    "a measurement of a newer grader": "UPDATE measurements SET measurement = '{\"version\": 2}'",
}


def test_what_is_no_ledger_of_this_grader_is_one_line_and_stays_as_it_is(course, capsys):
    path = course / "ledger.sqlite"
    whole = path.read_bytes()
    for what, statement in FOREIGN.items():
        path.write_bytes(whole)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(statement)
        before = path.read_bytes()
        assert main(["leaderboard", str(course)]) == 2, what
        error = capsys.readouterr().err
        assert "ledger" in error and error.count("\n") == 1 and path.read_bytes() == before, what


def test_a_mistake_of_ours_in_a_question_to_the_ledger_is_not_called_the_user_s(course, rules, write_submission):
    engine = MadeUp(lambda job: sqlite3.connect(":memory:").execute("SELECT accuracy FROM absent"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        graded(write_submission().parent, course, rules, engine, secret=SECRET)


# near-copies


CODE = """
import torch
class Net(torch.nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        self.out = torch.nn.Linear(width * 15 * 15, 10)
    def forward(self, x):
        x = self.layers(x)
        for _ in range(2):
            x = x + 0.5 * torch.tanh(x) if self.training else x * (1 + 0.5)
        return self.out(x.flatten(1))
"""


def own_text(number: int) -> str:
    draw = random.Random(number)
    return " ".join("".join(draw.choices("abcdefghij", k=6)) for _ in range(200))


def test_copies_are_found_though_names_are_changed_and_the_course_s_own_text_is_nobodys(tmp_path, rules, capsys):
    everyone = [
        Student(f"s{n}", f"S{n}", 0.8 + n / 100, texts={"REPORT.md": "The lecture says. " * 40 + own_text(n)})
        for n in range(8)
    ]
    everyone[2].texts["net.py"] = CODE
    everyone[5].texts["model.py"] = (
        CODE.replace("width", "w").replace("Net", "Model").replace("layers", "body") + "# mine\n"
    )
    everyone[6].texts["REPORT.md"] = own_text(99) + everyone[1].texts["REPORT.md"][-900:]
    settings = "model:\n" + "".join(f"  key{n}: {n}\n" for n in range(8))
    for n, student in enumerate(everyone):
        student.texts["config.yaml"] = settings + "".join(f"  own{k}: {n}{k}\n" for k in range(6))
    everyone[7].texts["config.yaml"] = everyone[3].texts["config.yaml"]
    write_course(tmp_path, everyone, rules)
    assert main(["similar", str(tmp_path)]) == 0
    found = {(row["students"], row["what"]) for row in rows(tmp_path / "similar.csv")}
    assert found == {("s2; s5", "code"), ("s1; s6", "texts"), ("s3; s7", "config"), ("s3; s7", "files")}
    assert "model.own0: 30" in capsys.readouterr().out


@pytest.mark.parametrize(("copies", "everybody"), [(4, 4), (4, 12), (9, 12), (4, 24)])
def test_a_group_of_copies_is_found_however_many_they_are(copies, everybody, tmp_path, rules):
    course = [Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": own_text(n)}) for n in range(everybody)]
    group = course[:copies]
    for n, student in enumerate(group):  # no two files of theirs are the same
        student.texts["net.py"] = CODE + f"# {n}\n"
        student.texts["REPORT.md"] = own_text(99) + f" {n}"
    write_course(tmp_path, course, rules)
    assert main(["similar", str(tmp_path)]) == 0
    found = {(row["students"], row["what"]) for row in rows(tmp_path / "similar.csv")}
    assert found == {("; ".join(sorted(student.id for student in group)), what) for what in ("code", "texts")}


def test_the_same_file_is_told_whoever_has_it(tmp_path, rules, capsys):
    course = [Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": own_text(99), "b.py": "x = 1\n"}) for n in range(9)]
    course[8].texts = {"REPORT.md": own_text(8), "__init__.py": ""}
    write_course(tmp_path, course, rules)
    assert main(["similar", str(tmp_path)]) == 0
    found = {row["what"]: row for row in rows(tmp_path / "similar.csv")}
    everybody = "; ".join(f"s{n}" for n in range(8))
    assert {row["students"] for row in found.values()} == {everybody}
    assert found["files"]["example"] == "REPORT.md, b.py"
    assert f"{everybody}  share 100% of their files  REPORT.md, b.py" in capsys.readouterr().out


@pytest.mark.parametrize(("copies", "everybody"), [(21, 200), (150, 200), (30, 30)])
def test_many_copies_are_one_cluster_and_nobody_else_is_in_it(copies, everybody):
    draw = random.Random(0)
    report = {draw.getrandbits(64) for _ in range(60)}
    features = {
        f"s{n:03}": {draw.getrandbits(64) for _ in range(60)} if n >= copies else set(report) for n in range(everybody)
    }
    (found,) = clusters([*alike("texts", features)])
    assert found.students == tuple(f"s{n:03}" for n in range(copies)) and found.least > 0.999


def joined(*numbers: int) -> str:
    return " ".join(map(own_text, numbers))


def test_only_who_are_all_alike_are_one_cluster(tmp_path, rules):
    course = [Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": joined(n + 20)}) for n in range(12)]
    for n in range(4):  # each shares half with the one before
        course[n].texts["REPORT.md"] = joined(n, n + 1)
    write_course(tmp_path, course, rules)
    assert main(["similar", str(tmp_path)]) == 0
    found = rows(tmp_path / "similar.csv")
    assert sorted(row["students"] for row in found) == ["s0; s1", "s1; s2", "s2; s3"]
    assert all(0.4 < float(row["least"]) == float(row["most"]) < 0.6 and not row["bridge"] for row in found)


@pytest.mark.parametrize("bridges", [1, 2])
def test_a_report_that_holds_everybody_s_texts_makes_nobody_else_a_copier(bridges, tmp_path, rules, capsys):
    course = [Student(f"honest{n}", f"S{n}", 0.8, texts={"REPORT.md": joined(n, n + 20)}) for n in range(8)]
    for n in range(2):
        course.append(Student(f"copier{n}", "C", 0.8, texts={"REPORT.md": joined(50, 51, 60 + n)}))
    for n in range(bridges):
        everybody = f"{joined(70 + n)} {joined(*range(8))} {joined(50, 51)}"
        course.append(Student(f"eve{n}", "Eve", 0.8, texts={"REPORT.md": everybody}))
    write_course(tmp_path, course, rules)
    assert main(["similar", str(tmp_path)]) == 0
    listed = rows(tmp_path / "similar.csv")
    found = {row["bridge"]: row["students"].split("; ") for row in listed}
    (shares,) = (row["example"] for row in listed if row["bridge"] == "eve0")
    assert re.match(r"copier0 \d\d%, copier1 \d\d%, ", shares)
    eves = [f"eve{n}" for n in range(bridges)]
    assert found.pop("") == ["copier0", "copier1"] and sorted(found) == eves
    assert all(set(each) == {student.id for student in course} for each in found.values())
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("eve0  "))
    assert "with several who are not like each other: copier0; copier1; " in line


def test_what_the_instructor_handed_out_besides_is_nobodys_own(tmp_path, rules, capsys):
    handout = tmp_path / "handout"
    handout.mkdir()
    (handout / "week6.md").write_text(own_text(99), encoding="utf-8")
    (handout / "start.py").write_text(CODE, encoding="utf-8")
    course = [
        Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": own_text(99) + own_text(n), "net.py": CODE})
        for n in range(9)
    ]
    write_course(tmp_path / "results", course, rules)
    assert main(["similar", str(tmp_path / "results")]) == 0
    assert {row["what"] for row in rows(tmp_path / "results" / "similar.csv")} == {"code", "texts", "files"}
    assert main(["similar", str(tmp_path / "results"), "--handout", str(handout)]) == 0
    assert rows(tmp_path / "results" / "similar.csv") == []
    assert main(["similar", str(tmp_path / "results"), "--handout", str(tmp_path / "none")]) == 2


def test_what_the_course_hands_out_is_nobodys_own(tmp_path, rules, capsys):
    made = ["--config", "configs/quickstart.yaml", "--config", "configs/optimization/adamw.yaml"]
    handed_out = {
        "config.yaml": complete_config(made),
        "net.py": Path("project/networks.py").read_text(encoding="utf-8"),
        "REPORT.md": Path("docs/assignment.md").read_text(encoding="utf-8"),
    }
    course = [Student(f"s{n}", f"S{n}", 0.8, texts=dict(handed_out)) for n in range(3)]
    course[0].texts["config.yaml"] += "\n"
    write_course(tmp_path, course, rules)
    assert main(["similar", str(tmp_path)]) == 0
    assert "No two submissions are alike." in capsys.readouterr().out


def test_what_cannot_be_read_of_one_is_told_and_all_else_is_compared(tmp_path, rules, capfd, monkeypatch):
    """A file that stops its own comparison is named, for it may be there to do that."""
    course = [Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": own_text(99), "net.py": CODE}) for n in range(5)]
    course[0].texts["config.yaml"] = "model: {2026-11-29: 1}\n"  # a date, which is no plain data
    write_course(tmp_path, course, rules)
    bombs = sorted((tmp_path / "submissions").glob("*.zip"))[:2]
    with zipfile.ZipFile(bombs[1], "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("REPORT.md", bytes(2 * 10**8))
    monkeypatch.setattr("grader.review.similarity.Apart", partial(Apart, memory=3 * 10**8))
    assert main(["similar", str(tmp_path)]) == 0
    said = capfd.readouterr().err
    assert "s0: config not compared, look at it yourself: reading that raised TypeError" in said
    assert "s1: texts not compared, look at it yourself: reading that took more than 0.3 GB" in said
    found = rows(tmp_path / "similar.csv")
    assert [row["students"] for row in found if row["what"] == "texts"] == ["s0; s2; s3; s4"]


def test_what_takes_long_to_compare_is_told_and_all_else_is_compared(tmp_path, rules, capfd, monkeypatch):
    course = [Student(f"s{n}", f"S{n}", 0.8, texts={"REPORT.md": own_text(99), "net.py": CODE}) for n in range(3)]
    course[0].texts["net.py"] = "a b\n" * 1_000_000
    write_course(tmp_path, course, rules)
    monkeypatch.setattr("grader.review.similarity.MOST_SECONDS", 1)
    assert main(["similar", str(tmp_path)]) == 0
    assert "s0: code not compared, look at it yourself: reading that took longer than 1 s" in capfd.readouterr().err
    assert ("s1; s2", "code") in {(row["students"], row["what"]) for row in rows(tmp_path / "similar.csv")}


def test_code_that_is_no_python_has_no_tokens_and_no_fault():
    assert set(tokens("def (((" * 1000)) <= {"def", "("} and list(tokens("\0")) == []
    assert fingerprints(["a"] * 10) == set() and len(fingerprints(list("abcdefgh" * 20))) == 1


# other systems


def test_gradescope_s_file_has_what_it_asks_for(course):
    from jsonschema import validate

    assert main(["export", str(course), "--format", "gradescope"]) == 0
    test = {
        "type": "object",
        "required": ["name", "status"],
        "properties": {"status": {"enum": ["passed", "failed"]}, "visibility": {"enum": ["visible", "hidden"]}},
    }
    board = {
        "type": "object",
        "required": ["name", "value"],
        "properties": {"value": {"type": ["number", "string"]}, "order": {"enum": ["asc", "desc"]}},
    }
    schema = {
        "type": "object",
        "required": ["score", "tests", "leaderboard"],
        "properties": {
            "score": {"type": "number", "minimum": 0},
            "output": {"type": "string"},
            "output_format": {"enum": ["text", "html", "simple_format", "md", "ansi"]},
            "tests": {"type": "array", "items": test, "minItems": 1},
            "leaderboard": {"type": "array", "items": board},
        },
    }
    files = sorted((course / "gradescope").rglob("results.json"))
    assert len(files) == 4
    for file in files:
        validate(json.loads(file.read_text()), schema)
    best, rejected = (
        json.loads((course / "gradescope" / s / "results.json").read_text()) for s in ("kim-minji-101", "rex")
    )
    assert best["score"] == 91.0 and best["leaderboard"][0] == {"name": "accuracy (%)", "value": 91.0, "order": "desc"}
    assert rejected["score"] == 0 and rejected["leaderboard"] == [] and rejected["tests"][0]["status"] == "failed"


def test_a_gradebook_of_canvas_is_filled_in_by_its_ids(course, tmp_path, capsys):
    gradebook = tmp_path / "gradebook.csv"
    gradebook.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Fifteen Epochs (4711),Other (1),Final Score\n"
        "    Points Possible,,,,,100,10,\n"
        '"Kim, Minji",101,,minji,A,,7,\n"Lee, Jun",102,,jun,A,3,8,\n"Nobody, New",999,101,new,A,,9,\n"Rex, R",500,,rex,A,,1,\n'
    )
    assert main(["export", str(course), "--format", "canvas", "--gradebook", str(gradebook)]) == 1, "Park has no row"
    assert "no row for park-103\n" in capsys.readouterr().err
    found = {row["Student"]: row["Fifteen Epochs (4711)"] for row in rows(course / "canvas.csv")}
    assert found == {
        "    Points Possible": "100",
        "Kim, Minji": "91.00",
        "Lee, Jun": "85.00",
        "Nobody, New": "",
        "Rex, R": "0.00",
    }
    assert "Other (1)" not in (course / "canvas.csv").read_text()


def test_a_number_counts_where_the_system_gave_it(rules, tmp_path):
    everyone = [
        Student("homework-3", "Kim", 0.9, source="homework-3"),
        Student("4", "김", 0.8, source="김_4_1_work.zip"),
        Student("lee-5", "Lee", 0.7, source="lee_5_1_work.zip"),
    ]
    write_course(tmp_path / "results", everyone, rules)
    gradebook = tmp_path / "gradebook.csv"
    gradebook.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Fifteen Epochs (1)\n"
        "Anna,3,4,lee-5,A,88\nKim,9,,homework-3,A,\nKim,4,3,,A,\nLee,5,homework-3,,A,\n"
    )
    assert main(["export", str(tmp_path / "results"), "--format", "canvas", "--gradebook", str(gradebook)]) == 1
    found = [row["Fifteen Epochs (1)"] for row in rows(tmp_path / "results" / "canvas.csv")]
    assert found == ["88", "", "80.00", "70.00"], "an id in two rows fills neither"


def test_a_worksheet_of_moodle_is_filled_in_with_comments(course, tmp_path):
    worksheet = tmp_path / "worksheet.csv"
    worksheet.write_text(
        "\ufeffIdentifier,Full name,Email address,Grade,Maximum grade,Grade can be changed,Last modified (grade),"
        "Feedback comments\nParticipant 103,Park,park@example.org,,100.00,Yes,-,\n"
        "Participant 9,Rex,rex@example.org,,100.00,Yes,-,\n",
        encoding="utf-8",
    )
    assert main(["export", str(course), "--format", "moodle", "--gradebook", str(worksheet), "--language", "ko"]) == 1
    park, rex = rows(course / "moodle.csv")
    assert (park["Grade"], park["Last modified (grade)"], rex["Grade"]) == ("70.00", "-", "0.00")
    assert "목표 미달" in park["Feedback comments"] and "정확도" in park["Feedback comments"]


def test_without_a_gradebook_a_table_is_made_and_no_cell_is_a_formula(course):
    for form in ("canvas", "moodle", "csv"):
        assert main(["export", str(course), "--format", form]) == 0
    for name in ("canvas.csv", "moodle.csv", "leaderboard.csv"):
        for row in rows(course / name):
            assert not any(cell.startswith(("=", "+", "-", "@")) and cell != "-" for cell in row.values())


def test_a_worksheet_of_another_language_is_filled_in_by_the_column_that_is_named(course, tmp_path):
    worksheet = tmp_path / "worksheet.csv"
    worksheet.write_text("ID,Bewertung,Bewertung kann geändert werden\nTeilnehmer/in103,,Ja\n", encoding="utf-8")
    command = ["export", str(course), "--format", "moodle", "--gradebook", str(worksheet), "--column", "Bewertung"]
    assert main(command) == 1 and rows(course / "moodle.csv")[0]["Bewertung"] == "70.00"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("Student,ID\na,1\n", [], "no column to fill in begins"),
        ("Student,A (1),A (2)\n", ["--column", "A"], "2 columns to fill in begin"),
        ("Student,ID,Points\n", ["--column", "ID"], "there are Points\n"),
        ("Identifier,Student,Grade\n", ["--column", "Iden"], "there are Grade\n"),
        ("Student,ID,Grade,Grade\n", ["--column", "Grade"], "two columns are headed 'Grade'"),
    ],
)
def test_a_gradebook_without_the_column_is_one_line(text, arguments, said, course, tmp_path, capsys):
    gradebook = tmp_path / "gradebook.csv"
    gradebook.write_text(text)
    command = ["export", str(course), "--format", "canvas", "--gradebook", str(gradebook), *arguments]
    assert main(command) == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "shown"), [("csv", "kim-minji-101"), ("json", "kim-minji-101"), ("markdown", "91.00%")]
)
def test_the_leaderboard_is_exported_though_its_files_are_gone(form, shown, course, tmp_path):
    for file in course.glob("leaderboard.*"):
        file.unlink()
    out = tmp_path / "new" / "board"
    assert main(["export", str(course), "--format", form, "--out", str(out)]) == 0
    assert shown in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["csv", "canvas", "moodle", "gradescope", "feedback"])
def test_a_place_that_cannot_be_written_is_one_line(form, course, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "out", *([] if form in ("gradescope", "feedback") else [Path(".")])):
        assert main(["export", str(course), "--format", form, "--out", str(place)]) == 2
        error = capsys.readouterr().err
        assert "--out" in error and "cannot be written" in error and error.count("\n") == 1


def test_what_is_ours_to_repeat_gets_no_points(course):
    with open_results(course) as opened:
        entry = standings(opened.ledger, opened.rules)[0]
    assert [points(entry.model_copy(update={"verdict": v})) for v in ("passed", "infrastructure", "pending")] == [
        91.0,
        None,
        None,
    ]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_feedback_is_a_file_for_each_and_quotes_no_markup(course, language):
    assert main(["export", str(course), "--format", "feedback", "--language", language]) == 0
    told = {path.stem: path.read_text() for path in (course / "feedback").iterdir()}
    assert set(told) == {"kim-minji-101", "lee-jun-102", "park-103", "rex"}
    assert "91.00%" in told["kim-minji-101"] and "max\\_epochs" in told["rex"] and "99%" in told["lee-jun-102"]


@pytest.mark.parametrize("form", ["feedback", "gradescope"])
@pytest.mark.parametrize("named", [False, True])
def test_of_who_is_on_no_list_any_more_no_file_stays(form, named, course, rules, tmp_path, capsys):
    out = tmp_path / "out" if named else course / form
    command = ["export", str(course), "--format", form, *(["--out", str(out)] if named else [])]
    assert main(command) == 0
    assert "rex" in {path.stem for path in out.iterdir()}
    store_rules(course, rules.but(staff=["rex"]))
    assert main(command) == 0
    assert {path.stem for path in out.iterdir()} == {"kim-minji-101", "lee-jun-102", "park-103"}
    (out / "notes.txt").write_text("mine")
    assert main(command) == (2 if named else 0)
    assert (out / "notes.txt").exists() == named == ("has notes.txt in it" in capsys.readouterr().err)


# W&B


def test_each_rerun_is_a_run_once_and_the_leaderboard_a_table(course, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    said = wandb_runs.mirror(course, "offline")
    assert "3 runs" in said and "wandb sync" in said
    assert len(list((course / "wandb").glob("offline-run-*"))) == 4
    assert wandb_runs.mirror(course, "offline") == ""


def test_where_wandb_is_down_grades_are_not_touched(course, monkeypatch):
    before = (course / "ledger.sqlite").read_bytes()
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(wandb_runs, "SECONDS", 4)
    assert "not touched" in wandb_runs.mirror(course, "online")
    assert (course / "ledger.sqlite").read_bytes() == before


# ablation


def test_a_lost_variant_is_tried_again(write_submission, rules, tmp_path):
    made, results = Made(), tmp_path / "results"
    graded(write_submission("kim").parent, results, rules, MadeUp(lambda job: scored()))
    lost = iter([True, False, True])
    result = made.result
    made.result = lambda job: LOST if next(lost, False) else result(job)
    with open_results(results) as opened:
        table, _ = ablate(opened, "kim", 1, Settings("cpu", False, engine=made))
    assert len(made.jobs) == len({job.folder for job in made.jobs}) == 9 and table.count("\n") >= 9


class Made(MadeUp):
    """An engine that trains nothing: each family is worth 0.2. The network's own code may have strategies, too."""

    def __init__(self, **in_the_code):
        self.jobs, self.in_the_code = [], in_the_code

    def result(self, job):
        import yaml

        self.jobs.append(job)
        config = yaml.safe_load(job.submission.files["config.yaml"])
        model = config["model"]
        used = {family: model[family] for family in ("initialization", "normalization")}
        used["optimization"] = model["scheduler"]
        used["regularization"] = model["regularization"] or config["data"]["augmentation"]
        found = {f: [Strategy(name=f"set {f}", evidence="")] for f, chosen in used.items() if chosen}
        found |= {f: [Strategy(name=name, evidence="")] for f, name in self.in_the_code.items()}
        return scored(0.1 + 0.2 * len(found), strategies=found)


def test_an_ablation_runs_every_variant_once_and_tells_what_each_family_brings(tmp_path, rules, config):
    texts = {"config.yaml": config, "REPORT.md": "x", "CONCLUSION.md": "y"}
    write_course(tmp_path, [Student("kim", "Kim", 0.9, texts=texts)], rules)
    engine = Made()
    settings = Settings("cpu", sandboxed=False, engine=engine)
    with open_results(tmp_path) as opened:
        table, figure = ablate(opened, "kim", None, settings)
        publish(opened)
    assert len(engine.jobs) == 9 and {job.seed for job in engine.jobs} == {training_seed(SECRET, 0)}
    assert figure.stat().st_size > 10_000 and "-20.00" in table and "-80.00" in table
    page = next((tmp_path / "site" / "submissions").iterdir()).read_text()
    assert "What each family contributes" in page
    with open_results(tmp_path) as opened:
        ablate(opened, "kim", 2, settings)  # one more seed, for the whole as well
    assert len(engine.jobs) == 9 + 10


def test_a_family_s_contribution_has_an_interval_training_by_training(rules):
    """A seed that is good for one variant is good for all; what it does to them cancels."""

    def trainings(*values):
        return {number: scored(value, strategies={}) for number, value in enumerate(values)}

    graded, without = trainings(0.80, 0.90, 0.85), trainings(0.70, 0.80, 0.76)
    measured = {"without normalization": without, "none": trainings(0.3)}
    whole, less, none = contributions(measured, graded, ["normalization"])
    assert less["difference"] == pytest.approx(-0.29 / 3) and less["low"] < less["difference"] < less["high"] < 0
    assert whole["difference"] is None and whole["low"] is None and whole["std"] == pytest.approx(0.05)
    assert none["difference"] == pytest.approx(-0.5) and none["low"] is None
    assert "-9.67 (" in as_table([whole, less, none]) and "all of them together" in as_table([less])
    assert "With one seed each" in as_table([whole, none])


def test_a_variant_that_loses_one_image_with_each_of_two_seeds_is_not_told_apart():
    def trainings(accuracy):
        return {number: scored(accuracy, strategies={}, samples=1000) for number in (0, 1)}

    _, less = contributions({"without normalization": trainings(0.799)}, trainings(0.8), ["normalization"])
    assert less["difference"] == pytest.approx(-0.001) and less["low"] < 0 < less["high"]


def test_what_the_network_s_own_code_does_has_a_reason_and_no_number(tmp_path, rules, config):
    write_course(tmp_path, [Student("kim", "Kim Minji", 0.9, texts={"config.yaml": config})], rules)
    engine = Made(normalization="KimMinjiNorm", regularization="dropout")
    with open_results(tmp_path) as opened:
        table, _ = ablate(opened, "kim", None, Settings("cpu", sandboxed=False, engine=engine))
        publish(opened)
    lines = {line[:24].strip(): line for line in table.splitlines()}
    said = "cannot be taken out: KimMinjiNorm, in the code and not in the configuration"
    assert said in lines["without normalization"] and said in lines["only regularization"]
    assert "out: dropout, in the code" in lines["without regularization"]
    assert "KimMinjiNorm" in lines["none of the families"] and "dropout" in lines["none of the families"]
    assert "-20.00" in lines["without initialization"] and "-20.00" in lines["without optimization"]
    assert "+0.00" not in table
    page = next((tmp_path / "site" / "submissions").iterdir()).read_text()
    assert page.count("cannot be taken out") >= 7 and "Minji" not in page


def test_variants_take_back_just_their_family(config):
    import yaml

    from project.training.command_line import complete_config

    whole, base = yaml.safe_load(config), yaml.safe_load(complete_config(["--config", "configs/base.yaml"]))
    found = variants([*KEYS])
    assert len(found) == 10
    for name, taken_back in found.items():
        made = variant(whole, base, taken_back)
        for family, keys in KEYS.items():
            back = name == "none" or name == f"without {family}" or (name.startswith("only") and family not in name)
            for section, key in keys:
                source = base if back else whole
                assert made[section][key] == source[section][key]
        assert made["model"]["network"] == whole["model"]["network"] and made["trainer"] == whole["trainer"]


def test_decay_within_an_optimizer_belongs_to_regularization():
    adamw = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.1, "weight_decay": 0.05}}
    model = {"optimizer": adamw, "scheduler": None, "regularization": [], "initialization": None, "normalization": None}
    config = {"model": model, "data": {"augmentation": []}}
    base = {"model": {**model, "optimizer": {"class_path": "torch.optim.SGD"}}, "data": {"augmentation": []}}

    def optimizer(name):
        return variant(config, base, variants([*KEYS])[name])["model"]["optimizer"]

    assert optimizer("without regularization")["init_args"]["weight_decay"] == 0
    assert optimizer("without normalization") == adamw
    config["model"]["optimizer"] = {"class_path": "torch.optim.AdamW"}  # which decays without being told
    assert optimizer("without regularization")["init_args"] == {"weight_decay": 0}
    config["model"]["optimizer"] = adamw
    assert optimizer("only optimization")["init_args"]["weight_decay"] == 0


@pytest.mark.parametrize(("student", "said"), [("nobody", "no such student"), ("rex", "no accuracy")])
def test_what_cannot_be_taken_apart_is_one_line(student, said, course, capsys):
    assert main(["ablate", str(course), student, "--unsafe-no-sandbox", "--device", "cpu"]) == 2
    assert said in capsys.readouterr().err


def order(entry):
    return entry["verdict"] != "passed", -entry["accuracy"]


def test_many_students_are_ranked_as_one_by_one(tmp_path, rules):
    everyone = students(60)
    write_course(tmp_path, everyone, rules)
    found = [entry for entry in entries(tmp_path).values() if entry["rank"]]
    for entry in found:
        assert entry["rank"] == 1 + sum(order(other) < order(entry) for other in found)
        assert entry["rank_low"] == 1 + sum(other["accuracy_low"] > entry["accuracy_high"] for other in found)
        worse = sum(other["accuracy_high"] < entry["accuracy_low"] for other in found)
        assert entry["rank_high"] == len(found) - worse
