"""The gallery's figures. Each function computes one, panel by panel, and writes it with a sentence on what to see."""

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from torch import Tensor, nn
from torch.nn import functional as F

from project import augmentation as augment
from project import regularization as unit2
from project.augmentation import Augmentation
from project.classifier import Classifier, steps_each_batch
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He, Normal, Xavier
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.optimization import SAM
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.diagnostics import activations, gradient_norm, weights_by_layer
from project.training.figures import TRAIN, VAL, blank, blanks, save
from project.training.trainer import Trainer

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEDULES = ("constant", "step", "multistep", "exponential", "polynomial", "cosine", "cosine_restarts", "warmup_cosine",
             "onecycle", "cyclic", "plateau")  # fmt: skip
FAINT = "0.75"


def finish(figure: Any, title: str, sentence: str, path: Path) -> None:
    """Put the title above a figure and what to see below it, and write the PNG."""
    figure.suptitle(title, fontsize=13, fontweight="bold")
    characters = int(figure.get_figwidth() * 12)
    figure.supxlabel(textwrap.fill(" ".join(sentence.split()), characters), fontsize=10, color="0.25")
    save(figure, path)


def images(count: int, **settings: Any) -> ImageData:
    """Few of the embedded images."""
    data = ImageData(Glyphs(train=count, val=500, test=10, **settings), batch_size=20)
    data.setup("fit")
    return data


def train(classifier: Classifier, data: ImageData, epochs: int) -> tuple[list[float], list[float]]:
    """Train, and return the training and the validation loss of every epoch."""
    losses: dict[str, list[float]] = {"train/loss": [], "val/loss": []}

    def keep(trainer: Any, pl_module: LightningModule) -> None:
        for name, values in losses.items():
            values.append(trainer.callback_metrics[name].item())

    Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[LambdaCallback(on_train_epoch_end=keep)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    ).fit(classifier, data)
    return losses["train/loss"], losses["val/loss"]


def layer_outputs(path: Path, activation: type[nn.Module]) -> None:
    """Outputs of a deep network's layers: a row for each of four initializations, a column for each of six layers."""
    inputs_NCHW = images(200).sample(200)
    strategies = {"std 1": Normal(1.0), "std 0.01": Normal(0.01), "Xavier": Xavier(), "He": He()}
    layers = (1, 2, 4, 6, 8, 10)
    span = (-1, 1) if activation is nn.Tanh else (0, 1)
    figure, grid = blanks(len(strategies), len(layers), 10, 1.6 * len(strategies) + 1)
    for row, (name, strategy) in zip(grid, strategies.items()):
        torch.manual_seed(0)
        network = MLP(depth=10, width=256, activation=activation)
        strategy(network)
        outputs = activations(network, inputs_NCHW)
        row[0].set_ylabel(name, fontsize=11, rotation=0, ha="right", va="center")
        for axes, layer in zip(row, layers):
            values = outputs[layer - 1]
            axes.hist(values.numpy(), bins=50, range=span, color=VAL if name.startswith("std") else TRAIN)
            axes.set(yticks=[], xlim=span)
            axes.spines.left.set_visible(False)
            axes.tick_params(labelsize=7)
            axes.text(0.5, 0.86, f"std {values.std().item():.1g}", transform=axes.transAxes, ha="center", fontsize=8)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    for axes, layer in zip(grid[0], layers):
        axes.set_title(f"layer {layer}", fontsize=10)
    seen = {
        nn.Tanh: "With std 1 every unit sits at -1 or 1, where the slope is zero; with std 0.01 the signal is gone after a "
        "few layers. Xavier and He choose the variance by the layer's size, and the signal arrives at the tenth.",
        nn.Sigmoid: "With std 1 every unit sits at 0 or 1, where the slope is zero; with std 0.01 every unit says about 0.5. "
        "A sigmoid's outputs are all positive, so even with Xavier and He each unit of a deep layer says nearly the same "
        "for every image: the histogram falls apart into spikes.",
    }[activation]
    title = f"What ten {activation.__name__.lower()} layers make of 200 images, before any training"
    finish(figure, title, seen, path)


