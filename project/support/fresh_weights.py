"""What a fresh network's weights tell: which layers were drawn otherwise than PyTorch draws them, and by which formula.

PyTorch draws the weights of a convolution or fully connected layer from U(-b, b) with b = 1 / sqrt(fan_in). It does not
matter who drew the others, or where: only the numbers are looked at.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

WEIGHTED = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
ROUNDING = 1.005  # bfloat16 rounds a draw to so much above its bound
GAINS = {
    "": 1.0,
    " with gain sqrt(2)": math.sqrt(2),
    " with gain 5/3": 5 / 3,
}  # none, ReLU, tanh: nn.init.calculate_gain


class Drawn(NamedTuple):
    """An initialization, and which of a network's layers show it, in one line."""

    name: str
    evidence: str


def drawn(network: nn.Module) -> list[Drawn]:
    """The initializations that a fresh network's layers show; [] where all of them are drawn as PyTorch does.

    Named by the formula that explains the most layers (He, Xavier, orthogonal, zeros, ...), then by that which explains
    the most of the others; `own` where none does.
    """
    count, left, found = 0, [], []
    for weight in weights(network):
        count += 1
        if not drawn_by_default(weight):
            left.append(weight)
    while left:
        fitting = {name: [weight for weight in left if fits(weight)] for name, fits in FORMULAS.items()}
        name = max(fitting, key=lambda name: len(fitting[name]))
        explained = fitting[name] or left
        stds = [weight.std(correction=0).item() for weight in explained]
        evidence = f"{len(explained)} of {count} layers; std {min(stds):.2g} to {max(stds):.2g}"
        if formula := STDS.get(name):
            ratios = [std / formula(weight) for std, weight in zip(stds, explained)]
            evidence += f"; measured / formula {min(ratios):.2f} to {max(ratios):.2f}"
        found.append(Drawn(name if fitting[name] else "own", evidence))
        left = [weight for weight in left if not any(weight is each for each in explained)]
    return found


def weights(network: nn.Module) -> Iterator[Tensor]:
    """The weights (O, I, ...) of each layer, float64; of those that are computed from others, the tensor that was drawn."""
    for layer in network.modules():
        if isinstance(layer, WEIGHTED) and not isinstance(layer.weight, nn.UninitializedParameter):
            weight = layer.weight
            if parametrize.is_parametrized(layer, "weight"):
                originals = layer.get_submodule("parametrizations.weight").parameters()
                weight = next((each for each in originals if each.shape == weight.shape), weight)
            yield weight.detach().double().cpu()


def drawn_by_default(weight: Tensor) -> bool:
    """Whether weights can be a draw of PyTorch's own: no larger than its bound, of its spread, and spread evenly."""
    bound = 1 / math.sqrt(fans(weight)[0])
    if not weight.abs().max() <= bound * ROUNDING:
        return False
    even = torch.linspace(-bound, bound, weight.numel(), dtype=torch.float64)
    unevenness = (weight.flatten().sort().values - even).abs().max().item() / (
        2 * bound
    )  # after Kolmogorov and Smirnov
    return has_std(weight, bound / math.sqrt(3)) and unevenness < 3 / math.sqrt(weight.numel())


def has_std(weight: Tensor, std: float) -> bool:
    """Whether weights can be a draw with this standard deviation, by four times that of the measured one."""
    return abs(weight.square().mean().sqrt().item() / std - 1) < max(0.01, 4 / math.sqrt(2 * weight.numel()))


def fans(weight: Tensor) -> tuple[int, int]:
    """Numbers of weights that lead into a unit and out of it: (fan_in, fan_out)."""
    pixels = weight[0, 0].numel()
    return weight.shape[1] * pixels, weight.shape[0] * pixels


def orthogonal(weight: Tensor) -> bool:
    """Whether the rows, or where there are more of them, the columns, are orthogonal and equally long."""
    matrix = weight.flatten(1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    scale = gram.diagonal().mean()
    return bool(scale > 0 and (gram / scale - torch.eye(len(gram), dtype=gram.dtype)).abs().max() < 0.02)


def identity(weight: Tensor) -> bool:
    """Whether each output is the input of the same number, or zero."""
    expected = torch.zeros_like(weight)
    if weight.ndim > 2:
        nn.init.dirac_(expected)
    else:
        nn.init.eye_(expected)
    return torch.equal(weight, expected)


def normal(weight: Tensor) -> bool:
    """Whether the share of weights within one standard deviation, and the largest, are those of a normal distribution."""
    std, n = weight.square().mean().sqrt(), weight.numel()
    share = (weight.abs() < std).double().mean().item()
    return n >= 30 and abs(share - 0.6827) < 2 / math.sqrt(n) and bool(weight.abs().max() > 1.9 * std)


STDS: dict[str, Callable[[Tensor], float]] = {
    "He": lambda weight: math.sqrt(2 / fans(weight)[0]),
    **{
        f"Xavier{name}": lambda weight, gain=gain: gain * math.sqrt(2 / sum(fans(weight)))
        for name, gain in GAINS.items()
    },
    "He with fan_out": lambda weight: math.sqrt(2 / fans(weight)[1]),
    "LeCun": lambda weight: math.sqrt(1 / fans(weight)[0]),
}
FORMULAS: dict[str, Callable[[Tensor], bool]] = {
    "zeros": lambda weight: not weight.any(),
    "identity": identity,
    "constant": lambda weight: bool((weight == weight.flatten()[0]).all()),
    "orthogonal": orthogonal,
    **{name: lambda weight, std=std: has_std(weight, std(weight)) for name, std in STDS.items()},
    "normal": normal,
}
