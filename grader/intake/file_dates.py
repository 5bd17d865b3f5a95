"""What lies in a folder, and when it was last modified, by the clock of whoever wrote it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from grader.intake.submission import MAX_DEPTH, SINCE_1980

MOST_LOOKED_AT = 10_000  # files and folders, to tell what a folder holds
YEAR_1981 = datetime(SINCE_1980 + 1, 1, 1, tzinfo=UTC).timestamp()
YEAR_9999 = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def inside(folder: Path) -> Iterator[Path]:
    """The files and folders in a folder, down to a submission's depth; links are not followed."""
    left = MOST_LOOKED_AT
    for parent, folders, names in os.walk(folder):
        if len(Path(parent).relative_to(folder).parts) >= MAX_DEPTH:
            folders.clear()
        for name in sorted([*folders, *names]):
            if not (left := left - 1):
                return
            yield Path(parent, name)


def modified(path: Path) -> datetime:
    """When a file was last modified, or the newest in a folder.

    Files of 1980 in a folder, which a zip without dates leaves there, do not tell. A time that no calendar has becomes the
    nearest one that every calendar has.
    """
    inner = inside(path) if path.is_dir() and not path.is_symlink() else ()
    times = (each.lstat().st_mtime for each in inner if not each.is_dir())
    newest = max((time for time in times if time >= YEAR_1981), default=path.lstat().st_mtime)
    return datetime.fromtimestamp(min(max(newest, 0), YEAR_9999), UTC)
