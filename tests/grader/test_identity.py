"""Two accounts are never one student, and what contradicts itself takes nobody's place."""

from itertools import permutations
from pathlib import Path

import pytest

from benchmarks.hand_in_systems import HandIn, canvas, classroom50, moodle, written, zipped
from grader.grading.class_list import class_list
from grader.grading.hand_ins import hand_ins
from grader.grading.ranking import Entry, standings
from grader.grading.register_submissions import register
from grader.intake.downloads import SAME_ID
from grader.intake.identity import NOT_LISTED, KnownIds, place_of
from grader.intake.roster import Roster, Student
from grader.intake.time_sources import BY_SCORES
from grader.intake.veil import NOBODY, VEILED, veiled
from grader.ledger.results_folder import open_results
from tests.grader.engines import TESTS


def gradescope(folder: Path, accounts: list[tuple[str, str, str]]) -> Path:
    """An export of one submission of each: name, id and mail address."""
    lines = []
    for number, (name, sid, mail) in enumerate(accounts, 1):
        written(folder / f"submission_{number}" / "config.yaml", f"a: {mail}\n".encode())
        lines += [f"submission_{number}:", "  :submitters:", f"  - :name: {name}", f"    :sid: '{sid}'"]
        lines += [f"    :email: {mail}", f"  :created_at: 2026-12-0{number} 00:00:00 Z"]
    written(folder / "submission_metadata.yml", "\n".join(lines).encode())
    return folder


KIM, EVE = ("Kim Minji", "20260001", "kim@x.kr"), ("Eve", "", "20260001@evil.kr")
JUN, OTHER_JUN = ("Lee Jun", "", "jun@x.kr"), ("Choi Jun", "", "jun@y.kr")


@pytest.mark.parametrize("order", [*permutations([KIM, EVE, JUN, OTHER_JUN])])
def test_what_is_before_the_at_is_no_account(order, rules, tmp_path):
    found = hand_ins(gradescope(tmp_path, [*order]), rules)
    assert {each.student: each.name for each in found} == {
        "20260001": "Kim Minji",
        "20260001-evil-kr": "Eve",
        "jun-x-kr": "Lee Jun",
        "jun-y-kr": "Choi Jun",
    }
    assert not any(each.attempts or each.flags for each in found)


def roster_of(path: Path, text: str) -> Roster:
    written(path / "roster.csv", text.encode())
    return Roster.read(path / "roster.csv")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("listed", "kims"),
    [
        ("", set()),
        ("id,name\n20260001,Kim Minji\n", set()),
        ("id,name,email\n20260001,Kim Minji,kim@x.kr\n", {"kim@x.kr"}),
        ("id,name,email\n20260001,Kim Minji,eve@evil.kr\n", {"eve@evil.kr"}),
        ("id,name,email,login\n20260001,Kim Minji,kim@x.kr,eve@evil.kr\n", {"kim@x.kr", "eve@evil.kr"}),
    ],
)
def test_accounts_with_one_id_are_told_apart_by_what_is_their_own(listed, kims, first, rules, tmp_path):
    """By nobody but the roster, and then both are flagged; without it neither gets the id, in whichever order."""
    accounts = [KIM, ("Eve", "20260001", "eve@evil.kr")]
    folder = gradescope(tmp_path / "in", [accounts[first], accounts[1 - first]])
    found = hand_ins(folder, rules, roster_of(tmp_path, listed) if listed else None)
    assert {each.about["login"] for each in found if each.student == "20260001"} <= kims
    assert len(found) + sum(each.attempts for each in found) == 2
    assert all(SAME_ID in each.flags for each in found)
    others = [each for each in found if each.student != "20260001"]
    assert len(others) == 2 - len(kims) and all(each.student.startswith("20260001-") for each in others)
    assert not any("id" in each.known_as for each in others)


def test_who_says_the_id_that_an_address_elsewhere_begins_with_is_flagged(rules, tmp_path):
    folder = gradescope(tmp_path / "in", [KIM, EVE])
    for number in (1, 2):
        written(folder / f"submission_{number}" / "student.yaml", b"id: '20260001'\nname: Kim\n")
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        register(hand_ins(folder, rules), opened, rules)
        flags = {entry.student: entry.flags for entry in standings(opened.ledger, rules)}
    assert not flags["20260001"]
    assert "which is another's id" in flags["20260001-evil-kr"][0]


