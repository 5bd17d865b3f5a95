"""What of a practice round is public: all, ranks with accuracy, or ranks alone; and how much of it is left for each."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from grader.grading.quotas import IN_ALL, Quota, ids_by_place, quota, same_place
from grader.grading.ranking import Entry
from grader.ledger.results_folder import OpenResults
from grader.publish.pages.languages import translated

NUMBERS = ("accuracy_low", "accuracy_high", "decided_accuracy", "epochs", "epochs_to_target", "seconds", "parameters")
HIDDEN: dict[str, Any] = {
    **dict.fromkeys((*NUMBERS, "total")),
    "strategies": {},
    "flags": [],
    "reason": "",
    "bonus": 0.0,
}


def in_full(opened: OpenResults) -> bool:
    """Whether pages show all that they can."""
    return opened.secret.part != "practice" or opened.rules.practice.public == "all"


def as_public(entries: list[Entry], opened: OpenResults) -> list[Entry]:
    """The entries with no more in them than the rules let be public."""
    if in_full(opened):
        return entries
    accuracy = opened.rules.practice.public == "accuracy"
    return [entry.model_copy(update=HIDDEN | bare(entry, accuracy)) for entry in entries]


def bare(entry: Entry, accuracy: bool) -> dict[str, Any]:
    return {} if accuracy else {"accuracy": None, "rank_low": entry.rank, "rank_high": entry.rank}


def quotas(opened: OpenResults, entries: Iterable[Entry], now: datetime | None = None) -> dict[str, Quota]:
    """By student, what is left of practice, where the rules limit it; of the final round nothing."""
    practice = opened.rules.practice
    if opened.secret.part != "practice" or practice.per_day is practice.in_all is None:
        return {}
    runs, now = opened.ledger.runs(), now or datetime.now(UTC)
    last = {student: (place, hand_ins) for _, hand_ins in runs for student, place in hand_ins.items()}
    found, places = {}, ids_by_place(runs)
    for entry in entries:
        if entry.digest:
            place, present = last.get(entry.student, ("", {}))
            also = same_place(places, entry.student, place, present) if place else set[str]()
            found[entry.student] = quota(opened.ledger, entry.student, opened.rules, now, also)
    return found


def quota_in_words(found: Quota, language: str, brief: bool = False) -> str:
    """How many attempts are left, and when the next one counts; `brief` for a row of the board."""
    if found.said == IN_ALL:
        return translated("all practice is used", language)
    used = "attempts trained: {used} of {in_all}" if found.in_all is not None else "attempts trained: {used}"
    following = "the next one counts now"
    if found.said:
        following = "the next one counts from {when}" if found.next_day else "today's is used, and no day is left"
    said = [following] if brief else [used, following]
    when = found.next_day.isoformat(" ", "minutes") if found.next_day else ""
    return "; ".join(
        translated(each, language).format(used=found.used, in_all=found.in_all, when=when) for each in said
    )
