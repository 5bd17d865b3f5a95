"""A class's repository with a folder for each student: who, which files, which ids, and what is passed over."""

import csv
import itertools
import os
import shutil
import unicodedata
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

from grader.cli import main
from grader.grading.hand_ins import hand_ins
from grader.grading.ranking import judged
from grader.grading.register_submissions import register
from grader.grading.verdicts import checks_by
from grader.intake.checks import check, rejections
from grader.intake.downloads import find_downloads
from grader.intake.submission import named_by_folder, take_in
from grader.ledger.results_folder import open_results
from grader.rules import Rules
from project.support.errors import UserError
from tests.fixtures.real_class import NAMES, files_of, write, write_cases, write_class_repository
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import MadeUp, graded, scored


@pytest.fixture
def week(tmp_path):
    return write_class_repository(tmp_path / "class")


def submission_in(download):
    return take_in(download.source, None, download.student, download.name)


def found_in(folder):
    return {submission_in(download).name: download for download in hand_ins(folder, Rules.load())}


def test_each_student_is_there_once_by_name(week, capsys):
    found = found_in(week)
    assert sorted(found) == sorted(NAMES.values())
    ids = {name: submission_in(download).student for name, download in found.items()}
    own = {name: f"case-{case.lower()}" for case, name in NAMES.items() if case != "keras"}
    assert ids == {**own, NAMES["keras"]: named_by_folder(NAMES["keras"])[0]}
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["data", "requirements.txt", "김하늘"]
    assert "with the same files: one counts" in lines[2] and found["김하늘"].attempts == 0


def test_it_is_graded_from_its_root_or_any_folder_in_it(week):
    below = {submission_in(download).student: download.source for download in find_downloads(week)}
    assert {submission_in(each).student: each.source for each in find_downloads(week.parent)} == below
    (one,) = find_downloads(week / NAMES["C"])
    assert (submission_in(one).student, submission_in(one).name) == ("case-c", NAMES["C"])
    shutil.copytree(week, week.parent / "week5")
    with pytest.raises(UserError, match="week4, week5 each hold students' folders; name one, such as .*week5"):
        find_downloads(week.parent)


def test_students_folders_may_lie_at_the_root(week):
    for student in week.iterdir():
        student.rename(week.parent / student.name)
    shutil.rmtree(week.parent / "week3")
    assert sorted(found_in(week.parent)) == sorted(NAMES.values())


def downloads_in_a_checkout(root, *names):
    """Folders of students, each with the zip that its student handed in, somewhere below a `.git`."""
    (root / ".git").mkdir(parents=True)
    for name in names:
        write(root / "downloads" / name, {"hw.zip": b"PK"})
    return root / "downloads"


NESTED = "hw4/submission"  # where a student's zip has what git has; unpacked by the system or by hand


@pytest.mark.parametrize("way", ["Student {}_{}_assignsubmission_file_", "submission_{1}", "student-{}"])
@pytest.mark.parametrize("nested", [1, 2])
def test_a_student_s_own_folders_are_no_class(way, nested, tmp_path, capsys):
    names = [way.format(letter, number) for number, letter in enumerate("abcd", 11)]
    folder = downloads_in_a_checkout(tmp_path, *names[nested:])
    for name in names[:nested]:
        write(folder / name / NESTED, files_of("A"))
    assert [each.source.name for each in find_downloads(folder)] == sorted(names)


def test_a_system_s_table_lies_where_the_students_folders_are(tmp_path):
    folder = downloads_in_a_checkout(tmp_path, "submission_1", "submission_2")
    for part in ("one", "two"):
        write(folder / "submission_3" / part, files_of("A"))
    known = {":submitters": [{":name": "A", ":sid": "1"}], ":created_at": "2026-12-04 20:00:00 Z"}
    (folder / "submission_metadata.yml").write_text(yaml.safe_dump({"submission_1": known}))
    assert len(find_downloads(folder)) == 3