def named(folder: Path, said: dict[str, tuple[str, int]]) -> Path:
    """Archives, each with the id in its student.yaml, and the day of its newest file."""
    for name, (own_id, day) in said.items():
        files = {"config.yaml": b"a: 1\n", "student.yaml": f"id: '{own_id}'\nname: x\n".encode()}
        written(folder / name, zipped(files, time=(2026, 12, day, 0, 0, 0)))
    return folder


LISTED = "id,name\n20260001,Kim Minji\n20260002,Lee Jun\n20260003,Eve Park\n"


@pytest.mark.parametrize("eves", ["20260001_final.zip", "Kim Minji.zip", "20260001.tar.zip"])
@pytest.mark.parametrize("kims_says", ["20260001", "", "stranger"])
def test_a_name_and_a_student_yaml_that_are_two_students_replace_nobody_s_work(eves, kims_says, rules, tmp_path):
    folder = named(tmp_path / "in", {"20260001.zip": (kims_says, 1), "20260002.zip": ("20260002", 1)})
    named(folder, {eves: ("20260003", 3)})
    found = {each.source.name: each for each in hand_ins(folder, rules, roster_of(tmp_path, LISTED))}
    assert (found["20260001.zip"].student, found["20260001.zip"].attempts) == ("20260001", 0)
    assert found["20260001.zip"].flags == ("another download has this name, too, and its student.yaml says 20260003",)
    assert found[eves].student not in ("20260001", "20260002", "20260003") and not found[eves].known_as
    assert found[eves].flags[0] == "its name is another's, and its student.yaml says 20260003"
    assert not found["20260002.zip"].flags


def test_of_a_student_s_own_attempts_the_last_counts(rules, tmp_path):
    """Also where a student.yaml of all of them names another, or somebody who is on no roster."""
    folder = named(tmp_path / "in", {"20260001.zip": ("20260003", 1), "20260001_final.zip": ("20260003", 3)})
    named(folder, {"20260002.zip": ("20260002", 1), "20260002_2.zip": ("me", 2)})
    found = {each.student: each for each in hand_ins(folder, rules, roster_of(tmp_path, LISTED))}
    assert {student: (each.source.name, each.attempts) for student, each in found.items()} == {
        "20260001": ("20260001_final.zip", 1),
        "20260002": ("20260002_2.zip", 1),
    }


def test_clones_tell_their_users_by_what_they_have_in_common(rules, tmp_path):
    """One user's name is the end of another's, and the folder's name tells no assignment any more."""
    times = ["username,datetime,late", "kim-minji,2026-12-01T00:00:00Z,false", "minji,2026-12-02T00:00:00Z,false"]
    written(tmp_path / "scores.csv", "\n".join(times).encode())
    for user in ("kim-minji", "minji"):
        written(tmp_path / f"hw-{user}" / "submission" / "config.yaml", b"a: 1\n")
    found = {each.student: each for each in hand_ins(tmp_path, rules)}
    assert {student: (each.source.name, each.submitted.day) for student, each in found.items()} == {
        "kim-minji": ("hw-kim-minji", 1),
        "minji": ("hw-minji", 2),
    }
    assert all(each.time_by == BY_SCORES and not each.flags for each in found.values())


def test_a_group_s_or_role_s_name_is_nobody_s_id(tmp_path):
    (tmp_path / "roster.csv").write_text("id,name,group,role\nkim,Kim,red,student\nlee,Lee,red,staff\n")
    listed = Roster.read(tmp_path / "roster.csv")
    known = KnownIds([], listed)
    assert {"kim", "lee"} <= known.whose.keys() and not {"red", "staff", "student"} & known.whose.keys()


def archives(folder: Path, *names: str) -> Path:
    for name in names:
        written(folder / name, zipped({"config.yaml": b"a: 1\n"}))
    return folder


