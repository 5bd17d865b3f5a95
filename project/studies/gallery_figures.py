"""The gallery's figures. Each function computes one, panel by panel, and writes it with a sentence on what to see."""

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from torch import Tensor, nn
from torchvision.transforms import v2

from project import augmentation as augment
from project import regularization as unit2
from project.augmentation import Augmentation
from project.classifier import Classifier, steps_each_batch
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He, Initialization, Normal, Xavier
from project.networks import MLP
from project.normalization import BatchNormalization, Normalization
from project.optimization import SAM
from project.studies.fresh_networks import FreshLayers, PlainXavier, fresh_layers, labelled_images
from project.studies.measurements import SATURATED, activation_modules, recorded, some
from project.support.remembered import undisturbed
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.figures import TRAIN, VAL, blank, blanks, save
from project.training.trainer import Trainer

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEDULES = ("constant", "step", "multistep", "exponential", "polynomial", "cosine", "cosine_restarts", "warmup_cosine",
             "onecycle", "cyclic", "plateau")  # fmt: skip
FAINT_PATH = "#8fb3d6"
SEEDS, DRIFT_SEEDS = 5, 3
FALLS = 7  # epochs that the made-up loss falls for
IMAGES, WATCHED_EVERY = 500, 10  # images that a unit's input is watched for, and steps from one look to the next
STUCK = 0.05  # the standard deviation over images below which a unit hardly tells them apart
ROUNDING = 1e-7  # of numbers next to 1 in single precision


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


