"""From downloads to submissions that are noted, kept and checked: nothing of them is executed, and none stays in memory."""

from dataclasses import asdict, replace
from pathlib import Path

from grader.grading.document_reading import read_documents
from grader.grading.git_to_tar import exported
from grader.grading.verdicts import checks_by
from grader.intake.checks import look
from grader.intake.downloads import Download
from grader.intake.submission import Submission, Unusable, take_in, unusable
from grader.intake.time_estimate import estimated_work
from grader.ledger.ledger import Noted, now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import keep
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.scratch import scratch_folder


def register(downloads: list[Download], opened: OpenResults, rules: Rules) -> dict[str, float]:
    """Note each submission in the ledger, keep its files and check them.

    Of two under one id both get a verdict, the second under an id of its own.

    Returns:
        By student, an estimate of how long a training takes, in any unit.
    """
    work: dict[str, float] = {}
    for download in downloads:
        submission = read_submission(download.source, download.student, download.name)
        submission = replace(submission, told=download.told)
        student, number = submission.student, 2
        while student in work:
            student, number = f"{submission.student[:58]}-{number}", number + 1
        if student != submission.student:
            reason = "its id is that of another submission, too; hand in under your own"
            submission = replace(submission, student=student, unusable=reason)
        digest = submission.digest
        keep(opened.folder, digest, submission.files)
        texts = read_documents(submission, opened.folder)
        findings = [asdict(finding) for finding in look(submission, rules.max_epochs, texts)]
        opened.ledger.note_findings(student, digest, checks_by(rules), findings)
        about = (student, submission.name, digest, submission.tier, printable(submission.source.name))
        noted = Noted(*about, download.submitted, download.late, images_key(rules, opened.secret))
        opened.ledger.note(now(), noted)
        work[student] = estimated_work(submission)
    return work


def read_submission(source: Path, student: str = "", name: str = "") -> Submission:
    """The submission in a folder, archive or repository. One that cannot be read comes back with `unusable` set."""
    with scratch_folder() as scratch:
        try:
            return take_in(source, exported(source, scratch), student, name)
        except Unusable as error:
            return unusable(source, str(error), student, name)
