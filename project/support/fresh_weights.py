"""What a fresh network's weights tell: which layers were drawn otherwise than PyTorch draws them, and by which formula.

PyTorch draws the weights of a convolution or fully connected layer from U(-b, b) with b = 1 / sqrt(fan_in), those of a
recurrent layer with b = 1 / sqrt(hidden_size), and those of an attention like Xavier. It does not matter who drew the
others, or where: only the numbers are looked at.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
ROUNDING = 1.005  # bfloat16 rounds a draw to so much above its bound


class Drawn(NamedTuple):
    """An initialization, and which of a network's layers show it, in one line."""

    name: str
    evidence: str


def drawn(network: nn.Module) -> list[Drawn]:
    """The initializations that a fresh network's layers show; [] where all of them are drawn as PyTorch does.

    Named by the formula that explains the most layers (He, Xavier, orthogonal, zeros, ...), then by that which explains
    the most of the others; `normal` or `own` where none does.
    """
    of_layers = list(weights(network))
    left = [weight for weight, bound in of_layers if not drawn_by_default(weight, bound)]
    found = []
    while left:
        # Of the formulas that explain equally many layers, the one that explains them best.
        misfits = {name: [(misfit(weight), weight) for weight in left] for name, misfit in FORMULAS.items()}
        fitting = {name: [(by, weight) for by, weight in one if by <= 1] for name, one in misfits.items()}
        name = max(fitting, key=lambda name: (len(fitting[name]), -sum(by for by, _ in fitting[name])))
        explained = [weight for _, weight in fitting[name]]
        if not explained:
            explained = [weight for weight in left if normal(weight)]
            name = "normal" if explained else "own"
        explained = explained or left
        stds = [weight.std(correction=0).item() for weight in explained]
        evidence = f"{len(explained)} of {len(of_layers)} layers; std {min(stds):.2g} to {max(stds):.2g}"
        if name in STDS:
            ratios = [std / STDS[name](weight) for std, weight in zip(stds, explained)]
            evidence += f"; measured / formula {min(ratios):.2f} to {max(ratios):.2f}"
        found.append(Drawn(name, evidence))
        left = [weight for weight in left if not any(weight is each for each in explained)]
    return found


class Weight(NamedTuple):
    """Weights (O, I, ...) of a layer, float64, and the bound b of PyTorch's own draw from U(-b, b); None where it has none."""

    drawn: Tensor
    bound: float | None


def weights(network: nn.Module) -> Iterator[Weight]:
    """All weights of a network that have a draw of PyTorch's own, and those of layers that are written by hand.

    Of weights that are computed from others, the tensor that was drawn.
    """
    for module in network.modules():
        if isinstance(module, Layer) and not isinstance(module.weight, nn.UninitializedParameter):
            weight = module.weight
            if parametrize.is_parametrized(module, "weight"):
                originals = module.get_submodule("parametrizations.weight").parameters()
                weight = next((each for each in originals if each.shape == weight.shape), weight)
            yield Weight(weight.detach().double().cpu(), 1 / math.sqrt(fans(weight)[0]))
            continue
        of_torch = type(module).__module__.startswith("torch.")
        for parameter in module.parameters(recurse=False):
            if (
                parameter.ndim < 2
                or min(parameter.shape[:2]) < 2
                or isinstance(module, (nn.Embedding, parametrize.ParametrizationList))
            ):
                continue
            weight = parameter.detach().double().cpu()
            if isinstance(module, nn.RNNBase):
                yield Weight(weight, 1 / math.sqrt(module.hidden_size))
            elif isinstance(module, nn.MultiheadAttention):
                yield Weight(weight, math.sqrt(6 / sum(fans(weight))))
            elif not of_torch:
                yield Weight(weight, None)


