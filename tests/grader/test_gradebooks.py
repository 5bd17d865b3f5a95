"""Canvas's and Moodle's files: what these systems export goes in, and what their importers take comes out."""

import csv
import io
import shutil
import zipfile
from pathlib import Path

import pytest

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.ranking import Entry
from grader.intake.identity import of_roster
from grader.intake.roster import Roster
from grader.publish import gradebooks
from grader.publish.canvas import gradebook
from grader.publish.moodle import worksheet
from grader.rules import Rules
from tests.fixtures.gradebook_exports import (
    BOM,
    Person,
    canvas_comment,
    canvas_export,
    canvas_import,
    moodle_feedback,
    moodle_import,
    moodle_worksheet,
)
from tests.grader.conftest import TINY_GLYPHS
from tests.grader.engines import MadeUp, graded, scored

RULES = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
PEOPLE = [
    Person(101, "김", "민지", "002610024", "minji", "N/A"),
    Person(102, "Lee", "Jun", "20261102", "jun", "EX"),
    Person(103, "Park", "Ha", "20261103", "ha", "A-"),
    Person(104, "남궁", "원", "20261104", "won", "3.00"),
    Person(105, "Nobody", "New", "101", "new"),
]
CANVAS = [
    Student("minji-101", "김민지", 0.91, source="김민지_101_901_work.zip"),
    Student("jun-102", "Lee Jun", 0.85, source="leejun_LATE_102_902_work.zip"),
    Student("ha-103", "Park Ha", 0.7, source="parkha_103_903_work.zip"),
    Student("won-104", "남궁원", None, source="남궁원_104_904_work.zip"),
]
MOODLE = [
    Student("minji-101", "민지 김", 0.91, source="민지 김_101_assignsubmission_file_"),
    Student("jun-102", "Jun Lee", 0.85, source="Jun Lee_102_assignsubmission_file_"),
    Student("ha-103", "Ha_Park", 0.7, source="Ha_Park_103_assignsubmission_file"),
    Student("won-104", "원 남궁", None, source="원 남궁_104_assignsubmission_file_"),
]
NUMBERS = {person.number for person in PEOPLE}


@pytest.fixture(scope="module")
def courses(tmp_path_factory) -> dict[str, Path]:
    """The same course, as it comes from Canvas and from Moodle."""
    made = {}
    for system, students in (("canvas", CANVAS), ("moodle", MOODLE)):
        made[system] = tmp_path_factory.mktemp(system)
        write_course(made[system], students, RULES)
    return made


@pytest.fixture
def export(courses, tmp_path):
    """Exports for a system with a gradebook of this text; returns the exit status and what was written."""

    def run(form: str, text: str | None = None, *more: str, encoding: str = "utf-8") -> tuple[int, bytes]:
        out = tmp_path / "out"
        arguments = ["export", str(courses[form[:6]]), "--format", form, "--out", str(out), *more]
        if text is not None:
            (tmp_path / "in.csv").write_bytes(text.encode(encoding))
            arguments += ["--gradebook", str(tmp_path / "in.csv")]
        status = main(arguments)
        return status, out.read_bytes() if out.exists() else b""

    return run


@pytest.mark.parametrize("names_apart", [False, True])
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("bom", [False, True])
def test_canvas_takes_back_its_own_file_filled_in(names_apart, separator, bom, export, capsys):
    bom = bom and not names_apart  # Canvas itself reads no such file with a BOM
    text = canvas_export(PEOPLE, names_apart=names_apart, separator=separator, manual=bom, bom=bom)
    status, written = export("canvas", text)
    found = canvas_import(written.decode(), NUMBERS)
    assert status == 0
    assert found.grades == {101: "N/A", 102: "EX", 103: "A-", 104: "0.00", 105: ""} and found.possible == "110.00"
    assert found.new_students == (["Student"] if names_apart else ["Student, Test"])
    said = capsys.readouterr().out.splitlines()
    told = {
        "김, 민지": "N/A stays",
        "Lee, Jun": "EX stays",
        "Park, Ha": "A- stays",
        "Nobody, New": "nothing of theirs is here",
    }
    assert all(any(name in line and what in line for line in said) for name, what in told.items())
    assert len(said) == 5 and "Test" not in "".join(said)


