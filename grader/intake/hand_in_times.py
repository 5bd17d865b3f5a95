"""When work was handed in, as the systems recorded it: their tables beside the downloads.

Whatever has no such record is dated by git, by what is packed in an archive, or, last, by the file itself.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from pathlib import Path

import yaml

from grader.intake.submission import safe_id
from grader.intake.system_names import may_be_student_s
from grader.intake.time_sources import BY_METADATA, BY_SCORES, BY_TABLE, BY_WORKSHEET
from grader.safe_text import in_words, normal, printable
from grader.tables import heading, read_table, read_time
from project.support.errors import UserError, note

TIMES = "times.csv"  # columns `file` and `submitted`, for systems whose downloads do not keep the time
SCORES = "scores.csv"  # of Classroom 50
METADATA = "submission_metadata.yml"  # of Gradescope
IDENTIFIER = ("identifier", "식별자")  # headings of Moodle's grading worksheet
SUBMITTED = ("lastmodifiedsubmission", "마지막수정됨제출")
NAME = ("fullname", "성명", "이름")
LOGIN = ("emailaddress", "이메일주소", "이메일")
NUMBER = ("idnumber", "학번", "id번호")
LONGEST_LINE = 10_000  # bytes of headings


@dataclass(frozen=True)
class Record:
    """What a system recorded of a hand-in.

    Attributes:
        submitted: When it came; None where nothing is said.
        late: Whether the system takes it as late.
        about: What it says of the student, by kind: id, number, login, github, name.
        others: The same of those who handed it in together with that student.
    """

    by: str
    submitted: datetime | None = None
    late: bool = False
    about: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Mapping[str, str], ...] = ()


@dataclass
class Records:
    """All that lies beside downloads.

    Attributes:
        by_name: By the download's name, in its normal form.
        by_number: Of Moodle's worksheet, by the number in the download's name.
        by_user: Of Classroom 50, by the user, in lower case.
        tables: Names of the files that this was read from.
    """

    by_name: dict[str, Record] = field(default_factory=dict)
    by_number: dict[str, Record] = field(default_factory=dict)
    by_user: dict[str, Record] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    def users_of(self, name: str, prefix: str = "") -> list[str]:
        """The users whose repository may have this name, `<classroom>-<assignment>-<user>`: several where none is sure.

        Args:
            prefix: All that stands before the user, where that is known.
        """
        name = name.casefold()
        if prefix and name.startswith(prefix):
            return [user for user in (name.removeprefix(prefix),) if user in self.by_user]
        return [user for user in self.by_user if name.endswith(f"-{user}")]

    def shared_prefix(self, names: Iterable[str]) -> str:
        """All that stands before the user in the names of repositories, told by the one beginning that fits each of them; empty
        where none does, or several."""
        found: set[str] | None = None
        for name in map(str.casefold, names):
            if ways := {name.removesuffix(user) for user in self.users_of(name)}:
                found = ways if found is None else found & ways
        return found.pop() if found and len(found) == 1 else ""


def read_records(folder: Path, zone: tzinfo) -> Records:
    """What systems recorded, from the tables in a folder of downloads.

    What a student can have handed in, by its name, is no such table, and is not opened.

    Args:
        zone: Of times without one, which Moodle writes.

    Raises:
        UserError: A table cannot be read, says what cannot be, or two worksheets of Moodle's differ.
    """
    records, worksheets, times = Records(), dict[str, dict[str, Record]](), dict[str, datetime]()
    for path in sorted(folder.iterdir()):
        if not path.is_file() or may_be_student_s(path.name):
            continue
        if path.name == TIMES:
            times = times_of(path)
        elif path.name == METADATA:
            records.by_name |= metadata_of(path)
        elif path.name == SCORES:
            records.by_user |= scores_of(path)
        elif path.suffix.lower() == ".csv" and (worksheet := worksheet_of(path, zone)):
            worksheets[path.name] = records.by_number = worksheet
        else:
            continue
        records.tables.add(path.name)
    for name, time in times.items():  # at last, and of what a system says of the student it takes nothing away
        told = records.by_name.get(name, Record(BY_TABLE))
        records.by_name[name] = replace(told, by=BY_TABLE, submitted=time, late=False)
    if any(worksheet != records.by_number for worksheet in worksheets.values()):
        several = in_words([*map(printable, worksheets)])
        raise UserError(f"{folder}: {several} are worksheets of Moodle's that differ; leave the one of these downloads")
    return records


def times_of(table: Path) -> dict[str, datetime]:
    """An instructor's own table, by the download's name. It comes first, whatever a system says of the time."""
    expected = "expected the columns file and submitted, such as kim.zip and 2026-12-04T23:59:00+09:00"
    try:
        headings, rows = read_table(table)
        if not {"file", "submitted"} <= {*headings}:
            raise ValueError(f"it has {printable(', '.join(headings))}")
        times = {row["file"]: datetime.fromisoformat(row["submitted"]) for row in rows}
        if twice := [name for name, number in Counter(row["file"] for row in rows).items() if number > 1]:
            raise ValueError(f"{twice[0]} is there twice")
        there = {normal(entry.name) for entry in table.parent.iterdir()}
        for name, time in times.items():
            if name not in there:
                raise ValueError(f"there is no {name}")
            if time.tzinfo is None:
                raise ValueError(f"the time of {name} has no time zone")
    except ValueError as error:
        raise UserError(f"{table}: {error}; {expected}") from None
    return times


def worksheet_of(table: Path, zone: tzinfo) -> dict[str, Record]:
    """Moodle's grading worksheet, in English or Korean, by the participant's number; empty for any other table.

    Raises:
        UserError: It has the worksheet's headings, and cannot be read.
    """
    try:
        headings, rows = read_table(table)
    except UserError:
        if has_worksheet_s_headings(table):
            raise
        return {}
    columns = {heading(text): text for text in headings}
    identifier, submitted = (
        next((columns[one] for one in some if one in columns), "") for some in (IDENTIFIER, SUBMITTED)
    )
    if not identifier or not submitted:
        return {}
    kinds = {"name": NAME, "login": LOGIN, "id": NUMBER}
    told = {kind: columns[one] for kind, some in kinds.items() for one in some if one in columns}
    records = {}
    for row in rows:
        number = re.search(r"\d+$", row[identifier])
        written = row[submitted]
        time = read_time(written, zone)
        if number is None or (time is None and written not in ("", "-")):
            what = "no participant's number" if number is None else f"no time: {printable(written)!r}"
            raise UserError(f"{table}: {printable(row[identifier])} has {what}; export it anew, in English or Korean")
        records[number[0]] = Record(BY_WORKSHEET, time, about={kind: row[column] for kind, column in told.items()})
    return records


def has_worksheet_s_headings(table: Path) -> bool:
    """Whether a table that cannot be read begins like Moodle's worksheet."""
    try:
        with open(table, "rb") as file:
            first = file.readline(LONGEST_LINE)
    except OSError:
        return False
    lines = [heading(first.decode(encoding, "ignore")) for encoding in ("utf-8", "cp949")]
    return any(any(one in line for one in IDENTIFIER) and any(one in line for one in SUBMITTED) for line in lines)


