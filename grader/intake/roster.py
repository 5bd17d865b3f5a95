"""The roster: who is in the class, and by what the systems call them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.intake.names import FEWEST_DIGITS, PARTS, WIDE, names, parts_of, scripts, squeezed
from grader.intake.roles import is_unknown
from grader.intake.submission import named_by_folder, safe_id
from grader.intake.system_names import OF_FILES
from grader.safe_text import normal, printable
from grader.tables import heading, read_table
from project.support.errors import UserError, note

ROSTER = "roster.csv"
COLUMNS = {  # what a heading says, as `heading` writes it
    "id": "id studentid studentnumber sid sisuserid sisid idnumber 학번 학생번호",
    "name": "name fullname student studentname 이름 성명 학생 학생이름",
    "given": "firstname givenname",
    "family": "lastname familyname surname",
    "number": "lms lmsnumber lmsid canvasid moodleid lms번호 identifier 식별자",
    "login": "login account email emailaddress sisloginid loginid 이메일 이메일주소 아이디 계정 username",
    "github": "github githubname githubusername githublogin 깃허브 username",  # Classroom 50 means GitHub's by username
    "section": "section class 분반 반",
    "group": "group groupname team teamname 조 팀 모둠",
    "role": "role 역할",
}
SYSTEMS = {"id": "canvas", "canvasid": "canvas", "moodleid": "moodle", "identifier": "moodle", "식별자": "moodle"}
OF_CANVAS = ("sisuserid", "sisloginid")  # beside these, ID is Canvas's own number
OF_NOBODY = ("pointspossible", "studenttest")  # rows of Canvas's: `Points Possible` and `Student, Test`
SURE = ("id", "number", "login", "github")  # what nobody shares
# Letters and digits of what says that there is none.
NOTHING = ("", "na", "none", "null", "nan", "없음", "해당없음", "미정")
SUM = re.compile(r"합계|총계|소계|총원|총인원|계|인원|total|totals|sum", re.IGNORECASE)  # in the first cell of a row
OF_SUM = re.compile(r"(총|계)?\s*\d+\s*(명|people|students)?", re.IGNORECASE)  # in the others
OF_NOBODY_ELSE = ("id", "number", "login")  # what is a student's own, and not chosen by the student
# What a spreadsheet makes of a long number; `21E1234` may be an id.
SPOILED = re.compile(r"\d+[.,]\d+E[+-]?\d+|\d+E[+-]\d+|#+", re.IGNORECASE)
DATE = re.compile(r"(19|20)\d\d[-\s]\d\d?[-\s]\d\d?")  # in a file's name, and nobody's id for its digits
WHOLE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+(?=[.,]0))([.,]0)?")  # what one makes of a short one
MOST_PARTS = 8  # of an id or a name within that of a file
WORDS = {"id": "id", "number": "number", "login": "login", "github": "GitHub name", "name": "name"}


@dataclass(frozen=True)
class Student:
    """A row of the roster. What the roster does not say is empty.

    Attributes:
        student: The id here, safe as a file name: of the row's id, else login, GitHub name, number or name.
        id: As it was written: `002610024`.
        number: That the system hands work in under.
        logins: Account names and mail addresses.
        group: Whose members hand in together.
        role: Such as student, or what staff are called.
        system: Whose the number is, `canvas` or `moodle`, where the column's heading tells.
    """

    student: str
    name: str
    id: str = ""
    number: str = ""
    logins: tuple[str, ...] = ()
    github: str = ""
    section: str = ""
    group: str = ""
    role: str = ""
    system: str = ""

    def has_number_of(self, system: str) -> bool:
        """Whether the number may be one of this system's."""
        return self.system in ("", system)

    def values(self, kind: str) -> Sequence[str]:
        """All that it is called in this way."""
        return self.logins if kind == "login" else [text] if (text := getattr(self, kind)) else []


