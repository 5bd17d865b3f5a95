"""What a study found: `study.json`, and the same in words."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from project.studies import estimates
from project.studies.claims import Claim, Term, sides
from project.studies.metric_names import METRIC_NAMES, MetricName
from project.studies.one_training import RunResult
from project.studies.study_metrics import METRICS, Metric, amount, level, span, step_of
from project.support.wording import counted
from project.training.obstacles import FALLEN

LIMIT = 0.01  # of p, below which a claim is seen
FEW = 5  # seeds, of which fewer may scatter quite differently from the next ones
INTERVAL = f"{100 * estimates.LEVEL:g} % interval"


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Estimate(Model):
    """A mean with its interval of 95 %."""

    mean: float
    low: float
    high: float


class Difference(Estimate):
    """An arm's values less those of the first arm; mean and interval hold for all arms of the study together.

    Attributes:
        paired: The number of seeds that both have, by which they are compared; 0 where fewer than two are common, and the means
            are compared.
        p: Corrected for the number of arms.
        told_apart: Whether it is more than noise.
        seeds_needed: So many tell a difference as large as this, or the least that matters where that is larger; null where a
            thousand do not.
    """

    paired: int
    p: float = Field(ge=0, le=1)
    told_apart: bool
    seeds_needed: int | None


class Found(Model):
    """What is known of a metric in an arm.

    Attributes:
        values: Of each of the arm's runs; null where a run has none.
        estimate, difference: Null where a run has none, or there are fewer than two.
        words: The answer, in a line.
    """

    values: list[float | None]
    estimate: Estimate | None = None
    difference: Difference | None = None
    words: str = ""


class ArmResult(Model):
    """An arm of a study.

    Attributes:
        overlay: What it lays over the base, as YAML; empty for the base.
        cell: Its place in the study's grid: a level of the first setting, and one of the second, from 0.
        failed: Why it was not trained to the end with each seed.
        runs: Those that ended.
        found: By metric.
    """

    name: str
    overlay: str
    cell: tuple[int, int] | None = None
    failed: str | None = None
    runs: list[RunResult]
    found: dict[MetricName, Found] = {}


class Compared(Model):
    """What a comparison of a claim came to: the means of its sides, and their difference; null where a number is missing."""

    comparison: str
    metric: MetricName
    means: tuple[float, float] | None = None
    difference: Estimate | None = None


class Judged(Claim):
    """A claim, and what became of it.

    Attributes:
        compared: What each comparison came to, up to the first one of which a number is missing.
        found: The same in words.
        p: The largest of its comparisons': of so large a difference where there is none. Not corrected: what was expected was
            written down before, and all comparisons have to hold.
        verdict: `seen` where all hold with p below LIMIT, `reversed` where the contrary of one does, else `not seen`; `not
            measured` where numbers are missing.
    """

    compared: list[Compared] = []
    found: list[str] = []
    p: float | None = None
    verdict: Literal["seen", "not seen", "reversed", "not measured"] = "not measured"


class GridAxis(Model):
    """A setting of a grid, and what it is set to."""

    name: str
    levels: list[str]


class StudyResult(Model):
    """A study, as `study.json` keeps it.

    Attributes:
        version: Of this format.
        base: The base's options; empty where runs that were there are compared.
        images: The settings of `data.source`, complete, which all runs have.
        metric: The one that the study is about.
        seeds: Of each arm, or the most that an arm has.
        target: The accuracy that the epochs are counted to, in (0, 1).
        grid: The two settings that the arms with a cell vary, where it is a grid.
        arms: First the one that the others are compared to.
        best: A line on the best of the arms, by metric.
        measured: What was measured besides METRIC_NAMES.
        claims: What was expected, and whether it came.
    """

    version: Literal[2] = 2
    name: str
    question: str
    base: list[str]
    images: dict[str, Any]
    metric: MetricName
    seeds: int = Field(ge=1)
    target: float = Field(gt=0, lt=1)
    grid: tuple[GridAxis, GridAxis] | None = None
    arms: list[ArmResult] = Field(min_length=1)
    best: dict[MetricName, str] = {}
    measured: list[MetricName] = []
    claims: list[Judged] = []

    @property
    def metrics(self) -> list[MetricName]:
        """What is known of each arm."""
        return [*METRIC_NAMES, *self.measured]


def answer(study: StudyResult) -> StudyResult:
    """The study with what its runs tell: estimates, differences to the first arm, and words."""
    answered = study.model_copy(
        update={"arms": [arm.model_copy(update={"found": {}}) for arm in study.arms], "best": {}, "claims": []}
    )
    first, *others = answered.arms
    for name in study.metrics:
        metric = METRICS[name]
        first.found[name] = found(first, metric, study.target)
        for arm in others:
            arm.found[name] = compared(arm, first, name, study.target, len(others))
        answered.best[name] = words_on_the_best(first.name, others, name)
    answered.claims.extend(judged(claim, answered) for claim in study.claims)
    return answered


def by_seed(arm: ArmResult, metric: Metric, target: float) -> dict[int, float]:
    """The number of each run that has one, in the order of seeds."""
    values = {run.seed: metric.of(run, target) for run in sorted(arm.runs, key=lambda run: run.seed)}
    return {seed: value for seed, value in values.items() if value is not None}


def found(arm: ArmResult, metric: Metric, target: float) -> Found:
    """A metric in an arm. An arm of which a run failed is not estimated: those that ended are no fair sample."""
    runs = sorted(arm.runs, key=lambda run: run.seed)
    values = [metric.of(run, target) for run in runs]
    numbers = [value for value in values if value is not None]
    if arm.failed is not None:
        return Found(values=values, words=f"{arm.name}: failed: {arm.failed}")
    if len(numbers) < len(values):
        missing = f"{metric.missing} with {len(values) - len(numbers)} of {counted(len(values), 'seed')}"
        return Found(values=values, words=f"{arm.name}: {metric.title.partition(':')[0].lower()}: {missing}")
    if len(numbers) == 1:
        said = f"{arm.name}: {level(numbers[0], metric)}; one seed tells nothing about noise"
        return Found(values=values, words=said)
    estimate = estimates.interval(numbers, step_of(metric, runs))
    low, high = metric.possible(estimate.low, estimate.high)
    said = f"{level(estimate.mean, metric)} ({INTERVAL} {span(low, high, metric)})"
    return Found(values=values, estimate=Estimate(mean=estimate.mean, low=low, high=high), words=f"{arm.name}: {said}")


def paired_differences(arm: ArmResult, first: ArmResult, metric: Metric, target: float) -> list[float]:
    """What an arm's number is above the first one's, for each seed that both have."""
    own, other = by_seed(arm, metric, target), by_seed(first, metric, target)
    return [own[seed] - other[seed] for seed in own if seed in other]


def compared(arm: ArmResult, first: ArmResult, name: MetricName, target: float, arms: int) -> Found:
    """A metric in an arm, and how it differs from the first one's: by seeds that both have, where there are two or more."""
    metric, reference = METRICS[name], first.found[name]
    result = found(arm, metric, target)
    if result.estimate is None:
        return result
    if reference.estimate is None:
        few = (
            "has a single seed: nothing to compare it to"
            if len(reference.values) == 1
            else "gives nothing to compare it to"
        )
        return result.model_copy(update={"words": f"{arm.name}: {first.name} {few}"})
    own, other = by_seed(arm, metric, target), by_seed(first, metric, target)
    common = [seed for seed in own if seed in other]
    step = step_of(metric, [*arm.runs, *first.runs])
    if len(common) > 1:
        told = estimates.difference([own[seed] for seed in common], [other[seed] for seed in common], arms, step)
    else:
        told = estimates.unpaired_difference([*own.values()], [*other.values()], arms, step)
    low, high = metric.possible_difference(told.low, told.high)
    difference = Difference(
        mean=told.mean,
        low=low,
        high=high,
        paired=len(common) if len(common) > 1 else 0,
        p=told.p,
        told_apart=told.told_apart,
        seeds_needed=estimates.seeds_needed(told.deviation, max(metric.effect[0], abs(told.mean)), arms),
    )
    remark = ""
    if not difference.paired:
        remark = f"{counted(len(own), 'seed')} and {len(other)} others, not paired"
    elif own.keys() != other.keys():
        remark = f"the {counted(len(common), 'seed')} that both have"
    seeds = difference.paired or min(len(own), len(other))
    words = words_on(arm.name, first.name, difference, metric, seeds, remark)
    return result.model_copy(update={"difference": difference, "words": words})


