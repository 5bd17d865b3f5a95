"""Unit 3: initialization. One strategy, one class; called with a network, it draws the weights anew.

What to see: with weights too small the signal dies on its way through the layers, with weights too large it
explodes. Xavier and He choose the variance that keeps it, for symmetric activations and for rectifiers.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

from torch import nn

ACTIVATION_NAMES = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.SELU: "selu",
}
ACTIVATIONS = (*ACTIVATION_NAMES, nn.GELU, nn.SiLU, nn.ELU)


def weight_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module | None]]:
    """Each convolution and fully connected layer with its name and the activation that follows it.

    "Follows" is in the order in which the modules were registered. A layer that meets another layer before
    any activation (a classification head) has None.
    """
    layer: tuple[str, nn.Module] | None = None
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            if layer:
                yield *layer, None
            layer = name, module
        elif isinstance(module, ACTIVATIONS) and layer:
            yield *layer, module
            layer = None
    if layer:
        yield *layer, None


class Initialization(ABC):
    """Draws every convolution's and fully connected layer's weights; biases become zero."""

    def __init__(self, distribution: Literal["normal", "uniform"] = "normal"):
        self.distribution = distribution

    @abstractmethod
    def std(self, layer: nn.Module, activation: nn.Module | None) -> float:
        """The standard deviation of the layer's weights that the formula asks for."""

    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network` in place, from torch's global random generator."""
        for _, layer, activation in weight_layers(network):
            std = self.std(layer, activation)
            if self.distribution == "normal":
                nn.init.normal_(layer.weight, std=std)
            else:  # U(-a, a) has variance a^2 / 3
                nn.init.uniform_(layer.weight, -math.sqrt(3) * std, math.sqrt(3) * std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def evidence(self, network: nn.Module) -> str:
        """How far the weights of a fresh network are from the formula, as a ratio of standard deviations."""
        ratios = [layer.weight.std().item() / self.std(layer, act) for _, layer, act in weight_layers(network)]
        return f"{len(ratios)} layers; measured / formula std {min(ratios):.2f} to {max(ratios):.2f}"


class Xavier(Initialization):
    """Keeps the variance of signals and of gradients through symmetric activations.

    Var(w) = gain^2 * 2 / (fan_in + fan_out), so std = gain * sqrt(2 / (fan_in + fan_out)).
    Glorot and Bengio 2010 (AISTATS), equation 16. The gain follows the activation: 1 for linear and sigmoid,
    5/3 for tanh, sqrt(2) for ReLU.
    """

    def std(self, layer: nn.Module, activation: nn.Module | None) -> float:
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        gain = nn.init.calculate_gain(ACTIVATION_NAMES.get(type(activation), "linear"))
        return gain * math.sqrt(2 / (fan_in + fan_out))


class He(Initialization):
    """Keeps the variance of signals through rectifiers, which pass on only half of it.

    Var(w) = 2 / fan_in, so std = sqrt(2 / fan_in); 1 / fan_in where no activation follows.
    He et al. 2015 (arXiv:1502.01852), equation 10.
    """

    def std(self, layer: nn.Module, activation: nn.Module | None) -> float:
        fan_in, _ = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        return math.sqrt((1 if activation is None else 2) / fan_in)
