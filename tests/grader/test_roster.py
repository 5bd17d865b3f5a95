"""The roster: any columns, as any spreadsheet writes them, and who is meant by what a system says."""

import unicodedata
from dataclasses import replace

import pytest

from grader.intake.roster import Roster, Student
from grader.intake.roster_groups import group_in
from grader.tables import read_table
from project.support.errors import UserError

ROWS = [
    ["id", "name", "LMS number", "login", "GitHub name", "section"],
    ["002610024", "김민지", "1234", "minji@example.ac.kr", "Minji-K", "1"],
    ["20260002", "Lee, Jun", "1235", "jun.lee@example.ac.kr", "leejun", "2"],
    ["20260003", "이서연", "1236", "seoyeon", "", "2"],
]
KOREAN = ["학번", "성명", "식별자", "이메일", "깃허브", "분반"]


def write(path, rows, separator=",", encoding="utf-8"):
    quoted = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in rows]
    path.write_bytes("\r\n".join(separator.join(row) for row in quoted).encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("headings", [ROWS[0], KOREAN])
def test_it_is_read_whatever_a_spreadsheet_made_of_it(headings, encoding, separator, tmp_path):
    roster = Roster.read(write(tmp_path / "roster.csv", [headings, *ROWS[1:]], separator, encoding))
    first = Student("002610024", "김민지", "002610024", "1234", ("minji@example.ac.kr",), "Minji-K", "1")
    first = replace(first, system="moodle" if headings is KOREAN else "")
    assert roster.students[0] == first and [each.name for each in roster.students] == [row[1] for row in ROWS[1:]]
    assert Roster.from_json(roster.to_json()).students == roster.students


@pytest.mark.parametrize("columns", [["id"], ["name"], ["LMS number"], ["login"], ["GitHub name"], ["section", "name"]])
def test_any_columns_are_enough(columns, tmp_path):
    places = [ROWS[0].index(column) for column in columns]
    rows = [[row[place] for place in places] for row in [*ROWS[:3]]]
    students = Roster.read(write(tmp_path / "roster.csv", rows)).students
    assert len(students) == 2 and len({each.student for each in students}) == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_each_normal_form_and_in_the_order_of_each_system(form, tmp_path):
    rows = [[unicodedata.normalize(form, cell) for cell in row] for row in ROWS]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    for name, student in (
        ("김민지", "002610024"),
        (unicodedata.normalize("NFD", "김민지"), "002610024"),
        ("민지 김", "002610024"),
        ("leejun", "20260002"),
        ("Jun Lee", "20260002"),
        ("Nobody", None),
    ):
        found = roster.find("name", name)
        assert (found and found.student) == student, name


def test_what_nobody_shares_comes_before_the_name(tmp_path):
    roster = Roster.read(write(tmp_path / "roster.csv", ROWS))
    for about, student, by in (
        ({"number": "1236", "name": "김민지"}, "20260003", "number"),
        ({"github": "MINJI-K"}, "002610024", "GitHub name"),
        ({"login": "jun.lee"}, "20260002", "login"),
        ({"login": "jun.lee", "number": "1234"}, None, ""),
        ({"id": "2610024"}, None, ""),
        ({}, None, ""),
    ):
        found, told = roster.match(about)
        assert (found and found.student, told) == (student, by), about
    for text, student in (
        ("김민지_과제", "002610024"),
        ("20260003_이서연", "20260003"),
        ("김민지_이서연", None),
        ("002610024", "002610024"),
        ("leejun", "20260002"),
        ("final", None),
    ):
        found, _ = roster.match_text(text)
        assert (found and found.student) == student, text


def test_two_namesakes_are_never_found_by_name(tmp_path):
    rows = [*ROWS, ["20260004", "김민지", "1237", "minji2", "", "1"]]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    assert roster.find("name", "김민지") is None and roster.match_text("김민지") == (None, "")
    assert roster.match({"name": "김민지", "number": "1237"})[0].student == "20260004"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["name"], ["김민지"], ["김민지"]], "rows 2 and 3: nothing tells them apart.*add a column"),
        ([["id", "name"], ["1", "Kim"], ["2", "Lee"], ["1", "Park"]], "rows 2 and 4: both have the id 1; mend one"),
        ([["name", "github"], ["Kim", "abc"], ["Lee", "ABC"]], "rows 2 and 3: both have the GitHub name ABC"),
        ([["Nummer"], ["1"]], "has none of the columns id, name, number"),
        ([["id", "id"], ["1", "1"]], "two columns are headed 'id'"),
        ([[""]], "it is empty"),
        ([["", ""]], "it is empty"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(rows, said, tmp_path):
    with pytest.raises(UserError, match=f"roster.csv: .*{said}"):
        Roster.read(write(tmp_path / "roster.csv", rows))


def test_canvas_s_own_gradebook_is_a_roster(tmp_path, capsys):
    rows = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework (123)"],
        ["    Points Possible", "", "", "", "", "100"],
        ["Kim, Minji", "4711", "002610024", "minji", "DL 1", ""],
    ]
    (student,) = Roster.read(write(tmp_path / "gradebook.csv", rows)).students
    assert student == Student("002610024", "Kim, Minji", "002610024", "4711", ("minji",), "", "DL 1", system="canvas")
    assert "Homework (123): no column of a roster; passed over" in capsys.readouterr().err


