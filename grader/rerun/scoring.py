"""Logits that a sandbox left, and what is computed from them."""

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from grader.sandbox.untrusted_files import Unreadable, read_output


def read_logits(path: Path, samples: int, classes: int) -> Tensor:
    """Finite float32 logits (samples, classes) that a sandbox wrote. Raises Unreadable for anything else."""
    logits_NK = read_tensor(path, (samples, classes))
    if not logits_NK.isfinite().all():
        raise Unreadable("the logits are not all finite: the training diverged")
    return logits_NK


def read_tensor(path: Path, shape: tuple[int, ...]) -> Tensor:
    """float32 logits of this shape that a sandbox wrote. Raises Unreadable for anything else."""
    content = read_output(path, 8 * math.prod(shape) + 10_000)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{path.name} is no safetensors file ({error})") from None
    logits = tensors.get("logits")
    if logits is None or logits.dtype != torch.float32 or logits.shape != shape:
        found = "none" if logits is None else f"{logits.dtype} {tuple(logits.shape)}"
        raise Unreadable(f"the logits are not float32 {shape} but {found}")
    return logits


def accuracy(logits_NK: Tensor, labels_N: Tensor) -> float:
    """Share of samples whose largest logit is at the label; of equal logits, the first counts."""
    return (logits_NK.argmax(1) == labels_N).double().mean().item()


def confusion(logits_NK: Tensor, labels_N: Tensor) -> list[list[int]]:
    """Counts (classes, classes): a row for each label, a column for each prediction."""
    classes = logits_NK.shape[1]
    pairs_N = labels_N * classes + logits_NK.argmax(1)
    counts: list[list[int]] = torch.bincount(pairs_N, minlength=classes**2).reshape(classes, classes).tolist()
    return counts


def confident_mistakes(logits_NK: Tensor, labels_N: Tensor, most: int) -> list[dict[str, Any]]:
    """The mistakes with the highest probability, at most `most`: `image` (its index), `label`, `predicted`, `share`."""
    share_N, predicted_N = logits_NK.double().softmax(1).max(1)
    wrong = (predicted_N != labels_N).nonzero().flatten()
    wrong = wrong[share_N[wrong].argsort(descending=True, stable=True)][:most]
    columns = (wrong, labels_N[wrong], predicted_N[wrong], share_N[wrong])
    names = ("image", "label", "predicted", "share")
    return [dict(zip(names, row)) for row in zip(*(column.tolist() for column in columns))]
