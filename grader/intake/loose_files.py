"""Files of one student that Canvas gives one by one, because they were not zipped, and Moodle, where it makes no folders: put
together, they are one submission.

What a system gives is one attempt, whatever was handed in before. In Canvas a file whose name the student has used before has
a number in it (`config-1.yaml`), which is taken off again where it is a name that submissions have, or a module's.
"""

import os
import re
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from grader.intake.downloads import Download
from grader.intake.submission import (
    ARCHIVES,
    MAX_ARCHIVE_BYTES,
    MAX_FILES,
    NO_DATA,
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
    """The downloads, with those of one student that a system gives as several files, none of them an archive, as one.

    Its time, and whether that is late, is what the instructor's table says of any of them, else the newest's.
    """
    loose: dict[str, list[Download]] = {}
    for each in downloads:
        if own_name(each.source):
            loose.setdefault(each.student, []).append(each)
    packed = {each.student for each in downloads if is_archive(each.source)}
    several = {student: some for student, some in loose.items() if len(some) > 1 and student not in packed}
    whole = []
    for each in downloads:
        some = several.get(each.student, [])
        if each not in some:
            whole.append(each)
        elif each is some[0]:
            first = next((one for one in some if own_name(one.source) == WRAPPER_MARK), each)
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


def is_archive(source: Path) -> bool:
    return bool(own_name(source)) and source.name.lower().endswith((*ARCHIVES, *UNREAD))


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


def as_zip(parts: Sequence[Path], scratch: Path) -> Path:
    """A zip of these files, by the student's names. Raises Unusable where they are no files, or too many or too large."""
    if len(parts) > MAX_FILES:
        raise Unusable(f"more than {MAX_FILES} files")
    place, left = scratch / "loose.zip", MAX_ARCHIVE_BYTES
    with zipfile.ZipFile(place, "w") as archive:
        for part in parts:
            if not stat.S_ISREG(os.lstat(part).st_mode):
                raise Unusable(f"{printable(part.name)!r} is a link or a device; hand in plain files")
            content = read_regular(part, left + 1)
            if (left := left - len(content)) < 0:
                raise Unusable(f"larger than {MAX_ARCHIVE_BYTES // 10**6} MB; {NO_DATA}")
            archive.writestr(zipfile.ZipInfo(own_name(part)), content)
    return place
