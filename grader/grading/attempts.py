"""Which of a student's attempts counts, by the rules and by what was decided: asked at any time, and noted nowhere."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter

from grader.grading.personal_rules import in_time
from grader.grading.verdicts import checks_by
from grader.ledger.ledger import Decided, Ledger
from grader.ledger.submissions import Attempt, Graded, Noted, is_number, terms_for
from grader.ledger.terms import NO_TERMS, Terms
from grader.rules import LateWork, Rules

NO_TIME = datetime.min.replace(tzinfo=UTC)


def counting(
    ledger: Ledger, rules: Rules, student: str | None = None, decided: Decided | None = None
) -> Iterator[Graded]:
    """Every student's submission that counts (or one student's), with what is known of it, in order of the ids.

    Args:
        decided: What was decided, where that is known already: who asks for one after the other reads it once.
    """
    decided, chosen = decided or ledger.decided(), {}
    for one, group in groupby(ledger.attempts(student), attrgetter("student")):
        attempts = list(group)
        counts = counting_one(attempts, rules, decided.terms)
        if counts != attempts[-1]:
            chosen[one] = counts.row
    return ledger.graded(checks_by(rules), student, chosen, decided=decided)


def counting_one(attempts: list[Attempt], rules: Rules, known: Mapping[str, Terms]) -> Attempt:
    """The attempt that counts, of those of one student in the order in which they were noted.

    That is the newest, for who takes submissions in keeps a late one from taking the place of one in time. But where free
    days, a decision or a later deadline make late ones be in time that were passed over, the last of these and the newest;
    and where all of these are late by now, the last one that was in time and measured.
    """
    newest = attempts[-1]
    same = [each for each in attempts if of_the_same(each, newest)]
    found = [each for each in same if in_time(each, rules, terms_for(each.student, each.known_as, known))]
    without_grace = rules.but(late_work=LateWork())
    by_grace = [each for each in found if not in_time(each, without_grace, NO_TERMS)]
    if last := by_grace or [each for each in found if each.passed_over or each == newest]:
        return max(last, key=lambda each: (each.submitted or NO_TIME, each.marked_late, each.row))
    return next((each for each in reversed(found) if each.measured), newest)


def once(found: Iterable[Graded]) -> list[Graded]:
    """Those who are trained: of a group whoever handed it in or, where that one has withdrawn, the first of the others."""
    chosen: dict[tuple[str, str], Graded] = {}
    for each in found:
        if each.carrier == each.student or is_number(each.carrier):
            chosen.setdefault((each.carrier, each.digest), each)
    return [*chosen.values()]


def of_the_same(before: Noted, noted: Noted) -> bool:
    """Whether an earlier attempt is this student's: not where only it said so, and now others than the student tell."""
    return before.source == noted.source or bool(before.known_as) or not noted.known_as
