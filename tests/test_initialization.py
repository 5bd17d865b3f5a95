"""Unit 3: the drawn weights against the papers' formulas and torch's own initializers."""

import math

import pytest
import torch
from torch import nn

from project.initialization import (
    LSUV,
    Constant,
    Dirac,
    He,
    Normal,
    Orthogonal,
    PatchWhitening,
    Xavier,
    gain,
    output_of,
    weight_layers,
)
from project.networks import MLP, ConvNet, ResNet
from project.normalization import WeightStandardization
from project.training.command_line import run


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


class Mine(nn.Module):
    """As students write them: what stands between the layers is a function."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(400, 300), nn.Linear(300, 200), nn.Linear(200, 100)

    def forward(self, x_NC):
        return self.head(nn.functional.relu(self.second(nn.functional.relu(self.first(x_NC)))))


@pytest.mark.parametrize("strategy", [He(), Xavier(), Orthogonal()])
def test_functions_are_taken_for_rectifiers_and_that_is_said(strategy, capsys):
    torch.manual_seed(0)
    functions, modules = (
        Mine(),
        nn.Sequential(nn.Linear(400, 300), nn.ReLU(), nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 100)),
    )
    for network in (functions, modules):
        torch.manual_seed(1)
        strategy(network)
    for one, other in zip(functions.parameters(), modules.parameters()):
        assert torch.equal(one, other)
    said = capsys.readouterr().err
    assert said.startswith(f"note: {type(strategy).__name__}: Mine ") and said.count("\n") == 1


def test_nothing_is_presumed_where_nothing_follows(capsys):
    Normal()(Mine())
    He()(nn.Sequential(nn.Flatten(), nn.Linear(9, 9)))
    assert capsys.readouterr().err == ""


class OwnReLU(nn.ReLU):
    pass


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        *((kind(), 2**0.5) for kind in (nn.ReLU, OwnReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish, nn.ELU)),
        *((kind(), 2**0.5) for kind in (nn.CELU, nn.Softplus)),
        (nn.LeakyReLU(0.2), (2 / 1.04) ** 0.5),
        (nn.PReLU(init=0.25), (2 / 1.0625) ** 0.5),
        *((nn.Tanh(), 5 / 3), (nn.SELU(), 3 / 4), (nn.Sigmoid(), 1), (nn.Hardsigmoid(), 1), (None, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_each_activation_has_its_gain(activation, expected):
    assert gain(activation) == pytest.approx(expected)
    layers = nn.Sequential(nn.Linear(2, 2), *filter(None, [activation]), nn.Linear(2, 2), nn.ReLU())
    assert weight_layers(layers)[0][2] is activation


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Constant(0.0), torch.zeros(4, 2)),
        (Constant(1.0), torch.ones(4, 2)),
        (Constant(0.3), torch.full((4, 2), 0.3)),
    ],
)
def test_constants(strategy, expected):
    layer = nn.Linear(2, 4)
    strategy(nn.Sequential(layer))
    assert torch.equal(layer.weight.data, expected)


def test_units_that_begin_equal_stay_equal():
    network = MLP(in_channels=1, image_size=4, width=6)
    Constant(0.1)(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(torch.randn(8, 1, 4, 4)), torch.arange(8)).backward()
        optimizer.step()
    for layer in (network.hidden[0][0], network.hidden[1][0]):
        rows = layer.weight.detach()
        torch.testing.assert_close(rows, rows[:1].expand_as(rows))


@pytest.mark.parametrize("std", [1.0, 0.01])
def test_normal_has_the_given_deviation_whatever_the_layer(std):
    torch.manual_seed(0)
    for layer in (nn.Linear(500, 200), nn.Conv2d(60, 60, 3)):
        Normal(std)(nn.Sequential(layer))
        assert layer.weight.std().item() == pytest.approx(std, rel=0.02)


def activations_by_depth(strategy, activation=nn.Tanh, depth=10):
    """Standard deviation of the activations of each layer of a deep network."""
    torch.manual_seed(0)
    network = MLP(in_channels=1, image_size=16, depth=depth, width=256, activation=activation)
    strategy(network)
    x_NC, stds = torch.randn(256, 256), []
    with torch.no_grad():
        for layer in network.hidden:
            x_NC = layer(x_NC)
            stds.append(x_NC.std().item())
    return stds


def test_the_lecture_s_two_failures_and_their_cure():
    assert activations_by_depth(Normal(0.01))[-1] < 1e-5
    assert activations_by_depth(Normal(1.0))[-1] > 0.9, "tanh is saturated"
    assert 0.3 < activations_by_depth(Xavier())[-1] < 0.9


def test_orthogonal_rows_are_orthogonal_and_scaled_by_the_gain():
    layer = nn.Conv2d(8, 16, 3)
    Orthogonal()(nn.Sequential(layer, nn.ReLU()))
    flat_OI = layer.weight.detach().flatten(1)
    torch.testing.assert_close(flat_OI @ flat_OI.T, 2 * torch.eye(16), atol=1e-5, rtol=1e-5)


def test_dirac_passes_the_input_on():
    layer, images_NCHW = nn.Conv2d(3, 5, 3, padding=1), torch.randn(2, 3, 8, 8)
    Dirac()(nn.Sequential(layer))
    passed = layer(images_NCHW)
    torch.testing.assert_close(passed[:, :3], images_NCHW)
    assert not passed[:, 3:].any()


@pytest.mark.parametrize("network", [MLP(depth=6), ConvNet(), ResNet()])
def test_lsuv_gives_every_layer_unit_variance(network):
    torch.manual_seed(0)
    strategy, images_NCHW = LSUV(), torch.randn(64, 3, 32, 32) * 5
    strategy(network)
    strategy.adapt(network, images_NCHW)
    for name, layer, _ in weight_layers(network):
        assert output_of(layer, network, images_NCHW).var().item() == pytest.approx(1, abs=0.011), name


def test_lsuv_leaves_weights_alone_whose_scale_makes_no_difference(capsys):
    torch.manual_seed(0)
    network, strategy = ConvNet(width=4, stages=1, normalization=WeightStandardization()), LSUV()
    strategy(network)
    first = network.stem[0].parametrizations.weight.original
    drawn = first.detach().clone()
    strategy.adapt(network, torch.randn(64, 3, 32, 32) * 5)
    assert torch.equal(first, drawn)
    assert "LSUV: leaves stem.0, " in capsys.readouterr().err
    assert output_of(network.head, network, torch.randn(64, 3, 32, 32) * 5).var().item() == pytest.approx(1, abs=0.2)


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.idle, self.head = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(3, 3), nn.Linear(8, 10)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, images_NCHW):
        x_NTC = self.stem(images_NCHW).flatten(2).transpose(1, 2)
        return self.head(self.attention(x_NTC, x_NTC, x_NTC)[0].mean(1))


def test_lsuv_leaves_layers_alone_that_are_not_called(capsys):
    network, strategy, images_NCHW = Idle(), LSUV(), torch.randn(64, 3, 32, 32) * 5
    strategy(network)
    strategy.adapt(network, images_NCHW)
    assert "LSUV: leaves idle and attention.out_proj alone" in capsys.readouterr().err
    assert output_of(network.stem, network, images_NCHW).var().item() == pytest.approx(1, abs=0.011)


def test_frozen_filters_are_frozen_before_they_are_set():
    network, strategy = ConvNet(width=54), PatchWhitening(frozen=True)
    strategy(network)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    drawn = next(layer for _, layer, _ in weight_layers(network)).weight.clone()
    strategy.adapt(network, torch.randn(50, 3, 32, 32))
    first = next(layer for _, layer, _ in weight_layers(network))
    assert not first.weight.requires_grad and not torch.equal(first.weight, drawn)
    assert learning == {name for name, p in network.named_parameters() if p.requires_grad}


def test_the_first_layer_whitens_patches_of_the_images():
    torch.manual_seed(0)
    smooth = nn.functional.interpolate(torch.randn(200, 3, 8, 8), 32, mode="bilinear")  # neighbours are alike
    network = ConvNet(width=54, normalization=None)
    strategy = PatchWhitening(eps=1e-6)
    strategy(network)
    strategy.adapt(network, smooth)
    first = next(layer for _, layer, _ in weight_layers(network))
    patches_ND = nn.functional.unfold(smooth, 3).transpose(1, 2).flatten(0, 1)
    outputs_NO = patches_ND @ first.weight.detach().flatten(1).T
    covariance = outputs_NO[:, :27].T.cov()
    torch.testing.assert_close(covariance[:20, :20], torch.eye(20), atol=2e-2, rtol=0)
    torch.testing.assert_close(first.weight[27:54], -first.weight[:27])


def test_a_run_adapts_to_its_images_and_a_resumed_one_is_not_set_back(tmp_path):
    small = ("--data.source.train=60", "--data.source.val=20", "--data.source.test=10", "--data.batch_size=20")
    small += (
        "--model.network.width=4",
        "--run.wandb=disabled",
        f"--run.folder={tmp_path}",
        "--model.optimizer.lr=1e-12",
    )
    lsuv = ("--config", "configs/base.yaml", "--config", "configs/initialization/lsuv.yaml", *small)
    first = run(["fit", *lsuv, "--trainer.max_epochs=1"])
    network, images_NCHW = first.model.network, first.datamodule.sample(250)
    for _, layer, _ in weight_layers(network):
        assert output_of(layer, network, images_NCHW).var().item() == pytest.approx(1, abs=0.011)
    checkpoint = first.folder / "checkpoints" / "last.ckpt"
    resumed = run(["fit", *lsuv, "--trainer.max_epochs=2", "--seed_everything=5", f"--ckpt_path={checkpoint}"])
    torch.testing.assert_close(resumed.model.network.state_dict(), network.state_dict())


def test_a_network_that_begins_otherwise_is_told(capsys):
    PatchWhitening().adapt(MLP(), torch.randn(4, 3, 32, 32))
    assert capsys.readouterr().err.startswith("note: PatchWhitening")
