"""Unit 3: initialization. One strategy, one class; called with a network, it draws the weights anew.

What to see: with weights that are too small the signal dies on its way through the layers, with weights that are too
large it explodes. Xavier and He choose the variance that keeps it, for symmetric activations and for rectifiers.
"""

import copy
import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from project.support.errors import in_range, note
from project.support.fresh_weights import fans
from project.support.wording import listed

Layer = nn.Conv2d | nn.Linear  # whose weights are drawn
ACTIVATION_NAMES: dict[type[nn.Module], Literal["relu", "leaky_relu", "tanh", "sigmoid", "selu"]] = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.PReLU: "leaky_relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "sigmoid",
    nn.SELU: "selu",
    # Nearly rectifiers.
    **dict.fromkeys((nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish, nn.ELU, nn.CELU, nn.Softplus), "relu"),
}
ACTIVATIONS = tuple(ACTIVATION_NAMES)
LEAST_MOVE = 0.1  # of the way to variance 1: a scaling that takes a layer less far has no hold on its outputs


class PresumedReLU(nn.ReLU):
    """Stands for a function such as F.relu, in a network none of whose modules is an activation."""


def weight_layers(network: nn.Module) -> list[tuple[str, Layer, nn.Module | None]]:
    """Each convolution and fully connected layer with its name and the activation that follows it.

    "Follows" is in the order in which the modules were registered. A layer that another layer follows before any
    activation has None, and so has the last one, the head. Where no module is an activation, all layers but the last are
    presumed to be followed by a rectifier.
    """
    layers: list[tuple[str, Layer, nn.Module | None]] = []
    for name, module in network.named_modules():
        if isinstance(module, Layer):
            layers.append((name, module, None))
        elif isinstance(module, ACTIVATIONS) and layers and layers[-1][2] is None:
            layers[-1] = (*layers[-1][:2], module)
    if not any(activation for *_, activation in layers):
        layers[:-1] = [(name, layer, PresumedReLU()) for name, layer, _ in layers[:-1]]
    return layers


def gain(activation: nn.Module | None) -> float:
    """The factor by which weights must be larger where this activation follows: 1 for none, sqrt(2) for ReLU."""
    name = next((name for kind, name in ACTIVATION_NAMES.items() if isinstance(activation, kind)), None)
    slope = activation.weight.mean().item() if isinstance(activation, nn.PReLU) else None
    return nn.init.calculate_gain(name or "linear", getattr(activation, "negative_slope", slope))


def set_weight(layer: Layer, weight: Tensor) -> None:
    """Set a layer's weights, also where they are computed from others (weight normalization)."""
    with torch.no_grad():
        if parametrize.is_parametrized(layer, "weight"):
            layer.weight = weight
        else:
            layer.weight.copy_(weight)


