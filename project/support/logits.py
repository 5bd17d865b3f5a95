"""Whether what a network gives are logits, and what it gives instead."""

from typing import Any

from torch import Tensor, nn

from project.support.errors import UserError


def check_logits(network: nn.Module, logits_NK: Any, expected: tuple[int, int]) -> None:
    """Raises UserError where a network's output is no tensor of floating-point numbers (N, K), as is expected."""
    name = f"model.network: {type(network).__name__}"
    if not isinstance(logits_NK, Tensor):
        raise UserError(f"{name} returns {in_words(logits_NK)}; let its forward return one tensor, the logits")
    if (shape := tuple(logits_NK.shape)) != expected:
        mend = f"let its last layer have {expected[1]} outputs, one for each class"
        raise UserError(f"{name} makes {shape} of {expected[0]} images, not {expected}; {mend}")
    if not logits_NK.is_floating_point():
        raise UserError(f"{name} returns {in_words(logits_NK)}; return the last layer's output as it is")


def in_words(value: Any) -> str:
    """What a value is, in a few words: `a tensor of shape (8, 10), float32`."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, tuple | list) and 0 < len(value) < 4:
        return f"a {type(value).__name__} of {' and '.join(map(in_words, value))}"
    return "nothing" if value is None else f"a {type(value).__name__}"