class Roster:
    """All students of a class, found by what a system calls them.

    Raises:
        UserError: Nothing tells two rows apart, or they share what nobody shares.
    """

    def __init__(self, students: Sequence[Student]):
        self.students = tuple(students)
        self.places = {student: place for place, student in enumerate(students)}
        self.known: dict[tuple[str, str], Student] = {}
        called: dict[str, set[Student]] = {}
        local: dict[str, set[Student]] = {}
        tight_ones: dict[str, set[Student]] = {}
        for number, student in enumerate(students, 2):  # rows, as a spreadsheet counts them
            for kind in (*SURE, "student"):
                for text in student.values(kind):
                    other = self.known.setdefault((kind, key(text)), student)
                    if other is not student:
                        raise UserError(self.twice(kind, text, students.index(other) + 2, number))
            if student.id:
                tight_ones.setdefault(tight(key(student.id)), set()).add(student)
            for text in student.logins:
                local.setdefault(key(text.partition("@")[0]), set()).add(student)
            for text in name_keys(student.name):
                called.setdefault(text, set()).add(student)
        remarked: dict[str, set[Student]] = {}  # by names without the remark behind, unless somebody has none
        for student in students:
            for text in {*listed_keys(student.name)} - called.keys():
                remarked.setdefault(text, set()).add(student)
        called |= remarked
        for text, found in local.items():  # of a mail address, unless two have it at different places
            if len(found) == 1:
                self.known.setdefault(("login", text), *found)
        self.known |= {("tight", text): student for text, (student, *others) in lists(tight_ones) if not others}
        self.known |= {("name", text): student for text, (student, *others) in lists(called) if not others}
        self.shapes = {
            kind: shapes(like for each in students for text in each.values(kind) for like in (text, tight(text)))
            for kind in OF_NOBODY_ELSE
        }
        self.shared = {text for text, found in called.items() if len(found) > 1}

    @staticmethod
    def twice(kind: str, text: str, first: int, second: int) -> str:
        if kind == "student":
            more = "add a column that does, such as id, login or number"
            return f"rows {first} and {second}: nothing tells them apart ({printable(text)}); {more}"
        return f"rows {first} and {second}: both have the {WORDS[kind]} {printable(text)}; mend one"

    @classmethod
    def read(cls, path: Path) -> "Roster":
        """A roster from a CSV with any of its columns. Raises UserError."""
        headings, rows = read_table(path, lambda cell: bool(kinds_of(cell, ())))
        kinds = {text: kinds_of(text, headings) for text in headings}
        if unknown := [text for text, found in kinds.items() if text and not found]:
            note(f"{path}: {printable(', '.join(unknown))}: no column of a roster; passed over")
        if not any(kinds.values()):
            expected = "id, name, number, login, github, section, group, role"
            raise UserError(f"{path}: has none of the columns {expected}; write their names into its first line")
        rows = [{text: unwrapped(cell) for text, cell in row.items()} for row in rows]
        for text in (text for text, found in kinds.items() if {"id", "number"} & {*found}):
            rows = whole(rows, text, path)
        for text in (text for text, found in kinds.items() if "number" in found):
            rows = numbered(rows, text)
        if sums := [row for row in rows if is_sum(row)]:
            told = "; ".join(" ".join(filter(None, row.values())) for row in sums)
            note(f"{path}: {printable(told, 200)}: a sum, and no student; passed over")
        students = [student for row in rows if not is_sum(row) and (student := made(row, kinds))]
        if roles := [*dict.fromkeys(student.role for student in students if is_unknown(student.role))]:
            note(
                f"{path}: {printable(', '.join(roles), 200)}: no role that is known here, so whoever has it is a student"
            )
        try:
            return cls(students)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def find(self, kind: str, text: str) -> Student | None:
        """Who is called so in this way; nobody where several are."""
        keys = name_keys(text) if kind == "name" else [key(text)]
        if kind == "id" and (kind, *keys) not in self.known and not DATE.fullmatch(keys[0]):
            kind, keys = "tight", [tight(*keys)]
        found = {self.known[kind, each] for each in keys if (kind, each) in self.known}
        return found.pop() if len(found) == 1 else None

    def match(self, about: Mapping[str, str]) -> tuple[Student | None, str]:
        """Whom a system means, and by what that is told: what nobody shares comes before the name.

        Nobody where what it says leads to different students, or the name to one who has another id, number or login.

        Args:
            about: What it says, by kind: id, number, login, github, name.
        """
        found = {kind: student for kind in SURE if (student := self.find(kind, about.get(kind, "")))}
        if len({*found.values()}) > 1:
            return None, ""
        for kind, student in found.items():
            return student, WORDS[kind]
        student = self.find("name", about.get("name", ""))
        return (student, WORDS["name"]) if student and not differing(student, about) else (None, "")

    def agrees(self, about: Mapping[str, str]) -> bool:
        """Whether number and name lead to one student, as far as the roster has the name in the same script."""
        student, name = self.match(about)[0], about.get("name", "")
        if not student or not scripts(student.name) & scripts(name):
            return student is not None
        return bool({*listed_keys(student.name)} & {*name_keys(name)})

    def match_text(self, text: str) -> tuple[Student | None, str]:
        """The same for the name of a folder or file: `김민지`, `20261234_김민지_과제`.

        `Min Ho` is Minho's only where it stands by itself and neither part is anybody's: it may be of Park Min Ho. A name with more
        of a name beside it is nobody's, nor is one that may be read as another's, too.
        """
        whole, by = self.match(dict.fromkeys(("id", "login", "github"), text))
        if whole:
            return whole, by
        found, named = self.in_parts(text)
        return next(iter(found.items())) if found and len(named) == 1 else (None, "")

    def named_in(self, text: str) -> set[Student]:
        """All whom the name of a folder or file may mean."""
        return self.in_parts(text)[1]

    def in_parts(self, text: str) -> tuple[dict[Student, str], set[Student]]:
        """Whom a text names, and by what; and all whom it may mean."""
        text = normal(text)
        parts = parts_of(text)
        called: dict[tuple[int, int], dict[Student, str]] = {}  # who is found in a run of parts, the short ones first
        doubtful: dict[tuple[int, int], set[Student]] = {}  # who may be meant by it
        for length in sorted({*range(1, min(len(parts), MOST_PARTS) + 1), len(parts)} - {0}):
            for (begin, _), (_, end) in zip(parts, parts[length - 1 :]):
                who = {who: kind for kind in ("name", "id") if (who := self.find(kind, text[begin:end]))}
                by_itself = is_field(text, begin, end) and not any(lies_in(run, (begin, end)) for run in called)
                others = {
                    each
                    for each, kind in who.items()
                    if kind == "name"
                    and (self.is_another_s(text, each) or (length > len(PARTS.findall(each.name)) and not by_itself))
                }
                if who:
                    doubtful[begin, end] = others
                    called[begin, end] = {
                        each: kind
                        for each, kind in who.items()
                        if each not in others and (kind == "id" or not has_more_of_a_name(text, begin, end))
                    }
        told = [run for run, who in called.items() if who]
        longest = [run for run in called if not any(other != run and lies_in(run, other) for other in told)]
        found = {student: kind for run in longest for student, kind in called[run].items()}
        return found, {*found} | {student for run in longest for student in doubtful[run]}

    def is_another_s(self, text: str, student: Student) -> bool:
        """Whether a text has what looks like an id, a number or a login of this class, and none of it is the student's."""
        own = {plain(value) for kind in OF_NOBODY_ELSE for value in student.values(kind)}
        found = {
            plain(part)
            for kind, like in self.shapes.items()
            if student.values(kind)
            for part in like.findall(key(text))
        }
        return bool(found) and not found & own

    def with_others(self, others: Iterable[Student]) -> "Roster":
        """The same, and those of others who share nothing with anybody on it that nobody shares."""
        kinds = (*SURE, "student")
        taken = {(kind, key(text)) for each in self.students for kind in kinds for text in each.values(kind)}
        new = [
            other
            for other in others
            if not any((kind, key(text)) in taken for kind in kinds for text in other.values(kind))
        ]
        return Roster([*self.students, *new])

    def to_json(self) -> str:
        """For the results folder."""
        return json.dumps([asdict(student) for student in self.students], ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Roster":
        rows: list[dict[str, Any]] = json.loads(text)
        return cls([Student(**{**row, "logins": tuple(row["logins"])}) for row in rows])


def differing(student: Student, about: Mapping[str, str]) -> list[str]:
    """In what of a student's own the roster says something else than a system does. Where one has a mail address and the other
    the name of an account, nothing differs."""
    return [
        kind
        for kind in OF_NOBODY_ELSE
        if (text := about.get(kind, ""))
        and (values := [value for value in student.values(kind) if ("@" in value) == ("@" in text)])
        and plain(text) not in map(plain, values)
    ]


def plain(text: str) -> str:
    """An id as it is compared where a spreadsheet may have taken its zeros."""
    return tight(key(text)).lstrip("0")


def tight(text: str) -> str:
    """An id without hyphens and spaces within: `2026-0001`. What is no id by its digits stays as it is."""
    joined = re.sub(r"[-\s]", "", text)
    return joined if joined.isascii() and joined.isalnum() and sum(map(str.isdigit, joined)) >= FEWEST_DIGITS else text


def shapes(texts: Iterable[str]) -> re.Pattern[str]:
    """What looks like these, digit for digit and letter for letter, and stands by itself; those with few digits left out."""
    alike = {
        "".join(r"\d" if each.isdecimal() else r"[^\W\d_]" if each.isalpha() else re.escape(each) for each in key(text))
        for text in texts
        if sum(map(str.isdecimal, text)) >= FEWEST_DIGITS
    }
    narrow = rf"[^\W_{WIDE.pattern[1:]}"  # beside Hangul, Kana and Han it stands by itself
    return re.compile(rf"(?<!{narrow})(?:{'|'.join(sorted(alike)) or '(?!)'})(?!{narrow})")


def lists(sets: Mapping[str, set[Student]]) -> Iterator[tuple[str, list[Student]]]:
    return ((text, [*found]) for text, found in sets.items())


def lies_in(run: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= run[0] and run[1] <= other[1]


def is_field(text: str, begin: int, end: int) -> bool:
    """Whether nothing but spaces and the like parts this from the ends of the text, or of what underscores and brackets part."""
    fields = (text, *re.split(r"[_()\[\]]", text))
    return text[begin:end] in (field.strip(" .,-") for field in fields)


def has_more_of_a_name(text: str, begin: int, end: int) -> bool:
    """Whether beside this, in the same field, stands what may belong to the name; `Kim_Min` has spaces of another kind. Names in
    Hangul, Kana or Han end where they end."""
    limits = r"[()\[\]]|\s-\s" + ("" if "_" in text[begin:end] else "|_")
    beside = [*PARTS.findall(re.split(limits, text[:begin])[-1]), *PARTS.findall(re.split(limits, text[end:])[0])]
    return not WIDE.search(text[begin:end]) and any(
        squeezed(word)
        and not re.search(r"\d", word)
        and not WIDE.search(word)
        and word.casefold() not in OF_FILES.split()
        for word in beside
    )


def key(text: str) -> str:
    """Text as it is compared: in its normal form, whatever its case."""
    return normal(text).strip().casefold()


def name_keys(name: str) -> list[str]:
    """The ways in which systems write a name, without spaces: in its order, and with the family name first or last; and each
    of two that stand in one cell, `김민지 (Kim Minji)`, in other scripts."""
    several = names(name)
    several = several if sum(map(len, map(squeezed, several))) == len(squeezed(name)) else []  # all of it
    return list(dict.fromkeys(text for each in (name, *several) for text in turned(each)))


def listed_keys(name: str) -> list[str]:
    """The same of a name as a list has it, which may have a remark behind it: `김민지A` is who others call `김민지`."""
    return list(dict.fromkeys([*name_keys(name), *(text for each in names(name) for text in turned(each))]))


def turned(name: str) -> list[str]:
    """A name, without spaces, in its order, and with the family name first or last."""
    family, comma, given = name.partition(",")
    words = [squeezed(word) for word in name.replace(",", " ").split()]
    orders = [words, [squeezed(given), squeezed(family)]] if comma else [words, [*words[-1:], *words[:-1]]]
    return [*filter(None, map("".join, orders))]


def kinds_of(text: str, headings: Sequence[str]) -> list[str]:
    """What a column is; `username` is both a login and GitHub's."""
    of_canvas = {heading(each) for each in headings} & {*OF_CANVAS}
    if heading(text) == "id" and of_canvas:
        return ["number"]
    return [kind for kind, words in COLUMNS.items() if heading(text) in words.split()]


def unwrapped(cell: str) -> str:
    """A cell without what keeps a spreadsheet from taking it for a number: `="002610024"`."""
    found = re.fullmatch(r'="(.*)"', cell)
    return found[1] if found else cell


def whole(rows: Sequence[dict[str, str]], column: str, path: Path) -> list[dict[str, str]]:
    """The rows without the `.0` that a spreadsheet puts behind whole numbers, and its commas between thousands. Raises UserError
    where it took digits away."""
    for number, row in enumerate(rows, 2):
        if SPOILED.fullmatch(row[column]):
            raise UserError(
                f"{path}: row {number}: {printable(column)} is {row[column]}: a spreadsheet has taken its digits away; export the "
                "table anew, or give this column the format Text before you write the number again"
            )
    fractions = any(re.fullmatch(r"\d+[.,]\d+", row[column]) and not WHOLE.fullmatch(row[column]) for row in rows)
    return [{**row, column: row[column] if fractions else mended(row[column])} for row in rows]


def mended(cell: str) -> str:
    """A whole number's digits alone; any other cell as it is."""
    found = WHOLE.fullmatch(cell)
    return re.sub(r"\D", "", found[1]) if found else cell


def numbered(rows: Sequence[Mapping[str, str]], column: str) -> list[dict[str, str]]:
    """The rows with the number alone where one word stands before all of them, as in Moodle's: `Participant 11`."""
    found = {row[column]: re.fullmatch(r"(.*?)(\d+)", row[column]) for row in rows if row[column]}
    alike = len({match and match[1] for match in found.values()}) == 1
    return [{**row, column: match[2] if alike and (match := found.get(row[column])) else row[column]} for row in rows]


def is_sum(row: Mapping[str, str]) -> bool:
    """Whether a row is what a spreadsheet has below a list: `합계,4명`."""
    first, *others = [*filter(None, row.values())] or [""]
    return bool(SUM.fullmatch(first)) and all(map(OF_SUM.fullmatch, others))


def made(row: Mapping[str, str], kinds: Mapping[str, list[str]]) -> Student | None:
    """The student in a row; None where it says nothing of any, or is one of Canvas's own."""
    said: dict[str, list[str]] = {kind: [] for kind in COLUMNS}
    for column, found in kinds.items():
        for kind in found:
            text = printable(row[column])
            said[kind] += [text] if text and not (kind in SURE and squeezed(text) in NOTHING) else []
    one = {kind: next(iter(texts), "") for kind, texts in said.items()}
    name = one["name"] or " ".join(filter(None, (one["given"], one["family"])))
    if squeezed(name) in OF_NOBODY or not any((name, one["id"], one["number"], said["login"], one["github"])):
        return None
    called = [one["id"], *(login.partition("@")[0] for login in said["login"]), one["github"], one["number"], name]
    student = next((text for each in called if each and (text := safe_id(each) or named_by_folder(each)[0])), "")
    if not student:
        return None
    logins = tuple(dict.fromkeys(said["login"]))
    of_number = next((column for column, found in kinds.items() if "number" in found and printable(row[column])), "")
    more = (one["section"], one["group"], one["role"], SYSTEMS.get(heading(of_number), ""))
    return Student(student, name or one["id"] or student, one["id"], one["number"], logins, one["github"], *more)
