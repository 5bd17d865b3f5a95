"""Loss and accuracy of an epoch, without a number being asked for, or even computed, in a step."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
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


class EpochCallback(Callback):
    """Base of those that tell what was measured in each epoch: the trainer also keeps what was measured before."""

    validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated = not trainer.sanity_checking

    def measured(self, trainer: Trainer) -> dict[str, float]:
        """The metrics of the epoch that ends: no training's where it was broken off, no validation's where none was."""
        validated, self.validated = self.validated, False
        complete = {"train": trainer.is_last_batch, "lr": trainer.is_last_batch, "val": validated}
        known = trainer.callback_metrics
        return {name: known[name].item() for name in known if complete.get(name.partition("/")[0], True)}
