"""The gallery's figures. Each function computes one, panel by panel, and writes it with a sentence on what to see."""

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule, seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from torch import Tensor, nn

from project import augmentation as augment
from project import regularization as unit2
from project.augmentation import Augmentation
from project.classifier import Classifier, steps_each_batch
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He, Initialization, Normal, Xavier
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.optimization import SAM
from project.studies.fresh_networks import fresh_layers, labelled_images
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.figures import TRAIN, VAL, blank, blanks, save
from project.training.trainer import Trainer

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEDULES = ("constant", "step", "multistep", "exponential", "polynomial", "cosine", "cosine_restarts", "warmup_cosine",
             "onecycle", "cyclic", "plateau")  # fmt: skip
FAINT, FAINT_PATH = "0.75", "#8fb3d6"
SEEDS, REGULARIZED_SEEDS, DRIFT_SEEDS = 5, 3, 3


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


class PlainXavier(Xavier):
    """The formula by itself, without the gain of the activation that follows."""

    by_activation = False

    def std(self, weight: Tensor, activation: nn.Module | None) -> float:
        return super().std(weight, None)


def layer_outputs(path: Path, activation: type[nn.Module]) -> None:
    """Outputs of a deep network's layers: a row for each way of drawing weights, a column for each of six layers."""
    inputs_NCHW, labels_N = labelled_images(200)
    strategies: dict[str, Initialization] = {
        "weights N(0, 1)": Normal(1.0),
        "weights N(0, 0.01²)": Normal(0.01),
        "Xavier": PlainXavier(),
        **({"Xavier times 5/3,\nthe gain for tanh": Xavier()} if activation is nn.Tanh else {}),
        "He": He(),
    }
    layers = (1, 2, 4, 6, 8, 10)
    span = (-1, 1) if activation is nn.Tanh else (0, 1)
    figure, grid = blanks(len(strategies), len(layers), 10.5, 1.5 * len(strategies) + 1.3)
    for row, (name, strategy) in zip(grid, strategies.items()):
        drawn = [fresh_layers(inputs_NCHW, labels_N, activation, strategy, 10, 256, seed=seed) for seed in range(SEEDS)]
        row[0].set_ylabel(name, fontsize=10, rotation=0, ha="right", va="center")
        for axes, layer in zip(row, layers):
            outputs_NU = drawn[0].outputs[layer - 1]
            axes.hist(outputs_NU.flatten().numpy(), bins=50, range=span, color=TRAIN)
            axes.set(yticks=[], xlim=span)
            axes.spines.left.set_visible(False)
            axes.tick_params(labelsize=7)
            signals = [network.signals()[layer - 1] for network in drawn]
            axes.text(0.5, 0.86, spread(signals), transform=axes.transAxes, ha="center", fontsize=8)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.35)
    for axes, layer in zip(grid[0], layers):
        axes.set_title(f"layer {layer}", fontsize=10)
    seen = {
        nn.Tanh: "With N(0, 1) every unit sits at -1 or 1, where the slope is nearly zero; with a std of 0.01 each layer divides "
        "the signal, until nothing is left. Xavier and He choose the std by the layer's size, and the signal arrives: by "
        "Xavier's formula it shrinks slowly, with the gain it stays.",
        nn.Sigmoid: "With N(0, 1) units sit at 0 or 1, where the slope is nearly zero. With each of the others, units of the tenth "
        "layer say the same for all images: a sigmoid's outputs are all positive, its slope is at most a quarter, and none of "
        "these formulas makes up for that. None of the four rows is good.",
    }[activation]
    number = "Number: a unit's standard deviation over images, mean of the 256 units, lowest to highest of five draws."
    title = f"What ten {activation.__name__.lower()} layers make of 200 images, before any training"
    finish(figure, title, f"{seen} {number}", path)


