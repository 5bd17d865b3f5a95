"""Writes a submission as the archive to hand in."""

import zipfile
from pathlib import Path

from grader.intake.checks import EXPECTED
from grader.intake.file_dates import modified
from grader.intake.reports import DOCUMENTS, documents
from grader.intake.submission import SINCE_1980, Submission
from project.support.files import open_atomically
from project.training.known_settings import without_editor_line

LAST_YEAR = 2107  # that a zip has a date for


def pack(submission: Submission, archive: Path) -> None:
    """Write a zip of the files that count, each dated as the newest of what was handed over, by the clock here.

    The same files of the same dates give the same bytes, whenever they are packed.
    """
    changed = (submission.changed or modified(submission.source)).astimezone()
    date = changed.timetuple()[:6] if SINCE_1980 < changed.year <= LAST_YEAR else (SINCE_1980, 1, 1, 0, 0, 0)
    counting = {*EXPECTED, *submission.modules, *documents(submission.files, DOCUMENTS)}
    with open_atomically(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(submission.files):
            if path in counting:
                info = zipfile.ZipInfo(f"submission/{path}", date)
                info.external_attr = 0o100644 << 16
                content = submission.files[path]
                packed.writestr(
                    info, without_editor_line(content) if path == "config.yaml" else content, zipfile.ZIP_DEFLATED
                )