def test_who_has_no_cell_of_words_gets_the_points(export):
    people = [Person(p.number, p.last, p.first, p.sis, p.login) for p in PEOPLE]
    _, written = export("canvas", canvas_export(people))
    found = canvas_import(written.decode(), NUMBERS)
    assert found.grades == {101: "91.00", 102: "85.00", 103: "70.00", 104: "0.00", 105: ""}


def test_another_assignment_s_column_can_be_named_in_korean(export):
    status, written = export("canvas", canvas_export(PEOPLE, title="열다섯 에포크 (4711)"), "--column", "열다섯")
    assert status == 0 and canvas_import(written.decode(), NUMBERS).grades[104] == "0.00"


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_moodle_takes_back_its_own_worksheet_filled_in(language, separator, export, capsys):
    people = [
        Person(101, "김", "민지", "002610024", "minji"),
        Person(102, "Lee", "Jun", "20261102", "jun", "3.00", "<p>old</p>"),
        Person(103, "Park", "Ha", "20261103", "ha", locked=True),
        Person(104, "남궁", "원", "20261104", "won"),
        Person(105, "Nobody", "New", "101", "new"),
    ]
    text = moodle_worksheet(people, language, separator=separator)
    status, content = export("moodle", text, "--language", "ko")
    written = content.decode()
    assert status == 0 and written.startswith(BOM), "Excel reads Korean in such a file alone"
    found = moodle_import(written, people, language, separator=separator)
    assert found.grades == {101: "91.00", 102: "85.00", 104: "0.00"}
    assert found.feedbacks.keys() == {101, 102, 104}
    for said in found.feedbacks.values():
        assert said.startswith("<h3>") and "<strong>" in said and "**" not in said and "정확도" in found.feedbacks[101]
    said = capsys.readouterr().out
    assert "Ha Park" in next(line for line in said.splitlines() if "locked" in line)
    assert "New Nobody" in next(line for line in said.splitlines() if "hand" in line)


@pytest.mark.parametrize("form", ["canvas", "moodle"])
def test_points_above_the_maximum_are_told_and_not_skipped(form, courses, export, capsys):
    people = [Person(101, "김", "민지"), Person(102, "Lee", "Jun")]
    points = ["bonus", str(courses[form]), "minji-101", "--by", "kang"]
    main([*points, "--report", "5", "--conclusion", "5"])
    capsys.readouterr()
    if form == "moodle":
        _, written = export(form, moodle_worksheet(people, maximum="100.00"))
        found = moodle_import(written.decode(), people, maximum=100).grades
    else:  # which takes more than the points possible
        _, written = export(form, canvas_export(people, possible="100.00"))
        found = canvas_import(written.decode(), {101, 102}).grades
    said = capsys.readouterr().out
    main([*points, "--report", "0", "--conclusion", "0"])
    assert found == {101: "100.00" if form == "moodle" else "101.00", 102: "85.00"}
    assert "101.00" in next(line for line in said.splitlines() if "민지" in line)


@pytest.mark.parametrize(("form", "made"), [("moodle", moodle_worksheet), ("canvas", canvas_export)])
def test_an_assignment_of_other_points_is_one_line(form, made, export, capsys):
    text = made(PEOPLE, **{"maximum" if form == "moodle" else "possible": "10.00"})
    assert export(form, text) == (2, b"")
    error = capsys.readouterr().err
    assert "10" in error and "110" in error and error.count("\n") == 1


def filled_in(entries: dict[str, dict[str, list[str]]], rows: list[str], tmp_path) -> tuple[dict[str, str], str]:
    """Canvas's gradebook of such rows (`name,ID,SIS,login`), filled in for such students; and what is told."""
    (tmp_path / "in.csv").write_text(
        "\n".join(["Student,ID,SIS User ID,SIS Login ID,Section,HW (9)", *(f"{row},,88" for row in rows)])
    )
    made = [
        Entry(student=student, name=student, verdict="passed", tier="verified", total=float(number), known_as=known)
        for number, (student, known) in enumerate(entries.items(), 1)
    ]
    filled = gradebook(made, tmp_path / "in.csv", "HW", 110)
    _, *written = csv.reader(io.StringIO(filled.text))
    return {row[0]: row[-1] for row in written if row[-1] != "88"}, "; ".join([*filled.left_out, *filled.told])


