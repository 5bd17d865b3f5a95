"""Tables of a system among downloads: none is what a student can have handed in, and none costs more than it may."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.hand_in_systems import HandIn, moodle, written, zipped
from grader import tables
from grader.cli import main
from grader.grading.hand_ins import hand_ins
from grader.intake import hand_in_times
from grader.intake.downloads import find_downloads
from grader.intake.roster import Roster
from grader.intake.system_names import may_be_student_s
from grader.intake.time_sources import BY_FILE, BY_WORKSHEET
from grader.tables import read_table
from project.support.errors import UserError

IN_TIME, LATE = datetime(2026, 12, 2, 10, tzinfo=UTC), datetime(2026, 12, 9, 10, tzinfo=UTC)
OTHER_TIMES = (
    b"Identifier,Full name,ID number,Last modified (submission)\n"
    b'Participant 1,Kim Minji,20260003,"Wednesday, 30 December 2026, 10:00 AM"\n'
    b'Participant 3,Eve Park,20260001,"Tuesday, 1 December 2026, 10:00 AM"\n'
)
NOBODY = b"Identifier,Last modified (submission)\nnobody,yesterday\n"
EVE_S = ("Eve Park_3_assignsubmission_file_grades.csv", "_Eve_3_assignsubmission_file_a.csv", "_eve_3_9001_grades.csv")
EVE_S += ("anon_x1y2z_9001_times.csv", "3_4_5_6_assignsubmission_file_b_7_8.csv")


def a_class(folder, worksheet="Grades.csv"):
    """Moodle's downloads, not in folders, with its worksheet; Eve is late."""
    files = {"work.zip": zipped({"config.yaml": b"a: 1\n"})}
    students = [HandIn("Kim Minji", 1, files, IN_TIME, sid="20260001"), HandIn("Lee Jun", 2, files, IN_TIME)]
    return moodle(
        folder, [*students, HandIn("Eve Park", 3, files, LATE)], worksheet, zone=IN_TIME - IN_TIME, folders=False
    )


def when(folder):
    found = {each.source.name: each for each in find_downloads(folder)}
    return {name: (each.submitted, each.time_by, each.about.get("id")) for name, each in found.items() if "zip" in name}


@pytest.mark.parametrize("content", [OTHER_TIMES, NOBODY, b"x" * 10, b"Identifier," + b"," * 20_000 + b"\n1" * 20_000])
@pytest.mark.parametrize("name", EVE_S)
@pytest.mark.parametrize("worksheet", ["Assignment1-grades.csv", "zz.csv", ""])
def test_a_student_s_csv_is_no_table_of_a_system(worksheet, name, content, tmp_path):
    """Whichever comes first, whatever it says, and where there is no worksheet, too."""
    folder = a_class(tmp_path / "in", worksheet)
    before = when(folder)
    written(folder / name, content)
    began = time.process_time()
    assert when(folder) == before
    assert time.process_time() - began < 2
    if worksheet:
        assert [before[each][:2] for each in sorted(before)] == [
            (time, BY_WORKSHEET) for time in (LATE, IN_TIME, IN_TIME)
        ]


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=20)


@given(names, st.integers(0, 99), st.integers(0, 99), names)
def test_whatever_student_and_file_are_called_the_name_may_be_a_student_s(student, number, attachment, file):
    late = ("", "_LATE")
    given = [f"{student}{mark}_{number}_{attachment}_{file}.csv" for mark in late]
    given += [f"{student}_{number}_assignsubmission_file_{file}.csv", f"LATE_anon_0{number}_{attachment}_{file}.csv"]
    assert all(map(may_be_student_s, given))
    assert not any(map(may_be_student_s, ("Grades-DL 2026-Homework 4-12345.csv", "times.csv", "성적-과제_4.csv")))


