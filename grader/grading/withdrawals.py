"""Who has withdrawn: known again by a mark that only the secret can draw, and passed over in every later run."""

from collections.abc import Sequence

from grader.intake.downloads import Download
from grader.intake.roster import Roster
from grader.ledger.erasure import withdrawn
from grader.ledger.results_folder import OpenResults
from grader.secret import Secret
from project.support.errors import note


def mark(student: str, secret: Secret) -> str:
    """What is left of an id: nobody can tell it from the mark without the secret."""
    return secret.digest("withdrawn", student).hex()


def without_withdrawn(
    downloads: Sequence[Download], roster: Roster | None, opened: OpenResults
) -> tuple[list[Download], Roster | None]:
    """The downloads and the roster without those who have withdrawn, with a note where something of theirs lies there."""
    marks = {each for each in withdrawn(opened.ledger).values() if each}
    if not marks:
        return [*downloads], roster
    left = [each for each in downloads if mark(each.student, opened.secret) not in marks]
    if count := len(downloads) - len(left):
        note(f"{count} of these downloads are of students who have withdrawn: passed over; delete them there, too")
    if roster:
        roster = Roster([each for each in roster.students if mark(each.student, opened.secret) not in marks])
    return left, roster