def drawn_by_default(weight: Tensor, bound: float | None) -> bool:
    """Whether weights can be a draw of PyTorch's own: no larger than its bound, of its spread, and spread evenly.

    Where there is no such draw, whether no formula fits them.
    """
    if bound is None:
        return not any(misfit(weight) <= 1 for name, misfit in FORMULAS.items() if name in STDS or name == "orthogonal")
    even = torch.linspace(-bound, bound, weight.numel(), dtype=torch.float64)
    unevenness = (weight.flatten().sort().values - even).abs().max().item() / (2 * bound)  # Kolmogorov's statistic
    within = bool(weight.abs().max() <= bound * ROUNDING)
    return within and misfit_of_std(weight, bound / math.sqrt(3)) <= 1 and unevenness < 3 / math.sqrt(weight.numel())


def misfit_of_std(weight: Tensor, std: float) -> float:
    """0 to 1 where weights can be a draw around zero with this standard deviation; 1 lies four of its own away."""
    tolerance = max(0.01, 4 / math.sqrt(2 * weight.numel()))
    centred = abs(weight.mean().item()) < 4 * std / math.sqrt(weight.numel())
    return abs(weight.square().mean().sqrt().item() / std - 1) / tolerance if centred else math.inf


def fans(weight: Tensor) -> tuple[int, int]:
    """Numbers of weights that lead into a unit and out of it: (fan_in, fan_out)."""
    pixels = weight[0, 0].numel()
    return weight.shape[1] * pixels, weight.shape[0] * pixels


def orthogonal(weight: Tensor) -> bool:
    """Whether the rows, or where there are more of them, the columns, are orthogonal and equally long."""
    matrix = weight.flatten(1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    scale = gram.diagonal().mean()
    identical = (gram - scale * torch.eye(len(gram), dtype=gram.dtype)).abs().max() < 0.01 * scale
    return len(gram) > 1 and bool(identical)


def identity(weight: Tensor) -> bool:
    """Whether each output is the input of the same number, or zero."""
    expected = torch.zeros_like(weight)
    if weight.ndim > 2:
        nn.init.dirac_(expected)
    else:
        nn.init.eye_(expected)
    return torch.equal(weight, expected)


def normal(weight: Tensor) -> bool:
    """Whether weights can be a draw around zero from a normal distribution."""
    std, n = weight.square().mean().sqrt(), weight.numel()
    within = (weight.abs() < std).double().mean().item()  # 68 %; of a uniform distribution 58 %
    centred = bool(abs(weight.mean()) < 4 * std / math.sqrt(n))
    return n >= 100 and centred and abs(within - 0.6827) < 2 / math.sqrt(n)


def std_of(formula: Callable[[Tensor], float]) -> Callable[[Tensor], float]:
    return lambda weight: misfit_of_std(weight, formula(weight))


def exactly(fits: Callable[[Tensor], bool]) -> Callable[[Tensor], float]:
    return lambda weight: 0.0 if fits(weight) else math.inf


# The standard deviation that a formula asks for.
STDS: dict[str, Callable[[Tensor], float]] = {
    "He": lambda weight: math.sqrt(2 / fans(weight)[0]),
    "Xavier": lambda weight: math.sqrt(2 / sum(fans(weight))),
    "Xavier with gain sqrt(2)": lambda weight: 2 / math.sqrt(sum(fans(weight))),
    "Xavier with gain 5/3": lambda weight: 5 / 3 * math.sqrt(2 / sum(fans(weight))),
    "He with fan_out": lambda weight: math.sqrt(2 / fans(weight)[1]),
    "LeCun": lambda weight: math.sqrt(1 / fans(weight)[0]),
}
# How badly weights fit a formula: at most 1 where they fit. What is first in the list is the more telling name.
FORMULAS: dict[str, Callable[[Tensor], float]] = {
    "zeros": exactly(lambda weight: not weight.any()),
    "identity": exactly(identity),
    "constant": exactly(lambda weight: bool((weight == weight.flatten()[0]).all())),
    "orthogonal": exactly(orthogonal),
    **{name: std_of(std) for name, std in STDS.items()},
}
