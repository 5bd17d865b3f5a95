"""Writes a submission as the archive to hand in."""

import zipfile
from pathlib import Path

from grader.intake.checks import EXPECTED
from grader.intake.reports import DOCUMENTS, documents
from grader.intake.submission import Submission
from project.support.files import open_atomically
from project.training.known_settings import without_editor_line


def pack(submission: Submission, archive: Path) -> None:
    """Write a zip of the files that count; the same files give the same bytes, whenever they are packed."""
    counting = {*EXPECTED, *submission.modules, *documents(submission.files, DOCUMENTS)}
    with open_atomically(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(submission.files):
            if path in counting:
                info = zipfile.ZipInfo(f"submission/{path}")  # of 1980
                info.external_attr = 0o100644 << 16
                content = submission.files[path]
                packed.writestr(
                    info, without_editor_line(content) if path == "config.yaml" else content, zipfile.ZIP_DEFLATED
                )
