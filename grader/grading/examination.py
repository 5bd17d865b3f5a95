"""One submission, read, kept and checked. It runs in a process of its own (`grader.apart`), and imports no torch."""

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from grader.apart import OurFault
from grader.intake.checks import look
from grader.intake.reports import PAGED, suffix
from grader.intake.submission import Submission, take_in, unusable
from grader.intake.time_estimate import estimated_work
from grader.ledger.submission_store import document_texts, keep
from grader.safe_text import storable

TAKEN = "its id is that of another submission, too; hand in under your own"


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


def examine(
    source: str,
    packed: str | None,
    student: str,
    name: str,
    told: bool,
    results: str,
    max_epochs: int,
    taken: list[str],
    texts: dict[str, str] | None,
) -> dict[str, Any]:
    """Read a submission, keep its files and check them. Returns what `Examined` has.

    Args:
        source, packed, student, name: As `take_in` has them.
        told: Whether whose it is is known without a student.yaml.
        taken: Ids of other submissions; under one of these it gets an id of its own, and is rejected.
        texts: What its documents say, by file name; None where nobody has tried to read them.

    Raises:
        OurFault: Its files cannot be kept.
    """
    submission = take_in(Path(source), Path(packed) if packed else None, student, name)
    try:
        return examined(replace(submission, told=told), Path(results), max_epochs, taken, texts).model_dump()
    except OSError as error:
        raise OurFault from error


def refused(source: Path, reason: str, student: str, name: str, results: Path, taken: Collection[str]) -> Examined:
    """The same for one that could not be examined, for this reason."""
    return examined(unusable(source, reason, student, name), results, 1, taken, {})


def examined(
    submission: Submission,
    results: Path,
    max_epochs: int,
    taken: Collection[str],
    texts: dict[str, str] | None,
) -> Examined:
    if submission.student in taken:
        submission = replace(submission, student=free_id(submission.student, taken), unusable=TAKEN)
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


def free_id(student: str, taken: Collection[str]) -> str:
    """The id with the first number behind it that makes it no other submission's."""
    number = 2
    while (free := f"{student[:58]}-{number}") in taken:
        number += 1
    return free
