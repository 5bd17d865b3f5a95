"""The classifier: what the families do to the network and the optimizer."""

import functools

import pytest
import torch
import torchvision

from project.classifier import Classifier
from project.errors import UserError
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.regularization import Dropout, WeightDecay

SGD = functools.partial(torch.optim.SGD, lr=0.1)


@pytest.mark.parametrize(
    "network", [ConvNet, MLP, functools.partial(ConvNet, pool=4, stem_stride=1), functools.partial(MLP, depth=0)]
)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_networks_fit_the_data(network, shape):
    classifier = Classifier(network, SGD, num_classes=7, image_shape=shape)
    assert classifier(torch.randn(2, *shape)).shape == (2, 7)


def test_a_network_of_torchvision_fits_in():
    classifier = Classifier(torchvision.models.resnet18, SGD, num_classes=7)
    assert classifier(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_parameters_are_grouped_by_their_weight_decay():
    classifier = Classifier(ConvNet, SGD, regularization=[WeightDecay(0.02)], normalization=BatchNormalization())
    decays = {
        id(p): group["weight_decay"] for group in classifier.build_optimizer().param_groups for p in group["params"]
    }
    assert len(decays) == len(list(classifier.network.parameters()))
    for parameter in classifier.network.parameters():
        assert decays[id(parameter)] == (0.02 if parameter.ndim > 1 else 0)


def test_without_weight_decay_the_optimizer_s_own_stays():
    optimizer = Classifier(ConvNet, functools.partial(torch.optim.AdamW, lr=0.1)).build_optimizer()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01]


def test_the_later_of_two_of_a_kind_counts():
    classifier = Classifier(ConvNet, SGD, regularization=[Dropout(0.5), WeightDecay(0.1), Dropout(0.2)])
    assert [m.p for m in classifier.network.modules() if isinstance(m, torch.nn.Dropout)] == [0.2]


def test_too_many_stages_are_told():
    with pytest.raises(UserError, match="stages"):
        Classifier(functools.partial(ConvNet, stages=9), SGD)


def test_an_optimizer_s_refusal_is_told():
    with pytest.raises(UserError, match="model.optimizer"):
        Classifier(ConvNet, functools.partial(torch.optim.SGD, lr=-1)).build_optimizer()
