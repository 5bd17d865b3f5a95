"""Loss and accuracy of an epoch, without a number being asked for, or even computed, in a step."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

KEPT = 2**14  # samples whose logits are kept until they are counted, all at once


class EpochMetrics(nn.Module):
    """A step only hands over its logits; they are counted on their device, thousands at a time.

    Args:
        num_classes: Number of classes K.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        # Without checks of the values, for which a GPU would have to stop and answer.
        self.loss = MeanMetric(nan_strategy="disable")
        self.accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.samples = 0

    def update(self, logits_NK: Tensor, labels_N: Tensor) -> None:
        """Take a batch's logits (N, K) and labels (N,) into account."""
        self.kept.append((logits_NK.detach(), labels_N))
        self.samples += len(labels_N)
        if self.samples >= KEPT:
            self._count()

    def compute(self) -> dict[str, Tensor]:
        """Mean cross-entropy and accuracy, in [0, 1], of all since the last call, which begins anew."""
        if self.kept:
            self._count()
        values = {"loss": self.loss.compute(), "accuracy": self.accuracy.compute()}
        self.loss.reset()
        self.accuracy.reset()
        return values

    def _count(self) -> None:
        logits_NK, labels_N = (torch.cat(kept) for kept in zip(*self.kept))
        self.kept, self.samples = [], 0
        # Not their mean with a weight, which torchmetrics leaves aside where it checks nothing.
        self.loss.update(F.cross_entropy(logits_NK.float(), labels_N, reduction="none"))
        self.accuracy.update(logits_NK, labels_N)
