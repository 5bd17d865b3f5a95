"""Optimizers, schedules and changes of gradients tried out on their own: what each does to small problems."""

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

STEPS_TRIED = 20  # some act every few steps only
LARGE_GRADIENT = 100  # norm; what clips to more than this never acts
LEAST_DIFFERENCE = 0.01  # of a step or a gradient, relative to its norm
LEAST_SHARE = 0.01  # of a network's weights, on which a schedule or weight decay acts
ROUNDING = 2.0**-22  # of a weight, relative


class Step(NamedTuple):
    """What an optimizer's step did to the weights of a small problem."""

    optimizer: Optimizer
    weights: list[nn.Parameter]
    before: list[Tensor]
    gradients: tuple[Tensor, ...]


def steps_tried(make: Callable[..., Optimizer], network: nn.Module, **settings: Any) -> Iterator[Step]:
    """Steps of an optimizer on a small problem, always the same one.

    Its weights have as many dimensions as those of the network: some optimizers treat matrices or convolutions alone
    otherwise. `settings` are those of their parameter group.
    """
    dimensions = {p.ndim for p in network.parameters() if p.requires_grad}
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=generator) / 20) for shape in shapes_of(dimensions)]
    slopes = [torch.linspace(0.5, 1.5, w.numel()).view_as(w) for w in weights]

    def loss() -> Tensor:  # whose gradient stays bounded, however far the rate carries the weights
        return torch.stack([(slope * (w**2 + 0.01).sqrt()).sum() for w, slope in zip(weights, slopes)]).sum()

    norm = nn.utils.get_total_norm(torch.autograd.grad(loss(), weights))
    slopes = [slope * LARGE_GRADIENT / norm for slope in slopes]

    def closure() -> float:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = loss()
            value.backward()
        return value.item()

    optimizer = make([{"params": weights} | settings])  # as a classifier gives them
    # Without gradients, a step counts for nobody who counts the steps of a training.
    optimizer.register_step_post_hook(lambda *_: optimizer.zero_grad())
    for _ in range(STEPS_TRIED):
        before, gradients = [w.detach().clone() for w in weights], torch.autograd.grad(loss(), weights)
        optimizer.step(closure)
        yield Step(optimizer, weights, before, gradients)


def steps_like_plain_sgd(make: Callable[..., Optimizer], network: nn.Module) -> bool:
    """Whether an optimizer moves the weights of a small problem just as SGD without momentum would, at whatever rate."""
    taken: list[Tensor] = []
    try:
        for step in steps_tried(make, network):
            rows = list[Tensor]()
            for w, b, gradient in zip(step.weights, step.before, step.gradients):
                rate = rate_of(w, step.optimizer)
                rows.append(torch.stack([w.detach() - b, rate * gradient, rate * b, b]).flatten(1).double())
            taken.append(torch.cat(rows, 1))
    except Exception:  # what cannot be tried shows nothing
        return True
    return not torch.cat(taken, 1).isfinite().all() or are_plain_sgd(taken)  # nor does what explodes at once


def reads_weight_decay(make: Callable[..., Optimizer], network: nn.Module) -> bool:
    """Whether an optimizer moves the weights of a small problem otherwise where their group has weight decay."""
    try:
        (*_, without), (*_, decayed) = (steps_tried(make, network, weight_decay=decay) for decay in (0.0, 1.0))
    except Exception:  # what cannot be tried shows nothing
        return False
    return any(not torch.equal(*pair) for pair in zip(without.weights, decayed.weights))


def rate_of(weight: nn.Parameter, optimizer: Optimizer) -> float:
    """The learning rate of a weight."""
    (group,) = (group for group in optimizer.param_groups if any(weight is p for p in group["params"]))
    return float(group["lr"])


def are_plain_sgd(steps: list[Tensor]) -> bool:
    """Whether steps are all that gradients and weights, each by one factor, explain: a rate, and a decay of the weights.

    What the factors are called does not matter: Adam with a large `eps` is SGD. The first step may have another size, as
    where an average begins with it.

    Args:
        steps: Of each, how far the weights moved; the gradients, and the weights before, times the rate; and the weights
            before. (4, M).
    """
    moved, *causes, _ = torch.cat(steps[1:], 1)
    # Many powers of ten may lie between them.
    scales = torch.stack([cause.norm().clamp(min=1e-300) for cause in causes])
    factors = torch.linalg.lstsq(torch.stack(causes, 1) / scales, moved[:, None]).solution.flatten() / scales
    for number, (step, gradient, decay, weight) in enumerate(steps):
        expected = factors[0] * gradient + factors[1] * decay
        if number == 0:
            expected *= (step @ expected) / (expected @ expected).clamp(min=1e-300)
        if not (step - expected).norm() <= LEAST_DIFFERENCE * expected.norm() + ROUNDING * weight.norm():
            return False
    return True


def shapes_of(dimensions: Collection[int]) -> list[tuple[int, ...]]:
    """Two small shapes of each of these numbers of dimensions, (4, 3, 3, ...) and (3, 4, 3, ...)."""
    return [(*first, *[3] * ndim)[:ndim] for ndim in sorted(dimensions) for first in ((4, 3), (3, 4))]


def changed_gradient(change: Callable[[list[nn.Parameter]], None]) -> str | None:
    """What a change of gradients makes of one; None where it leaves all that are tried next to as they were.

    These are large and small ones of weights of one, two and four dimensions: it may act on some alone.
    """
    for shape in shapes_of((1, 2, 4)):
        for norm in (LARGE_GRADIENT, 1):
            weights = nn.Parameter(torch.zeros(shape))
            gradient = torch.rand(shape, generator=torch.Generator().manual_seed(0))
            gradient *= norm / gradient.norm()
            weights.grad = gradient.clone()
            change([weights])
            changed = torch.zeros(shape) if weights.grad is None else weights.grad
            if not (changed - gradient).norm() <= LEAST_DIFFERENCE * norm:
                return f"changes a gradient of norm {norm}, which becomes {changed.norm().item():.3g}"
    return None


def weights_in(groups: list[dict[str, Any]], network: nn.Module) -> int:
    """How many of a network's trainable weights an optimizer's parameter groups hold."""
    of_network = {p for p in network.parameters() if p.requires_grad}
    return sum(p.numel() for group in groups for p in group["params"] if p in of_network)


def rates_within(optimizer: Optimizer, scheduler: Any, count: int, network: nn.Module) -> list[float]:
    """The rate at each of `count` steps, of the parameter group whose rate moves the most.

    A group that holds next to none of the network's weights is left aside. Where the schedule fails, the rates until then: the
    run will say what is wrong with it.
    """
    rates = [[float(group["lr"])] for group in optimizer.param_groups]
    for _ in range(count - 1):
        optimizer.step()
        try:
            # A metric that never improves moves a schedule that waits for it.
            scheduler.step(*([1.0] if isinstance(scheduler, ReduceLROnPlateau) else []))
        except Exception:
            break
        for of_group, group in zip(rates, optimizer.param_groups):
            of_group.append(float(group["lr"]))
    held = [weights_in([group], network) for group in optimizer.param_groups]
    least = min(LEAST_SHARE * sum(held), max(held))
    of_weight = [of_group for of_group, weights in zip(rates, held) if weights >= least]
    return max(of_weight, key=lambda of_group: (max(of_group) - min(of_group)) / max(*of_group, 1e-30))
