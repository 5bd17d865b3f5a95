"""What a study is expected to show, written down before it is run. Nothing heavy is imported here.

A claim holds where comparisons such as `dropout > base` do. Sides are sums of arms' means, so that the difference that
one thing makes can be compared to the difference that it makes beside another: `dropout + batch > base + both`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import isfinite
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from project.studies.metric_names import METRIC_NAMES, MORE_METRICS, MetricName
from project.support.errors import UserError


class Claim(BaseModel):
    """A sentence, and what of a study's numbers has to be so where it is true.

    Attributes:
        claim: The sentence.
        holds: Comparisons, all of which have to hold: `A > B`, of arms' names, of sums of them (`A + B > C`), or of a number.
            `gap of A` is another metric's.
        metric: Of those that name none; by default the study's.
    """

    model_config = ConfigDict(extra="forbid")

    claim: str
    holds: list[str] = Field(min_length=1)
    metric: MetricName | None = None


class Term(NamedTuple):
    """An arm's metric, or a number where there is no arm."""

    metric: MetricName
    arm: str | None
    number: float = 0.0


def sides(comparison: str, metric: MetricName, arms: Iterable[str]) -> tuple[list[Term], list[Term]]:
    """The terms of what is expected to be higher, and of what is expected to be lower.

    Raises:
        UserError: It is no comparison, or names an arm or metric that is not there.
    """
    parts = comparison.split(" > ")
    if len(parts) != 2:
        raise UserError(f"expect: {comparison!r} is no comparison; write one such as 'dropout > base'")
    names = {*arms}
    higher, lower = ([term(each.strip(), metric, names) for each in part.split(" + ")] for part in parts)
    if not any(each.arm for each in (*higher, *lower)):
        raise UserError(f"expect: {comparison!r} names no arm; arms are {', '.join(sorted(names))}")
    return higher, lower


def term(text: str, metric: MetricName, arms: set[str]) -> Term:
    if text in arms:
        return Term(metric, text)
    named, of, arm = text.partition(" of ")
    known = next((name for name in (*METRIC_NAMES, *MORE_METRICS) if name == named), None)
    if of and arm in arms and known:
        return Term(known, arm)
    with suppress(ValueError):
        if isfinite(number := float(text)):
            return Term(metric, None, number)
    raise UserError(
        f"expect: {text!r} is neither an arm, 'METRIC of ARM' nor a number; arms are {', '.join(sorted(arms))}"
    )


def checked(claims: Sequence[Claim], metric: MetricName, measured: Sequence[MetricName], arms: Sequence[str]) -> None:
    """Raise UserError where a claim is about something that the study does not measure."""
    for claim in claims:
        for comparison in claim.holds:
            for higher_or_lower in sides(comparison, claim.metric or metric, arms):
                for each in higher_or_lower:
                    if each.metric not in (*METRIC_NAMES, *measured):
                        raise UserError(f"expect: {comparison!r}: {each.metric} is not measured; name it in `measure`")
