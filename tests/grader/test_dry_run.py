"""`run --dry-run`: who, what, when, from where and what the checks say, and nothing happens; and the roster in every list."""

import csv
import io
import json
import re
import sys
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len

from benchmarks import hand_in_systems as systems
from benchmarks.hand_in_systems import HandIn, zipped
from grader.cli import main
from grader.grading.dry_run import COLUMNS, dry_run, on
from grader.grading.ranking import standings
from grader.grading.settings import Settings
from grader.grading.text_table import as_table
from grader.intake.roster import kinds_of
from grader.intake.whole_download import check_unpacked
from grader.ledger.results_folder import open_results
from grader.publish.export_files import write_export
from grader.rules import Rules
from project.support.errors import UserError
from tests.grader.engines import MadeUp, graded, scored

DEADLINE = datetime(2026, 12, 4, 23, 59, tzinfo=timezone(timedelta(hours=9)))
ROSTER = "id,name,LMS number\n002610024,김민지,101\n20260002,이바다,102\n20260003,박구름,103\n"


@pytest.fixture
def course(write_submission, tmp_path):
    """Two on the roster hand in by Canvas, one of them a .7z; one does not, and one is not on it."""
    files = {file.name: file.read_bytes() for file in write_submission().iterdir()}
    students = [
        HandIn("김민지", 101, {"w.zip": zipped(files)}),
        HandIn("이바다", 102, {"w.7z": b"7z"}, late=True),
        HandIn("Stranger", 104, {"w.zip": zipped({**files, "student.yaml": b"id: '20260003'\nname: x\n"})}),
    ]
    folder = systems.canvas(tmp_path / "canvas", students)
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return folder