def spread(values: Sequence[float]) -> str:
    """The lowest and the highest of some values, or one number where these look alike."""
    low, high = (f"{value:.2g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def gradients_by_depth(path: Path) -> None:
    """Gradients of a fresh deep network, layer by layer, with and without batch normalization."""
    inputs_NCHW, labels_N = labelled_images(200)
    figure, axes = blank(9, 5.4)
    layers = range(1, 22)
    said = []
    for name, activation, color in (("sigmoid", nn.Sigmoid, VAL), ("ReLU", nn.ReLU, TRAIN)):
        for kind, normalization, style in (("no", None, "--o"), ("batch", BatchNormalization(), "-o")):
            drawn = [
                fresh_layers(inputs_NCHW, labels_N, activation, None, 20, 128, normalization, seed).gradients
                for seed in range(SEEDS)
            ]
            norms_SL = np.array(drawn)
            label = f"{name}, {kind} normalization"
            middle = np.median(norms_SL, 0)
            axes.fill_between(layers, norms_SL.min(0), norms_SL.max(0), color=color, alpha=0.2, linewidth=0)
            axes.plot(layers, middle, style, color=color, markersize=4, label=label)
            ratio = middle[0] / middle[-1]
            said.append(f"{label}: {ratio:.2g}" if ratio < 100 else f"{label}: {ratio:.0f}")
    axes.set(yscale="log", ylabel="norm of the loss's gradient by a layer's weights")
    axes.set(xlabel="layer (1 sees the image, 21 gives the answer)", xticks=range(1, 22, 2))
    axes.legend(frameon=False)
    seen = f"""Each layer back, an unnormalized sigmoid shrinks the gradient several times over, and the first layers get
    nothing to learn from; PyTorch's own start does the same to a ReLU, more slowly. With batch normalization the first
    layers get a gradient, even a larger one than the last: rates have to suit the largest. First layer's norm over the last
    one's: {"; ".join(said)}. Lines: medians of five draws, with bands from the lowest to the highest, which are narrow."""
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
    """Paths of several optimizers down a narrow, bent valley, each with the rate that suits it from three places."""

    def loss(at: Tensor) -> Tensor:
        x, y = at[..., 0], at[..., 1]
        return (1 - x) ** 2 / 4 + 4 * (y - x**2 / 2) ** 2

    def descents(make: Callable[..., torch.optim.Optimizer], lr: float, starts: list[tuple[float, float]]) -> Tensor:
        """The places visited from each start at once, (61, starts, 2)."""
        at = nn.Parameter(torch.tensor(starts))
        optimizer, visited = make([at], lr=lr), [at.detach().clone()]

        def closure() -> float:
            optimizer.zero_grad()
            value = loss(at).sum()
            value.backward()
            return value.item()

        for _ in range(60):
            optimizer.step(closure)
            visited.append(at.detach().clone())
        return torch.stack(visited)

    candidates: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "SGD": torch.optim.SGD,
        "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
        "Nesterov": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        "Adagrad": torch.optim.Adagrad,
        "RMSprop": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
        "SAM": functools.partial(SAM, rho=0.1, momentum=0.0),
    }
    starts = [(-1.8, 2.2), (-2.0, 1.2), (-1.4, 2.6)]
    rates = [round(10 ** (k / 8), 4) for k in range(-24, 5)]
    figure, grid = blanks(2, 4, 12, 6.9)
    x, y = torch.meshgrid(torch.linspace(-2.4, 2.4, 160), torch.linspace(-1.2, 3.2, 160), indexing="ij")
    heights = loss(torch.stack([x, y], -1)).log1p()
    *panels, key = grid.flat
    for axes, (name, make) in zip(panels, candidates.items()):
        best, paths, ends = 0.0, torch.empty(0), [float("inf")]
        for lr in rates:
            # SAM's step depends on the length of the whole gradient, so that it goes from each place alone.
            groups = [[start] for start in starts] if name == "SAM" else [starts]
            tried = torch.cat([descents(make, lr, group) for group in groups], 1)
            losses_TS = loss(tried)
            stays = bool(
                (losses_TS <= losses_TS[0]).all()
            )  # no leap out of the valley, of which one may be a lucky one
            if stays and losses_TS[-1].max().item() < max(ends):
                best, paths, ends = lr, tried, losses_TS[-1].tolist()
        axes.contourf(x, y, heights, levels=24, cmap="Greys", alpha=0.55)
        for number, visited in enumerate(paths.unbind(1)):
            color = FAINT_PATH if number else TRAIN
            axes.plot(*visited.T, color=color, linewidth=1.4, marker="o", markersize=2.6, zorder=3 - min(number, 1))
            axes.plot(*visited[0], "o", color="0.5" if number else "black", markersize=6, zorder=4)
        axes.plot(1, 0.5, "*", color=VAL, markersize=13, zorder=5)
        axes.set(xlim=(-2.4, 2.4), ylim=(-1.2, 3.2), xticks=[], yticks=[])
        axes.set_title(f"{name}, rate {best:.2g}\nloss {spread(ends)}", fontsize=10.5)
    key.plot([], [], "o", color="black", label="start")
    key.plot([], [], "o", color="0.5", label="two other starts")
    key.plot([], [], "*", color=VAL, markersize=13, label="minimum")
    key.plot([], [], "-o", color=TRAIN, markersize=2.6, label="60 steps, one dot each")
    key.legend(frameon=False, loc="center", fontsize=11)
    key.axis("off")
    seen = """A bent valley, steep across and nearly flat along. Plain SGD drops into it at once and then creeps, since a
    larger rate would throw it out; momentum gathers speed along the bottom. Adagrad and RMSprop make the steps
    across and along equally long; Adam adds momentum to that. Of 29 rates, each has the best of those with which the loss never rises above
    that of the start, from any of three places; the numbers are the least and the largest loss of the three."""
    finish(figure, "Optimizers in a bent valley, each with a learning rate that suits it", seen, path)


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
    figure, grid = blanks(3, 4, 12, 8.4)
    without: list[Any] = []  # both losses of the first, which are drawn behind all others
    for axes, (name, (chosen, data.augmentation)) in zip(grid.flat, candidates.items()):
        runs = []
        for seed in range(REGULARIZED_SEEDS):
            seed_everything(seed, verbose=False)
            network = functools.partial(ConvNet, convs_per_stage=1, pool=2)
            optimizer = functools.partial(torch.optim.SGD, lr=0.02, momentum=0.9)
            runs.append(train(Classifier(network, optimizer, None, chosen, He(), BatchNormalization()), data, 20))
        training_SE, validation_SE = (np.array(losses) for losses in zip(*runs))
        epochs = range(1, training_SE.shape[1] + 1)
        for losses_E in without:
            axes.plot(epochs, losses_E, color=FAINT, linewidth=1)
        without = without or [training_SE.mean(0), validation_SE.mean(0)]
        axes.axhline(math.log(10), color="0.4", linewidth=1, linestyle=":")
        for losses_SE, color, label in ((training_SE, TRAIN, "training"), (validation_SE, VAL, "validation")):
            axes.fill_between(epochs, losses_SE.min(0), losses_SE.max(0), color=color, alpha=0.2, linewidth=0)
            axes.plot(epochs, losses_SE.mean(0), color=color, label=label)
        axes.set_title(name, fontweight="bold", fontsize=11, pad=16)
        gaps, ends = validation_SE[:, -1] - training_SE[:, -1], validation_SE[:, -1]
        said = f"at the end: gap {spread(gaps.tolist())}, validation {spread(ends.tolist())}"
        axes.text(0.5, 1.02, said, transform=axes.transAxes, ha="center", fontsize=7.5)
        axes.set(ylim=(0, max(2.5, without[1].max()) * 1.05), xticks=[1, 5, 10, 15, 20])
        axes.tick_params(labelsize=8)
    grid[0, 0].text(20, math.log(10), "guessing", va="bottom", ha="right", fontsize=8, color="0.3")
    grid[0, 0].legend(frameon=False, loc="center right")
    grid[0, 1].legend(handles=grid[0, 1].lines[:1], labels=["without it"], frameon=False, loc="center right")
    for row in grid:
        row[0].set_ylabel("loss")
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    seen = f"""The plain network learns its 300 images by heart: its training loss goes to zero, its validation loss stays
    high (grey in every panel). A regularizer should bring the validation loss down; a smaller gap alone can
    also mean that less is learned. Losses are as training shows them: with dropout, augmentation, smoothed or mixed labels the
    training loss is that of harder images, and the gap can look negative. Bands and numbers: lowest to highest of
    {REGULARIZED_SEEDS} seeds."""
    finish(figure, "Training and validation loss with each regularizer alone", seen, path)