def gradients_by_depth(path: Path) -> None:
    """Gradients of a fresh deep network, layer by layer, with and without batch normalization."""
    data = images(200)
    inputs_NCHW, labels_N = data.sample(200), torch.arange(200) % 10
    figure, axes = blank(9, 5)
    for name, activation, color in (("sigmoid", nn.Sigmoid, VAL), ("ReLU", nn.ReLU, TRAIN)):
        for kind, normalization, style in (("no", None, "--o"), ("batch", BatchNormalization(), "-o")):
            torch.manual_seed(0)
            network = MLP(depth=20, width=128, activation=activation, normalization=normalization)
            F.cross_entropy(network(inputs_NCHW), labels_N).backward()
            norms = [gradient_norm(weights).item() for weights in weights_by_layer(network).values()]
            label = f"{name}, {kind} normalization"
            axes.plot(range(1, len(norms) + 1), norms, style, color=color, markersize=4, label=label)
    axes.set(yscale="log", ylabel="norm of the gradient")
    axes.set(xlabel="layer (1 sees the image, 21 gives the answer)", xticks=range(1, 22, 2))
    axes.legend(frameon=False)
    seen = """Each layer back, an unnormalized sigmoid shrinks the gradient several times over, and the first layers get
    nothing to learn from; PyTorch's own start does the same to a ReLU, more slowly. With batch normalization
    the gradient reaches the first layer undiminished."""
    finish(figure, "Gradients on their way back through 20 layers, before any training", seen, path)


