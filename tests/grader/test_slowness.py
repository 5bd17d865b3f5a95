"""An epoch is slow by what its network computes and what verified submissions took, and only far beyond both."""

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grader.grading.slowness import FEWEST, SLOW, Epoch, expected_seconds, slowness
from grader.programs.operations import operations
from grader.rerun.output_checks import most_operations, read_operations

EPOCHS = st.builds(Epoch, st.just("x"), st.floats(0, 1e12), st.floats(0.01, 1e4))
VERIFIED = st.lists(EPOCHS, min_size=FEWEST, max_size=12)
OPERATIONS = st.floats(0, 1e12)


@given(st.floats(0, 1e6), OPERATIONS, st.lists(EPOCHS, max_size=FEWEST - 1))
def test_of_too_few_verified_ones_nothing_is_expected(seconds, count, epochs):
    assert slowness(seconds, count, epochs) is None


@given(VERIFIED, OPERATIONS, OPERATIONS)
def test_more_operations_are_given_more_time_and_at_most_in_proportion(epochs, less, more):
    less, more = sorted([max(1.0, less), max(1.0, more)])
    low, high = expected_seconds(less, epochs), expected_seconds(more, epochs)
    assert low <= high <= low * more / less * 1.000001


@given(VERIFIED, OPERATIONS, st.floats(0.01, 1e6), st.sampled_from([0.25, 2.0, 64.0]))
def test_a_machine_that_is_slower_throughout_changes_nothing(epochs, count, seconds, factor):
    slower = [epoch._replace(seconds=epoch.seconds * factor) for epoch in epochs]
    assert slowness(seconds, count, epochs) == slowness(seconds * factor, count, slower)


@given(VERIFIED, OPERATIONS, EPOCHS)
def test_one_strange_verified_submission_moves_it_no_further_than_to_its_neighbours(epochs, count, strange):
    scaled = sorted(epoch.seconds * max(1.0, count / max(1.0, epoch.operations)) for epoch in epochs)
    odd = len(scaled) % 2
    low, high = scaled[(len(scaled) - 1) // 2 - odd], scaled[len(scaled) // 2 + odd]
    assert low * 0.999999 <= expected_seconds(count, [*epochs, strange]) <= high * 1.000001


@given(st.floats(0.1, 100), st.floats(1e-12, 1e-6), st.lists(OPERATIONS, min_size=FEWEST, max_size=9), OPERATIONS)
def test_whose_epoch_takes_what_such_networks_take_is_never_slow(overhead, each, counts, count):
    """Seconds that grow in proportion to the operations, beside a constant, as an epoch's do."""
    epochs = [Epoch("x", operations, overhead + each * operations) for operations in counts]
    assert slowness(overhead + each * count, count, epochs) is None


def test_one_tiny_network_makes_no_convolutions_slow():
    mlp, *convolutions = [Epoch("x", 1e5, 0.5), Epoch("x", 2e7, 20.0), Epoch("x", 8e7, 60.0), Epoch("x", 4e7, 45.0)]
    for network in convolutions:
        assert slowness(network.seconds, network.operations, [mlp, mlp, mlp]) is None
        assert slowness(network.seconds * 50, network.operations, [mlp, *convolutions]) is not None


def test_what_was_not_counted_is_expected_to_be_no_slower_than_the_others():
    epochs = [Epoch("x", 1e6, 2.0)] * FEWEST
    assert slowness(2.0 * SLOW, None, epochs) is None and slowness(2.1 * SLOW, None, epochs) is not None


@pytest.mark.parametrize(
    ("network", "counted"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 10)), 2 * 48 * 10),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8)), 2 * 16 * 8 * 27),
        (nn.ReLU(), 0),
    ],
)
def test_operations_are_those_of_matrices_and_convolutions(network, counted):
    assert operations(network, torch.zeros(2, 3, 4, 4)) == counted


def test_honest_counts_are_within_what_weights_allow_and_claims_beyond_are_cut(tmp_path):
    network = torchvision.models.resnet18()
    counted = operations(network, torch.zeros(2, 3, 32, 32))
    weights = bytes(4 * sum(parameter.numel() for parameter in network.parameters()))
    most = most_operations(weights, (3, 32, 32))
    assert 0 < counted < most
    cost = tmp_path / "cost.json"
    for claim, read in ((counted, counted), (1e300, most), (0, 0.0)):
        cost.write_text(f'{{"operations": {claim}}}')
        assert read_operations(cost, most) == read
    for claim in ("{}", "[]", "-1", "null", "1e999", '"nan"'):
        cost.write_text(f'{{"operations": {claim}}}')
        assert read_operations(cost, most) is None
    assert read_operations(tmp_path / "absent.json", most) is None