def layer_inputs(path: Path) -> None:
    """How the input of one unit's activation drifts while the layers before it learn."""
    data = images(1000)
    figure, grid = blanks(1, 2, 10, 4.9)
    grid[0, 1].sharey(grid[0, 0])
    candidates = (("without normalization", None), ("with batch normalization", BatchNormalization()))
    moved: list[str] = []
    for axes, (name, normalization) in zip(grid.flat, candidates):
        drawn: list[Tensor] = []  # of the first seed
        shifts: list[float] = []
        accuracies: list[float] = []
        for seed in range(DRIFT_SEEDS):
            seed_everything(seed, verbose=False)
            network = functools.partial(MLP, depth=4, width=100, activation=nn.Tanh)
            optimizer = functools.partial(torch.optim.SGD, lr=0.02, momentum=0.9)
            classifier = Classifier(network, optimizer, normalization=normalization, initialization=Xavier())
            third = classifier.network.get_submodule("hidden.2")
            assert isinstance(third, nn.Sequential)
            quantiles: list[Tensor] = []  # of each step: 3 quantiles of every unit's input

            def watch(layer: nn.Module, inputs: Any, output_NU: Tensor) -> None:
                if layer.training:
                    quantiles.append(output_NU.detach().quantile(torch.tensor([0.15, 0.5, 0.85]), dim=0))

            third[-2].register_forward_hook(watch)  # what stands before the activation
            train(classifier, data, 10)
            accuracies.append(100 * classifier.trainer.callback_metrics["val/accuracy"].item())
            quantiles_T3U = torch.stack(quantiles)
            drawn = drawn or [quantiles_T3U]
            # By how many of its first widths a unit's median has moved.
            first_3U, last_3U = quantiles_T3U[:10].mean(0), quantiles_T3U[-10:].mean(0)
            shifts.append(((last_3U[1] - first_3U[1]).abs() / (first_3U[2] - first_3U[0])).mean().item())
        (quantiles_T3U,) = drawn
        most = (quantiles_T3U[-10:, 1].mean(0) - quantiles_T3U[:10, 1].mean(0)).abs().argmax()
        tens_T3 = (
            quantiles_T3U[:, :, most].unflatten(0, (-1, 10)).mean(1)
        )  # single batches jump too much to be seen through
        low, middle, high = tens_T3.T.tolist()
        steps = range(10, 10 * len(middle) + 1, 10)
        axes.fill_between(steps, low, high, color=TRAIN, alpha=0.25, label="15 % to 85 % of a batch")
        axes.plot(steps, middle, color=TRAIN, label="median")
        axes.set(xlabel="step")
        axes.set_title(f"{name}\nvalidation accuracy {spread(accuracies)} % (chance: 10 %)", fontsize=11)
        axes.grid(alpha=0.3)
        moved.append(f"{spread(shifts)} {name}")
    grid[0, 0].set_ylabel("input of a unit's activation")
    grid[0, 0].legend(frameon=False, loc="lower left")
    seen = f"""Both networks learn. Without normalization what arrives at this unit moves and widens while the layers before it
    change. With batch normalization it stays nearly centred and as wide as it was. Drawn is, of 100 units, the one that drifts
    most, in means of ten steps. Mean drift of a unit's median, in the width of its band at first: {"; ".join(moved)} ({DRIFT_SEEDS} seeds)."""
    finish(figure, "What a unit of the third layer sees while the network trains", seen, path)
