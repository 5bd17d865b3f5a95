"""Deep networks before any training: what their layers put out for images, and what gradients reach each of them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from project.batches.in_memory import ResidentBatches
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import Initialization, Xavier
from project.networks import MLP
from project.normalization import Normalization
from project.training.diagnostics import activations, gradient_norm, weights_by_layer


class PlainXavier(Xavier):
    """The formula by itself, as the lecture has it, without the gain of the activation that follows."""

    by_activation = False

    def std(self, weight: Tensor, activation: nn.Module | None) -> float:
        return super().std(weight, None)


class FreshLayers(NamedTuple):
    """What a network's layers do, the first one first.

    Attributes:
        outputs: Of each hidden layer's activation function, (N, U).
        gradients: Norm of the loss's gradient by the weights of each layer; the last is the head's.
    """

    outputs: list[Tensor]
    gradients: list[float]

    def signals(self) -> list[float]:
        """How far a hidden layer's units tell images apart: the standard deviation over images, averaged over units."""
        return [outputs_NU.std(0).mean().item() for outputs_NU in self.outputs]


def labelled_images(count: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) of the embedded dataset, normalised, and their labels (N,)."""
    data = ImageData(Glyphs(train=count, val=10, test=10), batch_size=count)
    data.setup("fit")
    assert data.mean and data.std, "set up"
    images_NCHW, labels_N = next(iter(ResidentBatches(data.split("train"), count, data.mean, data.std)))
    return images_NCHW, labels_N


def fresh_layers(
    images_NCHW: Tensor,
    labels_N: Tensor,
    activation: Callable[[], nn.Module],
    initialization: Initialization | None,
    depth: int,
    width: int,
    normalization: Normalization | None = None,
    seed: int = 0,
) -> FreshLayers:
    """A fully connected network's layers, as they are drawn with a seed.

    Args:
        initialization: None for PyTorch's own.
    """
    torch.manual_seed(seed)
    network = MLP(depth=depth, width=width, activation=activation, normalization=normalization)
    if initialization:
        initialization(network)
    if normalization:  # evaluation uses running averages, which are those of this batch from here on
        average_at_once(network)
        network(images_NCHW)
    outputs = [flat.view(len(images_NCHW), width) for flat in activations(network, images_NCHW)]
    network.train().zero_grad()
    F.cross_entropy(network(images_NCHW), labels_N).backward()
    return FreshLayers(outputs, [gradient_norm(weights).item() for weights in weights_by_layer(network).values()])


def average_at_once(network: nn.Module) -> None:
    """Have batch normalization's running averages become those of the next batch."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
