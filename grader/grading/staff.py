"""Rows that are no student's: what staff hand in, and baselines. They are graded and shown, and move nobody's rank."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from grader.intake.roles import is_staff_s
from grader.ledger.submissions import Noted
from grader.rules import Rules


def is_staff(noted: Noted, rules: Rules) -> bool:
    """Whether the roster says so, or a pattern of the rules fits the id, or the name of what was handed in."""
    by_roster = any(map(is_staff_s, noted.known_as.get("role", [])))
    return by_roster or fits(rules, noted.student, noted.source)


def fits(rules: Rules, *names: str) -> bool:
    """Whether a pattern of the rules fits one of these names."""
    return any(fnmatchcase(name, each) for name in names for each in rules.staff)


def said_of_staff(students: Iterable[str]) -> str:
    """A line about those who are; empty without any."""
    listed = ", ".join(students)
    return f"staff, by role on the roster or a pattern of the rules, without rank and grade: {listed}" if listed else ""
