"""Unit 3: the drawn weights against the papers' formulas and torch's own initializers."""

import math

import pytest
import torch
from torch import nn

from project.initialization import He, Xavier, weight_layers
from project.networks import MLP, ConvNet


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize(
    ("strategy", "activation", "variance"),
    [
        (Xavier, nn.Sigmoid, lambda i, o: 2 / (i + o)),
        (Xavier, nn.Tanh, lambda i, o: (5 / 3) ** 2 * 2 / (i + o)),
        (He, nn.ReLU, lambda i, o: 2 / i),
    ],
)
def test_variance_is_the_formula_s(strategy, activation, variance, distribution):
    torch.manual_seed(0)
    layer = nn.Linear(700, 300)
    strategy(distribution)(nn.Sequential(layer, activation()))
    assert layer.weight.var().item() == pytest.approx(variance(700, 300), rel=0.02)
    if distribution == "uniform":
        assert layer.weight.abs().max().item() <= math.sqrt(3 * variance(700, 300))
    assert not layer.bias.any()


@pytest.mark.parametrize(
    ("strategy", "reference"),
    [
        (Xavier("normal"), lambda w: nn.init.xavier_normal_(w, gain=nn.init.calculate_gain("relu"))),
        (Xavier("uniform"), lambda w: nn.init.xavier_uniform_(w, gain=nn.init.calculate_gain("relu"))),
        (He("normal"), lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        (He("uniform"), lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu")),
    ],
)
def test_draws_what_torch_draws(strategy, reference):
    layer, expected = nn.Conv2d(8, 32, 3), torch.empty(32, 8, 3, 3)
    torch.manual_seed(1)
    strategy(nn.Sequential(layer, nn.ReLU()))
    torch.manual_seed(1)
    reference(expected)
    torch.testing.assert_close(layer.weight.data, expected)


def test_he_keeps_the_signal_and_the_default_loses_it():
    """After 20 rectified layers the signal's size is about what went in; with PyTorch's own start it is gone."""
    torch.manual_seed(0)
    network = MLP(in_channels=1, image_size=16, depth=20, width=256)
    inputs = torch.randn(512, 1, 16, 16)
    strength = lambda: network.hidden(network.flatten(inputs)).pow(2).mean().item()  # noqa: E731
    assert strength() < 1e-2
    He()(network)
    assert 0.2 < strength() < 5


def test_each_layer_knows_the_activation_behind_it():
    found = {name: activation for name, _, activation in weight_layers(ConvNet())}
    assert len(found) == 8
    assert found.pop("head") is None
    assert all(isinstance(activation, nn.ReLU) for activation in found.values())
