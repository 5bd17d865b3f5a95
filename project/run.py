"""A run's folder, `runs/<name>/`, and what is said at its end.

config.yaml    the complete configuration; `fit --config` it to repeat the run
metrics.csv    one row an epoch
summary.json   accuracy, epochs, seconds, the strategies that were really used
checkpoints/   best.ckpt (highest val/accuracy) and last.ckpt
figures/       learning curves
wandb/         the W&B run, offline unless asked: `wandb leet runs/<name>/wandb`, `wandb sync runs/<name>/wandb/*run-*`
"""

import csv
import json
import math
import netrc
import os
import platform
import socket
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning
import torch
import yaml
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import Logger, WandbLogger

from project.assignment import Assignment, conditions
from project.diagnostics import GRADIENT_NORM
from project.errors import UserError
from project.figures import draw_learning_curves
from project.files import write_atomically
from project.metrics import EpochCallback
from project.strategies import Strategy, census

METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr")


@dataclass
class Run:
    """Where a run is kept.

    Attributes:
        name: Name of the run's folder. By default made from the names of its configuration files.
        folder: Folder of all runs.
        wandb: W&B logging. Offline runs are kept in the run's folder; online needs `wandb login`.
        project: The W&B project.
        diagnostics: Record and draw learning rate, gradient norms and activations.
        figures: Draw the learning curves.
    """

    name: str | None = None
    folder: str = "runs"
    wandb: Literal["disabled", "offline", "online"] = "offline"
    project: str = "fifteen-epochs"
    diagnostics: bool = True
    figures: bool = True

    def check(self) -> None:
        """Raises UserError where W&B is to be online, but has no key, or does not answer."""
        if self.wandb != "online":
            return
        import wandb

        url = os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
        if not has_key(url):
            raise UserError("run.wandb: online needs a key; run `wandb login`, or leave run.wandb at offline")
        check_reachable(url)

    def create_folder(self, default_name: str) -> Path:
        """Make the run's folder; a name that is taken gets a number, so no run overwrites another."""
        name, number = self.name or default_name, 1
        if Path(name).name != name:
            raise UserError(f"run.name: {name!r} is not a plain name; put the folder into run.folder")
        while True:
            path = Path(self.folder) / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
                return path
            except FileExistsError:
                number += 1
            except OSError as error:
                raise UserError(f"run.folder: cannot make {path}: {error.strerror}") from None

    def logger(self, path: Path) -> Logger | Literal[False]:
        """The W&B logger that writes below `path`."""
        if self.wandb == "disabled":
            return False
        import wandb

        # W&B falls back to a temporary folder, in silence, where its own folder does not exist yet.
        (path / "wandb").mkdir()
        try:
            experiment = wandb.init(
                name=path.name,
                dir=path,
                mode=self.wandb,
                project=self.project,
                settings=wandb.Settings(console="off", silent=self.wandb == "offline", x_disable_stats=True),
            )
        except wandb.errors.Error as error:
            raise UserError(f"run.wandb: {str(error).splitlines()[0]}; leave run.wandb at offline") from None
        return WandbLogger(experiment=experiment)


def has_key(url: str) -> bool:
    """Whether there is a W&B key in the environment or where `wandb login` puts it. W&B itself would ask, and wait."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    default = Path.home() / ("_netrc" if platform.system() == "Windows" else ".netrc")
    try:
        known = netrc.netrc(os.environ.get("NETRC") or default)
    except (OSError, netrc.NetrcParseError):
        return False
    return known.authenticators(urllib.parse.urlsplit(url).hostname) is not None


def check_reachable(url: str) -> None:
    """Raises UserError where nothing answers at a URL; W&B itself would wait for minutes."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.getproxies().get(parts.scheme):
        return  # it is the proxy's to answer
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=5).close()
    except OSError as error:
        later = "leave run.wandb at offline, and `wandb sync` the run later"
        raise UserError(f"run.wandb: online, but {parts.hostname} does not answer ({error}); {later}") from None


class SaveConfig(SaveConfigCallback):
    """Writes the complete configuration to the run's folder (not to the logger's, which two runs would share)."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, save_to_log_dir=False, **kwargs)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":  # validate, test and predict have no run folder
            return
        text = self.parser.dump(self.config, skip_none=False)
        (Path(trainer.default_root_dir) / "config.yaml").write_text(text, encoding="utf-8")
        if trainer.logger:
            trainer.logger.log_hyperparams(yaml.safe_load(text))


class Record(EpochCallback):
    """Writes `metrics.csv` while a run trains, and `summary.json` and the figures when it ends."""

    def __init__(self, folder: Path, seed: int | None, figures: bool = True):
        self.folder, self.seed, self.figures = folder, seed, figures
        self.rows: list[dict[str, float]] = []
        self.summary: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()
        steps = int(trainer.estimated_stepping_batches)
        epochs = math.ceil(steps / max(1, math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)))
        self.strategies = census(pl_module, trainer.datamodule, epochs, steps)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = self.measured(trainer)
        names = [*METRICS, *(name for name in known if name.startswith(GRADIENT_NORM))]
        measured = {name: known[name] for name in names if name in known}
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
        accuracies = {row["epoch"]: row["val/accuracy"] for row in self.rows if "val/accuracy" in row}
        best = max(accuracies, key=accuracies.get, default=None)
        self.summary = {
            "val_accuracy": next(reversed(accuracies.values()), None),  # the last one measured; null where none was
            "best_val_accuracy": accuracies.get(best),
            "best_epoch": best,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "seconds": self.rows[-1]["seconds"],
            "seed": self.seed,
            "device": device_name(pl_module.device),
            "precision": trainer.precision,
            "parameters": sum(p.numel() for p in pl_module.network.parameters()),
            "strategies": {
                family: [strategy._asdict() for strategy in found] for family, found in self.strategies.items()
            },
            "classes": list(trainer.datamodule.classes),
            "image_shape": list(trainer.datamodule.image_shape),
            "samples_per_epoch": trainer.datamodule.samples_per_epoch,
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "pytorch_lightning": pytorch_lightning.__version__,
            },
        }
        write_atomically(self.folder / "summary.json", json.dumps(self.summary, indent=2, allow_nan=False) + "\n")
        figures = self.folder / "figures"
        if self.figures:
            draw_learning_curves(self.rows, Assignment.load().target_accuracy, figures / "curves.png")
        if isinstance(trainer.logger, WandbLogger):
            trainer.logger.log_hyperparams({"strategies": named(self.strategies)})
            for figure in sorted(figures.glob("*.png")):
                trainer.logger.log_image(f"figures/{figure.stem}", [str(figure)])


def named(strategies: dict[str, list[Strategy]]) -> dict[str, list[str]]:
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
    met = sum(condition.met for condition in checked)
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    if summary["val_accuracy"] is None:
        reached = f"val/accuracy was not measured; {epochs}"
    else:
        best = f"best {summary['best_val_accuracy']:.2%} in epoch {summary['best_epoch']}"
        reached = f"val/accuracy {summary['val_accuracy']:.2%} ({best}) after {epochs}"
    lines.append(
        f"{reached}, {summary['seconds']:.0f} s on {summary['device']}; {met} of {len(checked)} conditions met"
    )
    return "\n".join(lines)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the kind of processor with the number of threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"
