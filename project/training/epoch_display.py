"""What a training shows while it runs: a line an epoch, and in a terminal a bar below them."""

import sys
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from tqdm import tqdm

from project.support.metrics import EpochCallback


class EpochLines(EpochCallback):
    """Prints one line an epoch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()  # not at an epoch's start: one that goes on from a checkpoint has none

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = self.measured(trainer)
        parts = [epoch_of(trainer)]
        for split in ("train", "val"):
            if f"{split}/loss" in metrics:
                loss, accuracy = metrics[f"{split}/loss"], metrics[f"{split}/accuracy"]
                parts.append(f"{split} loss {loss:.3f} accuracy {accuracy:6.2%}")
        tqdm.write("  ".join([*parts, f"{time.perf_counter() - self.started:.1f} s"]))  # above the bar, if there is one
        sys.stdout.flush()
        self.started = time.perf_counter()


class EpochBar(TQDMProgressBar):
    """A bar for the epoch under way, below the lines of those that are done."""

    def init_train_tqdm(self) -> Tqdm:
        bar = super().init_train_tqdm()
        bar.leave = False
        return bar

    def on_train_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(epoch_of(trainer))

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return {}  # the lines show them


def epoch_of(trainer: Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1:2d}/{trainer.max_epochs}"


def training_progress() -> list[Callback]:
    """The display of a training that suits where the output goes."""
    return [EpochLines(), EpochBar(refresh_rate=10)] if sys.stdout.isatty() else [EpochLines()]
