"""What a dataset is: named in the YAML as `data.source`, it gives uint8 images and labels, a split at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from project.support.errors import UserError


class Split(NamedTuple):
    """Images (N, H, W, C), uint8, and their labels (N,), int64."""

    images_NHWC: Tensor
    labels_N: Tensor


class Source(ABC):
    """A dataset. `classes` names its classes; `splits` are some of train, val and test."""

    classes: list[str]

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that there are."""

    @abstractmethod
    def load(self, split: str) -> Split:
        """A split, in an order that does not change."""


def check_classes(where: str, train: Split, classes: Sequence[str]) -> None:
    """Raise UserError where all training images are of one class: there is nothing to tell apart."""
    if len(found := train.labels_N.unique().tolist()) < 2:
        said = f"of the class {classes[found[0]]}" if found else "missing"
        raise UserError(
            f"{where}: all {len(train.labels_N)} training images are {said}; training needs two classes at least"
        )


def shape_words(shape_HWC: Sequence[int]) -> str:
    """`28x28 grey` for an image of (28, 28, 1)."""
    h, w, c = shape_HWC
    return f"{h}x{w} {({1: 'grey', 3: 'colour'}).get(c, f'of {c} channels')}"


def stratified_split(labels_N: Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the rest, and of a random part of `size` samples in which every class keeps its share.

    Shares that do not come out even are rounded so that the sum is exact, largest remainder first. Where `size` allows,
    a class of two samples or more has at least one on either side.
    """
    generator = torch.Generator().manual_seed(seed)
    order_N = torch.randperm(len(labels_N), generator=generator)
    counts_K = torch.bincount(labels_N)
    exact_K = counts_K.double() * size / len(labels_N)
    taken_K = exact_K.floor().long()
    taken_K[(exact_K - taken_K).argsort(descending=True, stable=True)[: size - int(taken_K.sum())]] += 1
    taken_K = each_present(taken_K, exact_K, counts_K)
    taken_K = counts_K - each_present(counts_K - taken_K, counts_K - exact_K, counts_K)
    part = torch.cat([order_N[labels_N[order_N] == k][:taken] for k, taken in enumerate(taken_K.tolist())])
    in_part_N = torch.zeros(len(labels_N), dtype=torch.bool).index_fill_(0, part, True)
    return (~in_part_N).nonzero().flatten(), in_part_N.nonzero().flatten()


def each_present(taken_K: Tensor, exact_K: Tensor, counts_K: Tensor) -> Tensor:
    """`taken_K` with one sample of each class of several that had none, at the cost of those that have most over their share."""
    taken_K = taken_K.clone()
    for k in ((taken_K == 0) & (counts_K > 1)).nonzero().flatten().tolist():
        over_K = (taken_K - exact_K).masked_fill(taken_K < 2, -torch.inf)
        if over_K.max() == -torch.inf:
            break
        taken_K[over_K.argmax()] -= 1
        taken_K[k] = 1
    return taken_K
