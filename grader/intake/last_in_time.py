"""Which of a student's downloads counts."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from grader.intake.downloads import Download, is_readable
from grader.safe_text import normal


def counted(downloads: Iterable[Download], is_late: Callable[[Download], bool]) -> list[Download]:
    """The attempts that count, in the order of the downloads.

    Of those that may be read, the last in time; where there is none, the last.
    """
    by_student: dict[str, list[Download]] = {}
    for download in downloads:
        by_student.setdefault(download.student or normal(str(download.source)), []).append(download)
    found = []
    for attempts in by_student.values():
        chosen = last_in_time(attempts, is_late)
        late = tuple(each for each in attempts if each is not chosen and is_readable(each.source) and is_late(each))
        found.append(replace(chosen, attempts=len(attempts) - 1, passed_over=late))
    return found


def last_in_time(attempts: list[Download], is_late: Callable[[Download], bool]) -> Download:
    readable = [each for each in attempts if is_readable(each.source)] or attempts
    in_time = [each for each in readable if not is_late(each)]
    return max(
        in_time or readable,
        key=lambda each: (each.submitted or datetime.min.replace(tzinfo=UTC), each.order, each.source.name),
    )