def test_cells_are_texts_without_what_hides(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('id,name\n007,"Kim\nMinji"\n\n , \n08,\u202eLee,surplus\n09\n', encoding="utf-8")
    headings, rows = read_table(path)
    assert headings == ["id", "name"] and [row["id"] for row in rows] == ["007", "08", "09"]
    assert [each.name for each in Roster.read(path).students] == ["Kim Minji", "Lee", "09"]


@pytest.mark.parametrize("word", ["Participant ", "참가자"])
def test_moodle_s_identifiers_are_numbers(word, tmp_path):
    rows = [["식별자", "이름"], [f"{word}11", "김민지"], [f"{word}12", "김민지"]]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    assert [each.number for each in roster.students] == ["11", "12"]
    rows = [["identifier", "name"], ["a1", "김민지"], ["b1", "이바다"]]
    assert [each.number for each in Roster.read(write(tmp_path / "roster.csv", rows)).students] == ["a1", "b1"]


def test_an_id_that_a_spreadsheet_was_kept_from_changing_is_the_id(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text('id,name\n="002610024",김민지\n"=""002610025""",이바다\n', encoding="utf-8")
    assert [each.id for each in Roster.read(path).students] == ["002610024", "002610025"]


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("2026-10024_과제4", "2026-10024"),
        ("hw4 2026-10025", "2026-10025"),
        ("Minji Kim_hw4", "2026-10026"),
        ("hw4_Kim, Minji", "2026-10026"),
        ("hw4_Minji Kim_2026-10026", "2026-10026"),
        ("2026-10024_Minji Kim", None),
        ("2026_과제4", "2026"),
        ("김민지_과제4", None),
    ],
)
def test_ids_and_names_of_several_words_are_found_among_others(text, student):
    rows = [("2026-10024", "김민지"), ("2026-10025", "김민지"), ("2026-10026", "Minji Kim"), ("2026", "이바다")]
    found, _ = Roster([Student(own_id, name, own_id) for own_id, name in rows]).match_text(text)
    assert (found and found.student) == student


@pytest.mark.parametrize(
    ("listed", "text", "student"),
    [
        ("Minho", "Park Min, Ho", None),
        ("Minho", "Park_Min_Ho", None),
        ("Minho", "Park Min Ho_hw4", None),
        ("Minho", "Min Ho", "Minho"),
        ("Minho", "hw4_Min Ho_v2", "Minho"),
        ("김민지", "김 민지_과제4", "김민지"),
        ("Li An Lian", "Li_An", None),
        ("Li An Lian", "Lian_hw4", "Lian"),
        ("An Lian", "Li_An", None),
        ("Park Minho", "Park_Min_Ho", None),
        ("Lian", "Li_An", "Lian"),
    ],
)
def test_parts_are_joined_into_one_word_only_where_nothing_says_that_they_are_several(listed, text, student):
    found, _ = Roster([Student(str(place), name) for place, name in enumerate(listed.split())]).match_text(text)
    assert (found and found.name) == student


def test_canvas_s_test_student_is_nobody(tmp_path):
    rows = [["Student", "ID", "SIS User ID", "SIS Login ID"], ["Student, Test", "9", "", "1f2e3d"]]
    rows += [["Kim, Minji", "4711", "002610024", "minji"]]
    assert [each.id for each in Roster.read(write(tmp_path / "gradebook.csv", rows)).students] == ["002610024"]


