"""What is written of a run while it trains, and said at its end: metrics.csv, summary.json, the figures, the last lines."""

import csv
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from project.assignment import Assignment, conditions
from project.classifier import Classifier
from project.data import ImageData
from project.strategies import Census, census
from project.support.devices import device_name
from project.support.files import write_atomically
from project.training.diagnostics import GRADIENT_NORM
from project.training.figures import draw_learning_curves

METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr")


class Record(Callback):
    """Writes `metrics.csv` while a run trains, and `summary.json` and the figures when it ends."""

    def __init__(
        self,
        folder: Path,
        seed: int | None,
        figures: bool = True,
        on_census: Callable[[Census], None] = lambda census: None,
    ):
        self.folder, self.seed, self.figures, self.on_census = folder, seed, figures, on_census
        self.rows: list[dict[str, float]] = []
        self.summary: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classifier) and trainer.max_epochs is not None
        self.data: ImageData = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        self.strategies = census(pl_module, self.data, trainer.max_epochs)
        self.on_census(self.strategies)
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = trainer.callback_metrics
        names = [*METRICS, *(name for name in known if name.startswith(GRADIENT_NORM))]
        measured = {name: known[name].item() for name in names if name in known}
        counted = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append({**counted, **measured, "seconds": round(time.perf_counter() - self.started, 3)})
        with open(self.folder / "metrics.csv", "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["epoch", "step", *names, "seconds"])
            if len(self.rows) == 1:
                writer.writeheader()
            writer.writerow(self.rows[-1])

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, KeyboardInterrupt):
            last = self.folder / "checkpoints" / "last.ckpt"
            go_on = f"to go on: python main.py fit --config {self.folder / 'config.yaml'} --ckpt_path {last}"
            print(
                f"\nStopped in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
                + (f"; {go_on}" if last.exists() else "")
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.rows:
            return
        accuracies = [row.get("val/accuracy", float("nan")) for row in self.rows]
        self.summary = {
            "val_accuracy": accuracies[-1],
            "best_val_accuracy": max(accuracies),
            "best_epoch": int(self.rows[accuracies.index(max(accuracies))]["epoch"]),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "seconds": self.rows[-1]["seconds"],
            "seed": self.seed,
            "device": device_name(pl_module.device),
            "precision": trainer.precision,
            "parameters": sum(p.numel() for p in pl_module.get_submodule("network").parameters()),
            "strategies": {
                family: [strategy._asdict() for strategy in found] for family, found in self.strategies.items()
            },
            "classes": list(self.data.classes),
            "image_shape": list(self.data.image_shape),
            "samples_per_epoch": self.data.samples_per_epoch,
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "pytorch_lightning": pytorch_lightning.__version__,
            },
        }
        write_atomically(self.folder / "summary.json", json.dumps(self.summary, indent=2) + "\n")
        figures = self.folder / "figures"
        if self.figures:
            draw_learning_curves(self.rows, figures / "curves.png")
        if isinstance(trainer.logger, WandbLogger):
            trainer.logger.log_hyperparams({"strategies": named(self.strategies)})
            for figure in sorted(figures.glob("*.png")):
                trainer.logger.log_image(f"figures/{figure.stem}", [str(figure)])


def named(strategies: Census) -> dict[str, list[str]]:
    """The census, names alone."""
    return {family: [strategy.name for strategy in found] for family, found in strategies.items()}


def report(summary: dict[str, Any], folder: Path, rules: Assignment) -> str:
    """The last lines of a run: where it is, each condition as met or not, the accuracy and the epochs."""
    checked = conditions(rules, summary)
    width = max(len(condition.name) for condition in checked)
    drawn = "figures/curves.png, " if (folder / "figures" / "curves.png").exists() else ""
    lines = [
        f"\nThe run is in {folder}: summary.json, {drawn}checkpoints/",
        "The assignment's conditions:",
    ]
    for name, met, shown_by, remedy in checked:
        lines.append(f"  {'met    ' if met else 'NOT MET'}  {name:{width}}  {shown_by}{'' if met else '; ' + remedy}")
    fulfilled = sum(condition.met for condition in checked)
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    lines.append(
        f"val/accuracy {summary['val_accuracy']:.2%} (best {summary['best_val_accuracy']:.2%} in epoch "
        f"{summary['best_epoch']}) after {epochs}, {summary['seconds']:.0f} s on {summary['device']}; "
        f"{fulfilled} of {len(checked)} conditions met"
    )
    return "\n".join(lines)
