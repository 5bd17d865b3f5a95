"""From downloads to submissions that are noted, kept and checked: nothing of them is executed, and none stays in memory."""

from collections.abc import Collection, Iterable
from pathlib import Path

from grader.apart import Apart, Failed
from grader.grading.document_reading import read_documents
from grader.grading.examination import Examined, refused
from grader.grading.git_to_tar import exported
from grader.grading.verdicts import checks_by
from grader.intake.downloads import Download
from grader.intake.submission import Submission, Unusable, take_in, unusable
from grader.ledger.ledger import Noted, now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import kept
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.scratch import scratch_folder


def register(downloads: Iterable[Download], opened: OpenResults, rules: Rules) -> dict[str, float]:
    """Note each submission in the ledger, keep its files and check them. What is wrong with one is that one's verdict.

    Of two under one id both get a verdict, the second under an id of its own.

    Returns:
        By student, an estimate of how long a training takes, in any unit.
    """
    work: dict[str, float] = {}
    with Apart("grader.grading.examination") as apart:
        for download in downloads:
            found = examined(apart, download, opened.folder, rules.max_epochs, work)
            opened.ledger.note_findings(found.student, found.digest, checks_by(rules), found.findings)
            about = (found.student, found.name, found.digest, found.tier, printable(download.source.name))
            noted = Noted(*about, download.submitted, download.late, images_key(rules, opened.secret))
            opened.ledger.note(now(), noted)
            work[found.student] = found.work
    return work


def examined(apart: Apart, download: Download, results: Path, max_epochs: int, taken: Collection[str]) -> Examined:
    """A download, examined in a process of its own; refused where that fails. `taken` are the ids of others."""
    source, student, name = download.source.absolute(), download.student, download.name
    with scratch_folder() as scratch:
        try:
            packed = exported(source, scratch)
            about = (str(source), None if packed == source else str(packed), student, name, download.told)
            given = (*about, str(results.absolute()), max_epochs, list(taken))
            found = Examined(**apart.call("examine", *given, None))
            if found.documents:
                files = kept(results, found.digest)
                documents = {file: files[file] for file in found.documents if file in files}
                texts = read_documents(documents, found.digest, results)
                found = Examined(**apart.call("examine", *given, texts))
            return found
        except Unusable as error:
            reason = str(error)
        except Failed as error:
            reason = f"reading and checking it {error}"
        return refused(source, reason, student, name, results, taken)


def read_submission(source: Path, student: str = "", name: str = "") -> Submission:
    """The submission in a folder, archive or repository. One that cannot be read comes back with `unusable` set."""
    with scratch_folder() as scratch:
        try:
            return take_in(source, exported(source, scratch), student, name)
        except Unusable as error:
            return unusable(source, str(error), student, name)