LISTED = [
    Student("20260001", "김민지", "20260001", "7301013", ("minji@x.kr", "minjik")),
    Student("20260002", "Lee Jun", "20260002", "7301014", ("jun@x.kr",)),
]


@pytest.mark.parametrize(
    ("about", "student"),
    [
        ({}, "20260001"),
        ({"id": "20260001", "number": "7301013"}, "20260001"),
        ({"id": "20269999"}, None),
        ({"number": "7309999"}, None),
        ({"login": "other@x.kr"}, None),
        ({"login": "minji@y.kr"}, None),
        ({"login": "other"}, None),
        ({"github": "kim"}, "20260001"),
        ({"id": "020260001"}, "20260001"),
    ],
)
def test_a_name_with_another_identifier_is_a_namesake_s(about, student):
    found, _ = Roster(LISTED).match({"name": "김민지", **about})
    assert (found and found.student) == student


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("20260001_김민지", "20260001"),
        ("20269999_김민지", None),
        ("김민지-20269999-hw4", None),
        ("7309999 김민지", None),
        ("20269999_20260001_김민지", "20260001"),
        ("김민지_2026-12-04_0301", "20260001"),
        ("20269999_Lee Jun", None),
    ],
)
def test_a_text_with_a_name_and_another_id_is_not_the_student_s(text, student):
    found, _ = Roster(LISTED).match_text(text)
    assert (found and found.student) == student


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("Kim Min", "1001"),
        ("Kim Min_hw4", "1001"),
        ("Kim Min homework final 2", "1001"),
        ("hw4 - Kim Min - Deep Learning in Seoul", "1001"),
        ("Kim Min Ji", None),
        ("Kim Min-Ji_hw4", None),
        ("Kim_Min_Ji", None),
        ("kim.min.ji", None),
        ("Kim Min Ji_1002", "1002"),
        ("Kim Min Ji_1001", None),
        ("Kim Minji", "1002"),
        ("Min Ji Kim", "1002"),
        ("Ana Gil", "1003"),
        ("Ana Gil Torres", None),
        ("ana_gil_torres", None),
        ("Maria Ana Gil (hw4)", None),
        ("Ana Gil Torres_1003", "1003"),
        ("Ana Gil Ruiz", "1004"),
        ("김민지 딥러닝 과제", "1005"),
        ("राम कुमार", "1006"),
        ("राम कुमार सिंह", None),
    ],
)
def test_a_name_within_a_longer_one_is_nobody_s(text, student):
    names = ["Kim Min", "Kim Minji", "Ana Gil", "Ana Gil Ruiz", "김민지", "राम कुमार"]
    found, _ = Roster([Student(own, name, own) for own, name in enumerate_ids(names)]).match_text(text)
    assert (found and found.student) == student


def enumerate_ids(names: list[str]) -> list[tuple[str, str]]:
    return [(str(number), name) for number, name in enumerate(names, 1001)]


def test_marks_tell_names_apart():
    """In Thai and Hindi, vowels are marks."""
    roster = Roster(
        [Student("1001", "रमा", "1001"), Student("1002", "สมชาย ใจดี", "1002"), Student("1003", "İnci Ak", "1003")]
    )
    for text, student in (
        ("राम", None),
        ("रमा", "1001"),
        ("ใจดีสมชาย", "1002"),
        ("inci ak", None),
        ("İnci Ak".lower(), "1003"),
    ):
        found, _ = roster.match_text(text)
        assert (found and found.student) == student, text


@pytest.mark.parametrize(
    "name", ["김민지(Kim Minji)", "김민지 (Minji Kim)", "Kim Minji (김민지)", "김민지 / Kim, Minji"]
)
def test_each_of_two_names_in_one_cell_is_the_student_s(name):
    roster = Roster([Student("1001", name, "1001"), Student("1002", "Park Minji (Minho)", "1002")])
    for text in ("김민지", "Kim Minji", "kim_minji_hw4", "과제_김민지", name):
        found, _ = roster.match_text(text)
        assert found and found.student == "1001", text
    assert roster.match_text("Minho") == (None, "")  # a nickname in the same script is part of the name


