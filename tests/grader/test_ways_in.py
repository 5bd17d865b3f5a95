"""The same class, handed in by each system's way: everybody is there once, with the right time, and nobody is another."""

import csv
import os
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from benchmarks import hand_in_systems as systems
from benchmarks.hand_in_systems import DOWNLOADED, HandIn, written, zipped
from grader.grading.hand_ins import ask_about_times, hand_ins, is_late, read_roster
from grader.grading.kept_roster import kept_roster
from grader.grading.ranking import standings
from grader.grading.register_submissions import note_missing, register
from grader.intake.identity import place_of
from grader.intake.roster import Roster, Student
from grader.intake.time_sources import (
    BY_COMMIT,
    BY_FILE,
    BY_GIT,
    BY_MARK,
    BY_MEMBERS,
    BY_METADATA,
    BY_SCORES,
    BY_WORKSHEET,
)
from grader.ledger.results_folder import open_results
from project.support.errors import UserError
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import TESTS, MadeUp, graded, scored

KOREA = timezone(timedelta(hours=9))
DEADLINE = datetime(2026, 12, 4, 23, 59, tzinfo=KOREA)
IN_TIME, LATE = DEADLINE - timedelta(hours=5, minutes=3), DEADLINE + timedelta(hours=2)


@pytest.fixture(scope="module")
def files(config) -> dict[str, bytes]:
    texts = {name: Path("docs/examples", name).read_bytes() for name in ("REPORT.md", "CONCLUSION.md")}
    return {"config.yaml": config.encode(), "student.yaml": b"id: whoever\nname: Whoever\n", **texts}


def a_class(packed: dict[str, bytes]) -> list[HandIn]:
    """Eight students: two namesakes, a western name, one late, three who handed in what cannot be read, one nothing."""
    return [
        HandIn("김민지", 101, packed, IN_TIME, sid="002610024", email="minji@example.ac.kr", github="Minji-K"),
        HandIn(
            "김민지", 102, packed, IN_TIME - timedelta(days=1), sid="20260002", email="mj2@example.ac.kr", github="mj2"
        ),
        HandIn(
            "Ana María Gil", 103, packed, IN_TIME, family="Gil", sid="20260003", email="ana@example.org", github="ana"
        ),
        HandIn("이바다", 104, packed, LATE, late=True, sid="20260004", email="bada@example.ac.kr", github="bada"),
        HandIn("박구름", 105, {"과제.7z": b"7z"}, IN_TIME, sid="20260005", email="gu@example.ac.kr", github="gu"),
        HandIn(
            "최나무", 106, {"report.pdf": b"%PDF-"}, IN_TIME, sid="20260006", email="namu@example.ac.kr", github="namu"
        ),
        HandIn(
            "정노을",
            107,
            {"a.py": b"", "b.yaml": b""},
            IN_TIME,
            sid="20260007",
            email="noeul@example.ac.kr",
            github="no",
        ),
        HandIn("강별", 108, {}, IN_TIME, sid="20260008", email="byeol@example.ac.kr", github="byeol"),
    ]


def write_roster(path: Path, students: list[HandIn], without: tuple[str, ...] = ()) -> Roster:
    columns = {"id": "sid", "name": "name", "LMS number": "number", "login": "email", "github": "github"}
    columns = {heading: name for heading, name in columns.items() if heading not in without}
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [[*columns], *([getattr(one, name) for name in columns.values()] for one in students)]
        )
    return Roster.read(path)


def handed_in(folder, rules, roster):
    found = hand_ins(folder, rules.but(deadline=DEADLINE), roster)
    return {each.student: each for each in found}


def entries(folder, results, rules, roster):
    rules = rules.but(deadline=DEADLINE)
    with open_results(results, new=True, secret=TESTS) as opened:
        register(hand_ins(folder, rules, roster), opened, rules, roster)
        note_missing(roster, folder, opened, rules)
        return {entry.student: entry for entry in standings(opened.ledger, rules)}


