"""Averaging of weights over the steps or epochs of a training; EMA and SWA in `project/regularization.py` choose what."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging


class AverageWeights(WeightAveraging):
    """Lightning's averaging: averages after every step, or the last of each epoch (before it is validated)."""

    def __init__(self, first_epoch: int, every_step: bool, **averaging):
        super().__init__(**averaging)
        self.first_epoch, self.every_step = first_epoch, every_step

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args) -> None:
        if trainer.current_epoch >= self.first_epoch and (self.every_step or trainer.is_last_batch):
            super().on_train_batch_end(trainer, pl_module, *args)

    # Until there is an average, what is evaluated and kept is the weights themselves.
    def _swap_models(self, pl_module: LightningModule) -> None:
        if self._average_model.n_averaged > 0:
            super()._swap_models(pl_module)

    def _copy_average_to_current(self, pl_module: LightningModule) -> None:
        if self._average_model.n_averaged > 0:
            super()._copy_average_to_current(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict) -> None:
        current = checkpoint["state_dict"]
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if not self._average_model.n_averaged > 0:
            checkpoint["state_dict"] = {name: tensor.clone() for name, tensor in current.items()}
