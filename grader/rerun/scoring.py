"""What is computed from a network's logits and the labels."""

from typing import Any

import torch
from torch import Tensor


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