DOTTED = [
    Student("1001", "Minji Kim", "1001", logins=("minji.kim@x.kr",)),
    Student("1002", "Minji Park", "1002", logins=("minji@x.kr",)),
    Student("1003", "김민지", "1003"),
]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("minji.kim.zip", "1001"),
        ("Minji.Kim.tar.gz", "1001"),
        ("minji.zip", "1002"),
        ("minji.7z", "1002"),
        ("hw4.1_김민지.zip", "1003"),
        ("2026.12.04_김민지.zip", "1003"),
    ],
)
def test_a_dot_in_a_name_belongs_to_it(name, student, rules, tmp_path):
    (found,) = hand_ins(archives(tmp_path, name), rules, Roster(DOTTED))
    assert (found.student, found.whose_by.partition(",")[0]) == (student, "roster")


def test_names_that_begin_alike_before_a_dot_are_two(rules, tmp_path):
    found = hand_ins(archives(tmp_path, "juno.lee.zip", "juno.park.zip", "v1.2/hw.zip"), rules)
    assert [each.student for each in found] == ["juno-lee", "juno-park", "v1-2"]
    assert not any(each.flags for each in found)


def test_ids_of_names_that_are_alike_but_for_their_script_do_not_move_when_others_join(rules, tmp_path):
    for name in ("이바다_hw4.zip", "최별_hw4.zip", "bob.tar", "bob.zip", "rob.b.zip", "rob-b.zip"):
        written(tmp_path / name, zipped({"config.yaml": name.encode()}))
    before = {each.source.name: each.student for each in hand_ins(tmp_path, rules)}
    assert len({*before.values()}) == 6 and not {"hw4", "bob", "rob-b"} & {*before.values()}
    held = {each.student: place_of(each) for each in hand_ins(tmp_path, rules)}
    for name in ("가온_hw4.zip", "bob.7z", "bob.tar.gz", "rob b.zip"):
        written(tmp_path / name, zipped({"config.yaml": name.encode()}))
    for known in (held, {student: place for student, place in held.items() if "최별" not in place}):
        found = {each.source.name: each.student for each in hand_ins(tmp_path, rules, held=known)}
        assert len({*found.values()}) == 10 and found.items() >= before.items()


NAMESAKES = "id,name,email\n20260001,Kim Minji,kim@x.kr\n20260002,Lee Jun,jun@x.kr\n"


def test_an_account_that_the_roster_contradicts_is_not_found_by_its_name(rules, tmp_path):
    folder = gradescope(tmp_path / "in", [("Kim Minji", "20269999", "other@x.kr"), JUN])
    found = {each.student: each for each in hand_ins(folder, rules, roster_of(tmp_path, NAMESAKES))}
    assert {*found} == {"20269999", "20260002"} and found["20269999"].flags == (NOT_LISTED,)


def test_an_account_that_the_roster_contradicts_in_part_is_flagged(rules, tmp_path):
    """A private mail address is no reason to lose one's work."""
    folder = gradescope(tmp_path / "in", [("Minji", "20260001", "private@mail.kr"), JUN])
    found = {each.student: each for each in hand_ins(folder, rules, roster_of(tmp_path, NAMESAKES))}
    assert found["20260001"].flags == ("was found by its id, and its login is not that on the roster",)
    assert not found["20260002"].flags


def test_a_namesake_s_file_takes_nobody_s_place(rules, tmp_path):
    folder = named(
        tmp_path / "in", {"20260001_Kim Minji.zip": ("20260001", 1), "20269999_Kim Minji.zip": ("20269999", 3)}
    )
    found = {each.student: each for each in hand_ins(folder, rules, roster_of(tmp_path, NAMESAKES))}
    assert {student: (each.attempts, each.flags) for student, each in found.items()} == {
        "20260001": (0, ()),
        "20269999": (0, (NOT_LISTED,)),
    }


@pytest.mark.parametrize(
    ("says", "flagged"), [("20269999", True), ("20260001", False), ("kim@x.kr", False), ("", False)]
)
def test_a_name_alone_with_a_student_yaml_of_another_id_is_flagged(says, flagged, rules, tmp_path):
    folder, listed = named(tmp_path / "in", {"Kim Minji.zip": (says, 1)}), roster_of(tmp_path, NAMESAKES)
    found = hand_ins(folder, rules, listed)
    assert [each.student for each in found] == ["20260001"]
    said = ("its student.yaml says 20269999, and its name alone is that of who has another id on the roster",)
    assert KnownIds(found, listed).flags(found[0], says) == said * flagged