SYSTEMS = {
    "canvas": systems.canvas,
    "moodle": lambda folder, students: systems.moodle(folder, students, "Grades.csv"),
    "gradescope": systems.gradescope,
}
UNREADABLE = {"20260005", "20260006", "20260007"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_canvas(form, files, rules, tmp_path):
    students = a_class({"My work (1).zip": zipped(files)})
    for one in students:
        one.name = unicodedata.normalize(form, one.name)
    folder, roster = systems.canvas(tmp_path / "canvas", students), write_roster(tmp_path / "roster.csv", students)
    found = handed_in(folder, rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.whose_by for each in found.values()} == {"roster, by its number"}
    assert {each.time_by for each in found.values()} == {BY_MARK} and not any(each.submitted for each in found.values())
    assert {student for student, each in found.items() if each.late} == {"20260004"}
    ranked = entries(folder, tmp_path / "results", rules, roster)
    assert {student: entry.verdict for student, entry in ranked.items()} == {
        **dict.fromkeys(("002610024", "20260002", "20260003"), "pending"),
        **dict.fromkeys(("20260004", *UNREADABLE), "rejected"),
        "20260008": "missing",
    }
    assert "a .7z archive cannot be read here" in ranked["20260005"].own_reason
    assert "marked as late" in ranked["20260004"].own_reason


def test_canvas_without_a_roster_and_without_names(files, rules, tmp_path):
    students = a_class({"work.zip": zipped(files)})
    students[0].files = {**students[0].files, "report.pdf": b"%PDF-", "text.html": b"<p>"}
    found = handed_in(systems.canvas(tmp_path / "named", students), rules, None)
    assert found.keys() == {"101", "102", "gilanamaria-103", "104", "105", "106", "107"}
    assert found["101"].source.name.endswith("work.zip") and found["101"].attempts == 1
    found = handed_in(systems.canvas(tmp_path / "anonymous", students, anonymous=True), rules, None)
    assert found.keys() == {f"anon-{one.number:05x}" for one in students if one.files}
    assert [each.late for each in found.values()].count(True) == 1


@pytest.mark.parametrize("anonymous", [False, True])
def test_files_that_were_not_zipped_are_one_submission(anonymous, files, rules, tmp_path):
    students = [
        HandIn("김민지", 101, {**files, "model-2.py": b"x = 1\n"}),
        HandIn("이바다", 102, {name.replace(".", "-1."): content for name, content in files.items()}),
        HandIn("박구름", 103, {"config.yaml": files["config.yaml"], "과제.zip": zipped(files)}),
        HandIn("최나무", 104, {"a.py": b"", "b.py": b"", "text.html": b"<p>"}),
        HandIn("정노을", 105, {"report.pdf": b"%PDF-"}),
    ]
    folder = systems.canvas(tmp_path / "canvas", students, anonymous)
    (late_link,) = folder.glob("*104_*b.py") if not anonymous else [None]
    found = hand_ins(folder, rules)
    assert [len(each.parts) for each in found] == [5, 4, 0, 2, 0] and [each.attempts for each in found] == [
        0,
        0,
        1,
        1,
        0,
    ]
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        register(found, opened, rules)
        ranked = {entry.student[-3:]: entry for entry in standings(opened.ledger, rules)}
    if not anonymous:
        assert {student: entry.verdict for student, entry in ranked.items()} == {
            **dict.fromkeys(("101", "102", "103"), "pending"),
            **dict.fromkeys(("104", "105"), "rejected"),
        }
        assert "config.yaml: is missing" in ranked["104"].own_reason
        assert "neither a folder nor" in ranked["105"].own_reason
        late_link.unlink()
        late_link.symlink_to("/etc/passwd")
        with open_results(tmp_path / "again", new=True, secret=TESTS) as opened:
            register(hand_ins(folder, rules), opened, rules)
            (entry,) = (each for each in standings(opened.ledger, rules) if each.student == "104")
        assert "is a link or a device" in entry.own_reason


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp949"])
@pytest.mark.parametrize("korean", [False, True])
def test_moodle(korean, encoding, files, rules, tmp_path):
    students = a_class({"work.zip": zipped(files)})
    students[2].name = "Ana Gil"  # which cp949 can write
    roster = write_roster(tmp_path / "roster.csv", students, without=("LMS number",))
    folder = systems.moodle(tmp_path / "moodle", students, "Grades-DL.csv", korean, encoding=encoding)
    found = handed_in(folder, rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.time_by for each in found.values()} == {BY_WORKSHEET}
    for one in students[:-1]:
        assert found[one.sid].submitted == one.submitted.replace(second=0), one
    late = {student for student, each in found.items() if is_late(each, rules.but(deadline=DEADLINE), {})}
    assert late == {"20260004"}


def test_moodle_in_one_folder_and_without_its_worksheet(files, rules, tmp_path):
    students = a_class({"work.zip": zipped(files, time=(2026, 12, 4, 20, 0, 0))})
    roster = write_roster(tmp_path / "roster.csv", students, without=("LMS number",))
    found = handed_in(systems.moodle(tmp_path / "moodle", students, folders=False), rules, roster)
    for student in ("002610024", "20260002"):  # nothing but the name is known, which they share
        assert student not in found
    namesakes = [each for each in found.values() if each.name == "김민지"]
    assert [each.flags for each in namesakes] == [("is not told from others of the same name",)] * 2
    assert found["20260003"].whose_by == "roster, by its name"
    assert (found["20260003"].submitted, found["20260003"].time_by) == (
        datetime(2026, 12, 4, 20, tzinfo=KOREA),
        BY_MEMBERS,
    )
    assert (found["20260005"].submitted, found["20260005"].time_by) == (DOWNLOADED, BY_FILE)


def test_gradescope(files, rules, tmp_path):
    students = a_class(files)
    roster = write_roster(tmp_path / "roster.csv", students)
    folder = systems.gradescope(tmp_path, students)
    found = handed_in(folder, rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.time_by for each in found.values()} == {BY_METADATA}
    assert all(found[one.sid].submitted == one.submitted for one in students if one.files)
    assert {each.whose_by for each in found.values()} == {"roster, by its id"}
    assert handed_in(folder, rules, None).keys() == found.keys(), "002610024 is text there, too"


def test_what_two_handed_in_together_is_both_s(files, rules, tmp_path):
    students = a_class(files)
    students[0].partner = students[-1]
    roster = write_roster(tmp_path / "roster.csv", students)
    folder = systems.gradescope(tmp_path, students)
    for known in (roster, None):
        found = handed_in(folder, rules, known)
        assert found.keys() == {one.sid for one in students}
        both = [found[students[place].sid] for place in (0, -1)]
        assert both[0].source == both[1].source and both[0].submitted == both[1].submitted
        assert [each.name for each in both] == ["김민지", "강별"]


@needs_sandbox
def test_classroom_50(files, rules, tmp_path):
    students = a_class(files)
    roster = write_roster(tmp_path / "roster.csv", students)
    folder = systems.classroom50(tmp_path, students)
    found = handed_in(folder, rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.time_by for each in found.values()} == {BY_SCORES}
    assert all(found[one.sid].submitted == one.submitted.replace(microsecond=0) for one in students if one.files)
    assert {student for student, each in found.items() if each.late} == {"20260004"}
    (folder / "scores.csv").unlink()  # as --by-pattern leaves it
    found = handed_in(folder, rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.time_by for each in found.values()} == {BY_COMMIT}
    assert all(found[one.sid].submitted == one.submitted for one in students if one.files)


@pytest.mark.parametrize(
    ("folder", "users"),
    [
        ("dl-week4_submissions_2026_12_10_T_09_00_00", {"dl-week4-yuna": "yuna", "dl-week4-week4-yuna": "week4-yuna"}),
        ("DL-Week4-submissions", {"dl-week4-yuna": "yuna", "dl-week4-kim": "kim"}),
        ("clones", {"dl-week4-yuna": "yuna", "dl-week4-kim": "kim"}),
        ("clones", {"dl-week4-yuna": ""}),
        ("clones", {"dl-week4-yuna": "", "yuna": "", "other-kim": "kim"}),
    ],
)
def test_a_user_is_all_that_follows_the_assignment(folder, users, files, rules, tmp_path):
    """Where the folder does not tell it, of what all names have in common; else a name in which two users fit is nobody's."""
    for name in users:
        for file, content in files.items():
            systems.written(tmp_path / folder / name / "submission" / file, content)
    times = [f"{user},2026-12-04T10:00:00Z,false" for user in ("yuna", "week4-yuna", "kim")]
    systems.written(tmp_path / folder / "scores.csv", "\n".join(["username,datetime,late", *times]).encode())
    found = {each.source.name: each for each in hand_ins(tmp_path / folder, rules)}
    assert {name: each.about.get("github", "") for name, each in found.items()} == users
    assert {name for name, each in found.items() if each.flags} == {name for name, user in users.items() if not user}


@needs_sandbox
def test_a_folder_of_git_repositories(files, rules, tmp_path):
    students = a_class(files)
    roster = write_roster(tmp_path / "roster.csv", students)
    found = handed_in(systems.git_repositories(tmp_path / "clones", students), rules, roster)
    assert found.keys() == {one.sid for one in students if one.files}
    assert {each.time_by for each in found.values()} == {BY_COMMIT}
    assert all(found[one.sid].submitted == one.submitted for one in students if one.files)


@needs_sandbox
def test_one_repository_with_a_folder_for_each_student(files, rules, tmp_path):
    students = [one for one in a_class(files) if one.number != 102]
    for one, form in zip(students, ("NFC", "NFD") * 4):
        one.name = unicodedata.normalize(form, one.name)
    roster = write_roster(tmp_path / "roster.csv", students)
    repository = systems.class_repository(tmp_path / "class", students)
    for folder in (repository, repository / "week4"):
        found = handed_in(folder, rules, roster)
        assert found.keys() == {one.sid for one in students if one.files}
        assert {(each.whose_by, each.time_by) for each in found.values()} == {("roster, by its name", BY_GIT)}
        assert all(found[one.sid].submitted == one.submitted for one in students if one.files)


def test_a_link_takes_no_time_from_whoever_it_leads_to(files, rules, tmp_path):
    repository = systems.class_repository(
        tmp_path / "class", [HandIn("kim", 1, files, IN_TIME), HandIn("lee", 2, files)]
    )
    for name in ("zed", "abe"):
        (repository / "week4" / name).symlink_to("kim")
    found = {each.source.name: each for each in hand_ins(repository / "week4", rules)}
    assert (found["kim"].submitted, found["kim"].time_by) == (IN_TIME, BY_GIT)
    assert {found[name].time_by for name in ("zed", "abe")} == {BY_FILE}


def plain(folder: Path, files: dict[str, bytes], said: dict[str, str]) -> Path:
    """Archives as somebody collected them, each with the id that its student.yaml says."""
    for name, own_id in said.items():
        content = {**files, "student.yaml": f"id: {own_id}\nname: Name of {own_id}\n".encode()}
        systems.written(folder / name, zipped(content, time=(2026, 12, 4, 20, 0, 0)))
    return folder


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ({"a.zip": "kim", "b.zip": "lee"}, {"a.zip": "kim", "b.zip": "lee"}),
        ({"a.zip": "0201", "b.zip": "no"}, {"a.zip": "0201", "b.zip": "no"}),
        ({"a.zip": "2026-12-04", "b.zip": "1e3"}, {"a.zip": "2026-12-04", "b.zip": "1e3"}),
        ({"a.zip": "kim", "kim.zip": "kim"}, {"a.zip": "a", "kim.zip": "kim"}),
        ({"a.zip": "kim", "kim.zip": "other"}, {"a.zip": "a", "kim.zip": "other"}),
        ({"a.zip": "kim", "b.zip": "kim"}, {"a.zip": "a", "b.zip": "b"}),
        ({"a.zip": "kim_77", "kim_77_9_x.zip": "a"}, {"a.zip": "kim_77", "kim_77_9_x.zip": "kim-77"}),
        ({"a.zip": "kim-77", "kim_77_9_x.zip": "a"}, {"a.zip": "a", "kim_77_9_x.zip": "kim-77"}),
    ],
)
def test_a_claim_costs_nobody_else_anything(said, ids, files, rules, tmp_path):
    found = handed_in(plain(tmp_path / "in", files, said), rules, None)
    assert {each.source.name: each.student for each in found.values()} == ids
    refused = {name for name, own in said.items() if ids[name] != own and not name.startswith("kim_77")}
    assert {each.source.name for each in found.values() if each.flags} == refused
    assert all("another's id" in flag for each in found.values() for flag in each.flags)
    assert all(each.name != f"Name of {said[each.source.name]}" for each in found.values() if each.flags)