@pytest.mark.parametrize(
    "name",
    ["김민지A", "김민지(휴학)", "김민지·Kim Minji", "김민지-Kim Minji", "김민지Kim Minji", "김민지 - Kim, Minji"],
)
def test_a_name_with_a_remark_or_glued_to_one_in_another_script_is_the_student_s(name):
    roster = Roster(
        [Student("1001", name, "1001"), Student("1002", "이바다A", "1002"), Student("1003", "이바다B", "1003")]
    )
    for text in ("김민지", "과제_김민지", name):
        assert roster.match({"name": text})[0] or text.startswith("과제")
        found, _ = roster.match_text(text)
        assert found and found.student == "1001", text
    for text, student in {
        "이바다": None,
        "이바다A": "1002",
        "이바다_B": "1003",
        "A": None,
        "Kim": None,
        "휴학": None,
    }.items():
        for found, _ in (roster.match_text(text), roster.match({"name": text})):
            assert (found and found.student) == student, text


def test_who_is_called_so_without_a_remark_comes_before_who_has_one():
    roster = Roster([Student("1001", "김민지A", "1001"), Student("1002", "김민지", "1002")])
    for text, student in {"김민지A": "1001", "김민지": "1002", "김민지B": None, "김민지(이바다)": None}.items():
        found, _ = roster.match({"name": text})
        assert (found and found.student) == student, text


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("이바다20260002", "20260002"),
        ("20260002이바다", "20260002"),
        ("20260002이바다_hw4", "20260002"),
        ("이바다20260003", None),
        ("이바다과제20260002", "20260002"),
        ("김민지2", None),
        ("김민지과제4", None),
    ],
)
def test_an_id_may_stand_beside_hangul(text, student):
    rows = [("20260002", "이바다"), ("20260003", "김민지"), ("4", "박준")]
    found, _ = Roster([Student(own_id, name, own_id) for own_id, name in rows]).match_text(text)
    assert (found and found.student) == student


@pytest.mark.parametrize("spoiled", ["2.61E+06", "2,02601E+09", "2E+07", "2.0E+07", "########"])
@pytest.mark.parametrize("column", ["id", "식별자"])
def test_what_a_spreadsheet_has_spoiled_is_told_with_its_row(column, spoiled, tmp_path):
    rows = [[column, "name"], ["20260001", "김민지"], [spoiled, "이바다"]]
    with pytest.raises(UserError, match=r"roster.csv: row 3: .* a spreadsheet has taken its digits away; export"):
        Roster.read(write(tmp_path / "roster.csv", rows, ";"))


def test_what_a_spreadsheet_puts_into_some_whole_numbers_is_taken_out(tmp_path):
    rows = [["id", "name"], ["20260001.0", "김민지"], ["20260002", "이바다"], ["20,260,003", "최별"], ["k-4", "한솔"]]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    assert [each.id for each in roster.students] == ["20260001", "20260002", "20260003", "k-4"]
    rows = [
        ["id", "name"],
        ["1.0", "김민지"],
        ["1.1", "이바다"],
        ["20260001.0", "최별"],
    ]  # versions are no whole numbers
    assert [each.id for each in Roster.read(write(tmp_path / "roster.csv", rows)).students] == [
        "1.0",
        "1.1",
        "20260001.0",
    ]


@pytest.mark.parametrize(
    ("listed", "text", "student"),
    [
        ("2026-0001", "20260001", "2026-0001"),
        ("2026 0001", "20260001_hw", "2026-0001"),
        ("20260001", "2026-0001_hw", "20260001"),
        ("20260001", "hw 2026 0001", "20260001"),
        ("2026-0001", "20260009_김민지", ""),
        ("20260001", "2026-0001_이바다", ""),
        ("12", "hw_1-2", ""),
    ],
)
def test_an_id_is_found_with_and_without_a_hyphen_or_a_space(listed, text, student, tmp_path):
    rows = [["id", "name"], [listed, "김민지"], ["20260002", "이바다"]]
    found, _ = Roster.read(write(tmp_path / "roster.csv", rows)).match_text(text)
    assert (found.student if found else "") == student


def test_two_ids_that_a_hyphen_alone_tells_apart_stay_two(tmp_path):
    rows = [["id", "name"], ["2026-0001", "김민지"], ["20260001", "이바다"]]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    assert [roster.match_text(text)[0].name for text in ("2026-0001", "20260001")] == ["김민지", "이바다"]
    assert roster.match_text("2026 0001")[0] is None