KIMS = ["A,1,2024001,kim@x.edu", "B,2,2024002,kim@y.edu"]
BOB = ["Bob,3,2024003,bob@x.edu"]


@pytest.mark.parametrize(
    ("entries", "rows", "expected", "said"),
    [
        ({"kim": {"id": ["kim"]}}, KIMS, {}, "kim: fits 2 rows"),
        ({"kim": {"login": ["Kim@Y.edu"]}}, KIMS, {"B": "1.00"}, "A"),
        (
            {"a": {"login": ["bob"]}, "b": {"id": ["bob@z.org"], "login": ["bob@z.org"]}},
            BOB,
            {"Bob": "1.00"},
            "b",
        ),
        ({"a": {"login": ["bob"]}, "b": {"id": ["Bob"]}}, BOB, {}, "b: fits a row that others"),
        ({"1001": {"id": ["1001"], "login": ["bob@z.org"]}}, BOB, {}, "1001"),
        ({"bob": {"id": ["bob"], "login": ["bob@z.org"]}}, BOB, {}, "bob"),
        ({"1001": {"id": ["1001"], "login": ["bob@z.org"]}}, ["Bob,3,2024003,bob"], {"Bob": "1.00"}, ""),
        ({"bob": {"id": ["bob"]}, "2024003": {}}, BOB, {"Bob": "1.00"}, "2024003"),
        (
            {"eve": {"id": ["2024003"]}, "bob": {"canvas": ["3"]}},
            BOB,
            {"Bob": "2.00"},
            "eve: fits a row that is another's",
        ),
        ({"bob": {"canvas": ["3"]}, "x": {"canvas": ["3"]}}, BOB, {}, "x: fits a row that others fit, too"),
        ({"bob": {"number": ["3"]}}, BOB, {"Bob": "1.00"}, ""),
        ({"bob": {"moodle": ["3"]}, "three": {"id": ["3"]}}, BOB, {}, "bob"),
    ],
)
def test_rows_and_students_are_matched_one_to_one_or_left_empty_and_told(entries, rows, expected, said, tmp_path):
    found, told = filled_in(entries, rows, tmp_path)
    assert found == expected and said in told
    assert all(student in told for student, row in zip(entries, range(9)) if f"{row + 1}.00" not in found.values())


@pytest.mark.parametrize(
    ("heading", "cell", "filled"),
    [("Group", "lee", ""), ("Department", "20261102", ""), ("그룹", "lee", "")]
    + [(heading, "20261102", "91.00") for heading in ("ID number", "개인번호", "학번")]
    + [(heading, "Lee", "91.00") for heading in ("Username", "아이디")]
    + [(heading, "lee@x.kr", "91.00") for heading in ("Email address", "이메일 주소")],
)
def test_only_ids_logins_and_mail_addresses_tell_whose_row_of_moodle_s_it_is(heading, cell, filled, tmp_path):
    columns = ["Identifier", "Full name", heading, "Status", "Grade", "Maximum grade", "Last modified (grade)"]
    rows = [columns, ["Participant 11", "Kim", cell, "lee", "", "110.00", "-"]]
    (tmp_path / "in.csv").write_text(BOM + "\n".join(map(",".join, rows)), encoding="utf-8")
    known_as = {"id": ["20261102"], "login": ["lee"]}
    lee = Entry(student="lee", name="Lee", verdict="passed", tier="verified", total=91.0, known_as=known_as)
    found = worksheet([lee], tmp_path / "in.csv", None, {"lee": ""}, 110)
    (row,) = csv.DictReader(io.StringIO(found.text.removeprefix(BOM)))
    assert row["Grade"] == filled and found.left_out == ([] if filled else ["lee"])


@pytest.mark.parametrize("students", [20, 80])
def test_each_student_and_each_row_of_a_gradebook_is_looked_at_once(students, tmp_path, monkeypatch):
    asked = []
    for look in (gradebooks.of_entry, gradebooks.in_row):
        monkeypatch.setattr(gradebooks, look.__name__, lambda *about, look=look: asked.append(1) or look(*about))
    logins = {f"s{at}": {"login": [f"s{at}"]} for at in range(students)}
    found, _ = filled_in(logins, [f"{name},{at},,{name}@x.kr" for at, name in enumerate(logins)], tmp_path)
    assert len(found) == students and len(asked) == 2 * students


