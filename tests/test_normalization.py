"""Unit 4: each normalization against torch's or its formula; on our networks, torchvision's, and one's own."""

import functools

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from project.classifier import Classifier
from project.initialization import He
from project.networks import MLP, ConvNet, ResNet
from project.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
    WeightNormalization,
    WeightStandardization,
    normalize,
)

ACTIVATIONS = [
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
]
ALL = [*ACTIVATIONS, WeightNormalization, WeightStandardization]
SGD = functools.partial(torch.optim.SGD, lr=0.1)


@pytest.mark.parametrize(
    ("normalization", "reference"),
    [
        (BatchNormalization(), lambda x: F.batch_norm(x, None, None, training=True)),
        (GroupNormalization(4), lambda x: F.group_norm(x, 4)),
        (InstanceNormalization(), F.instance_norm),
        (LayerNormalization(), lambda x: F.layer_norm(x, x.shape[1:])),
        (RMSNormalization(), lambda x: x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()),
    ],
)
def test_fresh_layers_compute_the_formula(normalization, reference):
    x_NCHW = torch.randn(6, 8, 5, 5) * 3 + 2
    after = normalization.after(nn.Conv2d(3, 8, 1))
    torch.testing.assert_close(after(x_NCHW), reference(x_NCHW), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalization", [BatchNormalization, LayerNormalization, RMSNormalization])
def test_fully_connected_layers_too(normalization):
    x_NC = torch.randn(64, 12) * 3 + 2
    y_NC = normalization().after(nn.Linear(3, 12))(x_NC)
    over = 0 if normalization is BatchNormalization else 1
    if normalization is not RMSNormalization:
        assert y_NC.mean(over).abs().max() < 1e-4
    assert (y_NC.square().mean(over) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 8, 1), nn.Linear(3, 8)], ids=["convolution", "fully connected"])
@pytest.mark.parametrize("normalization", ACTIVATIONS)
def test_scale_and_shift_can_be_switched_off(normalization, layer):
    learned = lambda after: [p.shape for p in after.parameters()] if after else None  # noqa: E731
    assert not learned(normalization(scale_and_shift=False).after(layer))
    expected = [(8,)] if normalization is RMSNormalization else [(8,), (8,)]
    if normalization is InstanceNormalization and isinstance(layer, nn.Linear):
        expected = None  # there are no pixels to take a mean over
    assert learned(normalization().after(layer)) == expected


def test_without_scale_and_shift_a_layer_cannot_undo_the_normalization():
    x_NCHW = torch.randn(32, 4, 6, 6)
    for restored in (True, False):
        after = BatchNormalization(scale_and_shift=restored).after(nn.Conv2d(1, 4, 1))
        if restored:
            after.weight.data.fill_(5.0)
        assert after(x_NCHW).std().item() == pytest.approx(5.0 if restored else 1.0, rel=0.01)


def test_groups_are_as_many_as_the_channels_allow():
    assert GroupNormalization(8).after(nn.Conv2d(3, 12, 1)).num_groups == 6
    assert GroupNormalization(8).after(nn.Conv2d(3, 7, 1)).num_groups == 7
    assert GroupNormalization(8).after(nn.Conv2d(3, 11, 1)).num_groups == 1


def test_weight_normalization_separates_length_and_direction():
    layer = nn.Conv2d(3, 8, 3)
    before = layer.weight.detach().clone()
    WeightNormalization().after(layer)
    torch.testing.assert_close(layer.weight, before)
    length, direction = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    expected = length * direction / direction.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(layer.weight, expected)
    layer.weight.sum().backward()
    inner = (direction.grad * direction).flatten(1).sum(1)
    assert inner.abs().max() < 1e-5, "the gradient is at a right angle to the direction"


def test_standardized_weights_have_mean_0_and_the_variance_of_their_fan_in():
    layer = nn.Conv2d(6, 8, 3)
    WeightStandardization(scale=False).after(layer)
    flat_OI = layer.weight.detach().flatten(1)
    assert flat_OI.mean(1).abs().max() < 1e-6
    torch.testing.assert_close(flat_OI.var(1, unbiased=False), torch.full((8,), 2 / 54), rtol=1e-3, atol=0)


