"""How many threads a training computes with on a CPU: only as many as have enough to do."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from project.support.remembered import undisturbed

WORTH_A_THREAD = 64e6  # multiplications of a batch's forward pass


@contextmanager
def worthwhile_threads(network: nn.Module, batch_size: int, image_shape: tuple[int, ...]) -> Iterator[None]:
    """Compute with fewer threads where a batch is little work. It depends on nothing that changes from run to run.

    Threads wait for each other at every step: with little to do, two are no faster than one, and several times slower beside
    another process that computes.

    Args:
        image_shape: (C, H, W).
    """
    before = torch.get_num_threads()
    if before > 1:
        worth = multiplications(network, image_shape) * batch_size / WORTH_A_THREAD
        torch.set_num_threads(max(1, math.floor(min(before, worth))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def multiplications(network: nn.Module, image_shape: tuple[int, ...]) -> float:
    """Of the matrix products and convolutions for an image, forward; infinity where they cannot be counted."""
    like = next(filter(torch.is_floating_point, network.parameters()), torch.zeros(()))
    images_NCHW = torch.zeros(2, *image_shape, device=like.device, dtype=like.dtype)
    try:
        with torch.no_grad(), undisturbed(network), torch.compiler.set_stance("force_eager"):
            with FlopCounterMode(display=False) as counter:
                network.eval()(images_NCHW)
    except Exception:  # of a person's own code, which the training itself will tell
        return math.inf
    return counter.get_total_flops() / 2 / len(images_NCHW) or math.inf