@pytest.mark.parametrize("system", ["moodle", "canvas"])
@pytest.mark.parametrize("heading", ["식별자", "lms number"])
def test_numbers_of_another_assignment_or_system_on_a_roster_fill_in_nobody_s_row(system, heading, tmp_path):
    """Hand-ins came by mail; by the roster's numbers each would be another's row, which has that one's id and mail."""
    people = [("20260001", "김민지", 11), ("20260002", "이바다", 12), ("20260003", "최별", 13)]
    rows = [f"{own},{name},참가자 {number},s{number}@x.kr" for own, name, number in people]
    (tmp_path / "roster.csv").write_text("\n".join([f"학번,이름,{heading},이메일", *rows]))
    listed = {each.student: each for each in Roster.read(tmp_path / "roster.csv").students}
    entries = [
        Entry(student=own, name=name, verdict="passed", tier="verified", total=float(number), known_as=of_roster(listed[own]))
        for own, name, number in people
    ]  # fmt: skip
    turned = [Person(number % 3 + 11, name, "", own, f"s{number}@x.kr", "") for own, name, number in people]
    text = moodle_worksheet(turned) if system == "moodle" else canvas_export(turned)
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    if system == "moodle":
        filled = worksheet(entries, tmp_path / "in.csv", None, dict.fromkeys(listed, ""), 110, listed)
        found = {row["ID number"]: row["Grade"] for row in csv.DictReader(io.StringIO(filled.text.removeprefix(BOM)))}
    else:
        filled = gradebook(entries, tmp_path / "in.csv", "Fifteen Epochs", 110, listed)
        lines = csv.DictReader(io.StringIO(filled.text))
        found = {row["SIS User ID"]: row["Fifteen Epochs (4711)"] for row in lines if row["SIS User ID"] in listed}
    if heading == "식별자" and system == "canvas":  # of Moodle alone: the ids tell
        assert found == {own: f"{number}.00" for own, _, number in people}
        assert gradebook(entries, None, "HW", 110, listed).text.splitlines()[1].startswith("김민지,,20260001,")
    else:
        assert {*found.values()} == {""} and sorted(filled.left_out) == sorted(listed)
        assert f"20260001: has the number of a row that by its id or mail is that of {turned[1].sis}" in filled.told[0]


OWN_CELLS = ("-3.00", "-5 for copying", "=SUM(A1)", "+8210", "@lee")  # of the instructor and of the system


def entry(verdict="missing", total=None):
    known_as = {"id": ["20261102"]}
    return Entry(student="lee", name="Lee", verdict=verdict, tier="verified", total=total, known_as=known_as)


@pytest.mark.parametrize("cell", OWN_CELLS)
@pytest.mark.parametrize("entries", [[], [entry()], [entry("passed", 91.0)]], ids=["nobody", "missing", "passed"])
def test_rows_of_whom_nothing_was_handed_in_stay_as_they_are_whatever_is_in_them(entries, cell, tmp_path):
    people = [
        Person(102, "Lee", "Jun", "20261102", "lee", "-1.00", cell),
        Person(103, cell, cell, cell, cell, cell, cell),
    ]
    moodle, canvas = moodle_worksheet(people), canvas_export(people)
    (tmp_path / "in.csv").write_text(moodle, encoding="utf-8")
    filled = worksheet(entries, tmp_path / "in.csv", None, {"lee": "<p>ours</p>"}, 110)
    first, second, third = csv.reader(io.StringIO(filled.text))
    before, own, other = csv.reader(io.StringIO(moodle))
    grade = [entry.total for entry in entries if entry.total]
    if grade:
        own[before.index("Grade")], own[before.index("Feedback comments")] = "91.00", "<p>ours</p>"
    assert (second, third) == (own, other)
    (tmp_path / "in.csv").write_text(canvas, encoding="utf-8")
    also = gradebook(entries, tmp_path / "in.csv", "Fifteen Epochs", 110)
    for told, name in ((filled.told, "Jun Lee"), (also.told, "Lee, Jun")):
        assert any("nothing of theirs is here" in line and name in line for line in told) == (not grade)
    own, other = list(csv.DictReader(io.StringIO(also.text)))[-3:-1]
    assert own["Fifteen Epochs (4711)"] == ("91.00" if grade else "-1.00")
    assert (other["SIS Login ID"], other["Fifteen Epochs (4711)"]) == (cell, cell)


