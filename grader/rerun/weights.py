"""Weights that a training left in its sandbox: a safetensors file, which is data and nothing else."""

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from grader.sandbox.untrusted_files import Unreadable, distrusted

# What there may be of them: a double for each parameter, or a float and as much besides; and so many bytes.
BYTES_A_PARAMETER, OTHER_BYTES = 8, 10**6


def check_size(weights: bytes, parameters: int) -> None:
    """Raises Unreadable where more comes along than so many parameters and some buffers, such as a training set."""
    if len(weights) > BYTES_A_PARAMETER * parameters + OTHER_BYTES:
        held = f"its weights hold {len(weights) / 1e6:.1f} MB"
        most = f"{BYTES_A_PARAMETER} bytes for each, and {OTHER_BYTES / 1e6:g} MB of buffers"
        raise Unreadable(f"{held} for {parameters:,} parameters, and may hold {most}")


def read_weights(weights: bytes) -> dict[str, Tensor]:
    """Tensors by name. Raises Unreadable."""
    with distrusted("the weights' file"):
        return load(weights)


def redrawn(tensors: dict[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
    """The same weights, with the entries of each tensor shuffled.

    The distribution stays, and what they knew is gone: where the entries of the last layer are in any order, every class
    is as likely to be right as any other. Over many redraws, a network that knows nothing but its weights is right as
    often as chance. Whole numbers, which count or index, stay as they are.
    """

    def shuffled(tensor: Tensor) -> Tensor:
        order = torch.from_numpy(random.permutation(tensor.numel()))
        return tensor.flatten()[order].view(tensor.shape)

    return {name: shuffled(tensor) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def as_file(tensors: dict[str, Tensor]) -> bytes:
    """A safetensors file of them."""
    content: bytes = save(tensors)
    return content
