"""A folder of downloads: what lies in it, and what the system that it comes from says of each.

Five systems are understood: Canvas (`kimminji_LATE_12345_678901_file.zip`), Moodle
(`Kim Minji_1234567_assignsubmission_file_`), Gradescope's export (`submission_123` beside `submission_metadata.yml`),
Classroom 50 (`dl-week4-minji` below `dl-week4_submissions_2026_12_10_T_09_00_00`) and GitHub Classroom
(`homework-submissions/homework-minji`). Whose any other download is, `grader.intake.identity` tells.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from grader.apart import Apart, Failed
from grader.intake.class_repository import (
    holds_work,
    in_repository,
    is_hidden,
    students_folder,
    unreadable,
)
from grader.intake.file_dates import modified
from grader.intake.git_repositories import FOLDER, has_files, is_packed
from grader.intake.hand_in_times import Record, Records, account, read_records
from grader.intake.roster import ROSTER, Roster, key
from grader.intake.submission import (
    ARCHIVES,
    IGNORED,
    UNREAD,
    WRAPPER_MARK,
    named_by_folder,
    safe_id,
    stem_of,
)
from grader.intake.system_names import CLASSROOM, canvas_ways, may_be_student_s, moodle_s, without_team
from grader.intake.time_sources import BY_FILE, BY_MARK, BY_WORKSHEET
from grader.safe_text import normal, printable
from project.support.errors import UserError, note

CANVAS_S, MOODLE_S, GRADESCOPE_S = "Canvas's account", "Moodle's account", "Gradescope's account"
TWO_WAYS = "by its name it may be that of {}"
NOT_AS_MOST = "its name is not {}'s, as most of these downloads' names are"
LIKE_A_SYSTEM_S = "a name like a system's"
MOST_IN_SECTION = 1000  # names in a folder among the downloads that are looked at
SAME_ID = "another account has the same id"


@dataclass(frozen=True)
class Download:
    """A file or folder as the instructor got it.

    Attributes:
        source: Where it lies.
        submitted: When it was handed in, as far as that is known.
        student: The student's id, safe as a file name; empty where nothing tells it yet.
        name: The student's name; empty where nothing tells it yet.
        late: Whether the system itself marked it as late.
        attempts: How many other downloads of this student do not count.
        told: Whether whose it is can be told without a student.yaml: by the system, or by a folder among others'.
        time_by: What tells when.
        whose_by: What tells whose it is.
        about: What the system says of the student, by kind: id, number, login, github, name; and the number that it gave, by
            the system: canvas, moodle; and as in_team a name of Moodle's that may begin with a team's.
        known_as: What others than the student call the student, by kind, as the ledger notes it.
        doubted: Whether the name looks like that of a system that the folder is not from, or tells of two: anybody can call a
            file so.
        order: Of one student's downloads from one system, which came later.
        flags: What a person should look at: about whose it is.
        parts: Where several files together are the hand-in: all of them, `source` among them.
        place: Where it lies, as the ledger calls it; empty where that is where it lies.
        ways: How else the name can be read, where it fits in several ways: all of them.
        passed_over: Others of this student, or of the group, that are late, and would count by a decision.
        exact: Not so is a folder that nothing but a name tells whose it is, with more in it than the student's id and name.
    """

    source: Path
    submitted: datetime | None
    student: str = ""
    name: str = ""
    late: bool = False
    attempts: int = 0
    told: bool = False
    time_by: str = BY_FILE
    whose_by: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    known_as: Mapping[str, list[str]] = field(default_factory=dict)
    doubted: bool = False
    order: int = 0
    flags: tuple[str, ...] = ()
    parts: tuple[Path, ...] = ()
    place: str = ""
    passed_over: tuple["Download", ...] = ()
    ways: tuple["Download", ...] = ()
    exact: bool = True


def find_downloads(folder: Path, zone: tzinfo = UTC, roster: Roster | None = None) -> list[Download]:
    """All hand-ins in a folder of downloads; `folder` itself where it is a submission.

    What is passed over is told in a line each.

    Args:
        zone: Of times that a system writes without one.
        roster: Whose students' files are hand-ins also where they cannot be read.

    Raises:
        UserError: The folder or a system's table cannot be read, or a repository holds several weeks' work.
    """
    if folder.is_dir() and (why := unreadable(folder)):
        raise UserError(f"{folder}: cannot be read ({why}); mend that, and the same command goes on")
    if folder.is_file() and not folder.name.lower().endswith((*ARCHIVES, *UNREAD, ".bundle")):
        raise UserError(f"{folder}: is no folder and no archive; name the folder of what was handed in")
    if not folder.is_dir() or (folder / WRAPPER_MARK).exists() or is_packed(folder):
        return [Download(folder, modified(folder))]
    if has_files(folder) and (folder / FOLDER).exists():
        return [Download(folder, modified(folder))]
    if in_repository(folder):
        students = students_folder(folder)
        if students is None and has_files(folder):  # it has no submission/ folder, and is told so
            return [Download(folder, modified(folder))]
        folder = students or folder
    records = read_records(folder, zone)
    classroom = CLASSROOM.fullmatch(folder.resolve().name)
    prefix = classroom["prefix"] + "-" if classroom else ""
    shared = prefix or records.shared_prefix(normal(entry.name) for entry in folder.iterdir() if entry.is_dir())
    ways_of = {entry: moodle_s(normal(entry.name)) for entry in folder.iterdir()}
    of_files = {way["id"] for way, *others in filter(None, ways_of.values()) if way["kind"] == "file" and not others}
    check_sections(ways_of, roster)
    found = []
    for entry, ways in sorted(ways_of.items()):
        if is_hidden(entry) or entry.name in (ROSTER, *records.tables):
            if entry.name.startswith("__") and entry.name not in IGNORED:
                note(f"{printable(entry.name)}: begins with __, as what systems add; passed over")
            elif entry.name.startswith(".") and not entry.name.startswith("._") and is_packed_up(entry):
                note(f"{printable(entry.name)}: begins with a dot, so that it is hidden; passed over")
            continue
        if ways and all(way["kind"] != "file" and way["id"] in of_files for way in ways):
            continue  # what the system has added to the files handed in; alone it is all that there is of a student
        download = read_name(entry, records, prefix, shared)
        told = bool(download.student or (roster and roster.match_text(stem_of(entry))[0]))
        if not told and not is_readable(entry) and not entry.name.lower().endswith(UNREAD):
            note(f"{printable(entry.name)}: a file by itself is no submission; passed over")
        elif not told and not holds_anything(entry):
            note(f"{printable(entry.name)}: nothing in this folder is a submission's; passed over")
        else:
            found.append(replace(download, told=bool(download.student) or entry.is_dir()))
    left = settled(of_one_system(without_twins(found)), roster)
    return one_account_each(
        [*left, *(of_account(each, about) for each in left for about in others(each.source, records))]
    )


def of_one_system(downloads: list[Download]) -> list[Download]:
    """What a name like Canvas's or Moodle's tells is the system's where most names are; else a student may have written it."""
    ((most, number),) = Counter(each.whose_by for each in downloads if not each.doubted).most_common(1) or [("", 0)]
    most = most if number > sum(not each.doubted for each in downloads) / 2 else ""
    checked = []
    for each in downloads:
        if each.whose_by in (CANVAS_S, MOODLE_S) and each.whose_by != most:
            each = replace(dated_by_file(each), doubted=True, whose_by=LIKE_A_SYSTEM_S)
        if most and each.whose_by != most and not each.flags:
            each = replace(each, flags=(*each.flags, NOT_AS_MOST.format(most.partition("'")[0])))
        checked.append(each)
    return checked


