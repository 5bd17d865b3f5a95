"""One submission, read, kept and checked. It runs in a process of its own (`grader.apart`), and imports no torch."""

import errno
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ConfigDict

from grader.apart import OurFault
from grader.intake.blanking import blanked_modules
from grader.intake.checks import Finding, look, rejections
from grader.intake.families import lacking
from grader.intake.reports import PAGED, suffix
from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import Submission, identity, take_in, unusable
from grader.intake.time_estimate import estimated_work
from grader.ledger.submission_store import document_texts, keep, keep_code
from grader.safe_text import printable, storable
from project.assignment import FAMILIES

OF_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOENT, errno.ENOTDIR)  # what no folder takes


class Examined(BaseModel):
    """What is known of a submission before any training.

    Attributes:
        findings: What the checks said.
        work: An estimate of how long a training takes, in any unit.
        documents: Files whose texts are wanted before it can be checked; there are no findings then.
        own_id: What its student.yaml says, which may be another's.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    student: str
    name: str
    digest: str
    tier: str
    findings: list[dict[str, str]] = []
    work: float = 0.0
    documents: list[str] = []
    own_id: str = ""


def glance(source: str, packed: str | None) -> dict[str, str]:
    """What a download says of itself: `id` and `name` in its student.yaml, and when the newest file in it was `changed`.

    Args:
        source, packed: As `take_in` has them.
    """
    submission = take_in(Path(source), Path(packed) if packed else None)
    own_id, own_name = said_of_itself(submission)
    changed = submission.changed.isoformat() if submission.changed else ""
    return {"id": own_id, "name": own_name, "changed": changed}


def said_of_itself(submission: Submission) -> tuple[str, str]:
    """Id and name in its student.yaml; empty where there are none."""
    try:
        own_id, own_name = identity(submission.files)
    except StrictYamlError:  # the checks say what is wrong with it
        return "", ""
    return storable(own_id), storable(own_name)


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
    student, name, own_id = submission.student, submission.name, said_of_itself(submission)[0]
    found = Examined(student=student, name=name, digest=digest, tier=submission.tier, own_id=own_id)
    wanted = [] if submission.unusable else paged(submission)
    if texts is None and wanted and (texts := document_texts(results, digest)) is None:
        return found.model_copy(update={"documents": wanted})
    seen = list(look(submission, max_epochs, texts or {}))
    if not submission.unusable and not any(each.where.startswith("config.yaml") for each in rejections(seen)):
        seen += lacking(submission.config, FAMILIES)  # whichever of them the rules ask for by then
    findings = [
        {key: storable(text) for key, text in asdict(finding).items() if key != "family" or text} for finding in seen
    ]
    if submission.modules and not rejections([each for each in seen if not each.family]):
        findings += [asdict(finding) for finding in code_kept(submission, results)]
    return found.model_copy(update={"findings": findings, "work": estimated_work(submission)})


def code_kept(submission: Submission, results: Path) -> Iterator[Finding]:
    """Keep the code as a training sees it, and lay it out as for one. Nobody parses it again; what fails here is told."""
    mend = "hand in modules of short names that `python -m py_compile` takes"
    try:
        code = blanked_modules(submission.modules)
        with TemporaryDirectory() as folder:
            for path, content in code.items():
                Path(folder, path).write_bytes(content)
    except (SyntaxError, ValueError, RecursionError) as error:
        said = printable(str(error)) or type(error).__name__
        yield Finding("*.py", f"cannot be prepared for a training: {said}", mend)
    except OSError as error:
        if error.errno not in OF_NAMES:
            raise
        yield Finding("*.py", f"cannot be laid out for a training: {error.strerror}", mend)
    else:
        keep_code(results, submission.digest, code)


def paged(submission: Submission) -> list[str]:
    """The files of its report and conclusion that are PDF or DOCX."""
    parts = submission.reports.parts.values()
    return sorted({file for part in parts for file in part.files if suffix(file) in PAGED})