def test_two_worksheets_that_differ_are_a_question(rules, tmp_path, capsys):
    folder = a_class(tmp_path / "in", "Grades.csv")
    written(folder / "copy.csv", (folder / "Grades.csv").read_bytes())
    hand_ins(folder, rules)
    written(folder / "older.csv", OTHER_TIMES)
    assert main(["run", str(folder), "--dry-run"]) == 2
    said = (
        "error: "
        + f"{folder}: Grades.csv, copy.csv and older.csv are worksheets of Moodle's that differ; leave the one"
    )
    assert capsys.readouterr().err.startswith(said)


def test_a_number_that_a_student_wrote_into_a_name_tells_neither_whose_nor_when(rules, tmp_path):
    """Among downloads of another system, also where a worksheet knows the number."""
    for name in ("kim_1_9001_w.zip", "lee_2_9002_w.zip", "X_1_assignsubmission_file_w.zip"):
        written(tmp_path / name, zipped({"config.yaml": b"a: 1\n"}))
    written(tmp_path / "roster.csv", b"id,name\n20260003,Kim Minji\n")
    written(tmp_path / "Grades.csv", OTHER_TIMES)
    roster = Roster.read(tmp_path / "roster.csv")
    found = {each.source.name: each for each in hand_ins(tmp_path, rules, roster)}
    odd = found["X_1_assignsubmission_file_w.zip"]
    assert odd.time_by != BY_WORKSHEET and odd.student != "20260003" and odd.flags


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id," + b"," * 20_000 + b"\n" + b"1\n" * 20_000, "has 20,002 columns and 20,000 rows, which is more than"),
        (b"id\n" + b"1\n" * 1_100_000, "has 1 columns and 1,100,000 rows, which is more than"),
        (b"id\n" + b"1" * tables.MOST_BYTES, "it has more than 5 MB"),
        (",".join(f"a{n}" for n in range(20_000)).encode() + b",a7\n1\n", "two columns are headed 'a7'"),
    ],
)
def test_a_table_that_is_too_large_is_a_line_and_soon(content, said, tmp_path):
    (tmp_path / "roster.csv").write_bytes(content)
    began = time.process_time()
    with pytest.raises(UserError, match=f"roster.csv: .*{said}"):
        read_table(tmp_path / "roster.csv")
    assert time.process_time() - began < 10


def test_a_table_of_many_columns_is_read_soon(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"a{n}" for n in range(20_000)) + "\n1,2\n")
    began = time.process_time()
    (row,) = read_table(tmp_path / "t.csv")[1]
    assert (row["a0"], row["a1"], row["a19999"], len(row)) == ("1", "2", "", 20_000)
    assert time.process_time() - began < 2


def test_a_folder_that_is_called_like_a_table_is_none(tmp_path):
    for name in (hand_in_times.TIMES, hand_in_times.SCORES, hand_in_times.METADATA):
        written(tmp_path / name / "config.yaml", b"a: 1\n")
    assert {each.time_by for each in find_downloads(tmp_path)} == {BY_FILE}


def with_text(folder, text):
    content = ["Identifier,Full name,Last modified (submission),Online text"]
    content += [f'Participant 1,Kim Minji,"Wednesday, 2 December 2026, 10:00 AM","{text}"']
    written(a_class(folder, "") / "Grades.csv", "\n".join(content).encode("utf-8-sig"))
    return folder


def test_a_worksheet_has_long_texts_and_one_that_cannot_be_read_is_told(tmp_path):
    found = find_downloads(with_text(tmp_path / "long", "a" * 140_000))
    assert [each.time_by for each in found].count(BY_WORKSHEET) == 1
    with pytest.raises(UserError, match="Grades.csv: cannot be read"):
        find_downloads(with_text(tmp_path / "torn", 'a" b'))
    other = a_class(tmp_path / "other", "")
    written(other / "notes.csv", b'a,b\n"a" b,c\n')
    assert {each.time_by for each in find_downloads(other)} == {BY_FILE}