def dated_by_file(download: Download) -> Download:
    """With the file's own date where a mark or a number in its name told the time."""
    if download.time_by not in (BY_MARK, BY_WORKSHEET):
        return download
    return replace(download, submitted=modified(download.source), time_by=BY_FILE)


def is_packed_up(entry: Path) -> bool:
    """Whether something is an archive by its name, of those that can be read and others."""
    return entry.name.lower().endswith((*ARCHIVES, *UNREAD, ".bundle")) and not entry.is_dir()


def check_sections(entries: Iterable[Path], roster: Roster | None) -> None:
    """Raises UserError where a folder among the downloads has nothing but a system's downloads of several students: it is a
    section's, and would be taken for one student's."""
    for entry in entries:
        if not entry.is_dir() or entry.is_symlink() or is_hidden(entry) or may_be_student_s(entry.name):
            continue
        inner = [] if unreadable(entry) else [normal(each.name) for each in entry.iterdir() if not is_hidden(each)]
        names = [name for name in inner if not name.lower().endswith((".csv", ".yml"))]  # but its tables
        ways = [[*canvas_ways(name), *moodle_s(name)] for name in names[:MOST_IN_SECTION]]
        numbers = {way[0]["id"] for way in ways if way}
        if len(numbers) > 1 and all(ways) and not (roster and roster.match_text(entry.name)[0]):
            told = f"{printable(entry.name)} holds a system's downloads of {len(numbers)} students"
            raise UserError(
                f"{entry.parent}: {told}; name that folder, and each other one in a run of its own, or move all into one"
            )