def of_moodle(folder: Path, *students: tuple[str, int, str], worksheet: str = "") -> Path:
    """Names, participants' numbers and ids, each with the same file."""
    files = {"hw.zip": zipped({"config.yaml": b"a: 1\n"})}
    return moodle(folder, [HandIn(name, number, files, sid=own_id) for name, number, own_id in students], worksheet)


@pytest.mark.parametrize(
    ("worksheet", "second", "student"),
    [
        ("Grades.csv", ("Lee Jun", 12, ""), "ha-min-kim-11"),  # a full name
        ("", ("Lee Jun", 12, ""), "ha-min-kim-11"),  # no team before the other's name
        ("", ("B-Lee Jun", 12, ""), "1001"),
    ],
)
def test_a_hyphen_in_a_name_is_no_team_s(worksheet, second, student, rules, tmp_path):
    folder = of_moodle(tmp_path / "in", ("Ha-Min Kim", 11, ""), second, worksheet=worksheet)
    found = hand_ins(folder, rules, roster_of(tmp_path, "id,name\n1001,Min Kim\n1002,Lee Jun\n"))
    assert {each.student for each in found} == {student, "1002"}


def test_a_team_member_has_no_other_id(rules, tmp_path):
    folder = of_moodle(tmp_path / "in", ("Min Kim", 11, "1009"), ("Lee Jun", 12, "1002"), worksheet="Grades.csv")
    for own in [*folder.glob("*_assignsubmission_*")]:
        own.rename(folder / f"Ha-{own.name}")
    found = hand_ins(folder, rules, roster_of(tmp_path, "id,name\n1001,Min Kim\n1002,Lee Jun\n"))
    assert {each.student for each in found} == {"min-kim-11", "1002"}


@pytest.mark.parametrize(
    ("numbers", "students"),
    [
        ((11, 12, 13), {11: "1001", 12: "1002", 13: "1003"}),
        ((12, 11, 13), {11: "1002", 12: "1001", 13: "1003"}),
        ((11, 99, 14), {11: "1001", 12: "minji-kim-12", 13: "lee-jun-13"}),  # 13 is not the Lee Jun of the roster
        ((91, 92, 93), {11: "minji-kim-11", 12: "minji-kim-12", 13: "1003"}),  # each assignment has numbers of its own
    ],
)
def test_participants_numbers_tell_namesakes_apart(numbers, students, rules, tmp_path):
    folder = of_moodle(tmp_path / "in", ("Minji Kim", 11, ""), ("Minji Kim", 12, ""), ("Lee Jun", 13, ""))
    names = ("Minji Kim", "Minji Kim", "Lee Jun")
    rows = [f"{own},{name},Participant {number}" for own, name, number in zip((1001, 1002, 1003), names, numbers)]
    found = hand_ins(folder, rules, roster_of(tmp_path, "\n".join(["id,name,moodle id", *rows])))
    assert {int(each.about["moodle"]): each.student for each in found} == students


KIMS_FILE = {"20260001_hw.zip": zipped({"config.yaml": b"a: 1\n"})}
NUMBERED = "id,name,canvas id\n1001,{},71\n1002,Eve,72\n1003,Bada,73\n"


