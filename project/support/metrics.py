"""Loss and accuracy of an epoch, of which a step neither asks for nor computes a number."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

KEPT = 2**14  # samples whose logits are kept until they are counted together


class EpochMetrics(nn.Module):
    """A step only hands over its logits; they are counted on their device, where nothing waits for them.

    Args:
        num_classes: Number of classes K.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        # Unchecked values: to check them, a GPU would have to stop and answer.
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
        """Mean cross-entropy and accuracy, in [0, 1], of all batches since the last call."""
        if self.kept:
            self._count()
        values = {"loss": self.loss.compute(), "accuracy": self.accuracy.compute()}
        self.loss.reset()
        self.accuracy.reset()
        return values

    def _count(self) -> None:
        logits_NK, labels_N = (torch.cat(kept) for kept in zip(*self.kept))
        self.kept, self.samples = [], 0
        # Each loss, not a weighted mean: without checks, torchmetrics ignores the weight.
        self.loss.update(F.cross_entropy(logits_NK.float(), labels_N, reduction="none"))
        self.accuracy.update(logits_NK, labels_N)


class EpochCallback(Callback):
    """Base of those that tell what was measured in an epoch; the trainer also keeps older values."""

    validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated = not trainer.sanity_checking

    def measured(self, trainer: Trainer) -> dict[str, float]:
        """The metrics of the epoch that ends: none of a training that was broken off, or of a validation before it."""
        validated, self.validated = self.validated, False
        complete = {"train": trainer.is_last_batch, "lr": trainer.is_last_batch, "val": validated}
        known = trainer.callback_metrics
        # As decimals of the seven digits that a float32 has: 80 % would else be 0.800000012, and above a target of 0.8.
        return {
            name: float(f"{known[name].item():.7g}") for name in known if complete.get(name.partition("/")[0], True)
        }
