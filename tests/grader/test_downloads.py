"""A folder of downloads: whose each is, and which attempt counts."""

import errno
import os
import subprocess
import tarfile
import unicodedata
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

import pytest

from benchmarks.hand_in_systems import HandIn, canvas, gradescope
from grader.cli import main
from grader.grading.hand_ins import ask_about_times, is_late
from grader.grading.register_submissions import read_submission
from grader.intake.downloads import find_downloads
from grader.intake.file_dates import modified
from grader.intake.last_in_time import counted
from grader.intake.loose_files import put_together
from grader.intake.submission import take_in
from grader.intake.time_sources import BY_METADATA, BY_TABLE
from grader.rules import Rules
from project.support.errors import UserError
from tests.grader.conftest import needs_sandbox


def at(day: int) -> datetime:
    return datetime(2026, 12, day, tzinfo=UTC)


def download(folder, name, day=1, make="file"):
    path = folder / name
    path.mkdir() if make == "folder" else path.write_bytes(b"x")
    os.utime(path, (at(day).timestamp(),) * 2)
    return path


def students(folder):
    return {found.source.name: found.student for found in find_downloads(folder)}


def test_names_of_canvas_and_moodle_tell_whose_it_is(tmp_path):
    download(tmp_path, "kimminji_12345_678901_submission.zip")
    download(tmp_path, "leejun_LATE_777_678902_work.tar.gz")
    download(tmp_path, "김민지_54321_678903_제출.zip")
    download(tmp_path, "Park Seo-yun_1234567_assignsubmission_file_", make="folder")
    download(tmp_path, "Park Seo-yun_1234567_assignsubmission_onlinetext_", make="folder")
    download(tmp_path, "choijin_888_678904_x_777_assignsubmission_file_.zip")
    download(tmp_path, "윤하준_55_assignsubmission_file_hw_4_2_final.zip")
    download(tmp_path, "plain-name.zip")
    found = {found.source.name: found for found in find_downloads(tmp_path)}
    assert {name: (one.student, one.name, one.late) for name, one in found.items()} == {
        "kimminji_12345_678901_submission.zip": ("kimminji-12345", "kimminji", False),
        "leejun_LATE_777_678902_work.tar.gz": ("leejun-777", "leejun", True),
        "김민지_54321_678903_제출.zip": ("54321", "김민지", False),
        "Park Seo-yun_1234567_assignsubmission_file_": ("park-seo-yun-1234567", "Park Seo-yun", False),
        "choijin_888_678904_x_777_assignsubmission_file_.zip": ("choijin-888", "choijin", False),
        "윤하준_55_assignsubmission_file_hw_4_2_final.zip": ("55", "윤하준", False),
        "plain-name.zip": ("", "", False),
    }


def test_canvas_s_names_have_marks(tmp_path):
    """As Ruby's word characters do, and Python's do not."""
    download(tmp_path, "ใจดีสมชาย_71_9001_work.zip")
    download(tmp_path, "शर्माप्रिया_LATE_72_9002_work.zip")
    found = {each.name: (each.about["number"], each.late) for each in find_downloads(tmp_path)}
    assert found == {"ใจดีสมชาย": ("71", False), "शर्माप्रिया": ("72", True)}


def test_a_classroom_s_folder_tells_the_user(tmp_path):
    folder = tmp_path / "homework-submissions"
    folder.mkdir()
    download(folder, "homework-minji", make="folder")
    assert students(folder) == {"homework-minji": "minji"}


@pytest.mark.parametrize(
    ("days", "deadline", "counts"),
    [((1, 2, 3), None, 3), ((1, 2, 3), 2, 2), ((3, 2, 1), 2, 2), ((4, 5), 2, 5)],
    ids=["the last", "the last before the deadline", "in any order", "the last, where all are late"],
)
def test_the_last_attempt_before_the_deadline_counts(tmp_path, days, deadline, counts):
    for number, day in enumerate(days):
        download(tmp_path, f"Kim Minji_12345_assignsubmission_file_{number}.zip", day)
    rules = Rules(deadline=deadline and at(deadline))
    (found,) = counted(find_downloads(tmp_path), lambda each: is_late(each, rules, {}))
    assert (found.submitted, found.attempts) == (at(counts), len(days) - 1)


def test_what_begins_like_a_system_s_own_is_passed_over_with_a_line(tmp_path, capsys):
    for name in ("__kim.zip", "__MACOSX", "._kim.zip", "lee.zip"):
        download(tmp_path, name, make="folder" if name == "__MACOSX" else "file")
    assert [*students(tmp_path)] == ["lee.zip"]
    assert capsys.readouterr().err == "note: __kim.zip: begins with __, as what systems add; passed over\n"


