"""What a student handed in over time: each attempt with its verdict, and which one counts, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

from grader.grading.personal_rules import in_time
from grader.grading.ranking import judged
from grader.grading.verdicts import Verdict, checks_by, verdict
from grader.ledger.ledger import Ledger
from grader.ledger.submissions import Graded
from grader.rules import Rules
from project.support.errors import UserError


@dataclass(frozen=True)
class JudgedAttempt:
    """One attempt.

    Attributes:
        number: From 1, in the order in which they were handed in, or else first taken in.
        taken_in: When a run first took it in, as the ledger writes it down.
        counts: Whether it is what the student is graded by.
        why: Why it counts, or does not.
    """

    number: int
    taken_in: str
    graded: Graded
    verdict: Verdict
    counts: bool
    why: str


def attempt_history(ledger: Ledger, rules: Rules, student: str) -> list[JudgedAttempt]:
    """All attempts of a student that ever counted, the first one first; none where nothing was handed in.

    Raises:
        UserError: The ledger knows no such student.
    """
    known = ledger.first_taken_in(student)
    if not known:
        raise UserError(f"{student}: the ledger knows no such student; the ids are on the leaderboard")
    made = [each for each in ledger.graded(checks_by(rules), student, every_attempt=True) if each.digest]
    made.sort(key=lambda each: each.submitted or datetime.fromisoformat(known[each.digest]).astimezone(UTC))
    now = {graded.student: (graded.digest, said) for graded, said in judged(ledger, rules, student)}
    found = []
    for number, graded in enumerate(made, 1):
        digest, said = now.get(student, ("", None))
        counts = graded.digest == digest
        said = said if counts and said else verdict(graded, rules)
        found.append(
            JudgedAttempt(number, known[graded.digest], graded, said, counts, why(graded, counts, made, rules))
        )
    return found


def why(graded: Graded, counts: bool, made: list[Graded], rules: Rules) -> str:
    """Why an attempt, of those that were made, counts, or does not."""
    late = {each.digest: not in_time(each, rules, each.terms) for each in made}
    if not counts:
        return "came too late" if late[graded.digest] and not all(late.values()) else "another one took its place"
    if late[graded.digest]:
        return "counts: none was in time"
    return "counts: " + ("the only one" if len(made) == 1 else "the last one in time")
