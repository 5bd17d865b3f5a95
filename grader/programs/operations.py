"""Runs inside a sandbox, beside a student's own code: what an image costs its network."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def operations(network: nn.Module, images_NCHW: Tensor) -> float:
    """Floating-point operations of one image's way forward: multiplications and additions of matrices and convolutions.

    torch counts what arrives at its operators. A compiled network is asked as it was before.
    """
    network.eval()
    with FlopCounterMode(display=False) as counter:
        network.forward(images_NCHW)
    counted: int = counter.get_total_flops()
    return counted / len(images_NCHW)