def test_the_server_s_times_come_from_a_table(tmp_path):
    download(tmp_path, "kimminji_1_2_a.zip", day=1)
    download(tmp_path, "kimminji_1_3_b.zip", day=2)
    (tmp_path / "times.csv").write_text("file,submitted\nkimminji_1_2_a.zip,2026-12-09T00:00:00+00:00\n")
    (found,) = counted(find_downloads(tmp_path), lambda each: False)
    assert (found.source.name, found.submitted) == ("kimminji_1_2_a.zip", at(9))
    for row, said in (
        ("kimminji_1_2_a.zip,yesterday", "yesterday"),
        ("kimminji_1_2_a.zip,2026-12-09T00:00:00", "no time zone"),
        ("kimminji_1_2_a.zip", ""),
        ("kim.zip,2026-12-09T00:00:00Z", "there is no kim.zip"),
        (",2026-12-09T00:00:00Z", "there is no "),
        (
            "kimminji_1_2_a.zip,2026-12-09T00:00Z\nkimminji_1_2_a.zip,2026-12-01T00:00Z",
            "kimminji_1_2_a.zip is there twice",
        ),
    ):
        (tmp_path / "times.csv").write_text(f"file,submitted\n{row}\n")
        with pytest.raises(UserError, match=f"times.csv.*{said}.*expected the columns"):
            find_downloads(tmp_path)


def test_the_table_of_times_takes_nothing_away_of_what_gradescope_says_of_who_handed_in(tmp_path):
    partner = HandIn("Juno Lee", 2, sid="1003", email="juno@x.kr")
    files = {"config.yaml": b"a: 1\n"}
    minji = HandIn("Minji Kim", 1, files, at(4), sid="1001", email="minji@x.kr", partner=partner)
    bada = HandIn("Bada Lee", 3, files, at(4), sid="1002", email="bada@x.kr")
    folder = gradescope(tmp_path, [minji, bada])
    (late,) = [each.source.name for each in find_downloads(folder) if each.student == "1001"]
    (folder / "times.csv").write_text(f"file,submitted\n{late},2026-12-09T00:00:00+00:00\n")
    found = {each.student: (each.name, each.submitted, each.time_by) for each in find_downloads(folder)}
    assert found == {
        "1001": ("Minji Kim", at(9), BY_TABLE),
        "1002": ("Bada Lee", at(4), BY_METADATA),
        "1003": ("Juno Lee", at(9), BY_TABLE),
    }


def test_the_table_of_times_overrules_canvas_s_mark(tmp_path):
    """Which went by Canvas's own deadline."""
    files, rules = {"work.zip": b"x"}, Rules(deadline=at(8))
    for number in range(5):
        canvas(tmp_path, [HandIn(f"s{number}", 100 + number, files, late=True)])
    names = [each.source.name for each in find_downloads(tmp_path)]
    (tmp_path / "times.csv").write_text("\n".join(["file,submitted", *(f"{name},2026-12-04T00:00Z" for name in names)]))
    found = find_downloads(tmp_path)
    assert {(each.submitted, each.time_by, each.late) for each in found} == {(at(4), BY_TABLE, False)}
    ask_about_times(found, rules)
    assert not any(is_late(each, rules, {}) for each in found)


@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_a_name_is_the_same_in_each_of_its_normal_forms(in_table, on_disk, tmp_path):
    """Excel writes NFC, macOS names folders in NFD."""
    names = ("김민지.zip", "josé_1_2_a.zip")
    for name in names:
        download(tmp_path, unicodedata.normalize(on_disk, name), day=1)
    rows = "".join(f"{unicodedata.normalize(in_table, name)},2026-12-09T00:00:00+00:00\n" for name in names)
    (tmp_path / "times.csv").write_text(f"file,submitted\n{rows}", encoding="utf-8")
    found = find_downloads(tmp_path)
    assert [each.submitted for each in found] == [at(9)] * 2
    assert {each.student for each in found} == {"", "jose-1"}


@pytest.mark.parametrize("time", [253402300800, -(10**14), 10**14])
def test_a_time_that_no_calendar_has_is_the_nearest_one(time):
    file = SimpleNamespace(
        lstat=lambda: SimpleNamespace(st_mtime=float(time)), is_dir=lambda: False
    )  # not every disk can hold such a time
    assert modified(file).year == (1970 if time < 0 else 9999)


def test_a_folder_s_own_date_is_nothing_s_but_an_empty_one_s(tmp_path):
    """A download, or an unpacking, dates the folder itself."""
    folder = download(tmp_path, "kim", day=9, make="folder")
    assert modified(folder) == at(9)
    download(folder, "a.py", day=2), download(folder, "inner", day=9, make="folder")
    os.utime(folder, (at(9).timestamp(),) * 2)
    assert modified(folder) == at(2)


def test_what_a_zip_without_dates_unpacks_to_is_dated_by_its_folder(tmp_path):
    folder = tmp_path / "kim"
    folder.mkdir()
    (folder / "config.yaml").write_text("a: 1")
    os.utime(folder / "config.yaml", (datetime(1980, 1, 1).timestamp(),) * 2)
    os.utime(folder, (at(9).timestamp(),) * 2)
    assert modified(folder) == at(9)


