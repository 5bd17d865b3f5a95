"""Progress: a bar in a terminal, one plain line an epoch everywhere else."""

import sys
import time

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar


class EpochLines(Callback):
    """Prints one line an epoch."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = trainer.callback_metrics
        parts = [f"epoch {trainer.current_epoch + 1:2d}/{trainer.max_epochs}"]
        for split in ("train", "val"):
            if f"{split}/loss" in metrics:
                parts.append(f"{split} loss {metrics[f'{split}/loss']:.3f} accuracy {metrics[f'{split}/accuracy']:6.2%}")
        print("  ".join([*parts, f"{time.perf_counter() - self.started:.1f} s"]), flush=True)


def progress() -> Callback:
    """The progress display that suits where the output goes."""
    return TQDMProgressBar(refresh_rate=10, leave=True) if sys.stderr.isatty() else EpochLines()
