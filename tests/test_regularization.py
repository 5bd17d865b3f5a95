"""Unit 2: what each strategy does to the network, the loss and the update."""

import torch
from torch import nn

from project.networks import ConvNet
from project.regularization import Dropout, WeightDecay


def test_weight_decay_leaves_biases_and_normalization_alone():
    norm, layer = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)
    decay = WeightDecay(0.01).weight_decay
    assert decay(layer.weight) == 0.01
    assert decay(layer.bias) == decay(norm.weight) == decay(norm.bias) == 0
    assert WeightDecay(0.01, biases_too=True).weight_decay(norm.bias) == 0.01


def test_dropout_keeps_the_mean_in_training_and_does_nothing_at_evaluation():
    torch.manual_seed(0)
    network = ConvNet()
    Dropout(0.3).prepare(network)
    dropped = network.head[0]
    ones = torch.ones(100_000)
    assert abs(dropped(ones).mean().item() - 1) < 0.01
    assert abs((dropped(ones) == 0).float().mean().item() - 0.3) < 0.01
    network.eval()
    assert torch.equal(dropped(ones), ones)
