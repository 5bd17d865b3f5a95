"""What a fresh network's weights tell: which layers were drawn otherwise than PyTorch draws them, and by which formula.

PyTorch draws the weights of a convolution or fully connected layer from U(-b, b) with b = 1 / sqrt(fan_in), those of a
recurrent layer with b = 1 / sqrt(hidden_size), and those of an attention like Xavier. It does not matter who drew the
others, or where: only the numbers are looked at.

In a layer that is written by hand, what anybody writes who thinks of no initialization is no draw either: zeros, ones,
torch.rand, torch.randn, and unset memory, which is told by following no distribution that is known here.
"""

import math
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

WeightLayer = (
    nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
)
ROUNDING = 1.005  # bfloat16 rounds a draw to so much above its bound
LEAST_DRAWN = 0.05  # share of a layer's weights that lie elsewhere than in PyTorch's draw, or of its spread
MOST = 50_000  # weights of a layer that are looked at
ROWS = 64  # of a matrix that are compared with each other


class Drawn(NamedTuple):
    """An initialization, and which of a network's layers show it, in one line."""

    name: str
    evidence: str


class Weights(NamedTuple):
    """A layer's fresh weights.

    Attributes:
        module: The layer's name in its network.
        std: Standard deviation.
        formula_std: Those that the formulas of STDS ask for, by their names.
        misfits: How badly each of FORMULAS fits, at most 1; those that do not fit are left out. Empty where the weights
            can be a draw of PyTorch's own.
        normal: Whether they can come from a normal distribution.
        by_default: Whether they can be a draw of PyTorch's own, or plain numbers in a layer written by hand.
    """

    module: str
    std: float
    formula_std: dict[str, float]
    misfits: dict[str, float]
    normal: bool
    by_default: bool


def fresh_weights(network: nn.Module) -> list[Weights]:
    """All weights of a network that have a draw of PyTorch's own, and those of layers that are written by hand."""
    return [looked_at(*found) for found in weights_of_layers(network)]


def drawn(found: list[Weights], learning: Callable[[str], bool] = lambda module: True) -> list[Drawn]:
    """The initializations that fresh weights show; [] where all of them are drawn as PyTorch does.

    Named by the formula that explains the most layers (He, Xavier, orthogonal, zeros, ...), then by that which explains
    the most of the others; `normal` or `own` where none does. `learning` tells by its name whether a layer counts.
    """
    left = [weights for weights in found if not weights.by_default and learning(weights.module)]
    named = []
    while left:
        # Of the formulas that explain equally many layers, the one that explains them best.
        fitting = {name: [one for one in left if name in one.misfits] for name in FORMULAS}
        name = max(fitting, key=lambda name: (len(fitting[name]), -sum(one.misfits[name] for one in fitting[name])))
        explained = fitting[name]
        if not explained:
            explained = [one for one in left if one.normal] or left
            name = "normal" if explained[0].normal else "own"
        stds = [one.std for one in explained]
        evidence = f"{len(explained)} of {len(found)} layers; std {min(stds):.2g} to {max(stds):.2g}"
        if name in STDS:
            ratios = [one.std / one.formula_std[name] for one in explained]
            evidence += f"; measured / formula {min(ratios):.2f} to {max(ratios):.2f}"
        named.append(Drawn(name, evidence))
        left = [one for one in left if one not in explained]
    return named


def weights_of_layers(network: nn.Module) -> Iterator[tuple[str, Tensor, float | None]]:
    """A layer's name, its weights (O, I, ...) as they were drawn, and the bound of PyTorch's own draw, if it has one."""
    for name, module in network.named_modules():
        if isinstance(module, WeightLayer):
            if not isinstance(module.weight, nn.UninitializedParameter):
                weight = drawn_weight(module).detach()
                yield name, weight, 1 / math.sqrt(fans(weight.shape)[0])
            continue
        if isinstance(module, nn.Embedding | parametrize.ParametrizationList):
            continue
        for parameter in module.parameters(recurse=False):
            if not parameter.is_floating_point() or parameter.ndim < 2 or min(parameter.shape[:2]) < 2:
                continue
            if isinstance(module, nn.RNNBase):
                yield name, parameter.detach(), 1 / math.sqrt(module.hidden_size)
            elif isinstance(module, nn.MultiheadAttention):
                yield name, parameter.detach(), math.sqrt(6 / sum(fans(parameter.shape)))
            elif not type(module).__module__.startswith("torch."):
                yield name, parameter.detach(), None


def computes_weights(layer: WeightLayer) -> bool:
    """Whether a layer's weights are computed from others."""
    return parametrize.is_parametrized(layer, "weight") or "weight" not in dict(layer.named_parameters(recurse=False))


def drawn_weight(layer: WeightLayer) -> Tensor:
    """A layer's weights; where they are computed from others, those of the same shape."""
    originals = [p for name, p in layer.named_parameters() if name != "bias" and p.shape == layer.weight.shape]
    return originals[-1] if computes_weights(layer) and originals else layer.weight