@pytest.mark.parametrize("students", [("kim", "lee"), ("kim", "lee", "park")])
def test_a_week_s_students_may_have_more_beside_submission(students, tmp_path):
    (tmp_path / ".git").mkdir()
    week = tmp_path / "week4"
    for name in students[:2]:
        write(week / name / "submission", files_of("A"))
        write(week / name / "notebooks", {"try.ipynb": b"{}"})
    for name in students[2:]:
        write(week / name, {"hw.zip": b"PK"})
    for folder in (tmp_path, week):
        assert [each.source.name for each in find_downloads(folder)] == [*students]


def test_what_is_passed_over_beside_a_week_is_told_and_two_weeks_are_a_question(week, capsys):
    root = week.parent
    write(root / "lectures", {"scheduler.ipynb": b"{}"})
    assert len(find_downloads(root)) == len(find_downloads(week))
    assert f"{root}: the students' folders are those in week4; passed over: lectures, week3" in capsys.readouterr().err
    write(root / "week2" / "kim", {"hw.zip": b"PK"})
    with pytest.raises(UserError, match="week4 holds students' folders, and week2 hand-ins, too; name one of them"):
        find_downloads(root)


def students_in(folder, *names):
    for name in names:
        write(folder / name, files_of("A"))
    return folder


def repository(root):
    (root / ".git").mkdir()
    return root


@pytest.mark.parametrize("beside", ["slides_2026_03_intro.zip", "template", "hw3"])
def test_what_looks_like_one_student_s_hides_no_week(beside, tmp_path):
    week = students_in(repository(tmp_path) / "week4", "minji", "bada", "jun")
    if beside == "template":
        for name in ("project", "configs"):
            (tmp_path / beside / name).mkdir(parents=True)
        (tmp_path / beside / "main.py").touch()
        students_in(tmp_path / beside, "submission")
    elif beside == "hw3":
        students_in(tmp_path / beside, "minji")
    else:
        (tmp_path / beside).write_bytes(b"PK")
    with pytest.raises(UserError, match=f"{beside} .*name {week}"):
        find_downloads(tmp_path)
    assert len(find_downloads(week)) == 3


