"""The roster that a results folder keeps of its last run, for what is made of the results later."""

from pathlib import Path

from grader.intake.roster import Roster, Student
from grader.ledger.results_folder import ROSTER_FILE
from project.support.errors import UserError


def kept_roster(results: Path) -> dict[str, Student]:
    """The students of the last roster, by id; none where there was no roster. Raises UserError where it cannot be read."""
    path = results / ROSTER_FILE
    try:
        listed = Roster.from_json(path.read_text(encoding="utf-8")) if path.exists() else Roster([])
    except (OSError, ValueError, TypeError, LookupError, UserError):
        raise UserError(f"{path}: is damaged; delete it, and the next run with the roster writes it anew") from None
    return {student.student: student for student in listed.students}