def looked_at(module: str, weight: Tensor, bound: float | None) -> Weights:
    """What the weights of a layer tell."""
    some = weight.flatten()[:: -(-weight.numel() // MOST)].double().cpu()
    fits = {name: misfit_of_std(some, std(weight.shape)) for name, std in STDS.items()}
    if bound is None:
        by_default = not orthogonal(weight) and plain(some, weight.shape, min(fits.values()))
    else:
        by_default = drawn_by_default(some, bound)
    if not by_default:
        exact = {"zeros": not weight.any(), "constant": bool((weight == weight.flatten()[0]).all())}
        exact |= {"identity": identity(weight), "orthogonal": orthogonal(weight)}
        fits |= {name: 0.0 if holds else math.inf for name, holds in exact.items()}
    misfits = {} if by_default else {name: misfit for name, misfit in fits.items() if misfit <= 1}
    formula_std = {name: std(weight.shape) for name, std in STDS.items()}
    return Weights(module, some.std(correction=0).item(), formula_std, misfits, normal(some), by_default)


def drawn_by_default(some: Tensor, bound: float) -> bool:
    """Whether weights can be PyTorch's own draw, but for few: no larger than its bound, of its spread, spread evenly."""
    beyond = (some.abs() > bound * ROUNDING).double().mean()
    spread = some.clamp(-bound, bound).square().mean().sqrt() / (bound / math.sqrt(3))
    alike = abs(spread - 1) <= max(LEAST_DRAWN, 4 / math.sqrt(2 * some.numel()))
    return bool(beyond <= LEAST_DRAWN and alike) and even(some, -bound, bound)


def plain(some: Tensor, shape: Collection[int], misfit: float) -> bool:
    """Whether weights in a layer by hand show no draw that somebody chose; `misfit` is that of the best formula."""
    fan_in, fan_out = fans(shape)
    if drawn_by_default(some, 1 / math.sqrt(fan_in)) or misfit_of_std(some, 1) <= min(misfit, 1):  # torch.randn
        return True
    if misfit <= 1:
        return False
    if some.min() == some.max():
        return some[0] in (0, 1)
    next_to_randn = abs(some.square().mean().sqrt() - 1) <= LEAST_DRAWN
    if next_to_randn or drawn_by_default(some, 1 / math.sqrt(fan_out)) or even(some, 0, 1):  # (I, O), or torch.rand
        return True
    largest = some.abs().max().item()
    return not normal(some) and not (even(some, -largest, largest) and some.numel() >= 100)


def even(some: Tensor, low: float, high: float) -> bool:
    """Whether weights are spread evenly from low to high, but for few (Kolmogorov-Smirnov)."""
    expected = torch.linspace(low, high, some.numel(), dtype=torch.float64)
    unevenness = (some.clamp(low, high).sort().values - expected).abs().max().item() / (high - low)
    return unevenness < max(LEAST_DRAWN, 3 / math.sqrt(some.numel()))


def misfit_of_std(some: Tensor, std: float) -> float:
    """0 to 1 where weights can be a draw around zero with this standard deviation; 1 lies four of its own away."""
    tolerance = max(0.01, 4 / math.sqrt(2 * some.numel()))
    centred = abs(some.mean().item()) < 4 * std / math.sqrt(some.numel())
    return abs(some.square().mean().sqrt().item() / std - 1) / tolerance if centred else math.inf


def fans(shape: Collection[int]) -> tuple[int, int]:
    """Numbers of weights that lead into a unit and out of it, (fan_in, fan_out), for weights (O, I, ...)."""
    units, inputs, *pixels = shape
    return inputs * math.prod(pixels), units * math.prod(pixels)


def orthogonal(weight: Tensor) -> bool:
    """Whether the rows, or where there are more of them, the columns, are orthogonal and equally long.

    The first ROWS of them are compared with each other.
    """
    matrix = weight.flatten(1)
    vectors = (matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T)[:ROWS].double().cpu()
    gram = vectors @ vectors.T
    scale = gram.diagonal().mean()
    alike = (gram - scale * torch.eye(len(gram), dtype=gram.dtype)).abs().max() < 0.01 * scale
    return len(gram) > 1 and bool(alike)


def identity(weight: Tensor) -> bool:
    """Whether each output is the input of the same number, or zero."""
    if weight.count_nonzero() > len(weight):
        return False
    expected = torch.zeros_like(weight)
    if weight.ndim > 2:
        nn.init.dirac_(expected)
    else:
        nn.init.eye_(expected)
    return torch.equal(weight, expected)


def normal(some: Tensor) -> bool:
    """Whether weights can be a draw around zero from a normal distribution."""
    std, n = some.square().mean().sqrt(), some.numel()
    within = (some.abs() < std).double().mean().item()  # 68 %; of a uniform distribution 58 %
    centred = bool(some.mean().abs() < 4 * std / math.sqrt(n))
    return n >= 100 and centred and abs(within - 0.6827) < 2 / math.sqrt(n)


# The standard deviation that a formula asks for, for weights of a shape.
STDS: dict[str, Callable[[Collection[int]], float]] = {
    "He": lambda shape: math.sqrt(2 / fans(shape)[0]),
    "Xavier": lambda shape: math.sqrt(2 / sum(fans(shape))),
    "Xavier with gain sqrt(2)": lambda shape: 2 / math.sqrt(sum(fans(shape))),
    "Xavier with gain 5/3": lambda shape: 5 / 3 * math.sqrt(2 / sum(fans(shape))),
    "He with fan_out": lambda shape: math.sqrt(2 / fans(shape)[1]),
    "LeCun": lambda shape: math.sqrt(1 / fans(shape)[0]),
}
# What is first in the list is the more telling name.
FORMULAS = ("zeros", "identity", "constant", "orthogonal", *STDS)
