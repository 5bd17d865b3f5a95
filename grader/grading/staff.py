"""Rows that are no student's: what staff hand in, and baselines. They are graded and shown, and move nobody's rank."""

from fnmatch import fnmatchcase

from grader.ledger.submissions import Noted
from grader.rules import Rules
from grader.tables import heading

STUDENTS = ("", "student", "learner", "학생", "수강생")  # roles on a roster; any other one is staff's


def is_staff(noted: Noted, rules: Rules) -> bool:
    """Whether the roster says so, or a pattern of the rules fits the id, or the name of what was handed in."""
    by_roster = any(heading(role) not in STUDENTS for role in noted.known_as.get("role", []))
    return by_roster or fits(rules, noted.student, noted.source)


def fits(rules: Rules, *names: str) -> bool:
    """Whether a pattern of the rules fits one of these names."""
    return any(fnmatchcase(name, each) for name in names for each in rules.staff)
