"""What was decided for single students in place of what the rules say to all."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from grader.ledger.decision_kinds import DISQUALIFY, EXEMPT, EXTEND
from grader.ledger.decisions import Decision


@dataclass(frozen=True)
class Terms:
    """The decisions in force for one student.

    Attributes:
        until: Till when the student may hand in; never before the deadline.
        days: How many days after the deadline, where that was said instead.
        exempt: Of `late`, `reports` and the families.
        disqualified: Why the student's work does not count; None where it does.
    """

    until: datetime | None = None
    days: int = 0
    exempt: frozenset[str] = frozenset()
    disqualified: str | None = None

    @property
    def extended(self) -> bool:
        return self.until is not None or self.days > 0

    def over(self, others: "Terms") -> "Terms":
        """These, and of others what these say nothing of."""
        last = self if self.extended else others
        return replace(self, until=last.until, days=last.days, exempt=self.exempt | others.exempt)


NO_TERMS = Terms()


def terms_of(history: Iterable[Decision]) -> dict[str, Terms]:
    """By student, what these decisions come to; of extensions the last one counts."""
    found: dict[str, Terms] = {}
    for each in history:
        if not each.in_force:
            continue
        terms, value = found.get(each.student, NO_TERMS), each.value
        if each.kind == EXTEND:
            until = value.get("until")
            terms = replace(terms, until=until and datetime.fromisoformat(until), days=value.get("days", 0))
        elif each.kind == EXEMPT:
            terms = replace(terms, exempt=terms.exempt | {value["from"]})
        elif each.kind == DISQUALIFY:
            terms = replace(terms, disqualified=each.why)
        if terms != NO_TERMS:
            found[each.student] = terms
    return found