def schedules(path: Path) -> None:
    """The learning rate of every step of a run, for every schedule in configs/optimization/."""
    epochs, batches = 15, 20
    steps = [step / batches for step in range(epochs * batches)]
    figure, grid = blanks(3, 4, 11, 6.4)
    for axes, name in zip(grid.flat, SCHEDULES):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = configured(name).build_scheduler(optimizer, epochs * batches)
        rates = []
        for epoch in range(epochs):
            for _ in range(batches):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                if scheduler and steps_each_batch(scheduler):
                    scheduler.step()
            if scheduler and not steps_each_batch(scheduler):
                # A loss that falls until epoch 6, for the plateau schedule to react to.
                scheduler.step(*([max(0.4, 1 - epoch / 10)] if hasattr(scheduler, "monitor") else []))
        axes.step(steps, rates, color=TRAIN, where="post")
        axes.fill_between(steps, rates, color=TRAIN, alpha=0.12, step="post")
        axes.set(title=name, ylim=(0, 0.108), yticks=[0, 0.05, 0.1], xticks=[0, 5, 10, 15])
        axes.tick_params(labelsize=8)
    for axes in grid.flat[len(SCHEDULES) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("learning rate")
    seen = """All have the optimizer's rate, 0.1, as their peak, and a run of 15 epochs. High rates cover distance, low
    ones let the weights settle: most end near zero. Plateau reacts to the validation loss, which here stops
    falling after epoch 6."""
    finish(figure, "Every schedule in configs/optimization/, epoch by epoch", seen, path)


def configured(overlay: str) -> Classifier:
    """A classifier with what an overlay of configs/optimization/ chooses."""
    base, chosen = str(CONFIGS / "base.yaml"), str(CONFIGS / "optimization" / f"{overlay}.yaml")
    arguments = read_arguments(["--config", base, "--config", chosen, "--data.source.train", "10"])
    return made(merged(arguments.overlays), "validate").model


def optimizers(path: Path) -> None:
    """Paths of several optimizers down a narrow, bent valley, all from one place, each with a rate that suits it."""

    def loss(at: Tensor) -> Tensor:
        x, y = at[..., 0], at[..., 1]
        return (1 - x) ** 2 / 4 + 4 * (y - x**2 / 2) ** 2

    def descent(make: Callable[..., torch.optim.Optimizer], lr: float) -> list[tuple[float, float]]:
        at = nn.Parameter(torch.tensor([-1.8, 2.2]))
        optimizer, visited = make([at], lr=lr), []

        def closure() -> float:
            optimizer.zero_grad()
            value = loss(at)
            value.backward()
            return value.item()

        for _ in range(60):
            visited.append(tuple(at.tolist()))
            optimizer.step(closure)
        return [*visited, tuple(at.tolist())]

    candidates: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "SGD": torch.optim.SGD,
        "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
        "Nesterov": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        "Adagrad": torch.optim.Adagrad,
        "RMSprop": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
        "SAM": functools.partial(SAM, rho=0.1, momentum=0.0),
    }
    rates = [0.001 * 2**k for k in range(12)]
    figure, grid = blanks(2, 4, 12, 6.6)
    x, y = torch.meshgrid(torch.linspace(-2.4, 2.4, 160), torch.linspace(-1.2, 3.2, 160), indexing="ij")
    heights = loss(torch.stack([x, y], -1)).log1p()
    *panels, key = grid.flat
    for axes, (name, make) in zip(panels, candidates.items()):
        tried = [descent(make, lr) for lr in rates]
        points = min(tried, key=lambda visited: loss(torch.tensor(visited[-1])).nan_to_num(1e9).item())
        axes.contourf(x, y, heights, levels=24, cmap="Greys", alpha=0.55)
        axes.plot(*zip(*points), color=TRAIN, linewidth=1.4, marker="o", markersize=2.6)
        axes.plot(*points[0], "o", color="black", markersize=6)
        axes.plot(1, 0.5, "*", color=VAL, markersize=13)
        left = loss(torch.tensor(points[-1])).item()
        axes.set(xlim=(-2.4, 2.4), ylim=(-1.2, 3.2), xticks=[], yticks=[], title=f"{name}: loss {left:.2g}")
    key.plot([], [], "o", color="black", label="start")
    key.plot([], [], "*", color=VAL, markersize=13, label="minimum")
    key.plot([], [], "-o", color=TRAIN, markersize=2.6, label="60 steps, one dot each")
    key.legend(frameon=False, loc="center", fontsize=11)
    key.axis("off")
    seen = """A bent valley, steep across and nearly flat along. Plain SGD drops into it at once and then creeps, since a
    larger rate would throw it out; momentum gathers speed along the bottom. Adagrad and RMSprop make the steps
    across and along equally long, and so cannot hurry either; Adam adds momentum to that."""
    finish(figure, "Optimizers from the same start, each with the best of twelve learning rates", seen, path)