def scores_of(table: Path) -> dict[str, Record]:
    """Classroom 50's summary: the newest submission of each user, whose clone is what is graded."""
    headings, rows = read_table(table)
    if not {"username", "datetime", "late"} <= {*headings}:
        raise UserError(
            f"{table}: lacks the columns username, datetime and late of Classroom 50; rename it if it is another's"
        )
    records: dict[str, Record] = {}
    for row in rows:
        user, said = row["username"].casefold(), row["datetime"]
        if not user or not said:
            continue
        time = moment(said, table, user)
        before = records.get(user)
        if before is None or (before.submitted and time > before.submitted):
            name = " ".join(filter(None, (row.get("first_name", ""), row.get("last_name", ""))))
            about = {"github": row["username"], "login": row.get("email", ""), "name": name}
            records[user] = Record(BY_SCORES, time, row["late"].casefold() == "true", about)
    return records


def metadata_of(path: Path) -> dict[str, Record]:
    """Gradescope's export: who handed in each of its folders, and when."""
    try:
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # in which all is text: an id keeps its zeros
        found = yaml.load(path.read_text(encoding="utf-8"), loader)
        records = {}
        for name, each in found.items():
            kinds = {"id": ":sid", "login": ":email", "name": ":name"}
            who, *others = [
                {kind: normal(one.get(said, "")) for kind, said in kinds.items()} for one in each[":submitters"]
            ] or [{}]
            if not who:
                note(f"{printable(name)}: Gradescope names nobody who handed it in; its own files have to tell")
            time = moment(each[":created_at"], path, name)
            records[normal(name)] = Record(BY_METADATA, time, about=who, others=tuple(others))
        return records
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        said = printable(str(error).partition("\n")[0]) or type(error).__name__
        raise UserError(f"{path}: is not what Gradescope exports ({said}); export the submissions anew") from None


def moment(text: str, path: Path, who: str) -> datetime:
    """A time with its zone, in ISO 8601 or as Ruby writes it."""
    try:
        time = datetime.fromisoformat(re.sub(r"\s+(?=Z$|[+-][\d:]+$)", "", text.strip()))
        if time.tzinfo is None:
            raise ValueError
    except ValueError:
        raise UserError(
            f"{path}: {printable(who)}: {printable(text)!r} is no time with its zone; export it anew"
        ) from None
    return time


def account(about: Mapping[str, str]) -> tuple[str, str]:
    """An id and a name by what a system says of a student, for classes without a roster. A mail address counts as a whole:
    anybody can have what is before the @ elsewhere."""
    called = (about.get(kind, "") for kind in ("id", "github", "login"))
    return next(filter(None, map(safe_id, called)), ""), printable(about.get("name", ""))
