"""Files of one student that Canvas gives one by one, because they were not zipped, and Moodle, where it makes no folders: put
together, they are one submission. So are an archive and documents beside it.

What a system gives is one attempt, whatever was handed in before. In Canvas a file whose name the student has used before has
a number in it (`config-1.yaml`), which is taken off again where it is a name that submissions have, or a module's.
"""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from grader.intake.downloads import Download
from grader.intake.reports import DOCUMENTS, suffix
from grader.intake.submission import (
    ARCHIVES,
    MAX_ARCHIVE_BYTES,
    MAX_FILES,
    NO_DATA,
    ONE_NAME,
    UNREAD,
    WRAPPER_MARK,
    Unusable,
    read_regular,
)
from grader.intake.system_names import canvas_s, moodle_s
from grader.intake.time_sources import BY_TABLE
from grader.safe_text import normal, printable

NO_TIME = datetime.min.replace(tzinfo=UTC)
ENTRIES = ("text.html", "link.html")  # what Canvas writes of a text or an address that was entered
NUMBERED = re.compile(r"^(config|student|REPORT|CONCLUSION|\w+(?=-\d+\.py$))-\d+(\.\w+)$")  # no module has a hyphen


def put_together(downloads: Sequence[Download]) -> list[Download]:
    """The downloads, with those of one student that a system gives as several files as one: where none of them is an archive, or
    where all others are documents.

    Its time, and whether that is late, is what the instructor's table says of any of them, else the newest's.
    """
    loose: dict[str, list[Download]] = {}
    for each in downloads:
        if own_name(each.source):
            loose.setdefault(whose(each), []).append(each)
    several = {owner: some for owner, some in loose.items() if len(some) > 1 and are_one(some)}
    whole = []
    for each in downloads:
        some = several.get(whose(each), [])
        if each not in some:
            whole.append(each)
        elif each is some[0]:
            first = next((one for one in some if is_archive(one) or own_name(one.source) == WRAPPER_MARK), each)
            told = max([first, *some], key=lambda one: (one.time_by == BY_TABLE, one.submitted or NO_TIME))
            whole.append(
                replace(
                    first,
                    parts=tuple(one.source for one in some),
                    submitted=told.submitted,
                    late=told.late,
                    time_by=told.time_by,
                )
            )
    return whole


def whose(download: Download) -> str:
    """The student; of a file that is nobody's, the file itself, for two of these may be two people's."""
    return download.student or str(download.source)


def are_one(some: Sequence[Download]) -> bool:
    """Whether a student's files are one submission: an archive beside anything but documents is another attempt."""
    archives, others = [each for each in some if is_archive(each)], [each for each in some if not is_archive(each)]
    documents = all(suffix(own_name(each.source)) in DOCUMENTS for each in others)
    return not archives or (
        len(archives) == 1 and documents and own_name(archives[0].source).lower().endswith(ARCHIVES)
    )


def is_archive(download: Download) -> bool:
    return own_name(download.source).lower().endswith((*ARCHIVES, *UNREAD))


def own_name(source: Path) -> str:
    """What the student called a file that Canvas or Moodle gives; empty for whatever else it is."""
    name = normal(source.name)
    found, ways = canvas_s(name), moodle_s(name)
    if source.is_dir():
        return ""
    if not found:
        return ways[0]["file"] or "" if len(ways) == 1 and ways[0]["kind"] == "file" else ""
    if found["file"] in ENTRIES:
        return ""
    return NUMBERED.sub(r"\1\2", found["file"].partition("_")[2])


def as_folder(parts: Sequence[Path], scratch: Path) -> Path:
    """A folder of these files, by the student's names. Raises Unusable where they are no files, or too many or too large."""
    if len(parts) > MAX_FILES:
        raise Unusable(f"more than {MAX_FILES} files")
    place, left = scratch / "loose", MAX_ARCHIVE_BYTES
    place.mkdir()
    for part in parts:
        if not stat.S_ISREG(os.lstat(part).st_mode):
            raise Unusable(f"{printable(part.name)!r} is a link or a device; hand in plain files")
        content = read_regular(part, left + 1)
        if (left := left - len(content)) < 0:
            raise Unusable(f"larger than {MAX_ARCHIVE_BYTES // 10**6} MB; {NO_DATA}")
        name = own_name(part)
        if name in (".", ".."):
            raise Unusable(f"{printable(name)!r} points out of the submission")
        if (place / name).exists():
            raise Unusable(f"{printable(name)!r} is there twice ({ONE_NAME})")
        (place / name).write_bytes(content)
    return place