def contents(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_it_says_what_a_run_would_do_and_does_nothing(course, rules, tmp_path):
    before = contents(tmp_path)
    settings = Settings("cpu", False, engine=MadeUp(lambda job: scored()))
    said = dry_run(course, None, rules.but(deadline=DEADLINE), settings)
    assert contents(tmp_path) == before
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    for student, words in {
        "002610024": ("김민지", "101_9001_w.zip", "in time", "the system's mark", "roster, by its number", "ok", "1"),
        "20260002": ("이바다", "LATE_102_9002_w.7z", "late", "marked as late"),
        "20260003": ("박구름", "handed in nothing"),
        "stranger-104": ("stranger", "Canvas's account", "is not on the roster"),
    }.items():
        assert all(word in rows[student] for word in words), rows[student]
    assert "3 students handed in something; of 3 on the roster, 1 did not. " in said
    assert "minutes on made up. Nothing was trained or written." in said


@pytest.mark.parametrize("width", [100, 80])
def test_the_list_fits_a_terminal_and_is_whole_there_and_in_a_file(width, monkeypatch):
    said = "trainer.max_epochs: 16 is not from 1 to 15 (and 2 more); handed in 2 days after the deadline"
    row = [
        "kim-minji-12345",
        "김민지",
        "kimminji_LATE_12345_678901_w.zip (of 3)",
        "2026-12-04 23:59+09:00",
        "the system's mark",
    ]
    rows = [[*row, "Canvas's account", said, "3", "12.5"]]
    piped = as_table(COLUMNS, rows)
    assert all(text in piped.splitlines()[1] for text in rows[0])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = as_table(COLUMNS, rows)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert sorted("".join(shown.split())) == sorted("".join(piped.split())), "nothing is left out"


@pytest.mark.parametrize("epochs", [15, 16])
def test_it_says_whose_a_hand_in_only_claims_to_be_also_of_a_rejected_one(epochs, write_submission, rules, tmp_path):
    for name in ("eve", "kim"):
        folder = write_submission(name)
        (folder / "student.yaml").write_text("id: kim\nname: Kim\n")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["trainer"]["max_epochs"] = epochs
    (tmp_path / "submissions" / "eve" / "config.yaml").write_text(yaml.safe_dump(config))
    said = dry_run(tmp_path / "submissions", None, rules, Settings("cpu", False, engine=MadeUp(lambda job: scored())))
    (row,) = [line for line in said.splitlines() if line.startswith("eve ")]
    assert "its student.yaml says kim" in row and ("max_epochs" in row) == (epochs == 16), row


def test_after_a_run_it_says_what_is_left_by_what_was_measured(course, rules, tmp_path):
    engine = MadeUp(lambda job: scored(0.9, seconds=60.0))
    graded(course, tmp_path / "results", rules, engine)
    before = contents(tmp_path)
    settings = Settings("cpu", False, engine=engine)
    for asked, minutes in ((rules, 0), (rules.but(seeds=2), 2 * rules.max_epochs)):
        said = dry_run(course, tmp_path / "results", asked, settings)
        assert f"The trainings take about {minutes} minutes on made up. " in said
    assert contents(tmp_path) == before


def test_it_says_in_whole_sentences_that_nothing_was_measured_and_that_no_roster_is_there(
    write_submission, rules, tmp_path
):
    write_submission()
    settings = Settings("cpu", False, engine=MadeUp(lambda job: scored()))
    said = dry_run(
        tmp_path / "submissions", None, rules.but(dataset=Rules().dataset | {"class_path": "CIFAR10"}), settings
    )
    assert (
        "1 student handed in something; no roster was found. No training was measured yet; by their limit, they" in said
    )


def test_everybody_on_the_roster_is_in_every_list(course, rules, tmp_path, capsys):
    results = tmp_path / "results"
    table = graded(course, results, rules, MadeUp(lambda job: scored()))
    said = capsys.readouterr().out
    assert "1 of 3 on the roster handed in nothing: 박구름 (20260003)" in said
    assert "stranger-104: stranger_104_9003_w.zip: is not on the roster" in said
    everybody = {"002610024", "20260002", "20260003", "stranger-104"}
    with open(results / "leaderboard.csv", encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == everybody and all(student in table for student in everybody)
    assert (rows["20260003"]["verdict"], rows["20260003"]["reason"]) == ("missing", "handed in nothing")
    board = json.loads((results / "leaderboard.json").read_text(encoding="utf-8"))
    assert {entry["student"] for entry in board["entries"]} == everybody
    with open_results(results) as opened:
        for form in ("canvas", "moodle", "feedback"):
            write_export(opened, form, None, None, None, "ko")
    for form in ("canvas", "moodle"):
        text = (results / f"{form}.csv").read_text(encoding="utf-8-sig")
        names = {cell for row in csv.reader(io.StringIO(text)) for cell in row}
        assert {"김민지", "이바다", "박구름"} <= names, form
    assert {file.stem for file in (results / "feedback").iterdir()} == everybody
    assert "본인의 것으로 확인되는" in (results / "feedback" / "20260003.md").read_text(encoding="utf-8")


def test_numbers_of_the_roster_are_in_gradebooks_made_without_a_file(write_submission, rules, tmp_path):
    for name in ("kim", "lee"):
        write_submission(name)
    folder, results = tmp_path / "submissions", tmp_path / "results"
    rows = "kim,김민지,101,kim@x.kr,A\nlee,이바다,102,,\npark,박구름,103,,\n"
    (folder / "roster.csv").write_text("id,name,LMS number,login,section\n" + rows, encoding="utf-8")
    graded(folder, results, rules, MadeUp(lambda job: scored()))
    with open_results(results) as opened:
        for form in ("canvas", "moodle"):
            write_export(opened, form, None, None, None, "ko")
    canvas, moodle = (
        [row[:-1] for row in csv.reader(io.StringIO((results / f"{form}.csv").read_text(encoding="utf-8-sig")))][1:]
        for form in ("canvas", "moodle")
    )
    assert canvas == [
        ["김민지", "101", "kim", "kim@x.kr", "A"],
        ["이바다", "102", "lee", "lee", ""],
        ["박구름", "103", "park", "park", ""],
    ]
    assert [row[0] for row in moodle] == ["Participant 101", "Participant 102", "Participant 103"]


def test_what_the_roster_says_of_a_student_is_on_no_page(write_submission, rules, tmp_path):
    said = "Kim (002610024, number 730101, minji.k, gh-minji, an) and 박구름 (730103, gh-cloud), 777123 Nick Klaimd"
    report = f"{said}: an epoch is a pass over the images. " * 20
    claim = "id: '777123'\nname: Nick Klaimd\n"
    write_submission("kim", **{"REPORT.md": report, "CONCLUSION.md": report, "student.yaml": claim})
    folder, results = tmp_path / "submissions", tmp_path / "results"
    rows = "002610024,김민지,730101,minji.k@x.kr,gh-minji\n20260003,박구름,730103,,gh-cloud\n20260004,A Nobody,730104,,an\n"
    (folder / "roster.csv").write_text("id,name,LMS number,login,github\n" + rows, encoding="utf-8")
    (folder / "kim").rename(folder / "002610024")
    graded(folder, results, rules, MadeUp(lambda job: scored()))
    pages = "".join(page.read_text() for page in (results / "site").rglob("*.html"))
    for secret in ("002610024", "730101", "minji.k", "gh-minji", "박구름", "730103", "gh-cloud", "777123", "Klaimd"):
        assert secret not in pages, secret
    assert "an epoch is a pass over the images" in pages, "two letters are a word, and no account"
    (results / "roster.json").write_text("[{]")
    with open_results(results) as opened, pytest.raises(UserError, match="roster.json: is damaged; delete it"):
        write_export(opened, "canvas", None, None, None, "ko")


def test_names_on_the_roster_of_another_section_are_on_no_page_either(write_submission, rules, tmp_path):
    report = "I worked with Hong Gildong: an epoch is a pass over the images. " * 20
    results = tmp_path / "results"
    for section, rows in (("a", "hong,Hong Gildong,A\nlee,Lee Yuna,A\n"), ("b", "park,Park Jisoo,B\n")):
        for student in [row.partition(",")[0] for row in rows.split()[::2]]:
            claim = f"id: {student}\nname: {student}\n"
            write_submission(student, parent=tmp_path / section, **{"REPORT.md": report, "student.yaml": claim})
        (tmp_path / section / "roster.csv").write_text(f"id,name,section\n{rows}", encoding="utf-8")
        graded(tmp_path / section, results, rules, MadeUp(lambda job: scored()))
        assert "Gildong" not in "".join(page.read_text() for page in (results / "site").rglob("*.html")), section
    with open_results(results) as opened:
        write_export(opened, "canvas", None, None, None, "en")
    assert "Hong Gildong,,hong,hong,A," in (results / "canvas.csv").read_text(encoding="utf-8")


def test_results_from_before_the_roster_are_told(course, rules, tmp_path, capsys):
    engine = MadeUp(lambda job: scored())
    roster = (course / "roster.csv").read_text(encoding="utf-8")
    (course / "roster.csv").unlink()
    graded(course, tmp_path / "results", rules, engine)
    (course / "roster.csv").write_text(roster, encoding="utf-8")
    graded(course, tmp_path / "results", rules, engine)
    said = capsys.readouterr().out
    assert "김민지_101_9001_w.zip came as 002610024 now, and 101 is on no list any more" in said
    with open_results(tmp_path / "results") as opened:
        assert not {"101", "102"} & {entry.student for entry in standings(opened.ledger, opened.rules)}


def test_who_hands_in_later_is_missing_no_more(course, rules, tmp_path):
    results, engine = tmp_path / "results", MadeUp(lambda job: scored())
    graded(course, results, rules, engine)
    (work,) = course.glob("*_101_*")
    work.rename(course / "박구름_103_9009_w.zip")
    graded(course, results, rules, engine)
    with open(results / "leaderboard.csv", encoding="utf-8-sig", newline="") as file:
        verdicts = {row["student"]: row["verdict"] for row in csv.DictReader(file)}
    assert verdicts["20260003"] == "passed"
    assert verdicts["002610024"] == "passed", "what was handed in before stays"


def test_odd_times_stop_a_run_and_are_told_by_a_dry_one(course, rules, tmp_path, capsys):
    settings = tmp_path / "rules.yaml"
    settings.write_text(yaml.safe_dump({"deadline": "2026-11-01T00:00:00+09:00"}))
    (course / "times.csv").write_text(
        "file,submitted\n" + "".join(f"{one.name},2026-11-02T00:00:00+09:00\n" for one in course.glob("*w.*"))
    )
    for number in (105, 106):
        systems.written(course / f"x_{number}_9_w.zip", b"PK")
    command = ["run", str(course), "--rules", str(settings), "--device", "cpu"]
    assert main([*command, "--dry-run"]) == 0
    assert "A run stops here: 3 of 5 hand-ins would be late, by times.csv" in capsys.readouterr().out
    assert main([*command, "--out", str(tmp_path / "results"), "--unsafe-no-sandbox"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--accept-times" in said
    assert not (tmp_path / "results" / "leaderboard.csv").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["kim_101_9001_w.zip", "lee_LATE_102_9002_w.zip"],
        ["김민지_101_assignsubmission_file_/w.zip", "이바다_102_assignsubmission_file_/w.zip"],
        ["assignment_7_export/submission_101/config.yaml", "assignment_7_export/submission_102/config.yaml"],
    ],
    ids=["Canvas", "Moodle", "Gradescope"],
)
def test_a_system_s_zip_of_a_whole_class_is_to_be_unpacked(names, tmp_path, capsys):
    def write(names):
        with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    write(names)
    assert main(["run", str(tmp_path / "submissions.zip"), "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert "looks like a system's download of 2 students; unpack it into a folder" in told and told.count("\n") == 1
    write([names[0], "config.yaml"])
    check_unpacked(tmp_path / "submissions.zip")


def test_what_is_missing_of_a_command_is_said(course, tmp_path, capsys):
    for more, said in (
        ([], "name the folder of results with --out RESULTS, or only look with --dry-run"),
        (["--dry-run", "--roster", str(tmp_path / "none.csv")], "none.csv: no such file or folder"),
    ):
        assert main(["run", str(course), *more]) == 2
        assert said in capsys.readouterr().err


def test_the_commands_that_the_page_on_collecting_names(course, tmp_path, capsys):
    page = Path("docs/collecting.md").read_text(encoding="utf-8")
    commands = [
        line.split() for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()
    ]
    assert len(commands) == 3
    places = {"downloads": str(course), "roster.csv": str(course / "roster.csv")}
    for command in commands:
        assert command[:3] == ["python", "-m", "grader"]
        assert main([places.get(word, word) for word in command[3:]]) == 0
        assert "of 3 on the roster, 1 did not" in capsys.readouterr().out


def test_the_page_on_collecting_names_columns_that_are_read():
    page = Path("docs/collecting.md").read_text(encoding="utf-8")
    table = page.partition("| column |")[2].partition("\n\n")[0]
    named = [text for row in table.splitlines()[2:] for text in re.findall(r"`([^`]+)`", " ".join(row.split("|")[1:3]))]
    assert len(named) > 15 and all(kinds_of(text, named) for text in named)


@pytest.mark.parametrize("look", [["--dry-run"], []], ids=["dry run", "run"])
def test_rules_that_nobody_named_do_not_replace_those_that_results_were_graded_by(
    look, write_submission, tmp_path, capsys
):
    """`run --regrade kim` after `leaderboard --rules cutoffs.yaml` would have taken the cut-offs, or the deadline, back."""
    folder, results = write_submission("kim").parent, tmp_path / "results"
    settings = tmp_path / "rules.yaml"
    settings.write_text("target_accuracy: 0.7\nseeds: 2\n")
    graded(folder, results, Rules.load(settings), MadeUp(lambda job: scored(0.9)))
    capsys.readouterr()
    kept = (results / "assignment.json").read_bytes()
    command = ["run", str(folder), "--out", str(results), "--device", "cpu", *look]
    assert main([*command, "--regrade", "kim"]) == 2
    said = capsys.readouterr().err
    assert "is graded by other rules than" in said and "configs/assignment.yaml: target_accuracy 0.7 -> 0.8" in said
    assert f"--rules {results}/assignment.json keeps them" in said and said.count("\n") == 1
    assert (results / "assignment.json").read_bytes() == kept
    if look:
        assert main([*command, "--rules", str(results / "assignment.json")]) == 0


def test_what_can_never_show_a_family_is_rejected_untrained_until_nobody_asks_for_it(write_submission, rules, tmp_path):
    """As `check` says it; and where the rules, or a decision, ask for the family no more, the next run trains it."""
    trained = []
    engine = MadeUp(lambda job: trained.append(job.submission.student) or scored(0.9))
    folder = write_submission("lee", lambda config: config["model"].update(normalization=None)).parent
    write_submission("kim")
    results, settings = tmp_path / "results", Settings("cpu", False, engine=engine)
    said = dry_run(folder, None, rules, settings)
    (row,) = (line for line in said.splitlines() if line.startswith("lee"))
    assert "uses no strategy of normalization" in row and row.split()[-2:] == ["0", "0.0"]
    table = graded(folder, results, rules, engine)
    assert trained == ["kim"] and "rejected" in table
    with open_results(results) as opened:
        (lee,) = (entry for entry in standings(opened.ledger, rules) if entry.student == "lee")
    assert (lee.verdict, lee.own_reason) == ("rejected", "uses no strategy of normalization")
    assert main(["exempt", str(results), "lee", "--from", "normalization", "--reason", "agreed"]) == 0
    assert "lee" in dry_run(folder, results, rules, settings)
    graded(folder, results, rules, engine)
    assert trained == ["kim", "lee"]
    fewer = rules.but(families=["optimization", "regularization", "initialization"])
    trained.clear()
    graded(folder, tmp_path / "others", fewer, engine)
    assert sorted(trained) == ["kim", "lee"]


@pytest.mark.parametrize(
    ("device", "said"), [("CPU: cpu (1 thread)", "on this CPU (1 thread)"), ("GPU: H200", "on H200")]
)
def test_where_it_takes_its_time_reads_as_a_sentence(device, said):
    assert on(device) == said


def test_it_says_which_warnings_there_are(write_submission, rules):
    folder = write_submission(**{"REPORT.md": None}).parent
    said = dry_run(folder, None, rules, Settings("cpu", False, engine=MadeUp(lambda job: scored())))
    assert "1 warning: REPORT.md" in said
