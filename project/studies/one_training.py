"""One training of a study: what it comes to, beyond what a run of it writes down."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from project.studies.measurements import Measuring, weight_shares
from project.studies.metric_names import MetricName
from project.support.errors import UserError
from project.support.metrics import EpochMetrics
from project.training.command_line import CommandLine, made
from project.training.configuration import Settings, merged

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class RunResult(BaseModel):
    """What a training came to. A number is None where it was not measured, or is none.

    Attributes:
        seed: Of its draws.
        accuracy, loss: On the validation images, after the last epoch.
        train_loss, val_loss: Of the trained network, both in evaluation mode and on images as they come.
        curves: Of CURVES, each epoch's value.
        measured: What the study names besides.
        weight_shares: A histogram of the weights in %, where `near_zero` is measured.
        remarks: What is set but has no effect.
        seconds: That the training took.
        val_images: Of which the accuracy is counted; None where that was not written down.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    seed: int
    accuracy: float | None
    loss: float | None
    train_loss: float | None
    val_loss: float | None
    curves: dict[str, list[float | None]]
    measured: dict[MetricName, float | None] = {}
    weight_shares: list[float] = []
    remarks: list[str]
    seconds: float
    val_images: int | None = None


def fitted(settings: Settings, seed: int, place: Path, measure: tuple[MetricName, ...] = ()) -> RunResult:
    """A training's result."""
    quiet = {"folder": str(place), "name": "run", "wandb": "disabled", "diagnostics": False, "figures": False}
    ours: list[Settings] = [{"seed_everything": seed, "run": quiet}]
    if not (settings.get("trainer") or {}).get("callbacks"):  # of which one may write checkpoints
        ours.append({"trainer": {"enable_checkpointing": False}})
    command_line = made(merged([settings, *ours]))
    measuring = Measuring(measure, command_line.datamodule)
    command_line.trainer.callbacks.append(measuring)  # type: ignore[attr-defined]  # Lightning sets it
    command_line.fit()
    record = command_line.record
    if record is None or not record.summary:
        raise UserError("the training ended before its first epoch did")
    summary, rows = record.summary, record.rows
    return RunResult(
        seed=seed,
        accuracy=summary["val_accuracy"],
        loss=next((finite(row["val/loss"]) for row in reversed(rows) if "val/loss" in row), None),
        train_loss=clean_loss(command_line, "train"),
        val_loss=clean_loss(command_line, "val"),
        curves=curves_of(rows),
        measured={name: finite(value) for name, value in measuring.values(command_line.model).items()},
        weight_shares=weight_shares(command_line.model.get_submodule("network")) if "near_zero" in measure else [],
        remarks=summary["remarks"],
        seconds=summary["seconds"],
        val_images=command_line.datamodule.samples("val", command_line.trainer.limit_val_batches),
    )


def curves_of(rows: Iterable[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Of CURVES, each epoch's value from the first one on; None where it was not measured, or where there is no row."""
    of_epoch = {int(row["epoch"]): row for row in rows}
    epochs = range(1, max(of_epoch, default=0) + 1)
    return {name: [finite(of_epoch.get(epoch, {}).get(name)) for epoch in epochs] for name in CURVES}


def clean_loss(command_line: CommandLine, split: str) -> float | None:
    """The mean loss of a trained network on a split, in evaluation mode, without augmentation or penalties."""
    model, data = command_line.model, command_line.datamodule
    device = command_line.trainer.strategy.root_device
    metrics = EpochMetrics(data.num_classes).to(device)
    model.to(device).eval()
    like = next(filter(torch.is_floating_point, model.parameters()))  # not single precision with `64-true`
    with torch.no_grad():
        for images_NCHW, labels_N in data.batches(split):
            metrics.update(model(images_NCHW.to(like.dtype)), labels_N)
    return finite(metrics.compute()["loss"].item())


def finite(value: float | None) -> float | None:
    """A number, or None in place of infinity and of what is none."""
    return value if value is not None and abs(value) < float("inf") else None
