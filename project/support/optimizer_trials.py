"""Optimizers and schedules tried out on their own: how one moves weights, and what rates the other gives."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

STEPS_TRIED = 3


def steps_like_plain_sgd(make: Callable[..., Optimizer]) -> bool:
    """Whether an optimizer moves the weights of a small problem just as SGD without momentum would."""
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (3, 4), (4,))]

    def loss() -> Tensor:
        return torch.stack([(w**2 * torch.arange(1, w.numel() + 1).view_as(w)).sum() for w in weights]).sum()

    def closure() -> float:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = loss()
            value.backward()
        return value.item()

    try:
        optimizer = make([{"params": weights}])  # as a classifier gives them
        # Without gradients, a step counts for nobody who counts the steps of a training.
        optimizer.register_step_post_hook(lambda *_: optimizer.zero_grad())
        for _ in range(STEPS_TRIED):
            before = [w.detach().clone() for w in weights]
            gradients = torch.autograd.grad(loss(), weights)
            optimizer.step(closure)
            groups = [
                group for w in weights for group in optimizer.param_groups if any(w is p for p in group["params"])
            ]
            for w, b, gradient, group in zip(weights, before, gradients, groups):
                expected = -group["lr"] * (gradient + group.get("weight_decay", 0) * b)
                if not (w.detach() - b - expected).norm() <= 1e-3 * expected.norm():
                    return False
    except Exception:  # what cannot be tried shows nothing
        return True
    return True


def rates_within(optimizer: Optimizer, scheduler: Any, count: int) -> list[float]:
    """The rate at each of `count` steps, of the parameter group whose rate moves the most.

    Where the schedule fails, the rates until then: the run will say what is wrong with it.
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
    return max(rates, key=lambda of_group: (max(of_group) - min(of_group)) / max(*of_group, 1e-30))
