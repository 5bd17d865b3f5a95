"""From downloads to submissions that are noted, kept and checked: nothing of them is executed, and none stays in memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from grader.grading.git_to_tar import exported
from grader.grading.verdicts import checks_by
from grader.intake.checks import check_content
from grader.intake.downloads import Download
from grader.intake.estimate import estimated_work
from grader.intake.submission import Submission, Unusable, take_in, unusable
from grader.ledger.ledger import Noted, now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import keep
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.scratch import scratch_folder


@dataclass(frozen=True)
class TakenIn:
    """A submission as the walk knows it.

    Attributes:
        work: Estimate of how long a training takes, in any unit.
    """

    student: str
    work: float


def all_taken_in(downloads: list[Download], opened: OpenResults, rules: Rules, images: str) -> Iterator[TakenIn]:
    """Note each submission in the ledger, keep its files and check them.

    Of two under one id both get a verdict, the second under an id of its own.

    Args:
        images: Of the dataset and its split, as the ledger notes it.
    """
    seen: set[str] = set()
    for download in downloads:
        submission = read_submission(download.source, download.student, download.name)
        submission = replace(submission, submitted=download.submitted, marked_late=download.late)
        student, number = submission.student, 2
        while student in seen:
            student, number = f"{submission.student[:58]}-{number}", number + 1
        if student != submission.student:
            reason = "its id is that of another submission, too; hand in under your own"
            submission = replace(submission, student=student, unusable=reason)
        seen.add(student)
        keep(opened.folder, submission.digest, submission.files)
        findings = [asdict(finding) for finding in check_content(submission, rules)]
        opened.ledger.note_findings(student, submission.digest, checks_by(rules), findings)
        opened.ledger.note(now(), noted(submission, images))
        yield TakenIn(student, estimated_work(submission))


def noted(submission: Submission, images: str) -> Noted:
    """What the ledger notes of a submission."""
    about = (submission.student, submission.name, submission.digest, submission.tier)
    source = printable(submission.source.name)
    return Noted(*about, source, submission.submitted, submission.marked_late, images)


def read_submission(source: Path, student: str = "", name: str = "") -> Submission:
    """The submission in a folder, archive or repository. One that cannot be read comes back with `unusable` set."""
    with scratch_folder() as scratch:
        try:
            return take_in(source, exported(source, scratch), student, name)
        except Unusable as error:
            return unusable(source, str(error), student, name)
