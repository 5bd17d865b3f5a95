"""The roster that a results folder keeps of its runs, for what is made of the results later."""

from pathlib import Path

from grader.intake.roster import Roster, Student
from grader.ledger.results_folder import ROSTER_FILE, OpenResults
from grader.ledger.submissions import OFF_ROSTER
from project.support.errors import UserError
from project.support.files import write_atomically


def kept_roster(results: Path) -> dict[str, Student]:
    """The students of all sections' last rosters, by id; none where there was no roster. Raises UserError where it cannot be read."""
    path = results / ROSTER_FILE
    try:
        listed = Roster.from_json(path.read_text(encoding="utf-8")) if path.exists() else Roster([])
    except (OSError, ValueError, TypeError, LookupError, UserError):
        raise UserError(f"{path}: is damaged; delete it, and the next run with the roster writes it anew") from None
    return {student.student: student for student in listed.students}


def keep_roster(roster: Roster, opened: OpenResults) -> None:
    """Keep a roster, and of earlier ones, such as another section's, whoever is in the ledger and still on a list.

    Raises UserError where the earlier ones cannot be read.
    """
    off = {student for student, flags in opened.ledger.flags().items() if OFF_ROSTER in flags}
    stay = opened.ledger.ids() - off
    before = [row for student, row in kept_roster(opened.folder).items() if student in stay]
    write_atomically(opened.folder / ROSTER_FILE, roster.with_others(before).to_json())
