"""From measurements and rules to a verdict, and to the trainings that are still wanted. Pure functions, asked at any time.

How many trainings decide, so that every rank can be defended: all submissions are ranked by the median of their first
`seeds` trainings, whose seeds are the same for everybody. Where that cannot be told from the target, `seeds_near_target`
trainings decide about the target, and about nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from operator import itemgetter

from grader.confidence_intervals import wilson_interval
from grader.grading.personal_rules import held_to, lateness
from grader.grading.slowness import Epoch, slowness
from grader.intake.checks import Finding, rejections
from grader.ledger.measurement import Measurement
from grader.ledger.submissions import Graded, is_number
from grader.rules import Rules
from grader.safe_text import in_words

MOST_FAULTS_ALONE = 2
NOTHING = "handed in nothing"
DISQUALIFIED = "disqualified by a person"
WITHDREW = "has withdrawn"


@dataclass(frozen=True)
class Verdict:
    """What is said of a submission.

    Attributes:
        name: passed, below_target, rejected, failed, disqualified, missing, infrastructure, pending or withdrawn.
        reason: Why, in one line, for the student and the instructor; empty for passed.
        ranked: The measurement that ranks it; None where there is no accuracy.
        decided: The measurement that decided about the target.
        decided_by: How many trainings it is the median of.
        flags: What a person should look at.
        publicly: The reason as anybody may read it, where the student's code is quoted in it.
        frames: Of a crash, the last calls in the student's own files.
        warnings: What the checks said that settles nothing: texts that are missing, too short or for a person to read.
    """

    name: str
    reason: str = ""
    ranked: Measurement | None = None
    decided: Measurement | None = None
    decided_by: int = 0
    flags: list[str] = field(default_factory=list)
    publicly: str = ""
    frames: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def checks_by(rules: Rules) -> str:
    """Which checks of a submission these rules ask for: the same text, the same findings."""
    return f"1 max_epochs {rules.max_epochs}"


def verdict(graded: Graded, rules: Rules, epochs: Iterable[Epoch] = ()) -> Verdict:
    """The verdict on what is known. Audited trainings far slower than these `epochs` of verified ones get a flag."""
    terms = graded.terms
    if terms.disqualified is not None:
        because = f"{DISQUALIFIED}: {terms.disqualified}" if terms.disqualified else DISQUALIFIED
        return Verdict("disqualified", because, flags=graded.flags, publicly=DISQUALIFIED)
    late = lateness(graded.submitted, graded.marked_late, graded.time_by, rules, terms)
    rules = held_to(rules, terms)
    noted = [Finding(**finding).by_rules(rules) for finding in graded.findings or []]  # type: ignore[arg-type]  # texts
    said = judged_by_checks_and_trainings(graded, late, noted, rules, epochs)
    return replace(said, warnings=[str(finding) for finding in noted if finding.severity == "warn"])


def judged_by_checks_and_trainings(
    graded: Graded, late: list[Finding], noted: list[Finding], rules: Rules, epochs: Iterable[Epoch]
) -> Verdict:
    if not graded.digest:
        return Verdict("missing", NOTHING)
    flags = [*(each.what for each in late if each.severity != "reject"), *graded.flags]  # those are the reason
    if found := rejections([*late, *(each for each in noted if not each.family)]):
        reason = str(found[0]) + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
        return Verdict("rejected", reason, flags=flags)
    counting = first_ones(graded, max(rules.seeds, rules.seeds_near_target), rules)  # of others were asked for once
    flags += sorted({flag for m in counting for flag in m.flags})
    for measurement in counting:
        if ended := end(measurement, rules):
            return replace(ended, flags=flags)
    if not counting and (never := [family for family in rules.families if family in {each.family for each in noted}]):
        return Verdict("rejected", f"uses no strategy of {in_words(never)}", flags=flags)  # nobody has to train that
    first = first_ones(graded, rules.seeds, rules)
    if graded.infrastructure and needs_a_person(graded):
        said = f"failed {graded.faults_alone} times through faults that others did not meet meanwhile"
        reason = f"{said}: a person has to look, and --regrade tries again (the last: {graded.infrastructure.said})"
        return Verdict("infrastructure", reason, flags=[*flags, said], publicly=f"{said}: a person has to look")
    if not first:
        if graded.infrastructure:
            fault = graded.infrastructure
            return Verdict("infrastructure", fault.said, flags=flags + fault.flags, publicly=fault.public_words)
        return Verdict("pending", "not graded yet", flags=flags)
    if graded.tier == "audited":
        comparable = [epoch for epoch in epochs if epoch.images == graded.images]
        took = [(m.seconds / m.epochs, m.operations) for m in counting if m.seconds and m.epochs]
        flags += filter(None, [slowness(*max(took, key=itemgetter(0)), comparable)] if took else [])
    wanted = wanted_trainings(graded, rules)
    deciding = first_ones(graded, wanted, rules)
    if len(deciding) < wanted:
        flags.append(f"{len(deciding)} of {wanted} trainings so far; the next run makes the others")
    decided = median(deciding)
    name, reason = "passed", ""
    if not accuracy(decided) > rules.target_accuracy:
        by = "" if len(deciding) == len(first) else f", by the median of {len(deciding)} trainings"
        name, reason = "below_target", f"accuracy {decided.accuracy:.2%} is not above {rules.target}{by}"
    return Verdict(name, reason, median(first), decided, len(deciding), flags)


def needs_a_person(graded: Graded) -> bool:
    """Whether faults of ours meet this submission alone: perhaps it makes them, and is not to train until it likes the
    result."""
    return graded.faults_alone >= MOST_FAULTS_ALONE


def end(measurement: Measurement, rules: Rules) -> Verdict | None:
    """The verdict where one training settles a submission; None where it was scored within the rules."""
    if measurement.outcome != "scored":
        name = "rejected" if measurement.outcome in ("family_missing", "refused") else "failed"
        return Verdict(name, measurement.said, publicly=measurement.public_words, frames=measurement.frames)
    if (measurement.epochs or 0) > rules.max_epochs:
        return Verdict(
            "rejected", f"trained {measurement.epochs} epochs, more than the {rules.max_epochs} of the rules"
        )
    if missing := [family for family in rules.families if not measurement.strategies.get(family)]:
        return Verdict("rejected", f"uses no strategy of {in_words(missing)}")
    if (measurement.seconds or 0) > 60 * rules.limits.minutes:
        return Verdict("failed", f"training took longer than {rules.limits.minutes:g} minutes")
    if (measurement.peak_memory or 0) > 1e9 * rules.limits.memory_gb:
        return Verdict("failed", f"training used more than {rules.limits.memory_gb:g} GB of memory")
    return None


def lifted(measurement: Measurement, rules: Rules) -> bool:
    """Whether these rules no longer ask for what stopped a training, so that it is to be made anew."""
    if measurement.outcome == "limit":
        return any(getattr(rules.limits, name) > was for name, was in measurement.limits.items())
    if measurement.outcome == "family_missing":
        return not set(measurement.missing) & set(rules.families)
    return False


def first_ones(graded: Graded, count: int, rules: Rules) -> list[Measurement]:
    """Those of the first `count` trainings that are there and count."""
    found = graded.measurements
    return [found[index] for index in range(count) if index in found and not lifted(found[index], rules)]


def wanted_trainings(graded: Graded, rules: Rules) -> int:
    """How many trainings a submission gets: more, where the first ones cannot be told from the target."""
    first = first_ones(graded, rules.seeds, rules)
    if len(first) < rules.seeds:
        return rules.seeds
    middle = median(first)
    low, high = wilson_interval(accuracy(middle), middle.samples or 1)
    return max(rules.seeds, rules.seeds_near_target) if low <= rules.target_accuracy <= high else rules.seeds


def pending_trainings(graded: Graded, rules: Rules) -> list[int]:
    """The numbers of the trainings that are wanted and not there; none where the verdict needs no other, or where another
    of the group is trained for all: who has withdrawn is not, and `attempts.once` tells who is instead."""
    if graded.carrier != graded.student and not is_number(graded.carrier):
        return []
    if needs_a_person(graded) or verdict(graded, rules).name in ("rejected", "failed", "disqualified", "missing"):
        return []
    rules = held_to(rules, graded.terms)
    wanted = range(wanted_trainings(graded, rules))
    found = graded.measurements
    return [index for index in wanted if index not in found or lifted(found[index], rules)]


def median(measurements: list[Measurement]) -> Measurement:
    """The one in the middle by accuracy; of an even number, the lower of the two."""
    return sorted(measurements, key=accuracy)[(len(measurements) - 1) // 2]


def accuracy(measurement: Measurement) -> float:
    """The accuracy of a training that was scored. Raises ValueError for another one."""
    if measurement.accuracy is None:
        raise ValueError(f"a training that was not scored: {measurement.said}")
    return measurement.accuracy