def words_on(arm: str, first: str, difference: Difference, metric: Metric, seeds: int, remark: str) -> str:
    """What a difference says, in a line.

    Args:
        seeds: By which it is told; of two arms without common ones, the fewer.
        remark: In place of their number, where not all of both arms are common.
    """
    where = f"{INTERVAL} {span(difference.low, difference.high, metric)}"
    if difference.told_apart:
        return f"{arm}: {amount(difference.mean, metric)} ({where})" + (f", by {remark}" if remark else "")
    where = f"{where} {metric.units[1]}".rstrip()
    by = remark or counted(seeds, "seed")
    said = f"{arm}: {amount(difference.mean, metric)}, not told apart from {first} by {by} ({where})"
    as_seen = abs(difference.mean) > metric.effect[0]
    would = f"would show {'one as large as this' if as_seen else f'a difference of {metric.effect[1]}'}"
    if difference.seeds_needed is None:
        return f"{said}; more than {estimates.MOST_SEEDS:,} seeds {would}"
    more = difference.seeds_needed - seeds
    scatter = f", if they scatter as these {seeds} do" if seeds < FEW else ""
    return f"{said}; about {more} more {'seed' if more == 1 else 'seeds'} {would}{scatter}" if more > 0 else said


def words_on_the_best(first: str, arms: list[ArmResult], name: MetricName) -> str:
    """Which of several arms is best, and whether that is more than luck; nothing for one arm."""
    metric = METRICS[name]
    known = [(arm, one.difference) for arm in arms if (one := arm.found[name]).difference]
    if len(arms) < 2 or not known or not metric.better:
        return ""
    arm, difference = max(known, key=lambda pair: (metric.better * pair[1].mean, pair[0].name))
    corrected = f"corrected for having looked at {len(arms)}"
    if difference.told_apart and difference.mean * metric.better > 0:
        return f"best of {counted(len(arms), 'arm')}: {arm.name}, better than {first}, {corrected}"
    return f"best of {counted(len(arms), 'arm')}: none is told to be better than {first}, {corrected}"