def hand_in_and_export(folder, results, rules, rows, roster=None):
    """What Canvas's gradebook of such rows gets of a folder that is graded."""
    if roster:
        (folder / "roster.csv").write_text(roster, encoding="utf-8")
    graded(folder, results, rules, MadeUp(lambda job: scored()))
    (results.parent / "in.csv").write_text(
        "\n".join(["Student,ID,SIS User ID,SIS Login ID,Section,HW (9)", *(f"{row},," for row in rows)])
    )
    book = ["--gradebook", str(results.parent / "in.csv"), "--column", "HW"]
    main(["export", str(results), "--format", "canvas", *book])
    with open(results / "canvas.csv", encoding="utf-8", newline="") as file:
        return {row["Student"] for row in csv.DictReader(file) if row["HW (9)"]}


ROSTER = "id,name,LMS number\n2024003,Bob,3\n2024004,Eve,4\n"


@pytest.mark.parametrize("roster", [None, ROSTER])
def test_no_name_of_a_file_and_no_student_yaml_puts_a_grade_into_another_s_row(
    write_submission, rules, tmp_path, roster
):
    """Eve says Bob's id, and calls an archive as Canvas would call his; the rows are told by what others say of them."""
    rows, folder = [*BOB, "Eve,4,2024004,eve@x.edu"], tmp_path / "submissions"
    for name, own_id in (("evefolder", "2024003"), ("x_3_1_hw", "2024003")):
        (write_submission(name) / "student.yaml").write_text(f"id: '{own_id}'\nname: Eve\n")
    with zipfile.ZipFile(folder / "x_3_1_hw.zip", "w") as packed:
        for file in (folder / "x_3_1_hw").iterdir():
            packed.write(file, file.name)
    shutil.rmtree(folder / "x_3_1_hw")
    assert hand_in_and_export(folder, tmp_path / "results", rules, rows, roster) == set()
    assert main(["export", str(tmp_path / "results"), "--format", "canvas-feedback"]) == 1
    with zipfile.ZipFile(tmp_path / "results" / "canvas-feedback.zip") as packed:
        assert packed.namelist() == []
    write_submission("2024003")
    assert hand_in_and_export(folder, tmp_path / "results", rules, rows, roster) == {"Bob"}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_worksheet_that_moodle_would_refuse_is_one_line(language, export, capsys):
    assert export("moodle", moodle_worksheet(PEOPLE, language, leave_out="modified")) == (2, b"")
    error = capsys.readouterr().err
    assert ("마지막 수정됨(성적)" if language == "ko" else "Last modified (grade)") in error and error.count("\n") == 1


def test_a_gradebook_that_korean_excel_saved_is_read(export):
    status, written = export("canvas", canvas_export(PEOPLE), encoding="cp949")
    assert status == 0 and "김, 민지" in written.decode()


def test_feedback_is_named_for_the_bulk_upload_of_either(export):
    status, written = export("moodle-feedback")
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        found = {moodle_feedback(name, PEOPLE): archive.read(name).decode() for name in archive.namelist()}
    assert status == 0 and found.keys() == {(number, "feedback.html") for number in (101, 102, 103, 104)}
    status, written = export("canvas-feedback")
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        found |= {canvas_comment(name): archive.read(name).decode() for name in archive.namelist()}
    assert status == 0 and found.keys() >= {(101, 901), (102, 902), (103, 903), (104, 904)} and len(found) == 8
    assert all(text.startswith("<!doctype html>") and 'charset="utf-8"' in text for text in found.values())


def test_whose_download_no_system_named_is_told(tmp_path, capsys):
    write_course(tmp_path, [CANVAS[0], Student("rex", "Rex", 0.8)], RULES)
    assert main(["export", str(tmp_path), "--format", "canvas-feedback"]) == 1
    assert "rex" in capsys.readouterr().err


def test_files_for_excel_open_with_korean_intact(courses):
    assert main(["similar", str(courses["canvas"])]) == 0
    for name in ("leaderboard.csv", "similar.csv"):
        assert (courses["canvas"] / name).read_bytes().startswith(b"\xef\xbb\xbf")
