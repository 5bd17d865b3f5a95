"""What is measured of a network beside its losses, on networks of which the answer is known."""

import copy
import functools

import pytest
import torch
from torch import nn

from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import Constant, He, Normal, Xavier
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization, GroupNormalization, InstanceNormalization, LayerNormalization
from project.regularization import Dropout
from project.studies.measurements import MEASUREMENTS, WEIGHT_BINS, Measuring, drift, some, weight_shares
from project.studies.metric_names import METRIC_NAMES, MORE_METRICS
from project.studies.study_metrics import METRICS
from project.support.errors import UserError


@pytest.fixture(scope="module")
def data():
    data = ImageData(Glyphs(train=60, val=40, test=10), batch_size=20)
    data.setup("fit")
    return data


def network_of(strategy, depth=4, activation=nn.ReLU, normalization=None):
    network = MLP(depth=depth, width=32, activation=activation, normalization=normalization)
    strategy(network)
    return network.eval()


def measured(name, network, data):
    return MEASUREMENTS[name].of(network, data).item()


def test_each_metric_has_a_name_a_title_and_what_measures_it():
    assert {*METRICS} == {*METRIC_NAMES, *MORE_METRICS} == {*METRIC_NAMES, "train_loss", *MEASUREMENTS}


def test_images_are_those_that_a_network_is_trained_on(data):
    images_NCHW, labels_N = some(nn.Linear(1, 1), data)
    torch.testing.assert_close(images_NCHW, data.sample(500))
    assert labels_N.bincount(minlength=10).tolist() == [6] * 10


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_is_measured_in_its_own_numbers(dtype, data):
    network = ConvNet(width=8).to(dtype)
    for name, measurement in MEASUREMENTS.items():
        found = measurement.of(copy.deepcopy(network).eval(), data)
        assert found.isfinite().all(), name


def test_a_signal_dies_with_small_weights_and_arrives_with_he_s(data):
    signal = functools.partial(measured, "signal", data=data)
    assert signal(network_of(Normal(0.01))) < -3 < -0.7 < signal(network_of(He()))
    assert measured("gradient", network_of(Normal(0.01)), data) < -2


def test_large_weights_saturate_sigmoids_and_small_ones_do_not(data):
    assert measured("saturated", network_of(Normal(3.0), activation=nn.Sigmoid), data) > 50
    assert measured("saturated", network_of(Xavier(), activation=nn.Sigmoid), data) == 0


@pytest.mark.parametrize(
    ("axes", "normalization"),
    [
        ("batch", BatchNormalization()),
        ("image", LayerNormalization()),
        ("channel", InstanceNormalization()),
        ("group", GroupNormalization()),
    ],
)
def test_each_normalization_takes_the_mean_over_its_own_axes(axes, normalization, data):
    plain, network = ConvNet(width=16, stages=1), ConvNet(width=16, stages=1, normalization=normalization)
    assert measured(f"mean_over_{axes}", network, data) < 1e-4 < 0.05 < measured(f"mean_over_{axes}", plain, data)


def test_a_network_without_activation_modules_is_told_what_it_lacks(data):
    with pytest.raises(UserError, match="activation functions that are modules"):
        measured("gradient", nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, 10)), data)


def test_units_with_the_same_weights_are_alike(data):
    assert measured("alike", network_of(Constant(1.0)), data) == 100
    assert measured("alike", network_of(He()), data) == 0
    assert measured("near_zero", network_of(Constant(0.0)), data) == 100
    assert measured("weight_size", network_of(Constant(-0.5)), data) == pytest.approx(0.5)


def test_a_histogram_has_each_weight_in_its_bin():
    middle = WEIGHT_BINS // 2
    zero, small, large = (weight_shares(network_of(Constant(value))) for value in (0.0, 0.02, -0.5))
    assert zero[middle] == small[middle + 1] == 100 and sum(zero) == sum(small) == 100
    assert sum(large) == 0, "beyond both edges"


def test_a_mask_of_dropout_counts_only_where_it_is_asked_for(data):
    network = MLP(depth=1, width=32)
    with torch.no_grad():
        network(some(network, data)[0])
    without = measured("one_mask", network, data)
    Dropout(1.0).prepare(network)
    nn.init.zeros_(network.head.bias)
    with torch.no_grad():
        network.head.bias[0] = 1
    assert measured("one_mask", network.eval(), data) == measured("many_masks", network, data) == 10
    assert 0 <= without <= 100


def test_the_least_squares_fit_agrees_with_itself(data):
    few = ImageData(Glyphs(train=400, val=40, test=10), batch_size=20)
    few.setup("fit")
    for split in few.source.splits[:2]:  # fewer pixels than images, so that there is one fit
        images_NHWC, labels_N = few.split(split)
        few.loaded[split] = type(few.split(split))(images_NHWC[:, ::4, ::4], labels_N)
    inputs_NCHW, labels_N = some(nn.Linear(1, 1), few)
    inputs_ND = torch.cat([inputs_NCHW.flatten(1), torch.ones(400, 1)], 1).double()
    solution_DK = torch.linalg.lstsq(inputs_ND, nn.functional.one_hot(labels_N).double()).solution
    linear = MLP(image_size=8, depth=0)
    with torch.no_grad():
        linear.head.weight.copy_(3 * solution_DK[:-1].T)
        linear.head.bias.copy_(3 * solution_DK[-1])
    assert measured("closed_form", linear, few) == pytest.approx(1, abs=1e-3)


def test_a_step_along_the_gradient_is_uphill(data):
    assert measured("sharpness", network_of(He(), depth=1), data) > 0


def test_what_a_batch_normalization_gives_is_measured_as_while_it_learns(data):
    """Its running means are still zero before the first step."""
    after = MEASUREMENTS["drift_after"].of(network_of(He(), normalization=BatchNormalization()), data)
    torch.testing.assert_close(after[0], torch.zeros_like(after[0]), atol=1e-5, rtol=0)


def test_drift_is_told_in_deviations():
    first, second = torch.tensor([[0.0, 4.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert drift([first, second, second]) == pytest.approx((1 + 2) / 2 / 2)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_what_is_measured_is_a_number_and_leaves_the_network_as_it_was(name, data):
    """A network's means and deviations are a pair for each unit; all else is one number."""
    torch.manual_seed(0)
    network = ConvNet(width=8, stages=1, normalization=BatchNormalization())
    before, draws = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    measuring = Measuring((name,), data)
    measuring.take(nn.ModuleDict({"network": network}), MEASUREMENTS[name].at)
    ((found,),) = measuring.taken.values()
    assert found.isfinite().all() and found.ndim == (2 if MEASUREMENTS[name].at == "epochs" else 0)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in network.modules()) and torch.equal(torch.get_rng_state(), draws)
    assert all(parameter.grad is None for parameter in network.parameters())