@pytest.mark.parametrize("column", ["email", "github", "lms number"])
@pytest.mark.parametrize("nothing", ["-", "없음", "N/A", "none"])
def test_what_says_that_there_is_none_is_nobody_s(column, nothing, tmp_path):
    rows = [["id", "name", column], ["1", "김민지", nothing], ["2", "이바다", nothing]]
    for each in Roster.read(write(tmp_path / "roster.csv", rows)).students:
        assert (each.logins, each.github, each.number) == ((), "", "")


@pytest.mark.parametrize("title", [["딥러닝 2026 수강생 명단", "", ""], ["", "학생 명단", ""]])
@pytest.mark.parametrize("below", [["합계", "2명", ""], ["Total", "2", ""], ["계", "", "2"]])
def test_a_title_above_and_a_sum_below_are_no_student_s(title, below, tmp_path, capsys):
    rows = [
        title,
        ["", "", ""],
        ["분반", "학번", "이름"],
        ["1", "20260001", "김민지"],
        ["1", "20260002", "이바다"],
        below,
    ]
    roster = Roster.read(write(tmp_path / "roster.csv", rows))
    assert [(each.id, each.name) for each in roster.students] == [("20260001", "김민지"), ("20260002", "이바다")]
    assert f"{' '.join(filter(None, below))}: a sum, and no student; passed over" in capsys.readouterr().err


def test_ids_that_are_alike_but_for_their_marks_are_refused(tmp_path):
    """The one that is listed later would get the other's place in the results of before."""
    with pytest.raises(UserError, match=r"rows 2 and 3: nothing tells them apart \(kim-min\)"):
        Roster.read(write(tmp_path / "r.csv", [["id"], ["kim.min"], ["kim-min"]]))


def test_whole_numbers_have_no_decimals(tmp_path):
    rows = [["id", "name"], ["20260001.0", "김민지"], ["20260002.0", "이바다"], ["", "박준"]]
    assert [each.id for each in Roster.read(write(tmp_path / "roster.csv", rows)).students] == [
        "20260001",
        "20260002",
        "",
    ]
    rows = [["id", "name"], ["1.0", "김민지"], ["1.1", "이바다"]]
    assert [each.id for each in Roster.read(write(tmp_path / "roster.csv", rows)).students] == ["1.0", "1.1"]


GROUPED = Roster(
    [
        Student(student, name, student, group=group)
        for student, name, group in [
            ("1001", "김민지", "2조"),
            ("1002", "이바다", "2조"),
            ("1003", "박준", "1"),
            ("1004", "최서연", "1"),
            ("1005", "Kim Min", "Deep Divers"),
            ("1006", "Lee Jun", "-"),
        ]
    ]
)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("2조", "2조"),
        ("2조_과제4", "2조"),
        ("hw4-2조", "2조"),
        ("1조", "1"),
        ("team1", "1"),
        ("Team 1 hw4", "1"),
        ("week 1", None),
        ("deep_divers", "Deep Divers"),
        ("김민지_이바다", "2조"),
        ("이바다, 김민지 (hw4)", "2조"),
        ("김민지_박준", None),  # of two groups
        ("2조_박준", None),
        ("1조 2조", None),
        ("3조", None),
        ("-", None),
    ],
)
def test_a_name_may_be_a_group_s(text, group):
    assert {each.group for each in group_in(text, GROUPED)} == ({group} if group else set())
    assert len(group_in(text, GROUPED)) == (sum(each.group == group for each in GROUPED.students) if group else 0)


def test_a_date_in_a_file_s_name_is_nobody_s_id():
    roster = Roster([Student("20261204", "Lee Bada", "20261204"), Student("20260002", "Kim Minji", "20260002")])
    for text, student in (
        ("2026-12-04_hw4", None),
        ("Kim Minji_2026-12-04", "20260002"),
        ("20261204_hw4", "20261204"),
        ("2026-0002", "20260002"),
    ):
        found, _ = roster.match_text(text)
        assert (found and found.student) == student, text


def test_an_id_with_an_e_is_none_that_a_spreadsheet_spoiled(tmp_path):
    rows = [["id", "name"], ["21E1234", "Kim"], ["21A0001", "Lee"]]
    assert [each.id for each in Roster.read(write(tmp_path / "roster.csv", rows)).students] == ["21E1234", "21A0001"]


def test_a_group_of_two_latin_letters_needs_a_word_beside_it():
    roster = Roster([Student(own, own, own, group="DL") for own in ("1001", "1002")])
    assert not group_in("dl_week4_park", roster) and len(group_in("team DL", roster)) == 2
