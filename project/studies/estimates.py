"""How sure a mean over seeds is, and a difference between two arms of a study. Numbers in, numbers out.

Two arms are compared seed by seed, so that what a seed does to both of them cancels; where they have other seeds, mean by mean.
Who looks at many arms finds one that seems to help; so an interval is made wider with the number of arms (Bonferroni), until
all of them hold together.
"""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95  # at which the intervals hold
POWER = 0.8  # with which an effect is to be told
MOST_SEEDS = 1000  # more are not asked for
ROUNDING = 1e-12  # of a value, by which sums of floating-point numbers may be off


class Interval(NamedTuple):
    """A mean, and where the true one lies with the probability LEVEL."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """What an arm's values are above the reference's.

    Attributes:
        mean, low, high: Of all arms together, the true differences lie in their intervals with the probability LEVEL.
        p: Of so large a difference where there is none, times the number of arms; at most 1.
        deviation: Standard deviation of the difference between a value and one of the reference's.
    """

    mean: float
    low: float
    high: float
    p: float
    deviation: float

    @property
    def told_apart(self) -> bool:
        """Whether the difference is more than noise."""
        return not self.low <= 0 <= self.high


def interval(values: Sequence[float], step: float = 0) -> Interval:
    """The mean of at least two values, with Student's interval.

    Args:
        values: Of each seed.
        step: In which the values are counted, >= 0.
    """
    values_S = np.asarray(values, dtype=float)
    mean, error = float(values_S.mean()), deviation_of(values_S, least(values_S, step)) / len(values_S) ** 0.5
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values_S) - 1)) * error
    return Interval(mean, mean - half, mean + half)


def deviation_of(values_S: NDArray[np.float64], least: float) -> float:
    """Standard deviation, and no less than `least`."""
    return max(float(values_S.std(ddof=1)), least)


def least(values_S: NDArray[np.float64], step: float) -> float:
    """The standard deviation of what rounding to steps does to a value.

    A few values in steps are often equal, which says that their deviation is small beside a step, and not that it is zero.
    """
    return max(step / 12**0.5, ROUNDING * float(np.abs(values_S).max()))


def difference(values: Sequence[float], reference: Sequence[float], arms: int, step: float = 0) -> Difference:
    """An arm's values compared to the reference's, of the same seeds in the same order.

    Args:
        values, reference: Of each seed, at least two.
        arms: How many are compared to the reference, >= 1.
        step: In which the values are counted, >= 0.
    """
    own_S, other_S = samples = [np.asarray(each, dtype=float) for each in (values, reference)]
    of_both = sum(least(each, step) ** 2 for each in samples) ** 0.5
    differences_S = own_S - other_S
    deviation = deviation_of(differences_S, of_both)
    error = deviation / len(differences_S) ** 0.5
    return told(float(differences_S.mean()), error, len(differences_S) - 1, deviation, arms)


def unpaired_difference(values: Sequence[float], reference: Sequence[float], arms: int, step: float = 0) -> Difference:
    """An arm's values compared to the reference's where they have no seeds in common (Welch 1947).

    Args:
        values, reference: At least two each, in any order.
        arms: How many are compared to the reference, >= 1.
        step: In which the values are counted, >= 0.
    """
    samples = [np.asarray(each, dtype=float) for each in (values, reference)]
    variances = [deviation_of(each, least(each, step)) ** 2 for each in samples]
    of_the_means = [variance / len(each) for variance, each in zip(variances, samples)]
    error = sum(of_the_means) ** 0.5
    freedom = sum(each**2 / (len(sample) - 1) for each, sample in zip(of_the_means, samples))
    freedom = error**4 / freedom if freedom else 1.0
    deviation = sum(variances) ** 0.5
    return told(float(samples[0].mean() - samples[1].mean()), error, freedom, deviation, arms)


def told(mean: float, error: float, freedom: float, deviation: float, arms: int) -> Difference:
    """A mean difference with its standard error and that one's degrees of freedom, as one of several arms'."""
    half = float(stats.t.ppf(1 - (1 - LEVEL) / arms / 2, freedom)) * error
    if error:
        p = min(1.0, arms * 2 * float(stats.t.sf(abs(mean) / error, freedom)))
    else:
        p = 0.0 if mean else 1.0
    return Difference(mean, mean - half, mean + half, p, deviation)


def seeds_needed(deviation: float, effect: float, arms: int) -> int | None:
    """How many seeds tell a true difference of `effect` with the probability POWER; None where MOST_SEEDS do not.

    Args:
        deviation: Of a difference, as above, >= 0.
        effect: In the same unit, > 0.
        arms: How many are compared to the reference, >= 1.
    """
    if not deviation:
        return 2

    def enough(seeds: int) -> bool:
        limit = stats.t.ppf(1 - (1 - LEVEL) / arms / 2, seeds - 1)
        power = stats.nct.sf(limit, seeds - 1, effect / deviation * seeds**0.5)
        return not power < POWER  # nor where it is too close to 1 to be computed

    counts = range(2, MOST_SEEDS + 1)
    place = bisect.bisect_left(counts, True, key=enough)
    return counts[place] if place < len(counts) else None