@pytest.mark.parametrize("network", [ConvNet, MLP, ResNet])
@pytest.mark.parametrize("normalization", ALL)
def test_any_network_of_ours_takes_any_and_every_weight_learns(network, normalization):
    classifier = Classifier(network, SGD, normalization=normalization(), initialization=He())
    before = [p.detach().clone() for p in classifier.network.parameters()]
    optimizer = classifier.build_optimizer()
    F.cross_entropy(classifier(torch.randn(16, 3, 32, 32)), torch.arange(16) % 10).backward()
    optimizer.step()
    names = [name for name, _ in classifier.network.named_parameters()]
    for name, old, new in zip(names, before, classifier.network.parameters()):
        useless = name.endswith("bias") and new.ndim == 1  # a bias that the normalization takes out again
        assert useless or not torch.equal(old, new), name


def test_the_initialization_reaches_weights_that_are_computed_from_others():
    torch.manual_seed(0)
    network = MLP(in_channels=1, image_size=16, width=400, normalization=WeightNormalization())
    He()(network)
    layer = network.hidden[0][0]
    assert parametrize.is_parametrized(layer)
    assert layer.weight.var().item() == pytest.approx(2 / 256, rel=0.05)


def kinds(network):
    found = [type(m) for m in network.modules()]
    return {kind: found.count(kind) for kind in (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)}


def test_in_a_network_of_torchvision_it_takes_the_place_of_what_is_there():
    fresh = kinds(torchvision.models.resnet18())
    classifier = Classifier(torchvision.models.resnet18, SGD, normalization=GroupNormalization(8), num_classes=7)
    assert kinds(classifier.network)[nn.GroupNorm] == fresh[nn.BatchNorm2d] == 20
    assert kinds(classifier.network)[nn.BatchNorm2d] == 0
    assert classifier(torch.randn(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("normalization", ALL)
def test_in_a_network_without_any_it_follows_every_layer_but_the_last(normalization):
    def mine(num_classes):
        return nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 8, 3, 2), nn.Tanh())),
            *(nn.Flatten(), nn.Linear(392, 20), nn.ReLU(), nn.Linear(20, num_classes)),
        )

    classifier = Classifier(mine, SGD, normalization=normalization())
    assert classifier(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    added = len(
        [m for m in classifier.network.modules() if "Norm" in type(m).__name__ or "Standard" in type(m).__name__]
    )
    assert added == 2 if normalization is InstanceNormalization else 3
    assert type(list(classifier.network.children())[-1]) is nn.Linear


def test_tokens_are_left_alone_and_that_is_said(capsys):
    vit = functools.partial(torchvision.models.VisionTransformer, 32, 8, 1, 2, 16, 32)
    classifier = Classifier(vit, SGD, normalization=BatchNormalization())
    assert "BatchNormalization is left out" in capsys.readouterr().err
    assert classifier(torch.randn(2, 3, 32, 32)).shape == (2, 10)


class Attentive(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.patches, self.attention = nn.Conv2d(3, 16, 8, stride=8), nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images_NCHW):
        x_NTC = self.patches(images_NCHW).flatten(2).transpose(1, 2)
        return self.head((x_NTC + self.attention(x_NTC, x_NTC, x_NTC)[0]).mean(1))


@pytest.mark.parametrize("normalization", [BatchNormalization(), WeightNormalization()])
def test_attention_is_left_as_it_is(normalization):
    network = Classifier(Attentive, torch.optim.SGD, normalization=normalization).network
    assert type(network.get_submodule("attention.out_proj")) is type(nn.MultiheadAttention(16, 2).out_proj)
    assert network(torch.randn(4, 3, 32, 32)).shape == (4, 10)


def test_what_finds_no_place_is_told(capsys):
    Classifier(MLP, SGD, normalization=InstanceNormalization())
    said = capsys.readouterr().err
    assert said == "note: InstanceNormalization found no place in MLP\n"


@pytest.mark.parametrize("has_its_own", [False, True])
@pytest.mark.parametrize("normalization", ALL)
def test_what_is_put_into_a_network_computes_in_its_numbers(normalization, has_its_own):
    own = [nn.BatchNorm2d(8)] if has_its_own else []
    layers = [nn.Conv2d(3, 8, 3), *own, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    network = nn.Sequential(*layers).double()
    normalize(network, normalization())
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    network(torch.randn(4, 3, 8, 8, dtype=torch.float64)).sum().backward()