@pytest.mark.parametrize(
    ("listed", "eves", "students"),
    [
        ("", 72, {"kim_71": "kim-71", "eve_71": ""}),  # 71 is kim
        ("Kim", 72, {"kim_71": "1001", "eve_71": ""}),
        ("김", 72, {"kim_71": "1001", "eve_71": ""}),
        ("Kim", 79, {"kim_71": "1001", "eve_71": ""}),
        ("Kim", 72, {"eve_71": ""}),
        ("Eve_71", 72, {"kim_71": "1001", "eve_71": ""}),
    ],
)
@pytest.mark.parametrize("kims", ["w.zip", "20260001_hw.zip"])
def test_a_name_of_canvas_s_that_fits_in_two_ways_is_who_number_and_name_agree_upon(
    kims, listed, eves, students, rules, tmp_path
):
    files = [*KIMS_FILE.values()][0]
    people = [HandIn("Kim", 71, {kims: files, "w.zip": files}), HandIn("Bada", 73, {"w.zip": files})]
    people = people[1 - ("kim_71" in students) :]
    canvas(tmp_path / "in", [*people, HandIn("Eve_71", eves, {"w.zip": files})])
    roster = roster_of(tmp_path, NUMBERED.format(listed)) if listed else None
    found = {each.source.name.partition("_9")[0][:6]: each for each in hand_ins(tmp_path / "in", rules, roster)}
    for name, student in students.items():
        assert found[name].student == student or not student
    assert found["eve_71"].student not in ("1001", "1002", "eve-71", "kim-71")
    assert any(flag.startswith("by its name it may be that of 71 or ") for flag in found["eve_71"].flags)
    assert not any("may be that of" in flag for name, each in found.items() for flag in each.flags if name != "eve_71")


def test_a_file_that_begins_with_a_number_is_who_canvas_says(rules, tmp_path):
    folder = canvas(tmp_path / "in", [HandIn("Kim", 71, KIMS_FILE), HandIn("Bada", 73, KIMS_FILE)])
    assert {each.student for each in hand_ins(folder, rules)} == {"kim-71", "bada-73"}
    found = hand_ins(folder, rules, roster_of(tmp_path, NUMBERED.format("김")))
    assert {each.student for each in found} == {"1001", "1003"} and not any(each.flags for each in found)


@pytest.mark.parametrize("kims_github", ["octopus77x", "20260002"])
def test_a_github_name_that_no_roster_has_is_kept_for_the_veil_and_tells_nobody_who_it_is(kims_github, rules, tmp_path):
    """Whoever is called on GitHub as another's id is not the other, who alone may say so, also on the pages of a later run."""
    accounts = [
        HandIn("Kim Min", 11, {"config.yaml": b"a: 1"}, email="m@x.kr", github=kims_github),
        HandIn("Lee Bada", 12, {"config.yaml": b"b: 1"}, email="b@x.kr", github="seahorse55y"),
    ]
    folder = classroom50(tmp_path, accounts)
    roster = roster_of(folder, "id,name,email\n20260001,Kim Min,m@x.kr\n20260002,Lee Bada,b@x.kr\n")
    kim, lee = hand_ins(folder, rules, roster)
    assert (kim.student, lee.student) == ("20260001", "20260002") and kim.known_as["github"] == [kims_github]
    ids = KnownIds([kim, lee], roster)
    assert bool(ids.flags(kim, "20260002")) and not ids.flags(lee, "20260002")
    assert not ids.flags(lee, "octopus77x")
    entries = [
        Entry(
            student=each.student,
            name=each.name,
            verdict="passed",
            tier="verified",
            source=each.source.name,
            known_as=dict(each.known_as),
        )
        for each in (kim, lee)
    ]
    people = class_list(entries, {each.student: each for each in roster.students})
    said = f"I thank {kims_github} and seahorse55y"
    assert veiled(said, people["20260001"][0], [people["20260002"][1]]) == f"I thank {VEILED} and {VEILED}"
    assert veiled(said, people["20260002"][0], [people["20260001"][1]]) == f"I thank {VEILED} and {VEILED}"


def test_a_github_name_that_is_a_word_of_the_course_takes_it_out_of_no_text(rules, tmp_path):
    accounts = [HandIn("Kim Min", 11, {"config.yaml": b"a: 1"}, email="m@x.kr", github="accuracy")]
    folder = classroom50(tmp_path, accounts)
    (kim,) = hand_ins(folder, rules, roster := roster_of(folder, "id,name,email\n20260001,Kim Min,m@x.kr\n"))
    known = {"source": kim.source.name, "known_as": dict(kim.known_as)}
    entry = Entry(student=kim.student, name=kim.name, verdict="passed", tier="verified", **known)
    told = class_list([entry], {each.student: each for each in roster.students})["20260001"][1]
    assert veiled("The accuracy grew.", NOBODY, [told]) == "The accuracy grew."