class Initialization(ABC):
    """Draws every convolution's and fully connected layer's weights; biases become zero."""

    by_activation = False  # whether the activation that follows a layer matters

    @abstractmethod
    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        """Fill `weight`, (O, I) or (O, I, H, W), of a layer that this activation follows."""

    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network` in place, from torch's global random generator."""
        layers = list(weight_layers(network))
        if self.by_activation and any(isinstance(activation, PresumedReLU) for *_, activation in layers):
            found = f"{type(self).__name__}: {type(network).__name__} has no known activation among its modules"
            note(f"{found}; F.relu is presumed behind all layers but the last (if it is another, make it a module)")
        for _, layer, activation in layers:
            weight = torch.empty_like(layer.weight)
            with torch.no_grad():
                self.draw(weight, activation)
            set_weight(layer, weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def adapt(self, network: nn.Module, images_NCHW: Tensor) -> None:
        """Fit the drawn weights to images of the training split, before the training begins."""


class Constant(Initialization):
    """Every weight the same. All units of a layer then compute the same and learn the same, for ever.

    Args:
        value: Of every weight.
    """

    def __init__(self, value: float = 0.0):
        self.value = value

    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        nn.init.constant_(weight, self.value)


class Normal(Initialization):
    """N(0, std^2) for every layer, whatever its size. With std 1 activations saturate, with 0.01 they vanish.

    Args:
        std: Standard deviation, >= 0.
    """

    def __init__(self, std: float = 0.01):
        self.std = in_range("model.initialization: std", std, "[0, inf)")

    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        nn.init.normal_(weight, std=self.std)


class VarianceScaling(Initialization):
    """Base of those that choose the variance by the size of the layer.

    Args:
        distribution: normal, or uniform with the same variance.
    """

    by_activation = True

    def __init__(self, distribution: Literal["normal", "uniform"] = "normal"):
        self.distribution = distribution

    @abstractmethod
    def std(self, weight: Tensor, activation: nn.Module | None) -> float:
        """The standard deviation that the formula asks for."""

    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        std = self.std(weight, activation)
        if self.distribution == "normal":
            nn.init.normal_(weight, std=std)
        else:  # U(-a, a) has variance a^2 / 3
            nn.init.uniform_(weight, -math.sqrt(3) * std, math.sqrt(3) * std)


class Xavier(VarianceScaling):
    """Keeps the variance of signals and of gradients through symmetric activations.

    Var(w) = gain^2 * 2 / (fan_in + fan_out), so std = gain * sqrt(2 / (fan_in + fan_out)); some texts print this root as
    the variance. Glorot and Bengio 2010 (AISTATS), equation 16. The gain is the activation's: 1 for none and sigmoid, 5/3
    for tanh, sqrt(2) for ReLU.
    """

    def std(self, weight: Tensor, activation: nn.Module | None) -> float:
        return gain(activation) * math.sqrt(2 / sum(fans(weight.shape)))


class He(VarianceScaling):
    """Keeps the variance of signals through rectifiers, which let only half of it pass.

    Var(w) = 2 / fan_in, so std = sqrt(2 / fan_in); 1 / fan_in where no activation follows.
    He et al. 2015 (arXiv:1502.01852), equation 10.
    """

    def std(self, weight: Tensor, activation: nn.Module | None) -> float:
        return math.sqrt((1 if activation is None else 2) / fans(weight.shape)[0])


class Orthogonal(Initialization):
    """A random orthogonal matrix (a row for each output channel) times the gain: no direction grows or shrinks.

    Saxe et al. 2014 (arXiv:1312.6120). The gain is the activation's, as in Xavier.
    """

    by_activation = True

    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        nn.init.orthogonal_(weight, gain(activation))


class Dirac(Initialization):
    """Every layer begins as the identity: each output channel or unit is the input channel or unit of the same number.

    Zagoruyko and Komodakis 2017 (arXiv:1706.00388). Outputs for which there is no such input are zero.
    """

    def draw(self, weight: Tensor, activation: nn.Module | None) -> None:
        if weight.ndim == 4:
            nn.init.dirac_(weight)
        else:
            nn.init.eye_(weight)


class LSUV(Orthogonal):
    """Orthogonal, then scaled layer by layer, from the first to the last, until the outputs on real images have variance 1.

    Layer-sequential unit variance: Mishkin and Matas 2016 (arXiv:1511.06422), algorithm 1. Weights whose scale makes no
    difference, as with weight standardization, are left as they were drawn, which is told.

    Args:
        tolerance: By how much the variance may differ from 1, > 0.
        max_trials: How often a layer is scaled at most, >= 1.
    """

    def __init__(self, tolerance: float = 0.01, max_trials: int = 10):
        self.tolerance = in_range("model.initialization: tolerance", tolerance, "(0, inf)")
        self.max_trials = in_range("model.initialization: max_trials", max_trials, "[1, inf)")

    def adapt(self, network: nn.Module, images_NCHW: Tensor) -> None:
        unmoved = []
        for name, layer, _ in weight_layers(network):
            output = output_of(layer, network, images_NCHW)
            if output is None:
                unmoved.append(name)
                continue
            variance = output.var().item()
            for _ in range(self.max_trials):
                if variance == 0 or abs(variance - 1) <= self.tolerance:
                    break
                kept = copy.deepcopy(layer.state_dict())
                set_weight(layer, layer.weight.detach() / math.sqrt(variance))
                output = output_of(layer, network, images_NCHW)
                before, variance = variance, variance if output is None else output.var().item()
                if abs(variance - before) < LEAST_MOVE * abs(before - 1):
                    layer.load_state_dict(kept)
                    unmoved.append(name)
                    break
        if unmoved:
            why = "scaling the weights there does not change what comes out, or nothing is seen to come out"
            note(f"LSUV: leaves {listed(unmoved)} alone: {why}")


class PatchWhitening(He):
    """He, except for the first convolution: its filters are the directions in which patches of real images differ most.

    Filter i is eigenvector i of the patches' covariance, divided by the root of its eigenvalue, so that all channels have
    variance 1 and are uncorrelated; the filters of the second half are those of the first with the other sign. Page 2019,
    "How to train your ResNet", part 8; Jordan 2024 (arXiv:2404.00498), where these filters are kept fixed.

    Args:
        distribution: Of all other layers: normal or uniform.
        eps: Added to the eigenvalues, > 0.
        frozen: Keep the filters as they are; no gradients are computed for them.
    """

    def __init__(self, distribution: Literal["normal", "uniform"] = "normal", eps: float = 5e-4, frozen: bool = False):
        super().__init__(distribution)
        self.eps, self.frozen = in_range("model.initialization: eps", eps, "(0, inf)"), frozen

    def __call__(self, network: nn.Module) -> None:
        super().__call__(network)
        # Here, since the optimizer may be made before `adapt`.
        if self.frozen and (first := first_convolution(network)):
            for parameter in first.parameters():
                parameter.requires_grad_(parameter.ndim == 1)

    def adapt(self, network: nn.Module, images_NCHW: Tensor) -> None:
        first = first_convolution(network)
        if first is None:
            note(f"PatchWhitening: {type(network).__name__} does not begin with a convolution, and starts like He")
            return
        patches_NDL = nn.functional.unfold(images_NCHW, first.kernel_size)
        patches_ND = patches_NDL.transpose(1, 2).flatten(0, 1)
        values_D, vectors_DD = torch.linalg.eigh(patches_ND.T.cov() if len(patches_ND) > 1 else torch.eye(1))
        filters_DD = (vectors_DD / (values_D + self.eps).sqrt()).T.flip(0)  # the largest eigenvalue first
        kept = min(len(filters_DD), -(-first.out_channels // 2))
        chosen = torch.cat([filters_DD[:kept], -filters_DD[:kept]])[: first.out_channels]
        weight = first.weight.detach().clone()
        weight[: len(chosen)] = chosen.view(-1, *weight.shape[1:])
        set_weight(first, weight)


def first_convolution(network: nn.Module) -> nn.Conv2d | None:
    """The layer that a network begins with, where it is a convolution of all channels."""
    first = next((layer for _, layer, _ in weight_layers(network)), None)
    return first if isinstance(first, nn.Conv2d) and first.groups == 1 else None


@torch.no_grad()
def output_of(layer: nn.Module, network: nn.Module, images_NCHW: Tensor) -> Tensor | None:
    """A layer's outputs for these images; the network stays as it was. None where it is not called, as within attention."""
    seen: list[Tensor] = []
    # Copied, since the activation may work in place.
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    training = network.training
    try:
        network.eval()(images_NCHW)
    finally:
        handle.remove()
        network.train(training)
    return seen[0] if seen else None