@pytest.mark.parametrize(
    ("names", "own_ids"),
    [
        (("bob.tar.zip", "bob.zip"), ("bob", "bob")),
        (("bob.tar.zip", "bob.zip"), ("bob", "x y z")),
        (("B-ob.zip", "b-ob.zip"), ("b-ob", "b-ob")),
        (("김.tar.zip", "김.zip"), ("", "")),
    ],
)
def test_a_name_that_two_have_is_nobody_s(names, own_ids, files, rules, tmp_path):
    """Whichever comes first in the order of the names."""
    found = hand_ins(plain(tmp_path / "in", files, dict(zip(names, own_ids))), rules)
    refused = [each for each in found if each.student != "x-y-z"]
    assert not any(each.known_as for each in found)
    assert all(each.flags and each.student[-2:] in ("-2", "-3") for each in refused)
    assert len(refused) == (1 if "x y z" in own_ids else 2)


@pytest.mark.parametrize(
    "name",
    [
        "Bob Brown_12_assignsubmission_file__13_assignsubmission_file_.zip",
        "Bob Brown_12_assignsubmission_onlinetext__13_assignsubmission_file_.zip",
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_name_that_is_two_students_is_nobody_s(listed, name, files, rules, tmp_path):
    folder = plain(tmp_path / "in", files, {"Bob Brown_12_assignsubmission_file_.zip": "bob", name: "eve"})
    plain(folder, files, {"Kim_14_assignsubmission_file_.zip": "kim"})
    roster = write_roster(tmp_path / "roster.csv", [HandIn("Bob Brown", 12, {}, sid="20240012")]) if listed else None
    found = {each.source.name: each for each in hand_ins(folder, rules, roster)}
    assert found[name].student == "eve" and found[name].flags and not found[name].known_as
    assert found["Bob Brown_12_assignsubmission_file_.zip"].known_as["moodle"] == ["12"] and len(found) == 3


@pytest.mark.parametrize("other", ["_eve_4_9003_hw.zip", "mailed.zip", "Bob_3_assignsubmission_file_.zip"])
def test_one_name_unlike_all_others_is_doubted_and_they_are_not(other, files, rules, tmp_path):
    names = ("bobbrown_3_9002_hw.zip", "kimminji_LATE_1_9001_hw.zip")
    found = hand_ins(plain(tmp_path / "in", files, {**dict.fromkeys(names, "x"), other: "eve"}), rules)
    assert {each.source.name: (each.known_as, each.late, bool(each.flags)) for each in found} == {
        names[0]: ({"canvas": ["3"]}, False, False),
        names[1]: ({"canvas": ["1"]}, True, False),
        other: ({}, False, True),
    }


def test_who_had_an_id_before_keeps_it_whoever_says_it_now(files, rules, tmp_path):
    folder = plain(tmp_path / "in", files, {"m.zip": "kim"})
    (first,) = hand_ins(folder, rules)
    plain(folder, files, {"a.zip": "kim", "z.zip": "kim"})
    found = hand_ins(folder, rules, held={first.student: "m.zip"})
    assert {each.source.name: each.student for each in found} == {"a.zip": "a", "m.zip": "kim", "z.zip": "z"}
    assert [bool(each.flags) for each in found] == [True, False, True]


def test_who_had_an_id_before_keeps_it_whoever_is_called_so_now(files, rules, tmp_path):
    folder = plain(tmp_path / "in", files, {"kim.zip": "kim"})
    (first,) = hand_ins(folder, rules)
    found = hand_ins(plain(folder, files, {"kim.tar.zip": "kim"}), rules, held={first.student: place_of(first)})
    assert {each.source.name: each.student for each in found} == {"kim.tar.zip": "kim-2", "kim.zip": "kim"}
    assert all(each.flags and not each.known_as for each in found)


def test_a_claim_beside_a_roster_is_flagged_even_where_it_counts(files, rules, tmp_path, capsys):
    roster = write_roster(tmp_path / "roster.csv", a_class({}))
    said = {"final.zip": "20260002", "20260003_과제.zip": "20260004", "mine.zip": "20260003", "who.zip": "stranger"}
    folder = plain(tmp_path / "in", files, said)
    for name in ("이바다.pdf", "notes.pdf"):
        systems.written(folder / name, b"%PDF-")
    found = {each.source.name: each for each in handed_in(folder, rules, roster).values()}
    assert {name: each.student for name, each in found.items()} == {
        "final.zip": "20260002",
        "20260003_과제.zip": "20260003",
        "mine.zip": "mine",
        "who.zip": "stranger",
        "이바다.pdf": "20260004",
    }
    flags = {name: each.flags for name, each in found.items() if each.flags}
    assert flags == {
        "final.zip": ("nothing but its student.yaml says whose it is",),
        "mine.zip": (
            "its student.yaml says 20260003, which is another's id or is said by others, too",
            "is not on the roster",
        ),
        "who.zip": ("is not on the roster",),
    }
    assert "notes.pdf: a file by itself is no submission; passed over" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["canvas", "moodle", "gradescope"])
@pytest.mark.parametrize("says", ["20260003", "ana", "ANA@example.org", "20260008"])
def test_who_says_another_s_id_is_flagged_also_where_the_account_is_known(way, says, files, rules, tmp_path):
    """Of one who handed in, and of one who did not. The other is not touched, and a partner of a group is no other."""
    said = {**files, "student.yaml": f"id: {says}\nname: Ana\n".encode()}
    students = a_class(files if way == "gradescope" else {"a.zip": zipped(files)})
    students[1].files = said if way == "gradescope" else {"a.zip": zipped(said)}
    students[0].partner = students[-1]
    folder = SYSTEMS[way](tmp_path / way, students)
    ranked = entries(folder, tmp_path / "results", rules, write_roster(tmp_path / "roster.csv", students))
    flags = {student: entry.flags for student, entry in ranked.items() if student != "20260004"}
    flag = f"its student.yaml says {says}, which is another's id; whose it is was told without that"
    assert flags.pop("20260002") == [flag] and not any(flags.values())
    assert ranked["20260002"].name == "김민지" and ranked["20260003"].verdict == "pending"


def test_who_handed_in_with_another_may_say_either_id(files, rules, tmp_path):
    students = a_class({**files, "student.yaml": b"id: '20260008'\nname: x\n"})
    students[0].partner = students[-1]
    for student in students[1:]:
        student.files = {}
    folder = systems.gradescope(tmp_path / "gradescope", students)
    ranked = entries(folder, tmp_path / "results", rules, write_roster(tmp_path / "roster.csv", students))
    assert [ranked[each].verdict for each in ("002610024", "20260008")] == ["pending"] * 2
    assert not any(entry.flags for entry in ranked.values())


def test_much_of_a_class_late_stops_and_asks(files, rules, tmp_path):
    rules = rules.but(deadline=DEADLINE)
    students = [HandIn(f"Student {n}", n, {"w.zip": zipped(files)}, IN_TIME) for n in range(1, 9)]
    folder = systems.moodle(tmp_path / "moodle", students)
    found = hand_ins(folder, rules)
    said = "8 of 8 hand-ins would be late, by the file's own date and lie within 10 minutes.*--dry-run.*--accept-times"
    with pytest.raises(UserError, match=said):
        ask_about_times(found, rules)
    ask_about_times(found, rules, {each.student for each in found[:-1]})
    ask_about_times(found, rules.but(deadline=None))
    ask_about_times(found[:3], rules)
    for late, stops in ((2, False), (3, True)):
        marked = [HandIn(f"Student {n}", n, {"w.zip": zipped(files)}, late=n <= late) for n in range(1, 9)]
        found = hand_ins(systems.canvas(tmp_path / f"canvas-{late}", marked), rules)
        if stops:
            with pytest.raises(UserError, match="3 of 8 hand-ins would be late, by the system's mark: look"):
                ask_about_times(found, rules)
        else:
            ask_about_times(found, rules)


def test_what_is_no_table_of_a_system_is_said(rules, tmp_path):
    os.makedirs(tmp_path / "kim")
    for name, text, said in (
        ("scores.csv", "a,b\n1,2\n", "scores.csv: lacks the columns username, datetime and late"),
        (
            "scores.csv",
            "username,datetime,late\nkim,yesterday,\n",
            "scores.csv: kim: 'yesterday' is no time with its zone",
        ),
        ("submission_metadata.yml", "- x\n", "submission_metadata.yml: is not what Gradescope exports"),
        ("submission_metadata.yml", "s_1:\n  :submitters: []\n", "submission_metadata.yml: is not what Gradescope"),
        (
            "w.csv",
            "Identifier,Last modified (submission)\nParticipant 1,sometime\n",
            "w.csv: Participant 1 has no time: 'some",
        ),
        ("w.csv", "Identifier,Last modified (submission)\nKim,-\n", "w.csv: Kim has no participant's number"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=said):
            hand_ins(tmp_path, rules)
        (tmp_path / name).unlink()
    assert DOWNLOADED.tzinfo == UTC


@pytest.mark.parametrize("worksheet", ["", "Grades.csv"])
def test_a_team_of_moodle_s_stands_before_the_full_name(worksheet, files, rules, tmp_path):
    students = [HandIn("김민지", 1), HandIn("이바다", 2), HandIn("Park Seo-yun", 3)]
    folder = systems.moodle(tmp_path / "moodle", students, worksheet)
    for one, team in zip(students, ("A조", "3-B", "Team-A")):
        systems.written(folder / f"{team}-{one.name}_{one.number}_assignsubmission_file_" / "hw.zip", zipped(files))
    listed = Roster([Student(f"100{one.number}", one.name, f"100{one.number}") for one in students])
    assert {each.student: each.name for each in hand_ins(folder, rules, listed)} == {
        f"100{one.number}": one.name for one in students
    }
    names = [each.name for each in hand_ins(folder, rules)]
    assert sorted(names) == sorted(one.name for one in students) if worksheet else len(names) == 3


def test_whose_name_ends_like_another_s_takes_nobody_s_place(files, rules, tmp_path):
    students = [HandIn(name, number, {"hw.zip": zipped(files)}) for number, name in enumerate(("김민지", "Eve-김민지"))]
    listed = Roster([Student("1001", "김민지", "1001")])
    found = hand_ins(systems.moodle(tmp_path / "moodle", students), rules, listed)
    assert [each.student for each in found if each.source.name.startswith("김민지")] == ["1001"] and len(found) == 2


def test_loose_files_of_moodle_s_are_one_submission(files, rules, tmp_path):
    students = [
        HandIn("Kim Minji", 11, files, IN_TIME),
        HandIn("이바다", 12, {**files, "model.py": b"x = 1\n"}, IN_TIME),
    ]
    found = hand_ins(systems.moodle(tmp_path / "moodle", students, "Grades.csv", folders=False), rules)
    assert [(len(each.parts), each.attempts) for each in found] == [(5, 0), (4, 0)]
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        register(found, opened, rules)
        assert [entry.verdict for entry in standings(opened.ledger, rules)] == ["pending"] * 2


@pytest.mark.parametrize("system", ["canvas", "moodle"])
def test_an_archive_and_documents_that_were_handed_in_together_are_one_submission(system, files, rules, tmp_path):
    inside = {name: content for name, content in files.items() if name != "REPORT.md"}
    students = [
        HandIn("Kim Minji", 11, {"work.zip": zipped(inside), "REPORT.md": files["REPORT.md"]}),
        HandIn("Lee Bada", 12, {"A report.pdf": b"%PDF-", "work.zip": zipped(files), "REPORT.md": b"another one"}),
        HandIn("Park Haneul", 13, {"work.zip": zipped(files), "model.py": b"x = 1\n"}),
        HandIn("Choi Byeol", 14, {"work.zip": zipped(files), "again.zip": zipped(files), "REPORT.md": b"x"}),
    ]
    write = systems.canvas if system == "canvas" else lambda *given: systems.moodle(*given, folders=False)
    found = hand_ins(write(tmp_path / system, students), rules)
    whole = {each.source.name.partition("1")[0].strip("_"): each for each in found}
    kim, lee, park, choi = (next(each for name, each in whole.items() if name.lower().startswith(by)) for by in
                            (("kim", "minji"), ("lee", "bada"), ("park", "haneul"), ("choi", "byeol")))  # fmt: skip
    assert [(len(each.parts), each.attempts) for each in (kim, lee, park, choi)] == [(2, 0), (3, 0), (0, 1), (0, 2)]
    assert kim.source.name.endswith("work.zip") and lee.source.name.endswith("work.zip")
    assert kim.time_by in (BY_MARK, BY_FILE), "not the archive's own dates"
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        register(found, opened, rules)
        said = {entry.student: entry for entry in standings(opened.ledger, rules)}
        assert said[kim.student].verdict == "pending" and not any("REPORT" in one for one in said[kim.student].warnings)
        assert "'REPORT.md' is there twice, in the archive and beside it" in said[lee.student].own_reason


def test_loose_files_of_one_name_are_told(files, rules, tmp_path):
    folder = systems.canvas(tmp_path / "canvas", [HandIn("Kim Minji", 11, {**files, "REPORT-1.md": b"another"})])
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        register(hand_ins(folder, rules), opened, rules)
        (entry,) = standings(opened.ledger, rules)
    assert "'REPORT.md' is there twice" in entry.own_reason


def test_who_only_wrote_a_text_into_moodle_handed_in(files, rules, tmp_path):
    folder = systems.moodle(tmp_path / "moodle", [HandIn("Kim Minji", 11, files)])
    for who in ("Kim Minji_11", "Lee Jun_12"):
        systems.written(folder / f"{who}_assignsubmission_onlinetext_" / "onlinetext.html", b"<p>")
    assert [(each.name, each.attempts) for each in hand_ins(folder, rules)] == [("Kim Minji", 0), ("Lee Jun", 0)]


def test_a_submission_without_submitters_stands_alone(files, rules, tmp_path, capsys):
    students = [HandIn("Kim Minji", 1, files, sid="1001", email="m@x.kr"), HandIn("Lee Jun", 2, files, sid="1002")]
    folder = systems.gradescope(tmp_path, students)
    known = yaml.safe_load((folder / "submission_metadata.yml").read_text(encoding="utf-8"))
    name, first = next(iter(known.items()))
    first[":submitters"] = []
    (folder / "submission_metadata.yml").write_text(yaml.safe_dump(known), encoding="utf-8")
    found = hand_ins(folder, rules)
    assert len(found) == 2 and "1002" in {each.student for each in found}
    assert f"{name}: Gradescope names nobody who handed it in" in capsys.readouterr().err


def test_who_is_off_the_next_roster_is_missing_no_more(files, rules, tmp_path, capsys):
    kim, lee = Student("1001", "Kim Minji", "1001"), Student("1002", "Lee Jun", "1002")
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        for students, missing in (([kim, lee], ["1001", "1002"]), ([lee], ["1002"]), ([kim, lee], ["1001", "1002"])):
            note_missing(Roster(students), tmp_path, opened, rules)
            assert sorted(each.student for each in standings(opened.ledger, rules)) == missing
    assert "Kim Minji (1001): handed in nothing, and is not on this roster" in capsys.readouterr().err


def test_two_sections_in_one_results_folder_keep_each_other_s_missing(files, rules, tmp_path, capsys):
    kim, lee, park = (
        Student(str(number), name, str(number)) for number, name in enumerate(("Kim", "Lee", "Park"), 1001)
    )
    one, two = tmp_path / "one", tmp_path / "two"
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        for folder, students, missing in (
            (one, [kim, park], ["1001", "1003"]),
            (two, [lee, park], ["1001", "1002", "1003"]),
            (one, [kim], ["1001", "1002", "1003"]),  # the other section has 1003, still
            (two, [lee], ["1001", "1002"]),
            (one, [park], ["1002", "1003"]),
        ):
            note_missing(Roster(students), folder, opened, rules)
            assert sorted(each.student for each in standings(opened.ledger, rules)) == missing
            assert sorted(kept_roster(opened.folder)) == missing, (
                "for pages and gradebooks, which name nobody or everybody"
            )
        note_missing(Roster([Student("20261002", "Lee", "20261002", number="7")]), two, opened, rules)
        note_missing(Roster([Student("20261003", "Lee", "20261003", number="7")]), two, opened, rules)
        assert {*kept_roster(opened.folder)} == {"1003", "20261003"}, "who has the number now"
    told = capsys.readouterr().err
    assert "Kim (1001): handed in nothing, not on this roster; listed by that of a run over another folder" in told
    assert "Park (1003): handed in nothing, and is not on this roster; left out" in told


def test_a_name_in_two_ways_takes_nobody_s_online_text_away(rules, tmp_path):
    text = "_assignsubmission_onlinetext_onlinetext.html"
    eves = "Eve Stone_11_assignsubmission_file_x_12_assignsubmission_file_y.zip"
    for name in (eves, f"Kim Victim_12{text}", "Bob Ok_13_assignsubmission_file_a.zip", f"Bob Ok_13{text}"):
        written(tmp_path / name, zipped({"config.yaml": b"a: 1\n"}))
    (tmp_path / "roster.csv").write_text("name\nEve Stone\nKim Victim\nBob Ok\n")
    found = {each.source.name: each.student for each in hand_ins(tmp_path, rules, read_roster(tmp_path, None))}
    assert found[f"Kim Victim_12{text}"] == "kim-victim" and f"Bob Ok_13{text}" not in found and len(found) == 3


def test_a_hidden_archive_is_told(rules, tmp_path, capsys):
    for name in (".20260001.zip", "._20260002.zip", "20260002.zip"):
        written(tmp_path / name, zipped({"config.yaml": b"a: 1\n"}))
    assert len(hand_ins(tmp_path, rules)) == 1
    assert capsys.readouterr().err == "note: .20260001.zip: begins with a dot, so that it is hidden; passed over\n"


@pytest.mark.parametrize("beside", ["", "config.yaml"])
@pytest.mark.parametrize("called", ["{}_{}_901_a.zip", "{}_{}_assignsubmission_file_/a.zip"])
def test_sections_folders_of_a_system_s_downloads_are_a_question(called, beside, rules, tmp_path):
    for section, name, number in (("분반1", "kim", 11), ("분반1", "lee", 12), ("분반2", "choi", 13)):
        written(tmp_path / section / called.format(name, number), zipped({"config.yaml": b"a: 1\n"}))
        (tmp_path / section / "roster.csv").write_text("name\nKim\n")
        if beside:  # somebody's own, with whatever else is in it
            written(tmp_path / section / beside, b"a: 1\n")
    if beside:
        assert len(hand_ins(tmp_path, rules)) == 2
    else:
        with pytest.raises(UserError, match="분반1 holds a system's downloads of 2 students; name that folder"):
            hand_ins(tmp_path, rules)


@pytest.mark.parametrize("called", ["kimminji_11_{}_a.zip", "Kim Minji_{}.zip"])
def test_who_moves_to_another_section_is_not_split(called, write_submission, rules, tmp_path, capsys):
    kim, lee = (f"100{at},{name},{at + 10}\n" for at, name in ((1, "Kim Minji"), (2, "Lee Bada")))
    for section, number, name in (
        (1, 901, called),
        (1, 902, "leebada_12_{}_a.zip"),
        (2, 911, called),
        (2, 903, "choi_13_{}_a.zip"),
    ):
        file = tmp_path / f"s{section}" / name.format(number)
        if section == 1 or name != called:
            written(file, zipped({"config.yaml": f"a: {number}\n".encode()}))

    def run(section: int, listed: str) -> dict[str, str]:
        (tmp_path / f"s{section}" / "roster.csv").write_text(f"id,name,lms number\n{listed}")
        graded(tmp_path / f"s{section}", tmp_path / "results", rules, MadeUp(lambda job: scored()))
        with open_results(tmp_path / "results") as opened:
            return {entry.student: entry.source for entry in standings(opened.ledger, rules) if entry.source}

    run(1, kim + lee)
    assert {*run(2, "1003,Choi,13\n")} == {"1001", "1002", "1003"}
    written(tmp_path / "s2" / called.format(911), zipped({"config.yaml": b"a: 911\n"}))
    run(2, "1003,Choi,13\n" + kim)
    capsys.readouterr()
    found = run(1, lee)
    assert found == {"1001": called.format(911), "1002": "leebada_12_902_a.zip", "1003": "choi_13_903_a.zip"}
    assert f"{called.format(901)}: is that of 1001, who handed in over another folder since" in capsys.readouterr().err
