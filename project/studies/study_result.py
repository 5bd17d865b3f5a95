"""What a study found: `study.json`, and the same in words."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from project.studies import estimates
from project.studies.study_plan import BASE, METRIC_NAMES, MetricName
from project.studies.training_pool import RunResult
from project.support.wording import counted


class Metric(NamedTuple):
    """Something that each run of a study gives a number of.

    Attributes:
        title: For people.
        units: One of it, and several.
        digits: After the point.
        better: Whether more is better (1) or less (-1).
        effect: A difference that would matter, in its unit; and the same in words.
        of: A run's number, given the target accuracy; None where it has none.
        missing: Why a run may have none.
    """

    title: str
    units: tuple[str, str]
    digits: int
    better: Literal[1, -1]
    effect: tuple[float, str]
    of: Callable[[RunResult, float], float | None]
    missing: str


def points(run: RunResult, target: float) -> float | None:
    return None if run.accuracy is None else 100 * run.accuracy


def gap(run: RunResult, target: float) -> float | None:
    return None if run.train_loss is None or run.val_loss is None else run.val_loss - run.train_loss


def epochs_to_target(run: RunResult, target: float) -> float | None:
    accuracies = run.curves.get("val/accuracy", [])
    return next(
        (float(number) for number, value in enumerate(accuracies, 1) if value is not None and value > target), None
    )


METRICS: dict[MetricName, Metric] = {
    "accuracy": Metric(
        "Validation accuracy in %", ("point", "points"), 1, 1, (1, "one point"), points, "was not measured"
    ),
    "loss": Metric(
        "Validation loss",
        ("", ""),
        3,
        -1,
        (0.05, "0.05"),
        lambda run, target: run.loss,
        "was not measured, or is no number",
    ),
    "gap": Metric(
        "Generalization gap: validation loss less training loss, both in evaluation mode on images as they come",
        ("", ""),
        3,
        -1,
        (0.05, "0.05"),
        gap,
        "was not measured, or is no number",
    ),
    "epochs": Metric(
        "Epochs to the target accuracy", ("epoch", "epochs"), 1, -1, (1, "one epoch"), epochs_to_target, "never came"
    ),
}


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Estimate(Model):
    """A mean with its interval of 95 %."""

    mean: float
    low: float
    high: float


class Difference(Estimate):
    """An arm's values less the base's, seed by seed; mean and interval hold for all arms of the study together.

    Attributes:
        p: Corrected for the number of arms.
        told_apart: Whether it is more than noise.
        seeds_needed: So many tell a difference that matters; null where a thousand do not.
    """

    p: float = Field(ge=0, le=1)
    told_apart: bool
    seeds_needed: int | None


class Found(Model):
    """What is known of a metric in an arm.

    Attributes:
        values: Of each of the arm's runs; null where a run has none.
        estimate, difference: Null where a run has none, or fewer than two have ended.
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
        failed: Why it was not trained to the end with each seed.
        runs: Those that ended.
        found: By metric.
    """

    name: str
    overlay: str
    failed: str | None
    runs: list[RunResult]
    found: dict[MetricName, Found] = {}


class StudyResult(Model):
    """A study, as `study.json` keeps it.

    Attributes:
        version: Of this format.
        base: The base's options.
        metric: The one that the study is about.
        target: The accuracy that the epochs are counted to, in (0, 1).
        arms: The base first.
        best: A line on the best of the arms, by metric.
    """

    version: Literal[1] = 1
    name: str
    question: str
    base: list[str]
    metric: MetricName
    seeds: int = Field(ge=2)
    target: float = Field(gt=0, lt=1)
    arms: list[ArmResult]
    best: dict[MetricName, str] = {}


def answer(study: StudyResult) -> StudyResult:
    """The study with what its runs tell: estimates, differences to the base, and words."""
    base, *others = study.arms
    answered = study.model_copy(
        update={"arms": [arm.model_copy(update={"found": {}}) for arm in study.arms], "best": {}}
    )
    for name in METRIC_NAMES:
        metric = METRICS[name]
        reference = values_of(base, metric, study)
        for arm in answered.arms:
            arm.found[name] = found(arm, metric, study, None if arm.name == BASE else reference, len(others))
        answered.best[name] = words_on_the_best(answered.arms[1:], name)
    return answered


def values_of(arm: ArmResult, metric: Metric, study: StudyResult) -> list[float | None]:
    return [metric.of(run, study.target) for run in sorted(arm.runs, key=lambda run: run.seed)]


def found(arm: ArmResult, metric: Metric, study: StudyResult, reference: list[float | None] | None, arms: int) -> Found:
    """A metric in an arm. An arm of which a run failed is not estimated: those that ended are no fair sample."""
    values = values_of(arm, metric, study)
    numbers = [value for value in values if value is not None]
    if arm.failed is not None:
        return Found(values=values, words=f"{arm.name}: failed: {arm.failed}")
    if len(numbers) < study.seeds:
        missing = f"{metric.missing} with {study.seeds - len(numbers)} of {counted(study.seeds, 'seed')}"
        return Found(values=values, words=f"{arm.name}: {metric.title.partition(':')[0].lower()} {missing}")
    estimate = estimates.interval(numbers)
    result = Found(values=values, estimate=Estimate(**estimate._asdict()))
    if reference is None:
        unit = f" {metric.units[1]}" if metric.units[1] == "epochs" else ""
        said = f"{estimate.mean:.{metric.digits}f}{unit} ({span(estimate.low, estimate.high, metric)})"
        return result.model_copy(update={"words": f"{arm.name}: {said}"})
    known = [value for value in reference if value is not None]
    if len(known) < study.seeds:
        return result.model_copy(update={"words": f"{arm.name}: {BASE} gives nothing to compare it to"})
    told = estimates.difference(numbers, known, arms)
    needed = estimates.seeds_needed(told.deviation, metric.effect[0], arms)
    difference = Difference(
        mean=told.mean, low=told.low, high=told.high, p=told.p, told_apart=told.told_apart, seeds_needed=needed
    )
    words = words_on(arm.name, difference, metric, study.seeds)
    return result.model_copy(update={"difference": difference, "words": words})


def words_on(arm: str, difference: Difference, metric: Metric, seeds: int) -> str:
    """What a difference says, in a line."""
    where = span(difference.low, difference.high, metric)
    if difference.told_apart:
        return f"{arm}: {amount(difference.mean, metric)} ({where})"
    said = f"{arm}: not told apart from {BASE} by {counted(seeds, 'seed')} ({where})"
    if difference.seeds_needed is None:
        return f"{said}; more than {estimates.MOST_SEEDS:,} would tell {metric.effect[1]}"
    more = difference.seeds_needed - seeds
    return f"{said}; about {more} more would tell {metric.effect[1]}" if more > 0 else said


def words_on_the_best(arms: list[ArmResult], name: MetricName) -> str:
    """Which of several arms is best, and whether that is more than luck; nothing for one arm."""
    metric = METRICS[name]
    known = [(arm, one.difference) for arm in arms if (one := arm.found[name]).difference]
    if len(arms) < 2 or not known:
        return ""
    arm, difference = max(known, key=lambda pair: (metric.better * pair[1].mean, pair[0].name))
    corrected = f"corrected for having looked at {len(arms)}"
    if difference.told_apart and difference.mean * metric.better > 0:
        return f"best of {counted(len(arms), 'arm')}: {arm.name}, better than {BASE}, {corrected}"
    return f"best of {counted(len(arms), 'arm')}: {arm.name}, but none is told to be better than {BASE}, {corrected}"


def amount(value: float, metric: Metric) -> str:
    """`+1.2 points`."""
    text = f"{value:+.{metric.digits}f}"
    unit = metric.units[0] if float(text) in (1, -1) else metric.units[1]
    return f"{text} {unit}".rstrip()


def span(low: float, high: float, metric: Metric) -> str:
    """`0.3 to 2.1`, with as many digits more as keep a small number from looking like zero, up to two."""
    digits = metric.digits
    while digits < metric.digits + 2 and any(value and not round(value, digits) for value in (low, high)):
        digits += 1
    return f"{low:z.{digits}f} to {high:z.{digits}f}"


def report(study: StudyResult) -> str:
    """The answer for a terminal: the question, a line for each arm, and one on the best."""
    lines = [study.question, METRICS[study.metric].title, *(arm.found[study.metric].words for arm in study.arms)]
    return "\n".join(filter(None, [*lines, study.best[study.metric]]))
