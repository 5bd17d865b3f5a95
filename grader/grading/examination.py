"""One submission, read, kept and checked. It runs in a process of its own (`grader.apart`), and imports no torch."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from grader.apart import OurFault
from grader.intake.checks import look
from grader.intake.reports import PAGED, suffix
from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import Submission, identity, take_in, unusable
from grader.intake.time_estimate import estimated_work
from grader.ledger.submission_store import document_texts, keep
from grader.safe_text import storable


class Examined(BaseModel):
    """What is known of a submission before any training.

    Attributes:
        findings: What the checks said.
        work: An estimate of how long a training takes, in any unit.
        documents: Files whose texts are wanted before it can be checked; there are no findings then.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    student: str
    name: str
    digest: str
    tier: str
    findings: list[dict[str, str]] = []
    work: float = 0.0
    documents: list[str] = []


def glance(source: str, packed: str | None) -> dict[str, str]:
    """What a download says of itself: `id` and `name` in its student.yaml, and when the newest file in it was `changed`.

    Args:
        source, packed: As `take_in` has them.
    """
    submission = take_in(Path(source), Path(packed) if packed else None)
    try:
        own_id, own_name = identity(submission.files)
    except StrictYamlError:  # the checks say what is wrong with it
        own_id = own_name = ""
    changed = submission.changed.isoformat() if submission.changed else ""
    return {"id": storable(own_id), "name": storable(own_name), "changed": changed}


def examine(
    source: str,
    packed: str | None,
    student: str,
    name: str,
    told: bool,
    results: str,
    max_epochs: int,
    texts: dict[str, str] | None,
) -> dict[str, Any]:
    """Read a submission, keep its files and check them. Returns what `Examined` has.

    Args:
        source, packed, student, name: As `take_in` has them.
        told: Whether whose it is is known without a student.yaml.
        texts: What its documents say, by file name; None where nobody has tried to read them.

    Raises:
        OurFault: Its files cannot be kept.
    """
    submission = take_in(Path(source), Path(packed) if packed else None, student, name)
    try:
        return examined(replace(submission, told=told), Path(results), max_epochs, texts).model_dump()
    except OSError as error:
        raise OurFault from error


def refused(source: Path, reason: str, student: str, name: str, results: Path) -> Examined:
    """The same for one that could not be examined, for this reason."""
    return examined(unusable(source, reason, student, name), results, 1, {})


def examined(submission: Submission, results: Path, max_epochs: int, texts: dict[str, str] | None) -> Examined:
    digest = submission.digest
    keep(results, digest, submission.files)
    found = Examined(student=submission.student, name=submission.name, digest=digest, tier=submission.tier)
    wanted = [] if submission.unusable else paged(submission)
    if texts is None and wanted and (texts := document_texts(results, digest)) is None:
        return found.model_copy(update={"documents": wanted})
    findings = [
        {key: storable(text) for key, text in asdict(finding).items()}
        for finding in look(submission, max_epochs, texts or {})
    ]
    return found.model_copy(update={"findings": findings, "work": estimated_work(submission)})


def paged(submission: Submission) -> list[str]:
    """The files of its report and conclusion that are PDF or DOCX."""
    parts = submission.reports.parts.values()
    return sorted({file for part in parts for file in part.files if suffix(file) in PAGED})
