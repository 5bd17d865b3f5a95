"""The rules as they hold for one student: everybody's, but for what was decided for this one."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from grader.intake.checks import Finding, check_time
from grader.intake.time_sources import RECORDED
from grader.ledger.decision_kinds import LATE, REPORTS
from grader.ledger.submissions import Noted
from grader.ledger.terms import NO_TERMS, Terms
from grader.rules import LateWork, Rules


def held_to(rules: Rules, terms: Terms) -> Rules:
    """The rules of everybody as they hold for one on these terms."""
    if terms == NO_TERMS:
        return rules
    changed: dict[str, Any] = {"families": [family for family in rules.families if family not in terms.exempt]}
    if REPORTS in terms.exempt:
        changed["reports"] = "warn"
    if LATE in terms.exempt:
        changed |= {"deadline": None, "late_work": LateWork()}
    elif due := extended(rules, terms):
        last = rules.late_work.last_date
        changed |= {
            "deadline": due,
            "late_work": rules.late_work.but(
                last_date=last and max(last, due + timedelta(days=rules.late_work.free_days))
            ),
        }
    return rules.but(**changed)


def extended(rules: Rules, terms: Terms) -> datetime | None:
    """The deadline of one on these terms, where that is an extension of everybody's; never before that."""
    if rules.deadline is None or not terms.extended:
        return None
    return max(rules.deadline, terms.until or rules.deadline + timedelta(days=terms.days))


def open_until(rules: Rules, everybody: Iterable[Terms]) -> datetime | None:
    """Until when somebody may still hand in by an extension; None where nobody has one."""
    own = [held_to(rules, terms) for terms in everybody if extended(rules, terms)]
    return max((date for each in own for date in (each.free_until, each.taken_until) if date), default=None)


def lateness(
    submitted: datetime | None, marked_late: bool, time_by: str, rules: Rules, terms: Terms = NO_TERMS
) -> list[Finding]:
    """What is wrong with when something was handed in; nothing where it was in time for one on these terms.

    A system's mark goes by the system's own deadline, and says nothing where there is a recorded time to hold against that of
    these rules, or any time to hold against the student's own.
    """
    own = held_to(rules, terms)
    told = submitted is not None and (time_by in RECORDED or extended(rules, terms) is not None)
    settled = LATE in terms.exempt or (told and own.deadline is not None)
    return list(check_time(submitted, marked_late and not settled, own, time_by))


def in_time(noted: Noted, rules: Rules, terms: Terms) -> bool:
    """Whether it was handed in when that costs nothing."""
    return not lateness(noted.submitted, noted.marked_late, noted.time_by, rules, terms)
