"""Loss and accuracy of an epoch, of which a step neither asks for nor computes a number."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F

KEPT = 2**14  # samples whose logits are kept until they are counted together


class EpochMetrics:
    """A step only hands over its logits; they are counted on their device, where nothing waits for them."""

    def __init__(self) -> None:
        self.kept: list[tuple[Tensor, Tensor]] = []  # logits and labels of batches that are not counted yet
        self.sums: list[Tensor] = []  # losses and hits of what is counted
        self.samples = 0  # that are counted

    def update(self, logits_NK: Tensor, labels_N: Tensor) -> None:
        """Take a batch's logits (N, K) and labels (N,) into account."""
        self.kept.append((logits_NK.detach(), labels_N))
        if sum(len(labels_N) for _, labels_N in self.kept) >= KEPT:
            self._count()

    def compute(self) -> dict[str, Tensor]:
        """Mean cross-entropy, and accuracy in [0, 1], of all batches since the last call."""
        if self.kept:
            self._count()
        loss, accuracy = torch.stack(self.sums).sum(0) / self.samples
        self.sums, self.samples = [], 0
        return {"loss": loss, "accuracy": accuracy}

    def _count(self) -> None:
        logits_NK, labels_N = (torch.cat(kept) for kept in zip(*self.kept))
        losses_N = F.cross_entropy(logits_NK.float(), labels_N, reduction="none")
        self.sums.append(torch.stack([losses_N.sum(), (logits_NK.argmax(1) == labels_N).sum()]))
        self.kept, self.samples = [], self.samples + len(labels_N)


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
        return {name: known[name].item() for name in known if complete.get(name.partition("/")[0], True)}
