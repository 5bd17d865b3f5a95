"""The gallery's drawing: numbers in, a PNG with a sentence on what to see out."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from project.training.figures import TRAIN, VAL, blank, blanks, save

FAINT = "0.75"


def finish(figure: Any, title: str, sentence: str, path: Path) -> None:
    """Put the title above a figure and what to see below it, and write the PNG."""
    figure.suptitle(title, fontsize=13, fontweight="bold")
    characters = int(figure.get_figwidth() * 12)
    figure.supxlabel(textwrap.fill(" ".join(sentence.split()), characters), fontsize=10, color="0.25")
    save(figure, path)


def draw_activation_grid(
    rows: dict[str, list[Tensor]], layers: Sequence[int], activation: str, span: tuple[float, float], path: Path
) -> None:
    """Histograms of activations: a row for each initialization, a column for each of the layers."""
    figure, grid = blanks(len(rows), len(layers), 10, 1.6 * len(rows) + 1)
    for row, (name, outputs) in zip(grid, rows.items()):
        row[0].set_ylabel(name, fontsize=11, rotation=0, ha="right", va="center")
        for axes, values in zip(row, outputs):
            axes.hist(values.numpy(), bins=50, range=span, color=VAL if name.startswith("std") else TRAIN)
            axes.set(yticks=[], xlim=span)
            axes.spines.left.set_visible(False)
            axes.tick_params(labelsize=7)
            axes.text(0.5, 0.86, f"std {values.std().item():.1g}", transform=axes.transAxes, ha="center", fontsize=8)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    for axes, layer in zip(grid[0], layers):
        axes.set_title(f"layer {layer}", fontsize=10)
    seen = {
        "tanh": "With std 1 every unit sits at -1 or 1, where the slope is zero; with std 0.01 the signal is gone after a "
        "few layers. Xavier and He choose the variance by the layer's size, and the signal arrives at the tenth.",
        "sigmoid": "With std 1 every unit sits at 0 or 1, where the slope is zero; with std 0.01 every unit says about 0.5. "
        "A sigmoid's outputs are all positive, so even with Xavier and He each unit of a deep layer says nearly the same "
        "for every image: the histogram falls apart into spikes.",
    }[activation]
    finish(figure, f"What ten {activation} layers make of 200 images, before any training", seen, path)


def draw_gradients_by_depth(lines: dict[tuple[str, str], list[float]], path: Path) -> None:
    """Gradient norm of each layer, for pairs of an activation and a normalization."""
    figure, axes = blank(9, 5)
    for (activation, normalization), norms in lines.items():
        style, color = "--o" if normalization == "no" else "-o", VAL if activation == "sigmoid" else TRAIN
        label = f"{activation}, {normalization} normalization"
        axes.plot(range(1, len(norms) + 1), norms, style, color=color, markersize=4, label=label)
    axes.set(yscale="log", ylabel="norm of the gradient")
    axes.set(xlabel="layer (1 sees the image, 21 gives the answer)", xticks=range(1, 22, 2))
    axes.legend(frameon=False)
    seen = """Each layer back, an unnormalized sigmoid shrinks the gradient several times over, and the first layers get
    nothing to learn from; PyTorch's own start does the same to a ReLU, more slowly. With batch normalization
    the gradient reaches the first layer undiminished."""
    finish(figure, "Gradients on their way back through 20 layers, before any training", seen, path)


def draw_schedules(panels: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """The learning rate by epoch, a panel for each schedule."""
    figure, grid = blanks(3, 4, 11, 6.4)
    cells = list(grid.flat)
    for axes, (name, rates) in zip(cells, panels.items()):
        epochs, values = zip(*rates)
        axes.step(epochs, values, color=TRAIN, where="post")
        axes.fill_between(epochs, values, color=TRAIN, alpha=0.12, step="post")
        axes.set(title=name, ylim=(0, 0.108), yticks=[0, 0.05, 0.1], xticks=[0, 5, 10, 15])
        axes.tick_params(labelsize=8)
    for axes in cells[len(panels) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("learning rate")
    seen = """All have the optimizer's rate, 0.1, as their peak, and a run of 15 epochs. High rates cover distance, low
    ones let the weights settle: most end near zero. Plateau reacts to the validation loss, which here stops
    falling after epoch 6."""
    finish(figure, "Every schedule in configs/optimization/, epoch by epoch", seen, path)


def draw_paths(loss: Callable[[Tensor], Tensor], paths: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """Paths on a loss surface, a panel for each optimizer."""
    figure, grid = blanks(2, 4, 12, 6.6)
    x, y = torch.meshgrid(torch.linspace(-2.4, 2.4, 160), torch.linspace(-1.2, 3.2, 160), indexing="ij")
    heights = loss(torch.stack([x, y], -1)).log1p()
    cells = list(grid.flat)
    for axes, (name, points) in zip(cells, paths.items()):
        axes.contourf(x, y, heights, levels=24, cmap="Greys", alpha=0.55)
        axes.plot(*zip(*points), color=TRAIN, linewidth=1.4, marker="o", markersize=2.6)
        axes.plot(*points[0], "o", color="black", markersize=6)
        axes.plot(1, 0.5, "*", color=VAL, markersize=13)
        left = loss(torch.tensor(points[-1])).item()
        axes.set(xlim=(-2.4, 2.4), ylim=(-1.2, 3.2), xticks=[], yticks=[], title=f"{name}: loss {left:.2g}")
    key = cells[len(paths)]
    key.plot([], [], "o", color="black", label="start")
    key.plot([], [], "*", color=VAL, markersize=13, label="minimum")
    key.plot([], [], "-o", color=TRAIN, markersize=2.6, label="60 steps, one dot each")
    key.legend(frameon=False, loc="center", fontsize=11)
    key.axis("off")
    seen = """A bent valley, steep across and nearly flat along. Plain SGD drops into it at once and then creeps, since a
    larger rate would throw it out; momentum gathers speed along the bottom. Adagrad and RMSprop make the steps
    across and along equally long, and so cannot hurry either; Adam adds momentum to that."""
    finish(figure, "Optimizers from the same start, each with the best of twelve learning rates", seen, path)


def draw_augmentations(rows: dict[str, Tensor], path: Path) -> None:
    """Images uint8 (N, H, W, C): a row for each augmentation, a column for each image."""
    columns = len(next(iter(rows.values())))
    figure, grid = blanks(len(rows), columns, 9.5, 0.98 * len(rows) + 1)
    for row, (name, images_NHWC) in zip(grid, rows.items()):
        for axes, image_HWC in zip(row, images_NHWC):
            axes.imshow(image_HWC.numpy())
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    seen = """Each image gets a draw of its own, anew in every epoch. An augmentation helps where what it changes says
    nothing about the class: a mirrored cat is a cat, but a mirrored J is no J. Mixup and CutMix mix the labels,
    too."""
    finish(figure, "The same eight images under every augmentation, turned up to be seen", seen, path)


def draw_regularizers(curves: dict[str, tuple[list[float], list[float]]], path: Path) -> None:
    """Training and validation loss by epoch, a panel for each regularizer, the first (none) behind all others."""
    figure, grid = blanks(3, 4, 12, 8)
    (none, (plain_train, plain_val)), *_ = curves.items()
    top = max(plain_val) * 1.05
    for axes, (name, (train, val)) in zip(grid.flat, curves.items()):
        epochs = range(1, len(train) + 1)
        if name != none:
            axes.plot(epochs, plain_train, color=FAINT, linewidth=1)
            axes.plot(epochs, plain_val, color=FAINT, linewidth=1)
        axes.fill_between(epochs, train, val, color="0.93")
        axes.plot(epochs, train, color=TRAIN, label="training")
        axes.plot(epochs, val, color=VAL, label="validation")
        axes.set_title(name, fontweight="bold", fontsize=11, pad=16)
        ends = f"at the end: gap {val[-1] - train[-1]:.2f}, validation {val[-1]:.2f}"
        axes.text(0.5, 1.02, ends, transform=axes.transAxes, ha="center", fontsize=8.5)
        axes.set(ylim=(0, top), xticks=[1, 5, 10, 15, 20])
        axes.tick_params(labelsize=8)
    grid[0, 0].legend(frameon=False, loc="center right")
    grid[0, 1].legend(handles=grid[0, 1].lines[:1], labels=["without it"], frameon=False, loc="center right")
    for row in grid:
        row[0].set_ylabel("loss")
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    seen = """The plain network learns its 300 images by heart: its training loss goes to zero, its validation loss stays
    high (grey in every panel). A regularizer should bring the validation loss down; a smaller gap alone can
    also mean that less is learned. Mixup's and CutMix's training loss is that of mixed images, and is no
    measure of a gap."""
    finish(figure, "Training and validation loss with each regularizer alone", seen, path)


def draw_layer_inputs(panels: dict[str, list[list[float]]], path: Path) -> None:
    """The 15th, 50th and 85th percentile of one unit's input at every step."""
    figure, grid = blanks(1, 2, 10, 4.6)
    grid[0, 1].sharey(grid[0, 0])
    for axes, (name, quantiles) in zip(grid.flat, panels.items()):
        low, middle, high = zip(*quantiles)
        steps = range(1, len(middle) + 1)
        axes.fill_between(steps, low, high, color=TRAIN, alpha=0.25, label="15 % to 85 % of a batch")
        axes.plot(steps, middle, color=TRAIN, linewidth=0.8, label="median")
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.3)
    grid[0, 0].set_ylabel("input of a unit's activation")
    grid[0, 0].legend(frameon=False, loc="center right")
    seen = """The layers before it learn, and without normalization what arrives at this unit drifts, so that it has to
    follow. With batch normalization its input stays centred and as wide as it was. (Of the layer's 100 units,
    the one that drifts most.)"""
    finish(figure, "What a unit of the third layer sees while the network trains", seen, path)
