"""A step of a network that computes next to nothing: what the Trainer costs, and what our logging adds.

All arms train the same linear layer on the same batches in memory; microseconds a step.
"""

import functools
import tempfile
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import template
from benchmarks.epoch import EPOCHS, EpochSeconds
from benchmarks.measuring import in_turns, ratio, report
from project.assignment import Assignment
from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP
from project.training.diagnostics import Diagnostics
from project.training.epoch_display import EpochLines
from project.training.summary import Record

STEPS = 2000


class Batches(list):
    """Batches that lie ready."""


def batches() -> Batches:
    torch.manual_seed(0)
    return Batches([(torch.randn(8, 3, 8, 8), torch.randint(0, 10, (8,)))] * STEPS)


def linear() -> nn.Module:
    return MLP(image_size=8, depth=0)


class Bare(LightningModule):
    """The least that trains."""

    def __init__(self):
        super().__init__()
        self.network = linear()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def plain_loop() -> float:
    network, ready = linear(), batches()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    timer = EpochSeconds()
    for _ in range(EPOCHS):
        timer.on_train_epoch_start()
        for images_NCHW, labels_N in ready:
            loss = F.cross_entropy(network(images_NCHW), labels_N)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        timer.on_train_epoch_end()
    return timer.seconds / STEPS * 1e6


def microseconds(module: LightningModule, callbacks: list[Callback], data: ImageData | None = None) -> float:
    timer = EpochSeconds()
    trainer = template.trainer(EPOCHS, [*callbacks, timer])
    trainer.fit(module, batches()) if data is None else fit_with_data(trainer, module, data)
    return timer.seconds / STEPS * 1e6


def fit_with_data(trainer: Trainer, module: LightningModule, data: ImageData) -> None:
    """Fit on the ready batches, with a data module that says what the images are."""
    data.setup("fit")
    data.train_dataloader, data.state_dict = batches, lambda: {}
    data.val_dataloader = lambda: []
    data.sample = lambda count: torch.randn(count, 3, 8, 8)
    trainer.fit(module, datamodule=data)


def our_callbacks(folder: Path) -> list[Callback]:
    """What `main.py fit` adds to every run, besides checkpoints."""
    return [EpochLines(), Diagnostics(folder), Record(folder, "", 0, Assignment.load(), True, lambda census: None)]


def ours(with_callbacks: bool) -> float:
    classifier = Classifier(linear, functools.partial(torch.optim.SGD, lr=0.01), image_shape=(3, 8, 8))
    data = ImageData(Glyphs(100, 50, 50))
    with tempfile.TemporaryDirectory() as folder:
        return microseconds(classifier, our_callbacks(Path(folder)) if with_callbacks else [], data)


def main(rounds: int) -> dict:
    arms = {
        "plain loop": plain_loop,
        "bare Trainer": lambda: microseconds(Bare(), []),
        "ours": lambda: ours(True),
        "ours without callbacks": lambda: ours(False),
        "template": lambda: microseconds(template.Template(linear(), 0.01), []),
    }
    found = in_turns(arms, rounds, "µs")
    ratios = {
        "step_logging": ratio(found["ours"], found["bare Trainer"]),
        "template_logging": ratio(found["template"], found["bare Trainer"]),
    }
    return report("step", found, ratios, steps=STEPS)
