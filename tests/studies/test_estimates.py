"""How sure a mean and a difference are: what the intervals promise holds for values that were drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.studies.estimates import Difference, difference, interval, seeds_needed, unpaired_difference

VALUES = st.floats(-100, 100).map(lambda value: round(value, 3))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12)


def drawn(studies: int, arms: int, seeds: int, effect: float = 0.0, deviation: float = 1.0):
    """Values (studies, arms, seeds) of arms and (studies, seeds) of the base; a seed has an effect on all of them."""
    random = np.random.default_rng(0)
    shared = random.normal(0, 20, (studies, 1, seeds))
    own = random.normal(0, deviation / 2**0.5, (studies, arms + 1, seeds))
    values = 50 + shared + own
    return values[:, 1:] + effect, values[:, 0]


def test_the_paired_interval_has_the_truth_in_it_19_times_of_20():
    arms, base = drawn(studies=800, arms=1, seeds=5, effect=0.7)
    found = [difference(arm[0], reference, arms=1) for arm, reference in zip(arms, base)]
    assert np.mean([one.low <= 0.7 <= one.high for one in found]) == pytest.approx(0.95, abs=0.025)


def test_the_unpaired_interval_has_the_truth_in_it_19_times_of_20():
    random = np.random.default_rng(0)
    found = []
    for _ in range(800):
        found.append(unpaired_difference(random.normal(0.7, 3, 3), random.normal(0, 1, 6), arms=1))
    assert np.mean([one.low <= 0.7 <= one.high for one in found]) == pytest.approx(0.95, abs=0.025)


@given(st.lists(VALUES, min_size=2, max_size=8), st.lists(VALUES, min_size=2, max_size=8))
def test_the_unpaired_difference_is_that_of_the_means(values, reference):
    found, other = unpaired_difference(values, reference, 2), unpaired_difference(reference, values, 2)
    assert found.mean == pytest.approx(np.mean(values) - np.mean(reference), abs=1e-9)
    assert (found.low, found.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert found.low <= found.mean <= found.high and 0 <= found.p <= 1


def test_of_many_arms_without_effect_hardly_ever_one_seems_to_help():
    arms, base = drawn(studies=150, arms=6, seeds=5)
    told = [[difference(arm, reference, 6).told_apart for arm in study] for study, reference in zip(arms, base)]
    assert np.any(told, axis=1).mean() <= 0.1
    alone = [[difference(arm, reference, 1).told_apart for arm in study] for study, reference in zip(arms, base)]
    assert np.any(alone, axis=1).mean() > 0.15, "which is what the correction is for"


def test_so_many_seeds_as_are_named_tell_the_effect_four_times_of_five():
    seeds = seeds_needed(deviation=2.0, effect=1.5, arms=3)
    arms, base = drawn(studies=500, arms=1, seeds=seeds, effect=1.5, deviation=2.0)
    told = np.mean([difference(arm[0], reference, 3).told_apart for arm, reference in zip(arms, base)])
    assert told == pytest.approx(0.8, abs=0.06)


@given(PAIRS, st.lists(VALUES, min_size=12, max_size=12))
def test_what_a_seed_does_to_all_arms_cancels(pairs, constants):
    values, reference = map(list, zip(*pairs))
    moved = [[value + constant for value, constant in zip(one, constants)] for one in (values, reference)]
    assert difference(*moved, 3) == pytest.approx(difference(values, reference, 3), rel=1e-6, abs=1e-6)


@given(PAIRS, st.integers(1, 30))
def test_corrected_is_never_narrower(pairs, arms):
    values, reference = zip(*pairs)
    one, many = difference(values, reference, 1), difference(values, reference, arms)
    assert many.low <= one.low <= one.mean == many.mean <= one.high <= many.high and one.p <= many.p <= 1


@given(PAIRS, st.permutations(range(12)), st.integers(1, 5))
def test_the_order_of_the_seeds_is_nothing(pairs, order, arms):
    mixed = [pairs[index] for index in order if index < len(pairs)]
    said, again = (difference(*zip(*each), arms) for each in (pairs, mixed))
    assert said == pytest.approx(again, rel=1e-6, abs=1e-6)


@given(PAIRS)
def test_the_other_way_round_is_the_same_with_another_sign(pairs):
    values, reference = zip(*pairs)
    there, back = difference(values, reference, 2), difference(reference, values, 2)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low), abs=1e-9)
    assert there.p == pytest.approx(back.p)


@given(PAIRS, st.integers(1, 9))
def test_p_and_the_interval_say_the_same(pairs, arms):
    values, reference = zip(*pairs)
    found = difference(values, reference, arms)
    if abs(found.p - 0.05) > 1e-6:
        assert found.told_apart == (found.p < 0.05)


def test_runs_that_do_not_differ_are_not_told_apart():
    found = difference([1.0, 2.0], [1.0, 2.0], 1)
    assert found == pytest.approx(Difference(0, 0, 0, 1, 0), abs=1e-9) and not found.told_apart
    assert interval([3.0, 3.0, 3.0]) == pytest.approx((3, 3, 3))


@pytest.mark.parametrize("compare", [difference, unpaired_difference])
def test_what_only_rounding_makes_is_not_told_apart(compare):
    found = compare([0.1 + 0.2] * 3, [0.3] * 3, 1)
    assert not found.told_apart and found.p > 0.9


@pytest.mark.parametrize("compare", [difference, unpaired_difference])
def test_equal_differences_of_a_step_are_not_certain(compare):
    found = compare([8, 8], [7, 7], 1, step=1)
    assert found.p > 0.05 and found.low < 0 < found.high and found.deviation > 0
    assert compare([40, 40], [7, 7], 1, step=1).told_apart
    assert interval([3, 3, 3], step=1).low < 3 < interval([3, 3, 3], step=1).high


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("deviation", [0.3, 1.0])
def test_counted_in_steps_equal_arms_are_told_apart_once_in_20_at_most(seeds, deviation):
    random = np.random.default_rng(0)
    drawn = np.round(random.uniform(6, 8, (500, 1, 1)) + random.normal(0, deviation, (500, 2, seeds)))
    told = np.mean([difference(*pair, 1, step=1).told_apart for pair in drawn])
    assert told < 0.06


@given(st.floats(0.01, 50), st.floats(0.01, 50), st.integers(1, 20))
def test_more_noise_and_more_arms_need_more_seeds(deviation, more, arms):
    few, noisy, many = (
        seeds_needed(*each) or 1001
        for each in ((deviation, 1, arms), (deviation + more, 1, arms), (deviation, 1, arms + 1))
    )
    assert 2 <= few <= noisy and few <= many


def test_without_noise_two_seeds_are_enough_and_with_too_much_no_number_is_named():
    assert seeds_needed(0, 1, 5) == 2 and seeds_needed(1e-6, 1, 5) == 2
    assert seeds_needed(100, 1, 1) is None
