"""A step: what the Trainer costs, and what our logging adds; and the recipe's, beside its largest kernels alone.

All arms but the recipe's train the same linear layer, which computes next to nothing, on the same batches in memory;
microseconds a step.
"""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import template
from benchmarks.epoch import EPOCHS, EpochSeconds, device, synchronize
from benchmarks.measuring import in_turns, ratio, report
from project.assignment import Assignment
from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.diagnostics import Diagnostics
from project.training.epoch_display import EpochLines
from project.training.summary import Record

STEPS, RECIPE_STEPS = 2000, 40


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


class Kernels(TorchDispatchMode):
    """Keeps what calls a convolution or a matrix product, forward or backward, and can make these calls again."""

    NAMES = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in self.NAMES:
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    @torch.no_grad()
    def __call__(self) -> None:
        for func, args, kwargs in self.calls:
            func(*args, **kwargs)


def recipe_step(name: str = "cifar10_fast_cpu") -> tuple[Callable[[], None], Kernels]:
    """A recipe's step without the Trainer, on random images; and the kernels that it calls."""
    options = [
        "--config",
        f"configs/recipes/{name}.yaml",
        "--data.source",
        "Glyphs",
        "--trainer.enable_checkpointing=false",
    ]
    with tempfile.TemporaryDirectory() as folder:
        command_line = made(merged(read_arguments([*options, "--run.folder", folder]).overlays))
    model, data = command_line.model.to(device()), command_line.datamodule
    model.initialization.adapt(model.network.cpu(), data.sample(250))
    network, optimizer = model.network.to(device()).train(), model.build_optimizer(fused=True)
    images_NCHW = torch.randn(data.batch_size, *model.image_shape, device=device()).to(
        memory_format=torch.channels_last
    )
    labels_N = torch.randint(0, model.num_classes, (data.batch_size,), device=device())
    mixed = command_line.trainer.precision == "bf16-mixed"

    def step() -> None:
        with torch.autocast(device().type, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(network(images_NCHW), labels_N, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    with Kernels() as kernels:
        step()
    return step, kernels


def microseconds_of(function: Callable[[], None], times: int) -> float:
    function()
    synchronize()
    started = time.perf_counter()
    for _ in range(times):
        function()
    synchronize()
    return (time.perf_counter() - started) / times * 1e6


def main(rounds: int) -> dict:
    arms = {
        "plain loop": plain_loop,
        "bare Trainer": lambda: microseconds(Bare(), []),
        "ours": lambda: ours(True),
        "ours without callbacks": lambda: ours(False),
        "template": lambda: microseconds(template.Template(linear(), 0.01), []),
    }
    recipe, kernels = recipe_step()
    arms |= {
        "recipe": lambda: microseconds_of(recipe, RECIPE_STEPS),
        "recipe's kernels": lambda: microseconds_of(kernels, RECIPE_STEPS),
    }
    found = in_turns(arms, rounds, "µs")
    ratios = {
        "step_logging": ratio(found["ours"], found["bare Trainer"]),
        "template_logging": ratio(found["template"], found["bare Trainer"]),
        "recipe_over_kernels": ratio(found["recipe"], found["recipe's kernels"]),
    }
    return report("step", found, ratios, steps=STEPS)
