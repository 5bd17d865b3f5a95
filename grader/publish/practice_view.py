"""What of a practice round is public: all, ranks with accuracy, or ranks alone."""

from typing import Any

from grader.grading.ranking import Entry
from grader.ledger.results_folder import OpenResults

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
