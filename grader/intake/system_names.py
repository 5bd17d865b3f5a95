"""How systems name what students handed in: Canvas, Moodle, and the clones of GitHub Classroom and Classroom 50."""

import re

from grader.safe_text import normal

# Of a name Canvas keeps Ruby's word characters, among them marks, which are the vowels of Thai and Hindi: none is below U+0300.
CANVAS = re.compile(
    r"(?P<name>[^\W_][\w\u0300-\U0010ffff]*?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>\d+_.+|text\.html|link\.html)"
)
CANVAS_ANONYMOUS = re.compile(r"(?P<late>LATE_)?anon_(?P<id>[^\W_]+)_(?P<file>\d+_.+|text\.html|link\.html)")
MOODLE, MOODLE_AT_LAST = (
    re.compile(rf"(?P<name>.+{way})_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(_(?P<file>.*))?") for way in ("?", "")
)
CLASSROOM = re.compile(r"(?P<prefix>.+)(-submissions|_submissions_\d{4}_\d\d_\d\d_T_\d\d_\d\d_\d\d)")
# Whatever a student is called, also where the patterns above leave open who that is.
OF_A_SYSTEM = re.compile(r"_\d+_\d+_|(^|_)anon_[^\W_]+_\d+_|_assignsubmission_")
OF_FILES = (  # what hand-ins are called
    "archive assignment attempt code copy deep dl exercise file files final first folder home homework hw lab last learning mine my "
    "new ok old part project real report result results second solution student submit submission submissions task test upload v version "
    "week work works zip 과제 과제물 숙제 제출 제출용 제출물 제출본 최종 최종본 최종제출 완성 완성본 실습 딥러닝 파일 압축 폴더 복사본 "
    "리포트 레포트 주차 학생"
)


def canvas_s(name: str) -> re.Match[str] | None:
    """How a name is Canvas's. Where Moodle's words come before, these are the system's, and what follows is the student's."""
    found, moodle = CANVAS_ANONYMOUS.fullmatch(name) or CANVAS.fullmatch(name), MOODLE.fullmatch(name)
    return None if found and moodle and moodle.start("id") < found.start("id") else found


def canvas_ways(name: str) -> list[re.Match[str]]:
    """All ways in which a name is Canvas's: several where the student's name or that of the file looks like its numbers, too."""
    ways: dict[int, re.Match[str]] = {}
    found = canvas_s(name)
    while found:
        ways.setdefault(found.start("id"), found)
        longer = (
            CANVAS.pattern.replace("*?", f"{{{len(found['name'])},}}?", 1) if "name" in found.groupdict() else "(?!)"
        )
        found = re.fullmatch(longer, name)
    return [*ways.values()]


def moodle_s(name: str) -> list[re.Match[str]]:
    """How a name is Moodle's: in two ways where the student's name or that of the file looks like Moodle's words, too."""
    found = [match for match in (MOODLE.fullmatch(name), MOODLE_AT_LAST.fullmatch(name)) if match]
    return found[:1] if len({match.span("id") for match in found}) == 1 else found


def without_team(name: str) -> list[str]:
    """What may be the student's in a name of Moodle's, which in an assignment for teams begins with the team's and a hyphen."""
    parts = name.split("-")
    return ["-".join(parts[number:]) for number in range(1, len(parts))]


def may_be_student_s(name: str) -> bool:
    """Whether a system can have given this name to a file that a student called something."""
    return bool(OF_A_SYSTEM.search(normal(name)))
