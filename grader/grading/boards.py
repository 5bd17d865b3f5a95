"""Other boards than that by accuracy: who passed, by what it took."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from grader.grading.ranking import Entry


class Place(NamedTuple):
    """An entry on another board; equal values have equal ranks, and staff have none."""

    rank: int | None
    value: float
    entry: Entry


def board(entries: Sequence[Entry], column: str) -> list[Place]:
    """Those who passed and have a number in a column of the leaderboard, the lowest first."""
    measured = [(value, each) for each in entries if each.verdict == "passed" and (value := getattr(each, column))]
    measured.sort(key=lambda pair: (pair[0], pair[1].student))
    ranked = [value for value, each in measured if not each.staff]
    return [Place(None if each.staff else 1 + bisect_left(ranked, value), value, each) for value, each in measured]
