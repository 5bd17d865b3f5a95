"""An epoch: the common template, ours, a bare loop over our batches, and the arithmetic alone.

The same network (six convolutions of 16, 32 and 64 channels with batch normalization, 73 thousand parameters; in the
template as most write it, elsewhere by ConvNet, which computes the same) and batches of 128. Seconds of a training
epoch, the median of three after one to warm up, without validation. Each arm has a process of its own.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path

import torch
from pytorch_lightning import Callback
from torch import nn
from torch.nn import functional as F

from benchmarks import template
from benchmarks.measuring import alone, in_turns, ratio, report
from project.augmentation import RandomCrop, RandomHorizontalFlip
from project.batches.in_memory import ResidentBatches
from project.data import ImageData
from project.datasets.source import Source
from project.datasets.tensor_folder import TensorFolder
from project.networks import ConvNet
from project.normalization import BatchNormalization, Normalization
from project.support.allocator import keep_freed_memory
from project.support.devices import precision_for
from project.training.command_line import made
from project.training.configuration import merged, read_arguments

BATCH, RATE, EPOCHS = 128, 0.1, 4
SETTINGS = [
    *("--config", "configs/base.yaml", "--model.network", "benchmarks.epoch.SixConvolutions"),
    *("--config", "configs/normalization/batch.yaml", "--config", "configs/optimization/onecycle.yaml"),
    *("--config", "configs/optimization/nesterov.yaml", "--config", "configs/regularization/weight_decay.yaml"),
    *("--config", "configs/regularization/crop.yaml", "--config", "configs/regularization/flip.yaml"),
    *("--data.batch_size", str(BATCH), "--trainer.max_epochs", str(EPOCHS)),
    *("--trainer.limit_val_batches", "0", "--trainer.enable_checkpointing", "false", "--run.wandb", "disabled"),
]


class SixConvolutions(ConvNet):
    """Three stages of two convolutions; what is the stem elsewhere is the first of them, at full resolution."""

    def __init__(self, num_classes: int = 10, normalization: Normalization | None = None):
        super().__init__(num_classes, normalization=normalization, width=16, stem_stride=1)
        self.stages[0] = self.stages[0][1:]


class EpochSeconds(Callback):
    """The seconds of each epoch."""

    def __init__(self):
        self.each: list[float] = []

    def on_train_epoch_start(self, *args) -> None:
        synchronize()
        self.started = time.perf_counter()

    def on_train_epoch_end(self, *args) -> None:
        synchronize()
        self.each.append(time.perf_counter() - self.started)

    @property
    def seconds(self) -> float:
        """Of an epoch, the first one aside: what disturbs one of them does not count."""
        return statistics.median(self.each[1:])


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def network() -> nn.Module:
    return SixConvolutions(normalization=BatchNormalization())


def template_epoch(source: TensorFolder, workers: int) -> float:
    data = ImageData(source)
    data.setup("fit")
    batches = template.loader(data.split("train"), data.mean, data.std, BATCH, workers)
    timer = EpochSeconds()
    template.trainer(EPOCHS, [timer]).fit(template.Template(template.six_convolutions(), RATE), batches)
    return timer.seconds


def our_epoch(source: TensorFolder, precision: str) -> float:
    timer = EpochSeconds()

    given = ["--data.source", "project.datasets.tensor_folder.TensorFolder", "--data.source.path", str(source.folder)]
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        options = [*SETTINGS, *given, "--trainer.precision", precision, "--run.folder", folder]
        timed = made(merged(read_arguments(options).overlays))
        timed.trainer.callbacks.append(timer)
        timed.fit()
    return timer.seconds


def loop_epoch(source: TensorFolder, precision: str, real_batches: bool) -> float:
    """A bare loop, over our batches or over one that lies ready: the arithmetic alone. Freed memory is kept, as in ours."""
    keep_freed_memory()
    data = ImageData(source, BATCH)
    data.setup("fit")
    images_NHWC, labels_N = data.split("train")
    steps = len(labels_N) // BATCH
    net = network().to(device(), memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    autocast = torch.autocast(device().type, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()
    fixed = (data.sample(BATCH).to(device()), labels_N[:BATCH].to(device()))
    batches = resident(data) if real_batches else [fixed] * steps
    timer = EpochSeconds()
    for _ in range(EPOCHS):
        timer.on_train_epoch_start()
        for images_NCHW, targets_N in batches:
            with autocast:
                loss = F.cross_entropy(net(images_NCHW), targets_N)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        timer.on_train_epoch_end()
    return timer.seconds


def resident(data: ImageData) -> ResidentBatches:
    augmentation = [RandomCrop(4), RandomHorizontalFlip()]
    return ResidentBatches(
        data.split("train"), BATCH, data.mean, data.std, device(), training=True, augmentation=augmentation
    )


def first_images(source: Source, count: int, folder: str) -> TensorFolder:
    """The first images of a source, so that an epoch takes seconds, in another one."""
    images_NHWC, labels_N = source.load("train")
    splits = {"train": (images_NHWC[:count], labels_N[:count]), "val": source.load("val")}
    TensorFolder.write(Path(folder), source.classes, splits)
    return TensorFolder(folder)


def main(whole: Source, rounds: int, images: int, workers: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        return measure(first_images(whole, images, folder), rounds, workers)


def measure(source: TensorFolder, rounds: int, workers: int) -> dict:
    auto = precision_for("auto")
    arms: dict[str, Callable[[], float]] = {
        "template, 32-true": partial(alone, template_epoch, source, workers),
        "ours, 32-true": partial(alone, our_epoch, source, "32-true"),
        "bare loop, 32-true": partial(alone, loop_epoch, source, "32-true", True),
        "arithmetic, 32-true": partial(alone, loop_epoch, source, "32-true", False),
    }
    if auto != "32-true":
        arms |= {
            f"ours, {auto}": partial(alone, our_epoch, source, "auto"),
            f"bare loop, {auto}": partial(alone, loop_epoch, source, auto, True),
            f"arithmetic, {auto}": partial(alone, loop_epoch, source, auto, False),
        }
    found = in_turns(arms, rounds, "s")
    ratios = {
        "epoch_same_precision": ratio(found["template, 32-true"], found["ours, 32-true"]),
        "over_arithmetic": ratio(found["ours, 32-true"], found["arithmetic, 32-true"]),
        "over_bare_loop": ratio(found["ours, 32-true"], found["bare loop, 32-true"]),
    }
    if auto != "32-true":
        ratios |= {
            "epoch_auto_precision": ratio(found["template, 32-true"], found[f"ours, {auto}"]),
            "over_arithmetic_auto": ratio(found[f"ours, {auto}"], found[f"arithmetic, {auto}"]),
            "over_bare_loop_auto": ratio(found[f"ours, {auto}"], found[f"bare loop, {auto}"]),
        }
    return report("epoch", found, ratios, images=len(source.load("train").labels_N), workers=workers)
