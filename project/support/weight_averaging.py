"""Averaging of weights over the last epochs of a training, on top of Lightning's own callback."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class EpochAveraging(WeightAveraging):
    """Evaluates the plain mean of the weights at the ends of epochs; before the first of these, the current weights.

    Args:
        first_epoch: The first epoch whose end counts, from 0.
    """

    def __init__(self, first_epoch: int):
        super().__init__(avg_fn=self.average)
        self.first_epoch = first_epoch
        self.counted = 0  # ends of epochs that are in the mean
        self.due = True  # whether the weights are to be taken into it

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        self.counted = max(0, trainer.current_epoch - self.first_epoch)
        self.due = trainer.is_last_batch or self.counted == 0  # until there is a mean, the current weights
        super().on_train_batch_end(trainer, pl_module, *args, **kwargs)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None and self.due

    def average(self, mean: Tensor, weights: Tensor, updates: Any) -> Tensor:
        """The mean with these weights in it."""
        return mean + (weights - mean) / (self.counted + 1)
