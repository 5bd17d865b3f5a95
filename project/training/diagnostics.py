"""What goes on inside a network while it trains: rates, gradients by layer, activations by depth.

It costs little: it looks at few steps, and no number leaves the device before an epoch is over.
"""

import math
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from project.initialization import ACTIVATIONS
from project.training.figures import draw_activations, draw_gradient_norms, draw_learning_rate

LOOKS_PER_EPOCH = 5
IMAGES = 100  # that activations are taken from
GRADIENT_NORM = "gradient_norm/"


class Diagnostics(Callback):
    """Records learning rate, gradient norms and activations of a run, and draws them.

    Logs `gradient_norm/<layer>` (the mean norm of the loss's gradient by the layer's weights, before any clipping or
    averaging by the optimizer) once an epoch. Writes `learning_rate.png`, `gradients.png` and `activations.png`.

    Args:
        folder: For the figures.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.rates: list[tuple[float, float]] = []  # epoch, rate
        self.norms: list[tuple[float, Tensor]] = []  # epoch, norms by layer
        self.at_start: list[Tensor] = []  # activations
        self.start = "at the start"
        self.norms_logged = 0

    def state_dict(self) -> dict[str, Any]:
        return {"rates": self.rates, "norms": self.norms}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint ends; it has no activations, so theirs are told from there."""
        self.rates, self.norms = list(state["rates"]), list(state["norms"])
        self.norms_logged = len(self.norms)
        self.start = f"after epoch {math.floor(self.rates[-1][0]) + 1}" if self.rates else self.start

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.network = pl_module.get_submodule("network")
        self.layers = weights_by_layer(self.network)
        images_NCHW = trainer.datamodule.sample(IMAGES)  # type: ignore[attr-defined]  # Lightning sets it
        like = next(filter(torch.is_floating_point, self.network.parameters()), images_NCHW)  # trainer.precision's kind
        self.images_NCHW = images_NCHW.to(pl_module.device, like.dtype)
        self.at_start = activations(self.network, self.images_NCHW)
        self.optimizer, self.batches = trainer.optimizers[0], trainer.num_training_batches

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.rates.append((trainer.current_epoch + batch_idx / self.batches, self.optimizer.param_groups[0]["lr"]))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        epoch = self.rates[-1][0]
        looks = not self.norms or int(epoch * LOOKS_PER_EPOCH) > int(self.norms[-1][0] * LOOKS_PER_EPOCH)
        if looks and self.layers:
            self.norms.append((epoch, torch.stack([gradient_norm(weights) for weights in self.layers.values()])))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.norms[self.norms_logged :]:
            means = torch.stack([norms for _, norms in self.norms[self.norms_logged :]]).mean(0)
            pl_module.log_dict({GRADIENT_NORM + name: norm for name, norm in zip(self.layers, means)})
            self.norms_logged = len(self.norms)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.rates:
            return
        draw_learning_rate(self.rates, self.folder / "learning_rate.png")
        norms = [(epoch, by_layer.tolist()) for epoch, by_layer in self.norms]
        if norms:
            draw_gradient_norms(norms, layer_titles(self.network, list(self.layers)), self.folder / "gradients.png")
        moments = {self.start: self.at_start, "at the end": activations(self.network, self.images_NCHW)}
        if all(moments.values()):
            draw_activations(moments, self.folder / "activations.png")


def weights_by_layer(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The weights, biases left aside, of each module that holds any, or what these are computed from.

    Those that the network itself holds go by their own names.
    """
    layers: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            holder = name.partition(".parametrizations.")[0].removesuffix(f".{name.rpartition('.')[2]}")
            layers.setdefault(holder, []).append(parameter)
    return layers


def layer_titles(network: nn.Module, names: list[str]) -> list[str]:
    """What people call a network's layers of these names: `2. convolution, 16 to 32`."""
    modules = dict(network.named_modules())
    titles = []
    for number, name in enumerate(names, 1):
        module = modules.get(name)
        if isinstance(module, nn.Conv2d):
            title = f"convolution, {module.in_channels} to {module.out_channels}"
        elif isinstance(module, nn.Linear):
            title = f"fully connected, {module.in_features} to {module.out_features}"
        else:
            title = name if module is None else f"{type(module).__name__}, {name}"
        titles.append(f"{number}. {title}")
    return titles


def gradient_norm(weights: list[nn.Parameter]) -> Tensor:
    """Norm of the gradient of a layer's weights."""
    gradients = [p.grad for p in weights if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
    return norm.to(weights[0].device, torch.float32)


@torch.no_grad()
def activations(network: nn.Module, images_NCHW: Tensor) -> list[Tensor]:
    """What comes out of each activation function, flat, in the order in which they compute."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: seen.append(output.float().flatten().cpu()))
        for module in network.modules()
        if isinstance(module, ACTIVATIONS)
    ]
    training = network.training
    try:
        with torch.compiler.set_stance("force_eager"):  # compiled code calls no hooks
            network.eval()(images_NCHW)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(training)
    return seen
