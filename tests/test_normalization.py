"""Unit 4: normalized activations, on networks of both kinds of layers."""

import pytest
import torch

from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization


@pytest.mark.parametrize("network", [ConvNet, MLP])
def test_batch_normalization_gives_each_channel_mean_0_and_variance_1(network):
    torch.manual_seed(0)
    built = network(normalization=BatchNormalization())
    seen = []
    for module in built.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    built(torch.randn(64, 3, 32, 32) * 7 + 3)
    assert len(seen) == (7 if network is ConvNet else 2)
    for output in seen:
        channels = output.transpose(0, 1).flatten(1)
        assert channels.mean(1).abs().max() < 1e-4
        assert (channels.var(1, unbiased=False) - 1).abs().max() < 0.05