def judged(claim: Claim, study: StudyResult) -> Judged:
    """Whether what was expected is what the study found."""
    result = Judged(**Claim.model_dump(claim, include={*Claim.model_fields}))
    differences = []
    for comparison in claim.holds:
        terms = sides(comparison, claim.metric or study.metric, [arm.name for arm in study.arms])
        found = {term: values_of(term, study) for side in terms for term in side if term.arm}
        common = sorted(set.intersection(*({*each} for each in found.values())))  # nothing where an arm has no numbers
        result.compared.append(Compared(comparison=comparison, metric=terms[0][0].metric))
        if len(common) < 2:
            result.found.append(f"{comparison}: not measured")
            return result
        own, other = (
            [sum(found[term][seed] if term.arm else term.number for term in side) for seed in common] for side in terms
        )
        step = step_of(METRICS[terms[0][0].metric], (run for arm in study.arms for run in arm.runs))
        told = estimates.difference(own, other, 1, step)
        differences.append(told)
        one = result.compared[-1]
        one.means = (sum(own) / len(own), sum(other) / len(other))
        one.difference = Estimate(mean=told.mean, low=told.low, high=told.high)
        metric = METRICS[one.metric]
        means = " against ".join(f"{mean:.{metric.digits}f}" for mean in one.means)
        result.found.append(f"{comparison}: {means}, {amount(told.mean, metric)} ({span(told.low, told.high, metric)})")
    p = max(each.p for each in differences)
    verdict = "seen" if p < LIMIT and all(each.mean > 0 for each in differences) else "not seen"
    if any(each.p < LIMIT and each.mean < 0 for each in differences):
        verdict = "reversed"
    return result.model_copy(update={"p": p, "verdict": verdict})


def values_of(term: Term, study: StudyResult) -> dict[int, float]:
    """What an arm has for each seed; nothing where it failed or a run of it has no number."""
    arm = next(arm for arm in study.arms if arm.name == term.arm)
    found = by_seed(arm, METRICS[term.metric], study.target)
    return found if arm.failed is None and len(found) == len(arm.runs) else {}


def seeds_of(study: StudyResult) -> str:
    """How many seeds the arms have: `5 seeds`, or `2 to 5 seeds`."""
    counts = {len(arm.runs) for arm in study.arms if arm.failed is None} or {study.seeds}
    return counted(max(counts), "seed") if len(counts) == 1 else f"{min(counts)} to {max(counts)} seeds"


def has_hardly_begun(run: RunResult, target: float) -> bool:
    """Whether a training's loss hardly fell, at an accuracy far from the target, in (0, 1)."""
    losses = run.curves.get("train/loss", [])
    if len(losses) < 2 or losses[0] is None or losses[-1] is None or run.accuracy is None:
        return False
    return run.accuracy < target / 2 and losses[-1] > (1 - FALLEN) * losses[0]


def words_on_beginners(study: StudyResult) -> str:
    """In which arms runs have hardly begun to learn, so that they show no difference yet; empty where none have."""
    counts = {arm.name: sum(has_hardly_begun(run, study.target) for run in arm.runs) for arm in study.arms}
    found = [
        f"{arm.name} with {counts[arm.name]} of {counted(len(arm.runs), 'seed')}"
        for arm in study.arms
        if counts[arm.name]
    ]
    if not found:
        return ""
    fallen = f"the training loss fell by less than {100 * FALLEN:g} % from the first epoch to the last"
    low = f"{fallen}, and the accuracy is below half the target"
    return (
        f"hardly begun to learn: {', '.join(found)} ({low}); what looks alike here may differ after a longer training"
    )


def report(study: StudyResult) -> str:
    """The answer for a terminal: the question, a line for each arm, one on the best, and one on those that learn nothing yet."""
    lines = [study.question, METRICS[study.metric].title, *(arm.found[study.metric].words for arm in study.arms)]
    claims = [line for claim in study.claims for line in (f"expected: {claim.claim}", *claim.found, said_of(claim))]
    return "\n".join(filter(None, [*lines, study.best[study.metric], words_on_beginners(study), *claims]))


def said_of(claim: Judged) -> str:
    return claim.verdict if claim.p is None else f"{claim.verdict}, p = {claim.p:.2g}"
