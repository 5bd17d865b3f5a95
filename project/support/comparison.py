"""When logits are others, and what a layer would put out if it did not normalize."""

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST = 1e-3  # difference that counts, relative
ROUNDING = 1e-5  # of numbers from which larger ones have been subtracted, relative to these
SPLITS = 500


def differ(first: Tensor, second: Tensor) -> bool:
    """Whether tensors differ by more than rounding can explain."""
    return bool(distance(*map(plain, (first, second))) > LEAST)


def logits_differ(first: Tensor, second: Tensor) -> bool:
    """Whether logits (N, K) differ by more than rounding can explain, and than the same number for all classes.

    No loss, and no gradient, feels a number that is added to all logits of an image.
    """
    a, b = map(plain, (first, second))
    shifted = ROUNDING * max(a.norm(), b.norm())
    a, b = (logits - logits.mean(-1, keepdim=True) for logits in (a, b))
    return bool((a - b).norm() > LEAST * max(a.norm(), b.norm()) + shifted)


def draws_differ(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Whether equally many draws of logits (N, K) come from two distributions.

    The energy distance between the two (Szekely and Rizzo 2004) must be larger than between the halves of any of SPLITS
    other divisions of the same draws.
    """
    centred = [plain(logits) for logits in (*first, *second)]
    draws_MD = torch.stack([(logits - logits.mean(-1, keepdim=True)).flatten() for logits in centred])
    count, generator = len(draws_MD), torch.Generator().manual_seed(0)
    side_M = torch.cat([torch.ones(count // 2), -torch.ones(count // 2)]).double()
    sides_SM = torch.stack([side_M[torch.randperm(count, generator=generator)] for _ in range(SPLITS)])
    sides_SM = sides_SM[(sides_SM @ side_M).abs() < count]
    distances_MM = torch.cdist(draws_MD, draws_MD)
    energy, others_S = -side_M @ distances_MM @ side_M, -((sides_SM @ distances_MM) * sides_SM).sum(1)
    return bool(energy > others_S.max() and energy * 4 / count**2 > LEAST * draws_MD.norm(dim=1).mean())


def plain(tensor: Tensor) -> Tensor:
    return torch.nan_to_num(tensor.detach().cpu().double(), 0.0, 1e30, -1e30)


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Relative; 0 of zeros. It has no dimensions, and is left a tensor: within torch.func.vmap nobody can see its value."""
    return (first - second).norm() / torch.maximum(first.norm(), second.norm()).clamp(min=1e-300)


def unevenly(x: Tensor) -> Tensor:
    """Each number multiplied by another factor between 1 and 2: what a sign does not notice, and a normalization does."""
    # Drawing is not allowed everywhere within torch.func.vmap; multiples of an irrational number spread as evenly.
    factors = 1 + torch.arange(x.numel(), dtype=torch.float64) * 0.5**0.5 % 1
    return x * factors.view(x.shape).to(x)


def unnormalized(x: Tensor, normalized: Tensor) -> Tensor:
    """What a fixed scale and shift would make of twice the input, if it made a tensor of this mean and spread of the input."""
    scaled = x.float() / x.detach().abs().max().clamp(min=1e-30)
    scaled = (scaled - scaled.mean()) / scaled.std(correction=0).clamp(min=1e-30)
    return (scaled * 2 * normalized.float().std(correction=0) + normalized.float().mean()).to(normalized)
