"""Weights that a training left in its sandbox: a safetensors file, which is data and nothing else."""

import json

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from grader.sandbox.untrusted_files import Unreadable, distrusted
from project.assignment import too_large

MOST_TENSORS = 10_000  # of a file; each costs the reader some 10 kB and 0.2 ms
LENGTH_BYTES, MOST_HEADER_BYTES = 8, 2 * 10**6  # a file begins with the length of its header, which is JSON
INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


def check_size(weights: bytes, parameters: int) -> None:
    """Raises Unreadable where more comes along than so many parameters and some buffers, such as a training set."""
    if why := too_large(len(weights), parameters):
        raise Unreadable(why)


def read_weights(weights: bytes) -> dict[str, Tensor]:
    """Tensors by name. Raises Unreadable, also where they are more than MOST_TENSORS."""
    with distrusted("the weights' file"):
        length = int.from_bytes(weights[:LENGTH_BYTES], "little")
        if length > MOST_HEADER_BYTES:
            raise Unreadable(f"the weights' file is not what it should be (it has a header of {length:,} bytes)")
        tensors = len(json.loads(weights[LENGTH_BYTES : LENGTH_BYTES + length]))
        if tensors > MOST_TENSORS:
            raise Unreadable(f"the weights' file has {tensors:,} tensors, and may have {MOST_TENSORS:,}")
        return load(weights)


def redrawn(tensors: dict[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
    """The same weights, with the entries of each tensor shuffled. Raises Unreadable where they cannot be.

    The distribution stays, and what they knew is gone: where the entries of the last layer are in any order, every class
    is as likely to be right as any other. Over many redraws, a network that knows nothing but its weights is right as
    often as chance. Whole numbers, which count or index, stay as they are.
    """

    def shuffled(tensor: Tensor) -> Tensor:
        entries = tensor.flatten().clone()
        random.shuffle(entries.view(INTEGERS[tensor.element_size()]).numpy())  # numpy knows not all kinds of floats
        return entries.view(tensor.shape)

    with distrusted("the weights' file"):
        return {name: shuffled(tensor) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def as_file(tensors: dict[str, Tensor]) -> bytes:
    """A safetensors file of them."""
    content: bytes = save(tensors)
    return content
