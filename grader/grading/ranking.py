"""From verdicts to a ranking: who passed comes first, then accuracy decides; those within each other's noise share a band."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field

from grader.confidence_intervals import wilson_interval
from grader.grading.attempts import counting
from grader.grading.grades import Grade, grade
from grader.grading.personal_rules import held_to
from grader.grading.presence import Presence, presence
from grader.grading.readings import of_hand_in, points_that_count
from grader.grading.slowness import Epoch
from grader.grading.staff import is_staff
from grader.grading.verdicts import WITHDREW, Verdict, accuracy, first_ones, verdict
from grader.grading.withdrawals import withdrawn
from grader.ledger.ledger import Ledger
from grader.ledger.submissions import OFF_ROSTER, Graded, carrier
from grader.rules import Rules

UNRANKED = (
    "failed",
    "rejected",
    "disqualified",
    "missing",
    "infrastructure",
    "pending",
    "withdrawn",
)  # in the order in which they are listed


class Entry(BaseModel):
    """One student on the leaderboard.

    Attributes:
        rank: 1 is the best; equal accuracies have equal ranks. None for what has no accuracy, and of staff.
        rank_low, rank_high: The best and the worst rank among those whose intervals overlap with this one's.
        tier: Whose code ran; empty where nothing did.
        accuracy: Of the median of the first trainings, as many for everybody, in [0, 1].
        accuracy_low, accuracy_high: Its 95 % Wilson interval.
        seeds: How many trainings that is the median of.
        decided_by: How many trainings decided about the target: more, where fewer could not.
        decided_accuracy: Their median.
        epochs_to_target: The first epoch above the target, on the images that the training itself saw as validation.
        bonus: Points for report and conclusion.
        penalty: Points that being late costs.
        total: All points together: those for the accuracy + bonus - penalty.
        excellent: Passed, and among the best ranks that the rules let be marked.
        moved: In a practice round, the places that it has gone up since the day began; below 0, down.
        staff: Handed in by staff, or a baseline: it has no rank, and is in no gradebook.
        reason: Why it did not pass, without the student's code; grader.publish.public_words makes of it what anybody may read.
        said: The same, as the student and the instructor may: it can quote the student's own code. Like what follows, it
            is in no file of the leaderboard.
        frames: Of a crash, the last calls in the student's own files.
        warnings: What the checks said that settles nothing.
        remarks: What the census said besides the strategies: what has no effect, and likely mistakes.
        digest, source, known_as: Of the submission, as the ledger notes it.
        points: What counts of the notes on its report and conclusion, if there is one.
        grade: What the total is made of, where there is one.
    """

    version: int = 1
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    student: str
    name: str
    verdict: str
    tier: str
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    seeds: int = 0
    decided_by: int = 0
    decided_accuracy: float | None = None
    epochs: int | None = None
    epochs_to_target: int | None = None
    seconds: float | None = None
    parameters: int | None = None
    strategies: dict[str, list[str]] = {}
    flags: list[str] = []
    bonus: float = 0.0
    penalty: float = 0.0
    total: float | None = None
    reason: str = ""
    excellent: bool = False
    staff: bool = False
    said: str = Field("", exclude=True)
    frames: list[str] = Field([], exclude=True)
    digest: str = Field("", exclude=True)
    source: str = Field("", exclude=True)
    known_as: dict[str, list[str]] = Field({}, exclude=True)
    moved: int = Field(0, exclude=True)
    warnings: list[str] = Field([], exclude=True)
    remarks: list[str] = Field([], exclude=True)
    points: dict[str, Any] | None = Field(None, exclude=True)
    grade: Grade | None = Field(None, exclude=True)

    @property
    def own_reason(self) -> str:
        """The reason for the student and the instructor."""
        return self.said or self.reason

    @property
    def carrier(self) -> str:
        """Who handed it in: the student, or another of the group."""
        return carrier(self.student, self.known_as)


def judged(ledger: Ledger, rules: Rules, student: str | None = None) -> Iterator[tuple[Graded, Verdict]]:
    """Every student (or one), with the verdict by these rules, in order of the ids.

    Of one who handed the same download in under several ids, the last one counts.
    """
    epochs = [Epoch(*each) for each in ledger.verified_epochs()]
    found = Presence() if student else presence(ledger.runs(), ledger.flags(), ledger.called())
    gone = withdrawn(ledger)
    for graded in counting(ledger, rules, student):
        if graded.student in found.superseded or (not graded.digest and OFF_ROSTER in graded.flags):
            continue
        if flag := found.flags.get(graded.student):
            graded = replace(graded, flags=[*graded.flags, flag])
        if graded.student in gone:
            yield graded, Verdict("withdrawn", WITHDREW)
        else:
            yield graded, verdict(graded, rules, epochs)


def for_students(entries: list[Entry]) -> list[Entry]:
    """Those who get a grade: neither staff nor whoever has withdrawn."""
    return [entry for entry in entries if not entry.staff and entry.verdict != "withdrawn"]


def standings(ledger: Ledger, rules: Rules) -> list[Entry]:
    """Every student's newest submission, best first, then those without an accuracy."""
    known = [*judged(ledger, rules)]
    points = points_that_count(ledger, rules, {graded.student: graded.carrier for graded, _ in known})
    found = []
    for graded, said in known:
        given = points.get(graded.student)
        found.append(entry(graded, said, rules, given and of_hand_in(given, graded.digest)))
    ranked = sorted((e for e in found if e.accuracy is not None), key=lambda e: (order(e), e.student))
    place([e for e in ranked if not e.staff], rules.site.best)
    rest = (e for e in found if e.accuracy is None)
    return ranked + sorted(rest, key=lambda e: (UNRANKED.index(e.verdict), e.student))


