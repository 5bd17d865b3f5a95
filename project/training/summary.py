"""Records a run: metrics.csv while it trains; summary.json, the figures and the last lines when it ends."""

import csv
import json
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning
import torch
from pytorch_lightning import LightningModule, Trainer

from project.assignment import Assignment, conditions
from project.classifier import Classifier
from project.data import ImageData
from project.strategies import Census, census
from project.support.devices import device_name
from project.support.errors import note
from project.support.files import write_atomically
from project.support.metrics import EpochCallback
from project.training.diagnostics import GRADIENT_NORM
from project.training.figures import draw_learning_curves
from project.training.known_settings import editor_line

METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr")


class Record(EpochCallback):
    """Writes `metrics.csv` while a run trains, and `summary.json` and the figures when it ends."""

    def __init__(
        self,
        folder: Path,
        config: str,
        seed: int,
        rules: Assignment,
        figures: bool,
        on_census: Callable[[Census], None],
    ):
        self.folder, self.config, self.seed, self.rules = folder, config, seed, rules
        self.figures, self.on_census = figures, on_census
        self.rows: list[dict[str, float]] = []
        self.columns: list[str] = []  # of metrics.csv, once it is written
        self.trained = False  # whether an epoch of this training is measured, or a checkpoint saved
        self.summary: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        self.data: ImageData = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        steps = int(trainer.estimated_stepping_batches)
        epochs = math.ceil(steps / max(1, math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)))
        self.epochs, self.steps = epochs, steps
        self.census = census(pl_module, self.data, epochs, steps)
        for remark in self.census.remarks:
            note(remark)
        self.on_census(self.census)
        self.started = time.perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # One that goes on in its own folder keeps the rows of the epochs that its checkpoint has behind it.
        self.rows = [row for row in read_rows(self.folder / "metrics.csv") if row["epoch"] <= trainer.current_epoch]
        if self.rows:
            self.started -= self.rows[-1]["seconds"]
        file = self.folder / "config.yaml"
        file.write_text(editor_line(file) + self.config, encoding="utf-8")

    def on_save_checkpoint(self, trainer: Trainer, *args: Any) -> None:
        self.trained = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = self.measured(trainer)
        names = [*METRICS, *(name for name in known if name.startswith(GRADIENT_NORM))]
        measured = {name: known[name] for name in names if name in known}
        counted = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append({**counted, **measured, "seconds": round(time.perf_counter() - self.started, 3)})
        self.trained = True
        self.write_rows()

    def write_rows(self) -> None:
        """Add the last row to metrics.csv, which is written anew where it is not there or its columns change."""
        norms = [name for row in self.rows for name in row if name.startswith(GRADIENT_NORM)]
        columns = list(dict.fromkeys(["epoch", "step", *METRICS, *norms, "seconds"]))
        anew, self.columns = columns != self.columns, columns
        with open(self.folder / "metrics.csv", "w" if anew else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if anew:
                writer.writeheader()
            writer.writerows(self.rows if anew else self.rows[-1:])

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, KeyboardInterrupt):
            last = self.folder / "checkpoints" / "last.ckpt"
            go_on = f"; to go on: python main.py fit --config {self.folder / 'config.yaml'} --ckpt_path {last}"
            stopped = f"\nStopped in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
            print(stopped + go_on if last.exists() else stopped)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.rows:
            return
        self.summary = {
            **accuracies(self.rows),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "seconds": self.rows[-1]["seconds"],
            "seed": self.seed,
            "device": device_name(pl_module.device),
            "precision": trainer.precision,
            "parameters": sum(p.numel() for p in pl_module.get_submodule("network").parameters()),
            "strategies": {
                family: [one._asdict() for one in found] for family, found in self.census.strategies.items()
            },
            "remarks": self.census.remarks,
            "classes": list(self.data.classes),
            "image_shape": list(self.data.image_shape),
            "samples_per_epoch": self.data.samples_per_epoch(trainer.limit_train_batches),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "pytorch_lightning": pytorch_lightning.__version__,
            },
        }
        write_atomically(self.folder / "summary.json", json.dumps(self.summary, indent=2, allow_nan=False) + "\n")
        figures = self.folder / "figures"
        if self.figures:
            draw_learning_curves(self.rows, self.rules.target_accuracy, self.data.num_classes, figures / "curves.png")


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv, without what is empty; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
    return [{name: int(row[name]) if name in ("epoch", "step") else float(row[name]) for name in row} for row in rows]


def accuracies(rows: list[dict[str, float]]) -> dict[str, float | None]:
    """The last validation accuracy that was measured, and the best one with its epoch; null where none was."""
    measured = {row["epoch"]: row["val/accuracy"] for row in rows if "val/accuracy" in row}
    best = max(measured, key=measured.__getitem__, default=None)
    return {
        "val_accuracy": next(reversed(measured.values()), None),
        "best_val_accuracy": None if best is None else measured[best],
        "best_epoch": best,
    }


def report(summary: dict[str, Any], folder: Path, rules: Assignment) -> str:
    """The last lines of a run: where it is, each condition as met or not, the accuracy and the epochs."""
    checked = conditions(rules, summary)
    width = max(len(name) for name, *_ in checked)
    drawn = "figures/curves.png, " if (folder / "figures" / "curves.png").exists() else ""
    lines = [f"\nThe run is in {folder}: summary.json, {drawn}checkpoints/", "The assignment's conditions:"]
    for name, met, shown_by, remedy in checked:
        lines.append(f"  {'met    ' if met else 'NOT MET'}  {name:{width}}  {shown_by}{'' if met else '; ' + remedy}")
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    if summary["val_accuracy"] is None:
        reached = f"val/accuracy was not measured; {epochs}"
    else:
        best = f"best {summary['best_val_accuracy']:.2%} in epoch {summary['best_epoch']}"
        reached = f"val/accuracy {summary['val_accuracy']:.2%} ({best}) after {epochs}"
    fulfilled = f"{sum(condition.met for condition in checked)} of {len(checked)} conditions met"
    return "\n".join([*lines, f"{reached}, {summary['seconds']:.0f} s on {summary['device']}; {fulfilled}"])