def is_readable(entry: Path) -> bool:
    """Whether something may be a submission, by its kind."""
    return entry.is_dir() or entry.name.lower().endswith((*ARCHIVES, ".bundle"))


def holds_anything(entry: Path) -> bool:
    """Whether a folder is a student's by its name or what it holds; one that may not be read is, too, and told so later."""
    if not entry.is_dir() or entry.is_symlink() or named_by_folder(entry.name)[0]:
        return True
    return holds_work(entry) or bool(unreadable(entry))


def without_twins(downloads: list[Download]) -> list[Download]:
    """Folders whose names differ in their normal form alone are one student's; of equal ones only one is left."""
    by_name: dict[str, list[Download]] = {}
    for download in downloads:
        by_name.setdefault(normal(download.source.name), []).append(download)
    left = []
    for name, twins in by_name.items():
        if len(twins) > 1:
            different = {digest(twin.source) or str(twin.source): twin for twin in twins}
            what = (
                "with different files: the newer one counts"
                if len(different) > 1
                else "with the same files: one counts"
            )
            note(f"{printable(name)}: is there twice, its name spelled in two ways (NFC and NFD), {what}")
            twins = list(different.values())
        left += twins
    return left


def digest(source: Path) -> str:
    """That of a download's files, which are read in another process; empty where they cannot be read."""
    try:
        with Apart("grader.intake.submission") as apart:
            return str(apart.call("digest_of", str(source.absolute())))
    except Failed:  # as those who examine it will say
        return ""


def read_name(entry: Path, records: Records, prefix: str = "", shared: str = "") -> Download:
    """What a download's name tells, and what the system recorded under it.

    Args:
        prefix: Before the user's name, in a folder of clones whose name tells that.
        shared: The same, where only the names of all clones together tell it.
    """
    name = normal(entry.name)
    record = records.by_name.get(name)
    download = Download(
        entry, record.submitted if record else modified(entry), time_by=record.by if record else BY_FILE
    )
    if of_canvas := [by_canvas(download, match, record) for match in canvas_ways(name)]:
        return replace(of_canvas[0], ways=tuple(of_canvas[1:] and of_canvas))
    if len(ways := moodle_s(name)) > 1:
        return nobody_s(download, TWO_WAYS.format(" or ".join(printable(way["id"]) for way in ways)))
    if ways:
        match = ways[0]
        known = records.by_number.get(match["id"])
        about = dict(known.about) if known else {}
        name = about.get("name", "") if about.get("name") in without_team(match["name"]) else match["name"]
        student = safe_id(f"{safe_id(name)[:40]}-{match['id']}")
        about |= {"name": name, "moodle": match["id"]}
        if match["name"] != (known.about.get("name") if known else None):
            about["in_team"] = match["name"]
        found = replace(download, student=student, name=printable(name), about=about)
        return recorded(replace(found, whose_by=MOODLE_S), record or known)
    prefix = normal(prefix)
    users = records.users_of(name, normal(shared).casefold())
    if len(users) > 1:
        return nobody_s(download, TWO_WAYS.format(" or ".join(map(printable, sorted(users)))))
    user = users[0] if users else ""
    if not user and prefix and name.casefold().startswith(prefix.casefold()):
        user = name[len(prefix) :]
    if user and entry.is_dir():
        known = records.by_user.get(user)
        of_user = known.about if known else {"github": user}
        found = replace(
            download, student=safe_id(user), name=printable(user), about=of_user, whose_by="GitHub's account"
        )
        return recorded(found, record or known)
    if record and record.about:
        return of_account(replace(download, whose_by=GRADESCOPE_S), record.about)
    return download