@pytest.mark.parametrize("name", ["work.7z", "work.ALZ", "deeper/work.rar"])
def test_a_folder_with_nothing_but_an_archive_that_is_not_opened_here_is_a_hand_in(name, tmp_path):
    (tmp_path / "hand-in" / name).parent.mkdir(parents=True)
    (tmp_path / "hand-in" / name).write_bytes(b"x")
    assert list(students(tmp_path)) == ["hand-in"]


@pytest.fixture
def forbidden(monkeypatch):
    """Makes a folder one that may not be listed; permissions alone do not stop root."""

    def forbid(folder):
        def asked(there, path="."):
            if str(path) == str(folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(folder))
            return there(path)

        for name in ("listdir", "scandir"):
            monkeypatch.setattr(os, name, partial(asked, getattr(os, name)))

    return forbid


def test_downloads_that_may_not_be_read_are_told_as_such(forbidden, write_submission, tmp_path, capsys):
    folder = write_submission().parent
    forbidden(folder)
    for more in ([], ["--dry-run"]):
        assert main(["run", str(folder), "--out", str(tmp_path / "results"), "--jobs", "1", *more]) == 2
        assert capsys.readouterr().err.startswith(f"error: {folder}: cannot be read (Permission denied)")


def test_a_student_s_folder_that_may_not_be_read_is_a_hand_in(forbidden, write_submission):
    folder = write_submission()
    forbidden(folder)
    assert students(folder.parent) == {"kim-minji": ""}
    assert "cannot be read: [Errno 13] Permission denied" in take_in(folder).unusable


def test_a_system_s_own_name_outranks_student_yaml(write_submission, tmp_path):
    """Nobody takes another's place by writing another's id."""
    taken = take_in(write_submission("kim-minji"), None, "leejun-777", "leejun")
    assert (taken.student, taken.name) == ("leejun-777", "leejun")


def test_the_archive_in_a_folder_of_its_own_is_the_submission(write_submission, tmp_path):
    folder = write_submission()
    own = tmp_path / "Kim_1_assignsubmission_file_"
    own.mkdir()
    with tarfile.open(own / "work.tar.gz", "w:gz") as archive:
        archive.add(folder, "work")
    assert take_in(own).digest == take_in(folder).digest


@pytest.fixture
def git_repository(write_submission, tmp_path):
    """A repository with a submission/ folder, and more beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    write_submission("submission", parent=folder)
    (folder / "main.py").write_text("print('not to be taken')\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Hand in"]):
        subprocess.run(
            ["git", "-c", "user.name=kim", "-c", "user.email=kim@example.org", *command], cwd=folder, check=True
        )
    return folder


def test_of_a_repository_only_submission_is_taken(git_repository):
    assert read_submission(git_repository).digest == take_in(git_repository / "submission").digest
    (git_repository / "submission").rename(git_repository / "elsewhere")
    assert "no submission/ folder" in read_submission(git_repository).unusable


@needs_sandbox
def test_bundles_and_bare_repositories_are_read_in_a_sandbox(git_repository, tmp_path):
    expected = take_in(git_repository / "submission").digest
    subprocess.run(["git", "bundle", "create", "-q", tmp_path / "kim.bundle", "HEAD"], cwd=git_repository, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", git_repository, tmp_path / "bare.git"], check=True)
    assert read_submission(tmp_path / "kim.bundle").digest == expected
    assert read_submission(tmp_path / "bare.git").digest == expected


@needs_sandbox
def test_a_damaged_bundle_is_a_submission_that_cannot_be_read(tmp_path):
    (tmp_path / "kim.bundle").write_bytes(b"# v2 git bundle\nnonsense")
    assert "git cannot read it" in read_submission(tmp_path / "kim.bundle").unusable


@pytest.mark.parametrize("named", ["config.yaml", "REPORT.md"])
def test_the_table_of_times_may_name_any_of_a_student_s_loose_files(named, tmp_path):
    for number, file in enumerate(("config.yaml", "REPORT.md", "student.yaml"), 2):
        download(tmp_path, f"kim_LATE_1_{number}_{file}")
    (place,) = [path.name for path in tmp_path.iterdir() if path.name.endswith(named)]
    (tmp_path / "times.csv").write_text(f"file,submitted\n{place},2026-12-04T00:00Z\n")
    (found,) = put_together(find_downloads(tmp_path))
    assert len(found.parts) == 3 and (found.submitted, found.late, found.time_by) == (at(4), False, BY_TABLE)


def test_loose_files_that_are_nobody_s_are_not_put_together(tmp_path):
    """A name that fits in several ways is nobody's; two such people are two."""
    for name in ("kim_1_2_3_4_config.yaml", "lee_5_6_7_8_REPORT.md", "eve_2_9_student.yaml", "ann_6_9_student.yaml"):
        download(tmp_path, name)
    found = put_together(find_downloads(tmp_path))
    assert sorted(each.student for each in found) == ["", "", "ann-6", "eve-2"] and not any(
        each.parts for each in found
    )
