"""Runs inside a sandbox, beside a student's own code: what its network is before any training."""

import torch
from torch import nn


@torch.no_grad()
def redraw(network: nn.Module, generator: torch.Generator) -> None:
    """Shuffle the entries of each parameter: its distribution stays, and what it knew is gone.

    Where the entries of the last layer are in any order, every class is as likely to be right as any other: over many
    redraws, a network that knows nothing but its weights is right as often as chance.
    """
    for parameter in network.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