def by_canvas(download: Download, match: re.Match[str], record: Record | None) -> Download:
    """What a name of Canvas's tells, which ends with what the student called the file."""
    who = match.groupdict().get("name", "anon")
    student = safe_id(f"{safe_id(who)[:40]}-{match['id']}")
    about: dict[str, str] = (
        {"number": match["id"], "canvas": match["id"], "name": who} if "name" in match.groupdict() else {}
    )
    found = replace(download, student=student, name=printable(who), late=bool(match["late"]), about=about)
    number = match["file"].partition("_")[0]
    found = replace(found, order=int(number) if number.isdecimal() else 0, whose_by=CANVAS_S)
    # Its files have the download's time.
    return recorded(found, record) if record else replace(found, submitted=None, time_by=BY_MARK)


def settled(downloads: Sequence[Download], roster: Roster | None) -> list[Download]:
    """With the one way in which a name of Canvas's is to be read that fits in several: the one in which number and name agree, by
    the names that fit in one way, or else by the roster. Where neither knows any, the first; else it is nobody's."""
    names: dict[str, set[str]] = {}
    for each in downloads:
        if each.whose_by == CANVAS_S and not each.ways and each.about:
            names.setdefault(each.about["number"], set()).add(each.about["name"])
    made = []
    for each in downloads:
        ways = each.ways if each.whose_by == CANVAS_S else ()
        known = [way for way in ways if names.get(way.about["number"], set()) == {way.about["name"]}]
        fit = [way for way in ways if way.about["number"] not in names and roster and roster.agrees(way.about)]
        doubt = any(way.about["number"] in names or (roster and roster.match(way.about)[0]) for way in ways)
        chosen = known or fit or ([] if doubt else ways[:1])
        if len(chosen) == 1:
            each = replace(chosen[0], told=each.told, flags=each.flags)
        elif ways:
            who = " or ".join(printable(way.about["number"]) for way in ways)
            each = replace(each, student="", name="", about={}, whose_by="", told=False, ways=())
            each = nobody_s(each, TWO_WAYS.format(who))
        made.append(each)
    return made


def nobody_s(download: Download, why: str) -> Download:
    """As one whose name tells nothing of whose it is."""
    return replace(download, doubted=True, flags=(why,))


def of_account(download: Download, about: Mapping[str, str]) -> Download:
    """As the hand-in of the student of whom the system says this."""
    student, name = account(about)
    return replace(download, student=student, name=name, about=about)


def one_account_each(downloads: Sequence[Download]) -> list[Download]:
    """Two accounts are never one student: where Gradescope gives them one id, each gets one of its own, in whatever order."""
    accounts: dict[str, set[str]] = {}
    for each in downloads:
        if each.whose_by == GRADESCOPE_S and each.student:
            accounts.setdefault(each.student, set()).add(key(each.about["login"]))
    made = []
    for each in downloads:
        if len(accounts.get(each.student, ())) > 1:
            own = hashlib.sha256(key(each.about["login"]).encode("utf-8", "replace")).hexdigest()[:8]
            each = replace(each, student=f"{each.student[:50]}-{own}", flags=(*each.flags, SAME_ID))
        made.append(each)
    return made


def others(entry: Path, records: Records) -> Sequence[Mapping[str, str]]:
    """What the system says of those who handed in something together with its first student: it is theirs, too."""
    record = records.by_name.get(normal(entry.name))
    return record.others if record else ()


def recorded(download: Download, record: Record | None) -> Download:
    """With the time that a system recorded, if it did."""
    if record is None or record.submitted is None:
        return download
    return replace(download, submitted=record.submitted, late=record.late, time_by=record.by)
