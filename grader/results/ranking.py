"""From the ledger to a ranking: the median seed decides; those within each other's noise share a band."""

from dataclasses import dataclass, field

from grader.rerun.job import Result
from grader.rerun.scoring import wilson_interval
from grader.results.ledger import Ledger

UNRANKED = ("failed", "rejected", "infrastructure", "pending")  # in the order in which they are listed


@dataclass
class Entry:
    """One student on the leaderboard.

    Attributes:
        rank: 1 is the best; equal accuracies have equal ranks. None for what has no accuracy.
        rank_low, rank_high: Best and worst rank among those whose intervals overlap with this one.
        accuracy: Of the median seed (of an even number, the lower of the two in the middle), in [0, 1].
        accuracy_low, accuracy_high: Its 95 % Wilson interval.
        total: Points: 100 x accuracy + bonus.
    """

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    student: str
    name: str
    verdict: str
    tier: str
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    seeds: int = 0
    epochs: int | None = None
    seconds: float | None = None
    parameters: int | None = None
    strategies: dict[str, list[str]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    bonus: float = 0.0
    total: float | None = None
    reason: str = ""


def leaderboard(ledger: Ledger) -> list[Entry]:
    """Every student's newest submission, best first, then those without an accuracy."""
    entries = []
    for student, name, digest, tier, rules in ledger.newest():
        results = list(ledger.results(student, digest, rules).values())
        entries.append(entry(student, name, tier, results, ledger.last_infrastructure(student, digest, rules)))
    ranked = sorted((e for e in entries if e.accuracy is not None), key=lambda e: (-e.accuracy, e.student))
    for e in ranked:
        e.rank = 1 + sum(other.accuracy > e.accuracy for other in ranked)
    for e in ranked:
        near = [o.rank for o in ranked if o.accuracy_low <= e.accuracy_high and e.accuracy_low <= o.accuracy_high]
        e.rank_low, e.rank_high = min(near), max(near)
    return ranked + sorted(
        (e for e in entries if e.accuracy is None), key=lambda e: (UNRANKED.index(e.verdict), e.student)
    )


def entry(student: str, name: str, tier: str, results: list[Result], ours: Result | None) -> Entry:
    """An entry without a rank."""
    unusable = next((result for result in results if result.accuracy is None), None)
    if unusable is None and not results:
        unusable = ours or Result("pending", "not graded yet")
    if unusable:
        return Entry(
            None, None, None, student, name, unusable.verdict, tier, flags=unusable.flags, reason=unusable.reason
        )
    middle = median(results)
    low, high = wilson_interval(middle.accuracy, middle.details["samples"])
    return Entry(
        *(None, None, None, student, name, middle.verdict, tier, middle.accuracy, low, high, len(results)),
        *(middle.epochs, middle.seconds, middle.parameters, middle.strategies),
        flags=sorted({flag for result in results for flag in result.flags}),
        total=round(100 * middle.accuracy, 4),
        reason=middle.reason,
    )


def median(results: list[Result]) -> Result:
    """The result in the middle by accuracy; of an even number, the lower of the two."""
    return sorted(results, key=lambda result: result.accuracy)[(len(results) - 1) // 2]