def test_a_file_that_looks_like_one_student_s_hides_no_week_of_one(tmp_path):
    week = students_in(repository(tmp_path) / "week4", "minji")
    (tmp_path / "slides_2026_03_intro.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=f"name {week}"):
        find_downloads(tmp_path)


def test_a_student_with_several_folders_among_many_is_no_question(tmp_path):
    week = students_in(repository(tmp_path) / "week4", "minji", "bada", "jun")
    students_in(week / "haneul", "first", "second")
    assert len(find_downloads(tmp_path)) == 4


@pytest.mark.parametrize("name", ["20261234_김민지", "kim"])
def test_a_student_s_folder_may_hold_a_single_one(name, tmp_path):
    for student in (name, "lee"):
        students_in(tmp_path / student, "hw4")
    assert sorted(each.source.name for each in find_downloads(repository(tmp_path))) == [name, "lee"]


def test_a_single_archive_beside_a_week_of_several_is_told(tmp_path, capsys):
    students_in(repository(tmp_path) / "week4", "minji", "bada")
    (tmp_path / "handout.zip").write_bytes(b"PK")
    assert len(find_downloads(tmp_path)) == 2
    assert "passed over: handout.zip" in capsys.readouterr().err
    (tmp_path / "minji.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="handout.zip, minji.zip hand-ins, too"):
        find_downloads(tmp_path)


@pytest.mark.parametrize("weeks", [("week3", "week4"), ("3주차", "4주차")])
def test_weeks_with_one_student_each_are_a_question(weeks, tmp_path, capsys):
    (repository(tmp_path) / "lectures").mkdir()
    (tmp_path / "lectures" / "a.ipynb").write_text("{}")
    students_in(tmp_path / weeks[1], "minji")
    (download,) = find_downloads(tmp_path)
    assert download.source.name == "minji" and "passed over: lectures" in capsys.readouterr().err
    students_in(tmp_path / weeks[0], "minji")
    with pytest.raises(UserError, match=f"{', '.join(weeks)} each hold students' folders; name one"):
        find_downloads(tmp_path)


def test_where_a_folder_may_be_a_student_s_or_a_week_s_the_choice_is_told(tmp_path, capsys):
    for name in ("part3", "part4"):
        students_in(tmp_path / name, "minji")
    assert len(find_downloads(repository(tmp_path))) == 2
    assert (
        f"part3, part4 taken for one student's each; if students' folders lie in one, name it, such as {tmp_path}"
        in (capsys.readouterr().err)
    )


DIGEST = "s-eee33acd"  # of 김하늘, on every machine


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("id: '20231234'\nname: Kim Haneul\n", ("20231234", "Kim Haneul")),
        ("id: 20231234\nname: 하늘\n", ("20231234", "하늘")),
        ("id: '20231234'\nname:\n", ("20231234", "김하늘")),
        ("id:  # your student id\nname:  # your name\n", (DIGEST, "김하늘")),
        ("id: 김하늘\nname: Kim Haneul\n", (DIGEST, "Kim Haneul")),
        ("id: [", (DIGEST, "김하늘")),
        (None, (DIGEST, "김하늘")),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_student_yaml_decides_and_the_folder_s_name_where_it_is_empty(form, student, expected, tmp_path):
    own = tmp_path / unicodedata.normalize(form, "김하늘")
    own.mkdir()
    (own / "config.yaml").touch()
    if student is not None:
        (own / "student.yaml").write_text(student, encoding="utf-8")
    for folder in (tmp_path, own):
        (download,) = find_downloads(folder)
        assert (submission_in(download).student, submission_in(download).name) == expected
    assert take_in(own).student == expected[0], "as `check` prints it"


@pytest.mark.parametrize("folder", ["김하늘", "kimhaneul", "kim_12_assignsubmission_file_"])
@pytest.mark.parametrize(
    ("student", "where"),
    [
        ("id:\nname:\n", "student.yaml"),
        (None, "student.yaml"),
        ("id: ''\nname: Kim\n", "student.yaml: id"),
        ("id: kim\n", "student.yaml: name"),
    ],
)
def test_who_lies_among_others_need_not_say_whose_it_is(folder, student, where, write_submission, rules, tmp_path):
    own = write_submission(folder, **{"student.yaml": student})
    graded(own.parent, tmp_path / "results", rules, MadeUp(lambda job: scored()))
    with open_results(tmp_path / "results") as opened:
        (among,) = opened.ledger.graded(checks_by(rules))
    assert [(each["where"], each["severity"]) for each in among.findings] == [(where, "warn")]
    assert among.student in among.findings[0]["what"] or where == "student.yaml: name"
    graded(own, tmp_path / "alone", rules, MadeUp(lambda job: scored()))
    with open_results(tmp_path / "alone") as opened:
        (alone,) = opened.ledger.graded(checks_by(rules))
    assert [(each["where"], each["severity"]) for each in alone.findings] == [(where, "reject")]


def test_an_archive_that_a_student_named_tells_nobody(write_submission, rules, tmp_path):
    files = {file.name: file.read_bytes() for file in write_submission(**{"student.yaml": None}).iterdir()}
    (tmp_path / "downloads").mkdir()
    with zipfile.ZipFile(tmp_path / "downloads" / "final.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    (download,) = find_downloads(tmp_path / "downloads")
    assert not download.told and rejections(check(submission_in(download), rules))


def test_of_two_folders_that_differ_the_newer_one_counts(week, capsys):
    later = week / unicodedata.normalize("NFD", NAMES["A"])
    (later / "CONCLUSION.md").write_text("Another one.")
    for folder, time in ((week / NAMES["A"], 1_000_000), (later, 2_000_000)):
        for file in folder.iterdir():
            os.utime(file, (time, time))
    download = found_in(week)[NAMES["A"]]
    assert (download.source, download.attempts) == (later, 1)
    assert "with different files: the newer one counts" in capsys.readouterr().err


def test_what_the_checks_say(week):
    rejected = {}
    for name, download in found_in(week).items():
        findings = rejections(check(submission_in(download), Rules.load()))
        rejected |= {name: str(findings[0])} if findings else {}
    assert rejected.keys() == {NAMES["keras"], NAMES["long"]}
    assert "config.yaml: is missing" in rejected[NAMES["keras"]]
    assert "python -m grader import 과제.ipynb" in rejected[NAMES["keras"]]
    assert "100 is not 1 to 15" in rejected[NAMES["long"]]


def test_a_student_s_own_repository_is_no_class(tmp_path, capsys):
    own = tmp_path / "homework"
    for path in (
        ".git/HEAD",
        "main.py",
        "notebooks/assignment.ipynb",
        "docs/examples/passes/config.yaml",
        "project/data.py",
        "configs/base.yaml",
    ):
        (own / path).parent.mkdir(parents=True, exist_ok=True)
        (own / path).touch()
    (download,) = find_downloads(own)
    assert download.source == own and "no submission/ folder" in take_in(own).unusable


def test_two_folders_with_one_id_are_told_apart_by_their_names(tmp_path):
    for name in ("김하늘", "이바다"):
        folder = write(tmp_path / "class" / name, files_of("A"))
        (folder / "CONCLUSION.md").write_text(name, encoding="utf-8")
    rules = Rules.load()
    with open_results(tmp_path / "results", new=True) as opened:
        register(hand_ins(tmp_path / "class", rules), opened, rules)
        noted = {graded.student: verdict.name for graded, verdict in judged(opened.ledger, rules)}
    assert noted == dict.fromkeys((named_by_folder(name)[0] for name in ("김하늘", "이바다")), "pending")


@pytest.mark.parametrize("name", ["kim-minji", "José", "submission_2", "4"])
def test_a_name_that_can_be_an_id_stays_one(name):
    assert named_by_folder(name) == ("", "")


def test_both_forms_of_a_name_are_one_student_s():
    for name in (*NAMES.values(), "민수B", "3조 김하늘"):
        assert named_by_folder(unicodedata.normalize("NFD", name)) == named_by_folder(name) != ("", "")


def test_the_cases_are_ready_to_be_graded(tmp_path):
    for case, folder in write_cases(tmp_path / "cases").items():
        assert not rejections(check(take_in(folder), Rules.load())), case


def grey_images(folder):
    """Few grey images of ten classes, in the size of the class's."""
    noise = np.random.default_rng(0)
    for split, label, number in itertools.product(("train", "val"), range(10), range(14)):
        pixels = noise.integers(0, 60, (28, 28), dtype=np.uint8)
        pixels[2 * label : 2 * label + 6] += 180
        place = folder / split / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


@pytest.mark.slow
@needs_sandbox
def test_a_class_repository_is_graded_with_one_command(week, tmp_path, capsys):
    """With the rules' families left out: which of them a case uses is for other tests to say."""
    archive = {"path": str(grey_images(tmp_path / "images")), "image_size": 28, "mode": "L"}
    settings = {
        **{
            "families": [],
            "images": "public",
            "target_accuracy": 0.02,
            "limits": {"minutes": 5, "memory_gb": 4},
            "site": {"names": "name"},
        },
        "dataset": {"class_path": "project.datasets.image_archive.ImageArchive", "init_args": archive},
    }
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(settings))
    command = ["run", week, "--rules", tmp_path / "rules.yaml", "--out", tmp_path / "results", "--device", "cpu"]
    assert main([*map(str, command), "--wandb", "disabled"]) == 0
    with open(tmp_path / "results" / "leaderboard.csv", newline="", encoding="utf-8-sig") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    verdicts = {case: rows[name]["verdict"] for case, name in NAMES.items()}
    assert verdicts == {
        **dict.fromkeys("ABCDEFGH", "passed"),
        "wide": "rejected",  # before any training
        "long": "rejected",
        "keras": "rejected",
    }
    assert rows[NAMES["keras"]]["reason"] == "config.yaml is not accepted"
    said = capsys.readouterr().out
    for mend in ("let its last layer have 10 outputs", "python -m grader import"):
        assert mend in said, "to the instructor; what is public says less"
