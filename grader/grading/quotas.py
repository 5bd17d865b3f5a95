"""How often a student may practise: trained attempts count, by the day in the rules' time zone."""

from collections.abc import Sequence
from datetime import date, datetime

from grader.grading.hand_ins import zone_of
from grader.ledger.ledger import Ledger
from grader.rules import Practice, Rules
from project.support.errors import UserError

TODAY, IN_ALL = "today's practice is used", "all practice is used"


def used_up(days: Sequence[date], today: date, practice: Practice) -> str:
    """Why another attempt would not be trained, of whom these days saw trained attempts; empty where it would."""
    if practice.in_all is not None and len(days) >= practice.in_all:
        return IN_ALL
    return TODAY if practice.per_day is not None and days.count(today) >= practice.per_day else ""


def said_of(ledger: Ledger, student: str, rules: Rules, now: datetime, digest: str = "") -> str:
    """The same for a student in the ledger; empty for an attempt of this digest that was trained already."""
    trained, zone = ledger.first_taken_in(student, trained=True), zone_of(rules)
    days = [datetime.fromisoformat(when).astimezone(zone).date() for when in trained.values()]
    return "" if digest in trained else used_up(days, now.astimezone(zone).date(), rules.practice)


def check_open(rules: Rules, now: datetime) -> None:
    """Raise UserError where practice has ended: by its own date, or by the deadline."""
    ends = min(filter(None, (rules.practice.until, rules.deadline)), default=None)
    if ends and now > ends:
        raise UserError(f"--round practice: ended at {ends.isoformat()}; grade the final round, or set practice.until")
