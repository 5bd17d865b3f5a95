"""From the ledger to a ranking: the median seed decides; those within each other's noise share a band."""

import sqlite3
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from grader.intervals import wilson_interval
from grader.ledger.ledger import Graded, Ledger
from grader.ledger.result import Result
from grader.rules import Rules

UNRANKED = ("failed", "rejected", "infrastructure", "pending")  # in the order in which they are listed


@dataclass(slots=True)
class Entry:
    """One student on the leaderboard.

    Attributes:
        rank: 1 is the best; equal accuracies have equal ranks. None for what has no accuracy.
        rank_low, rank_high: The best and the worst rank, if each whose interval overlaps with this one's changed sides.
        accuracy: Of the median seed (of an even number, the lower of the two in the middle), in [0, 1].
        accuracy_low, accuracy_high: Its 95 % Wilson interval.
        epochs_to_target: The first epoch above the target, on the images that the training itself saw as validation.
        bonus, total: Points; the total is 100 x accuracy + bonus.
        excellent: Among the best, whom the rules let be marked.
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
    epochs_to_target: int | None = None
    seconds: float | None = None
    parameters: int | None = None
    strategies: dict[str, list[str]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    bonus: float = 0.0
    total: float | None = None
    reason: str = ""
    excellent: bool = False


@dataclass(frozen=True)
class Standing:
    """An entry, and what it stands on; the results themselves, which are large, stay in the ledger.

    Attributes:
        digest: Of the submission.
        bonus: The last note on its report and conclusion, if there is one.
    """

    entry: Entry
    digest: str
    bonus: sqlite3.Row | None


def standings(ledger: Ledger, rules: Rules | None = None) -> list[Standing]:
    """Every student's newest submission, best first, then those without an accuracy.

    Args:
        rules: They say how many are marked as the best, and how many trainings there should be.
    """
    bonuses = ledger.bonuses()
    found = []
    for graded in ledger.graded():
        made = entry(graded)
        if made.accuracy is not None and rules and made.seeds < (wanted := seeds_wanted(graded.results, rules)):
            made.flags.append(f"{made.seeds} of {wanted} trainings so far; the next run makes the others")
        if bonus := bonuses.get(graded.student):
            made.bonus = bonus["report"] + bonus["conclusion"]
            made.total = None if made.total is None else round(made.total + made.bonus, 4)
        found.append(Standing(made, graded.digest, bonus))
    ranked = sorted(
        (s for s in found if s.entry.accuracy is not None), key=lambda s: (-s.entry.accuracy, s.entry.student)
    )
    place([standing.entry for standing in ranked], rules.site.best if rules else 0)
    rest = (s for s in found if s.entry.accuracy is None)
    return ranked + sorted(rest, key=lambda s: (UNRANKED.index(s.entry.verdict), s.entry.student))


def place(ranked: list[Entry], best: int) -> None:
    """Give ranks and bands to entries that are in order of their accuracy, the highest first."""
    descending = [-entry.accuracy for entry in ranked]
    lows, highs = (sorted(getattr(entry, f"accuracy_{end}") for entry in ranked) for end in ("low", "high"))
    for entry in ranked:
        entry.rank = 1 + bisect_left(descending, -entry.accuracy)
        entry.rank_low = 1 + len(lows) - bisect_right(lows, entry.accuracy_high)
        entry.rank_high = len(highs) - bisect_left(highs, entry.accuracy_low)
        entry.excellent = entry.verdict == "passed" and entry.rank <= best


def entry(graded: Graded) -> Entry:
    """An entry without a rank."""
    results, about = graded.results, (None, None, None, graded.student, graded.name)
    unusable = next((result for result in results if result.accuracy is None), None)
    if unusable is None and not results:
        unusable = graded.infrastructure or Result("pending", "not graded yet")
    if unusable:
        return Entry(*about, unusable.verdict, graded.tier, flags=unusable.flags, reason=unusable.reason)
    middle = median(results)
    low, high = wilson_interval(middle.accuracy, middle.details["samples"])
    return Entry(
        *(*about, middle.verdict, graded.tier, middle.accuracy, low, high, len(results)),
        *(middle.epochs, middle.details.get("epochs_to_target"), middle.seconds, middle.parameters, middle.strategies),
        flags=sorted({flag for result in results for flag in result.flags}),
        total=round(100 * middle.accuracy, 4),
        reason=middle.reason,
    )


def seeds_wanted(done: list[Result], rules: Rules) -> int:
    """How many trainings a submission gets: more, where its accuracy cannot be told from the target.

    The first `rules.seeds` of `done`, which is in the order of the trainings, decide about that, and not what follows.
    """
    if len(done) < rules.seeds:
        return rules.seeds
    found = median(done[: rules.seeds])
    low, high = wilson_interval(found.accuracy, found.details["samples"])
    return max(rules.seeds, rules.seeds_near_target) if low <= rules.target_accuracy <= high else rules.seeds


def median(results: list[Result]) -> Result:
    """The result in the middle by accuracy; of an even number, the lower of the two."""
    return sorted(results, key=lambda result: result.accuracy)[(len(results) - 1) // 2]


def band(entry: Entry) -> str:
    """The rank, with its band where there is one; empty without a rank."""
    if entry.rank is None:
        return ""
    return str(entry.rank) + (f" ({entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else "")