def layer_outputs(path: Path, activation: type[nn.Module]) -> None:
    """How outputs of a deep network's units differ from image to image.

    A row for each way of drawing weights, a column for each of six layers. From every output its unit's mean over images is
    subtracted: what units put out for all images alike tells no images apart, however much the units differ.
    """
    inputs_NCHW, labels_N = labelled_images(200)
    strategies: dict[str, Initialization] = {
        "weights N(0, 1)": Normal(1.0),
        "weights N(0, 0.01²)": Normal(0.01),
        "Xavier": PlainXavier(),
        **({"Xavier times 5/3,\nthe gain for tanh": Xavier()} if activation is nn.Tanh else {}),
        "He": He(),
    }
    layers = (1, 2, 4, 6, 8, 10)
    reach = 2.0 if activation is nn.Tanh else 1.0  # from the least output to the largest
    figure, grid = blanks(len(strategies), len(layers), 12, 1.75 * len(strategies) + 1.7)
    told: dict[str, tuple[str, str]] = {}
    for row, (name, strategy) in zip(grid, strategies.items()):
        drawn = [fresh_layers(inputs_NCHW, labels_N, activation, strategy, 10, 256, seed=seed) for seed in range(SEEDS)]
        told[name] = grown(drawn), spread([100 * stuck(network.outputs[9]) for network in drawn])
        row[0].set_ylabel(name, fontsize=10, rotation=0, ha="right", va="center")
        for axes, layer in zip(row, layers):
            outputs_NU = drawn[0].outputs[layer - 1]
            centred_NU = outputs_NU - outputs_NU.mean(0)
            axes.hist(centred_NU.flatten().numpy(), bins=81, range=(-reach, reach), color=TRAIN)
            axes.set(yticks=[], xlim=(-reach, reach), xticks=[-reach / 2, 0, reach / 2])
            axes.spines.left.set_visible(False)
            axes.tick_params(labelsize=7)
            signals = [network.signals()[layer - 1] for network in drawn]
            said = f"spread {scaled(signals)}" if max(signals) > ROUNDING else "spread under 10⁻⁷"
            axes.text(0.5, 0.91, said, transform=axes.transAxes, ha="center", fontsize=8.5)
            if layer > 1:  # whose weights are of another size, so that its norm cannot be compared
                said = f"gradient {scaled([network.gradients[layer - 1] for network in drawn])}"
                axes.text(0.5, 0.8, said, transform=axes.transAxes, ha="center", fontsize=8.5)
            shares = [100 * saturated(network.outputs[layer - 1], activation) for network in drawn]
            if max(shares) >= 1:
                said = f"{spread(shares)} % saturated"
                axes.text(0.5, 0.69, said, transform=axes.transAxes, ha="center", fontsize=8.5, color=VAL)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.6)
    for axes, layer in zip(grid[0], layers):
        axes.set_title(f"layer {layer}", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("output less its unit's mean", fontsize=8)
    wide = """A wide panel is a layer that tells images apart; a needle at 0 is of outputs that are the same for all
    images (each panel is as high as its own highest bar)."""
    growth, same = told["weights N(0, 1)"]
    seen = {
        nn.Tanh: f"""With N(0, 1) nearly every output is saturated. A saturated unit passes little of a gradient on, but
            weights so large make up for that and more: from layer 10 back to layer 2 it grows {growth} times. With
            N(0, 0.01²) each layer divides the signal, until nothing is left, and no layer gets a gradient. Xavier and
            He fit the weights to the layer's size, and all ten layers still tell images apart: by Xavier's formula the
            spread shrinks slowly, with tanh's gain it stays, and with He's factor √2, meant for ReLU, it stays, too,
            with fewer outputs saturated.""",
        nn.Sigmoid: f"""With N(0, 1) most outputs are saturated; the large weights about make up for what these do not
            pass on, and the gradient stays ({growth} times from layer 10 back to layer 2). The needle in its later layers
            is of units that are stuck (in layer 10 {same} % have a spread below {STUCK:g}); the others still tell images apart.
            With each of the others the signal is lost on the way, and the gradient on its way back: a sigmoid's slope
            is at most a quarter, and none of these formulas makes up for that. None of the four rows is good.""",
    }[activation]
    number = f"""Bars: outputs of all 256 units for all images, less each unit's mean over the images (one draw).
    Spread: a unit's standard deviation over images, mean of the units. Gradient: norm of the loss's gradient by the
    layer's weights. Saturated (told where a draw has 1 % or more): outputs where the function's slope is less than
    {100 * SATURATED:.0f} % of its steepest. Numbers: lowest to highest of {SEEDS} draws."""
    title = f"How ten {activation.__name__.lower()} layers tell 200 images apart, before any training"
    finish(figure, title, f"{wide} {seen} {number}", path)


def stuck(outputs_NU: Tensor) -> float:
    """The share of units that put out nearly the same for all images."""
    return (outputs_NU.std(0) < STUCK).double().mean().item()


def grown(networks: Sequence[FreshLayers]) -> str:
    """How many times a gradient is larger at the second layer than at the tenth, over draws: `1.1 to 1.8`."""
    return scaled([network.gradients[1] / network.gradients[9] for network in networks])


def saturated(outputs_NU: Tensor, activation: type[nn.Module]) -> float:
    """The share of a sigmoid's or tanh's outputs where its slope, as a part of the steepest, is less than SATURATED."""
    slopes_NU = 1 - outputs_NU**2 if activation is nn.Tanh else 4 * outputs_NU * (1 - outputs_NU)
    return (slopes_NU < SATURATED).double().mean().item()


def spread(values: Sequence[float]) -> str:
    """The lowest and the highest of some values, or one number where these look alike."""
    low, high = (plain(value) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def plain(value: float) -> str:
    """Two digits that count, without a power of ten."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def scaled(values: Sequence[float]) -> str:
    """The same of values that may be very small or large: `(5.5 to 5.7)·10⁻⁷`."""
    if 1e-3 <= max(values) < 1e4:
        return spread(values)
    exponent = math.floor(math.log10(max(values)))
    digits = spread([value / 10**exponent for value in values])
    return f"{f'({digits})' if ' ' in digits else digits}·10{power(exponent)}"


def power(exponent: int) -> str:
    """A whole number, raised."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def gradients_by_depth(path: Path) -> None:
    """Gradients of a fresh deep network, layer by layer, by what its weights and its normalization are.

    Drawn are the hidden layers but the first, which are all of one size: the norm also grows with the number of weights.
    """
    inputs_NCHW, labels_N = labelled_images(200)
    depth, width = 20, 128
    figure, axes = blank(10, 6)
    layers = range(2, depth + 1)
    default = "PyTorch's default initialization"
    candidates: tuple[tuple[str, type[nn.Module], Initialization | None, Normalization | None, str, str], ...] = (
        ("ReLU, batch normalization", nn.ReLU, None, BatchNormalization(), "-o", TRAIN),
        ("ReLU, He", nn.ReLU, He(), None, ":o", TRAIN),
        (f"ReLU, {default}", nn.ReLU, None, None, "--o", TRAIN),
        ("sigmoid, batch normalization", nn.Sigmoid, None, BatchNormalization(), "-o", VAL),
        (f"sigmoid, {default}", nn.Sigmoid, None, None, "--o", VAL),
    )
    for name, activation, initialization, normalization, style, color in candidates:
        drawn = [
            fresh_layers(inputs_NCHW, labels_N, activation, initialization, depth, width, normalization, seed).gradients
            for seed in range(SEEDS)
        ]
        norms_SL = np.array(drawn)[:, 1:depth]
        middle = np.median(norms_SL, 0)
        axes.fill_between(layers, norms_SL.min(0), norms_SL.max(0), color=color, alpha=0.2, linewidth=0)
        label = f"{name}: {scaled([middle[0] / middle[-1]])}"
        axes.plot(layers, middle, style, color=color, markersize=4, label=label)
    axes.set(yscale="log", ylabel="norm of the loss's gradient by a layer's weights")
    axes.set(xlabel=f"hidden layer ({layers[-1]} is next to the answer)", xticks=layers[::2])
    axes.legend(frameon=False, title=f"Gradient at layer {layers[0]}, as a multiple of that at layer {layers[-1]}")
    seen = f"""A gradient comes from the answer, on the right, and goes back to the left. Each unnormalized sigmoid
    layer shrinks it several times over, and the first layers get nothing to learn from. ReLU with PyTorch's default
    initialization shrinks it, too, by less a layer; its curve is flat at the first layers since a weight's gradient
    also grows with what comes in, and there the images still differ (were all images the same, it would fall on).
    He's weights keep it within a factor of about two. Batch normalization
    lets none vanish; with ReLU it even grows on its way, so that one learning rate for all layers must be small
    enough for the first ones. Left out are layer 1 and the last one, whose weights are of other sizes
    ({inputs_NCHW[0].numel()} inputs, 10 outputs), so that their norms cannot be compared with these. Lines: medians
    of {SEEDS} draws, with narrow bands from the lowest to the highest."""
    finish(figure, f"Gradients on their way back through {depth} hidden layers, before any training", seen, path)


def schedules(path: Path) -> None:
    """The learning rate of every step of a run, for every schedule in configs/optimization/."""
    epochs, batches = 15, 20
    patience = 0
    steps = [step / batches for step in range(epochs * batches)]
    figure, grid = blanks(3, 4, 11, 7)
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
                scheduler.step(*([made_up_loss(epoch + 1)] if hasattr(scheduler, "monitor") else []))
                patience = getattr(scheduler, "patience", patience)
        axes.step(steps, rates, color=TRAIN, where="post")
        axes.fill_between(steps, rates, color=TRAIN, alpha=0.12, step="post")
        axes.set(title=name, xlabel="epoch", ylim=(0, 0.108), yticks=[0, 0.05, 0.1], xticks=[0, 5, 10, 15])
        axes.tick_params(labelsize=8)
    for axes in grid.flat[len(SCHEDULES) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("learning rate")
    seen = f"""All have the optimizer's rate, 0.1, as their peak, and a run of 15 epochs. High rates cover distance,
    low ones let the weights settle: most end near zero. Plateau reacts to the validation loss, for which one is made up
    here that stops falling after epoch {FALLS}; with a patience of {patience} the rate falls after {patience + 1} epochs in a
    row without a better loss than before."""
    finish(figure, "Every schedule in configs/optimization/, epoch by epoch", seen, path)


def made_up_loss(epoch: int) -> float:
    """A validation loss for the plateau schedule to react to: it falls to its least at the epoch FALLS, counted from 1."""
    return 1 - min(epoch, FALLS) / 10


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
        "momentum 0.9": functools.partial(torch.optim.SGD, momentum=0.9),
        "Nesterov 0.9": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        "Adagrad": torch.optim.Adagrad,
        "RMSprop": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
        "SAM": functools.partial(SAM, rho=0.1, momentum=0.0),
    }
    starts = [(-1.8, 2.2), (-2.0, 1.2), (-1.4, 2.6)]
    rates = [round(10 ** (k / 8), 4) for k in range(-24, 5)]
    figure, grid = blanks(2, 4, 12.5, 8.2)
    across, up = (-2.7, 2.1), (-0.8, 3.2)
    x, y = torch.meshgrid(torch.linspace(*across, 160), torch.linspace(*up, 160), indexing="ij")
    heights = loss(torch.stack([x, y], -1)).log1p()
    *panels, key = grid.flat
    for axes, (name, make) in zip(panels, candidates.items()):
        best, paths, ends = 0.0, torch.empty(0), [float("inf")]
        for lr in rates:
            # SAM's step depends on the length of the whole gradient, so that it goes from each place alone.
            groups = [[start] for start in starts] if name == "SAM" else [starts]
            tried = torch.cat([descents(make, lr, group) for group in groups], 1)
            losses_TS = loss(tried)
            stays = bool((losses_TS <= losses_TS[0]).all())  # no leap out of the valley, which might be a lucky one
            if stays and losses_TS[-1].max().item() < max(ends):
                best, paths, ends = lr, tried, losses_TS[-1].tolist()
        axes.contourf(x, y, heights, levels=24, cmap="Greys", alpha=0.55)
        for number, visited in enumerate(paths.unbind(1)):
            color = FAINT_PATH if number else TRAIN
            axes.plot(*visited.T, color=color, linewidth=1.4, marker="o", markersize=2.6, zorder=3 - min(number, 1))
            axes.plot(*visited[0], "o", color="0.5" if number else "black", markersize=6, zorder=4)
        axes.plot(1, 0.5, "*", color=VAL, markersize=13, zorder=5)
        axes.set(
            xlim=across, ylim=up, xticks=[-2, -1, 0, 1, 2], yticks=[0, 1, 2, 3], xlabel="weight 1", ylabel="weight 2"
        )
        axes.tick_params(labelsize=8)
        axes.set_title(f"{name}, rate {best:.2g}\nloss after 60 steps, 3 starts:\n{spread(ends)}", fontsize=10)
    key.plot([], [], "o", color="black", label="start")
    key.plot([], [], "-o", color=TRAIN, markersize=2.6, label="its path: 60 steps, a dot each")
    key.plot([], [], "o", color="0.5", label="two other starts")
    key.plot([], [], "-o", color=FAINT_PATH, markersize=2.6, label="their paths")
    key.plot([], [], "*", color=VAL, markersize=13, label="minimum, loss 0")
    key.plot([], [], "s", color="0.6", markersize=11, label="darker: higher loss")
    key.legend(frameon=False, loc="center", fontsize=10)
    key.axis("off")
    seen = f"""A bent valley, steep across and nearly flat along. From losses of
    {spread(loss(torch.tensor(starts)).tolist())} at the three starts, plain SGD drops to its floor at once and then
    creeps, since a larger rate would throw it out; momentum gathers speed along the floor. Adagrad divides its steps
    by all past gradients, so that the steep first ones shrink all later steps. RMSprop's first step is ten times its
    rate, so that only a small rate stays in the valley, and it creeps. Adam corrects that, and has momentum. SAM
    takes its slope from a place 0.1 further uphill, which is to lead away from narrow valleys: here there is only
    this one, and it bounces between its walls. Each optimizer has that of 29 rates which ends lowest (the worst of
    its three paths counts), among those with which no path rises above its start. Two weights and exact gradients are no network: neither which of them are
    slow here nor these rates carry over to one."""
    finish(figure, "Optimizers in a bent valley, each with a learning rate that suits it", seen, path)


def augmentations(path: Path) -> None:
    """What each augmentation makes of the same images."""
    images_NHWC, labels_N = images(60, noise=0.2, clutter=0.2).split("train")
    labels = [*range(7), 9]  # with the J
    chosen = torch.stack([images_NHWC[labels_N == label][0] for label in labels])
    candidates: list[Augmentation] = [
        augment.RandomCrop(4), augment.RandomHorizontalFlip(), augment.AlternatingFlip(), augment.RandomAffine(0.25),
        augment.RandomRotation(25), augment.ColorJitter(0.5), augment.Cutout(12),
    ]  # fmt: skip
    rows = {"the images": chosen}
    for augmentation in candidates:
        rows[type(augmentation).__name__] = augmentation(chosen, torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    trivial = v2.TrivialAugmentWide()
    rows["TrivialAugmentWide"] = torch.stack([trivial(image.permute(2, 0, 1)).permute(1, 2, 0) for image in chosen])
    for mixing in (unit2.Mixup(50.0), unit2.CutMix(1.0)):
        mixed_NCHW, _ = mixing.change_batch(chosen.permute(0, 3, 1, 2).float(), torch.eye(8))
        rows[type(mixing).__name__] = mixed_NCHW.permute(0, 2, 3, 1).round().to(torch.uint8)
    figure, grid = blanks(len(rows), len(chosen), 9.5, 0.98 * len(rows) + 1)
    for row, (name, changed_NHWC) in zip(grid, rows.items()):
        for axes, image_HWC in zip(row, changed_NHWC):
            axes.imshow(image_HWC.numpy())
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    seen = """Each image gets a draw of its own, anew in every epoch; only Mixup and CutMix draw their share, and CutMix its
    place, once for a batch, and they mix the labels, too. The alternating flip mirrors one half of the images in an epoch
    and the other half in the next. An augmentation helps where what it changes says nothing about the class: a mirrored A
    is an A, but a mirrored J is no J. Strengths are turned up to be seen, but for TrivialAugmentWide, which draws one
    of fourteen operations and its strength, at times so strong that nothing is left; Mixup's share is close to a half."""
    finish(figure, "The same eight images under every augmentation in configs/regularization/", seen, path)


def layer_inputs(path: Path) -> None:
    """How the inputs of a layer's activation functions change while the layers before it learn."""
    data = images(1000)
    figure, grid = blanks(1, 2, 11, 6)
    grid[0, 1].sharey(grid[0, 0])
    candidates = (("without normalization", None), ("with batch normalization", BatchNormalization()))
    for axes, (name, normalization) in zip(grid.flat, candidates):
        runs = [watched(data, normalization, seed) for seed in range(DRIFT_SEEDS)]
        quantiles_T3U, _ = runs[0]
        low, middle, high = quantiles_T3U[:, :, typical(quantiles_T3U)].T.tolist()
        steps = range(0, WATCHED_EVERY * len(middle), WATCHED_EVERY)
        axes.fill_between(steps, low, high, color=TRAIN, alpha=0.25, label="15 % to 85 % of the images")
        axes.plot(steps, middle, color=TRAIN, label="median image")
        moves, widths = zip(*(changes(quantiles_T3U) for quantiles_T3U, _ in runs))
        moved = [100 * move.median().item() for move in moves]
        widened = [width.median().item() for width in widths]
        accuracies = [accuracy for _, accuracy in runs]
        said = (
            "From the first step to the last\n"
            f"the median moves by {spread(moved)} % of the band's width,\n"
            f"and its width becomes {spread(widened)} times the first.\n"
            f"Validation accuracy: {spread(accuracies)} % (chance: 10 %)"
        )
        axes.set_title(name, fontsize=11.5, fontweight="bold", pad=62)
        axes.text(0.5, 1.02, said, transform=axes.transAxes, ha="center", va="bottom", fontsize=9)
        axes.set(xlabel="step")
        axes.grid(alpha=0.3)
    grid[0, 0].set_ylabel("input of the unit's tanh")
    grid[0, 1].legend(frameon=False, loc="upper right", ncols=2)
    seen = f"""Drawn is one unit of a hidden layer's 100, for the same {IMAGES} images at each step, before its
    activation function, tanh: in each network the unit whose changes are nearest to the median of all units (seed 0).
    Without normalization what arrives changes while the layers before it learn, above all in width. Behind batch
    normalization it cannot change much, by construction: each unit is brought to mean 0 and deviation 1, and only a
    learned scale and shift follow. Its network is also more accurate after as many steps, but this picture does not
    show that the steady band is why; of what comes before the normalization, see covariate_shift in
    docs/lecture/claims.md. Numbers: medians over the units at the end of training, lowest to highest of {DRIFT_SEEDS}
    seeds."""
    finish(figure, "What a typical unit of the third layer gets while the network trains", seen, path)


def watched(data: ImageData, normalization: Normalization | None, seed: int) -> tuple[Tensor, float]:
    """Train a network, and watch its third layer.

    Returns three quantiles over images of what each unit's activation function gets, every so many steps, (T, 3, U), and the
    validation accuracy in %.
    """
    seed_everything(seed, verbose=False)
    network = functools.partial(MLP, depth=4, width=100, activation=nn.Tanh)
    optimizer = functools.partial(torch.optim.SGD, lr=0.02, momentum=0.9)
    classifier = Classifier(network, optimizer, normalization=normalization, initialization=Xavier())
    images_NCHW, _ = some(classifier.network, data, count=IMAGES)
    third = activation_modules(classifier.network)[2]
    found: list[Tensor] = []

    def watch(trainer: Any, *rest: Any) -> None:
        if trainer.global_step % WATCHED_EVERY == 0:
            with torch.no_grad(), undisturbed(classifier.network), recorded([third], inputs=True) as inputs:
                classifier.network.train()(images_NCHW)  # normalized by their own mean and variance, as a batch is
            found.append(inputs[0].quantile(torch.tensor([0.15, 0.5, 0.85]), dim=0))

    trainer = Trainer(
        max_epochs=10,
        accelerator="cpu",
        callbacks=[LambdaCallback(on_train_start=watch, on_train_batch_end=watch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(classifier, data)
    return torch.stack(found), 100 * trainer.callback_metrics["val/accuracy"].item()


def changes(quantiles_T3U: Tensor) -> tuple[Tensor, Tensor]:
    """What training does to each unit, in first widths of its band: how far the median moves, and the last width."""
    widths_TU = quantiles_T3U[:, 2] - quantiles_T3U[:, 0]
    return (quantiles_T3U[-1, 1] - quantiles_T3U[0, 1]).abs() / widths_TU[0], widths_TU[-1] / widths_TU[0]


def typical(quantiles_T3U: Tensor) -> int:
    """The unit whose two changes are nearest to the units' medians, each in units of its own median deviation."""
    far_U = torch.zeros(quantiles_T3U.shape[-1])
    for change_U in changes(quantiles_T3U):
        away_U = (change_U - change_U.median()).abs()
        far_U += away_U / away_U.median()
    return int(far_U.argmin())
