"""How many places each has moved on the board since a moment, by what the ledger knew then."""

from datetime import UTC, datetime

from grader.grading.hand_ins import zone_of
from grader.grading.ranking import Entry, standings
from grader.ledger.ledger import Ledger
from grader.rules import Rules


def places_moved(ledger: Ledger, rules: Rules, entries: list[Entry], since: datetime) -> dict[str, int]:
    """By id, the places that each has gone up (below 0: down) since then; without those who had no rank then, or have none."""
    with ledger.as_of(since.astimezone(UTC).isoformat(timespec="milliseconds")) as past:
        before = {entry.student: entry.rank for entry in standings(past, rules)}
    return {entry.student: rank - entry.rank for entry in entries if entry.rank and (rank := before.get(entry.student))}


def midnight(rules: Rules, now: datetime) -> datetime:
    """When the day began, where the deadline is."""
    return now.astimezone(zone_of(rules)).replace(hour=0, minute=0, second=0, microsecond=0)
