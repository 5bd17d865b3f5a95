"""Which of a student's downloads counts."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from grader.intake.downloads import Download, is_readable
from grader.safe_text import normal


def counted(downloads: Iterable[Download], is_late: Callable[[Download], bool]) -> list[Download]:
    """The attempts that count, in the order of the downloads.

    Of those that may be read, the last in time; where there is none, the last. Of folders, such as those of a class's
    repository, whatever is called by the student's name exactly comes first: anybody can add a folder, and a word to a name.
    """
    by_student: dict[str, list[Download]] = {}
    for download in downloads:
        by_student.setdefault(download.student or normal(str(download.source)), []).append(download)
    found = []
    for attempts in by_student.values():
        candidates = counting(attempts, is_late)
        chosen = latest([each for each in candidates if each.exact] or candidates)
        late = tuple(each for each in attempts if each is not chosen and is_readable(each.source) and is_late(each))
        found.append(replace(chosen, attempts=len(attempts) - 1, passed_over=late))
    return found


def last_in_time(attempts: list[Download], is_late: Callable[[Download], bool]) -> Download:
    return latest(counting(attempts, is_late))


def counting(attempts: list[Download], is_late: Callable[[Download], bool]) -> list[Download]:
    """Those that may be read and are in time, as far as there are any."""
    readable = [each for each in attempts if is_readable(each.source)] or attempts
    return [each for each in readable if not is_late(each)] or readable


def latest(attempts: list[Download]) -> Download:
    return max(
        attempts,
        key=lambda each: (each.submitted or datetime.min.replace(tzinfo=UTC), each.order, each.source.name),
    )