def order(entry: Entry) -> tuple[bool, float]:
    """Who passed comes before who did not; within each, the more accurate first."""
    return entry.verdict != "passed", -(entry.accuracy or 0.0)


def place(ranked: list[Entry], best: int) -> None:
    """Give ranks and bands to entries that are in order."""
    orders = [order(entry) for entry in ranked]
    lows = sorted(entry.accuracy_low or 0.0 for entry in ranked)
    highs = sorted(entry.accuracy_high or 0.0 for entry in ranked)
    for entry in ranked:
        entry.rank = 1 + bisect_left(orders, order(entry))
        entry.rank_low = min(entry.rank, 1 + len(lows) - bisect_right(lows, entry.accuracy_high or 0.0))
        entry.rank_high = max(entry.rank, len(highs) - bisect_left(highs, entry.accuracy_low or 0.0))
        entry.excellent = entry.verdict == "passed" and entry.rank <= best


def entry(graded: Graded, said: Verdict, rules: Rules, given: dict[str, Any] | None = None) -> Entry:
    """An entry without a rank. `given` are the points for its report and conclusion."""
    tier = graded.tier if graded.measurements else ""  # it says whose code ran
    made = Entry(student=graded.student, name=graded.name, verdict=said.name, tier=tier, digest=graded.digest)
    made.flags, made.reason, made.source = said.flags, said.publicly or said.reason, graded.source
    made.known_as, made.staff, made.points = graded.known_as, is_staff(graded, rules), given
    made.bonus = given["report"] + given["conclusion"] if given else 0.0
    made.said, made.frames, made.warnings = said.reason, said.frames, said.warnings
    if seen := said.ranked or next((m for m in graded.measurements.values() if m.strategies), None):
        made.strategies, made.remarks = seen.names, seen.remarks
    if (ranked := said.ranked) and (decided := said.decided):
        made.accuracy = accuracy(ranked)
        made.accuracy_low, made.accuracy_high = wilson_interval(made.accuracy, ranked.samples or 1)
        made.seeds = len(first_ones(graded, rules.seeds, held_to(rules, graded.terms)))
        made.decided_by, made.decided_accuracy = said.decided_by, decided.accuracy
        above = (epoch for epoch, each in enumerate(ranked.val_accuracy, 1) if (each or 0.0) > rules.target_accuracy)
        made.epochs, made.epochs_to_target = ranked.epochs, next(above, None)
        made.seconds, made.parameters = ranked.seconds, ranked.parameters
        made.grade = grade(made.accuracy, graded, graded.terms, rules, given)
        made.penalty, made.total = made.grade.penalty, made.grade.total
    return made


def read_earlier(entries: list[Entry]) -> str:
    """A line about those who have points for an earlier hand-in than the one that counts; empty without any."""
    found = [entry.student for entry in entries if entry.points and entry.points["earlier"]]
    return f"Points for an earlier hand-in, until `review` has the new one read: {', '.join(found)}" if found else ""


def band(entry: Entry) -> str:
    """The rank, with its band where there is one; empty without a rank."""
    if entry.rank is None:
        return ""
    return str(entry.rank) + (f" ({entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else "")


def decision(entry: Entry) -> str:
    """What decided about the target, where more trainings did than rank; else empty."""
    if entry.reason or entry.decided_accuracy is None or entry.decided_by == entry.seeds:
        return ""
    return f"the target was decided by the median of {entry.decided_by} trainings, {entry.decided_accuracy:.2%}"