def augmentations(path: Path) -> None:
    """What each augmentation makes of the same images."""
    images_NHWC, labels_N = images(40, noise=0.2).split("train")
    chosen = torch.stack([images_NHWC[labels_N == label][0] for label in range(8)])
    candidates: list[Augmentation] = [
        augment.RandomCrop(4), augment.RandomHorizontalFlip(), augment.RandomAffine(0.25), augment.RandomRotation(25),
        augment.ColorJitter(0.5), augment.Cutout(12),
    ]  # fmt: skip
    rows = {"the images": chosen}
    for augmentation in candidates:
        rows[type(augmentation).__name__] = augmentation(chosen, torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    for mixing in (unit2.Mixup(1.0), unit2.CutMix(1.0)):
        mixed_NCHW, _ = mixing.change_batch(chosen.permute(0, 3, 1, 2).float(), torch.eye(8))
        rows[type(mixing).__name__] = mixed_NCHW.permute(0, 2, 3, 1).round().to(torch.uint8)
    figure, grid = blanks(len(rows), len(chosen), 9.5, 0.98 * len(rows) + 1)
    for row, (name, changed_NHWC) in zip(grid, rows.items()):
        for axes, image_HWC in zip(row, changed_NHWC):
            axes.imshow(image_HWC.numpy())
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    seen = """Each image gets a draw of its own, anew in every epoch. An augmentation helps where what it changes says
    nothing about the class: a mirrored cat is a cat, but a mirrored J is no J. Mixup and CutMix mix the labels,
    too."""
    finish(figure, "The same eight images under every augmentation, turned up to be seen", seen, path)


def regularizers(path: Path) -> None:
    """Training and validation loss of a network that overfits, alone and with each regularizer."""
    data = images(300, noise=0.4, clutter=0.2)
    candidates: dict[str, tuple[list[unit2.Regularizer], list[Augmentation]]] = {
        "none": ([], []),
        "weight decay": ([unit2.WeightDecay(0.02)], []),
        "L1": ([unit2.L1(1e-3)], []),
        "label smoothing": ([unit2.LabelSmoothing(0.2)], []),
        "dropout": ([unit2.Dropout(0.5)], []),
        "spatial dropout": ([unit2.SpatialDropout(0.2)], []),
        "mixup": ([unit2.Mixup(0.5)], []),
        "CutMix": ([unit2.CutMix(1.0)], []),
        "random crop": ([], [augment.RandomCrop(3)]),
        "random affine": ([], [augment.RandomAffine(0.15)]),
        "cutout": ([], [augment.Cutout(10)]),
        "EMA": ([unit2.EMA(0.95)], []),
    }
    figure, grid = blanks(3, 4, 12, 8)
    without: list[list[float]] = []  # both losses of the first, which are drawn behind all others
    for axes, (name, (chosen, data.augmentation)) in zip(grid.flat, candidates.items()):
        seed_everything(0, verbose=False)
        network = functools.partial(ConvNet, convs_per_stage=1, pool=2)
        optimizer = functools.partial(torch.optim.SGD, lr=0.02, momentum=0.9)
        classifier = Classifier(network, optimizer, None, chosen, He(), BatchNormalization())
        training, validation = train(classifier, data, 20)
        epochs = range(1, len(training) + 1)
        for losses in without:
            axes.plot(epochs, losses, color=FAINT, linewidth=1)
        without = without or [training, validation]
        axes.fill_between(epochs, training, validation, color="0.93")
        axes.plot(epochs, training, color=TRAIN, label="training")
        axes.plot(epochs, validation, color=VAL, label="validation")
        axes.set_title(name, fontweight="bold", fontsize=11, pad=16)
        ends = f"at the end: gap {validation[-1] - training[-1]:.2f}, validation {validation[-1]:.2f}"
        axes.text(0.5, 1.02, ends, transform=axes.transAxes, ha="center", fontsize=8.5)
        axes.set(ylim=(0, max(without[1]) * 1.05), xticks=[1, 5, 10, 15, 20])
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


def layer_inputs(path: Path) -> None:
    """How the input of one unit's activation drifts while the layers before it learn."""
    data = images(600, noise=0.3, clutter=0.2, warp=0.5)
    figure, grid = blanks(1, 2, 10, 4.6)
    grid[0, 1].sharey(grid[0, 0])
    candidates = (("without normalization", None), ("with batch normalization", BatchNormalization()))
    for axes, (name, normalization) in zip(grid.flat, candidates):
        seed_everything(0, verbose=False)
        network = functools.partial(MLP, depth=4, width=100, activation=nn.Sigmoid)
        optimizer = functools.partial(torch.optim.SGD, lr=0.3, momentum=0.9)
        classifier = Classifier(network, optimizer, normalization=normalization, initialization=Xavier())
        third = classifier.network.get_submodule("hidden.2")
        assert isinstance(third, nn.Sequential)
        quantiles: list[Tensor] = []  # of each step: 3 quantiles of every unit's input

        def watch(layer: nn.Module, inputs: Any, output_NU: Tensor) -> None:
            if layer.training:
                quantiles.append(output_NU.detach().quantile(torch.tensor([0.15, 0.5, 0.85]), dim=0))

        third[-2].register_forward_hook(watch)  # what stands before the activation
        train(classifier, data, 10)
        quantiles_T3U = torch.stack(quantiles)
        most = (quantiles_T3U[-10:, 1].mean(0) - quantiles_T3U[:10, 1].mean(0)).abs().argmax()
        low, middle, high = quantiles_T3U[:, :, most].T.tolist()
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
