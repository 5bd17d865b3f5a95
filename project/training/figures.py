"""Drawing, and nothing else: numbers in, a PNG out."""

from pathlib import Path
from typing import Any

import numpy as np

TRAIN, VAL = "#2a6fb0", "#d1572c"


def draw_learning_curves(rows: list[dict[str, float]], target: float, classes: int, path: Path) -> None:
    """Loss and accuracy by epoch, with the generalization gap shaded between training and validation.

    Args:
        rows: One for each epoch: `epoch` (from 1), and what was measured in it of `train/loss`, `train/accuracy`, `val/loss`
            and `val/accuracy`.
        target: The accuracy to reach, in (0, 1).
        classes: Their number, of which chance gets one in so many right.
        path: The PNG to write; its folder is made.
    """

    def measured(*names: str) -> list[list[float]]:
        """The epochs that have all of these, and their values."""
        chosen = [row for row in rows if all(name in row for name in names)]
        return [[row[name] for row in chosen] for name in ("epoch", *names)]

    figure, ((loss, accuracy),) = blanks(1, 2, 9, 3.6)
    for axes, metric in ((loss, "loss"), (accuracy, "accuracy")):
        train, val = f"train/{metric}", f"val/{metric}"
        axes.fill_between(*measured(train, val), color="0.9", label="generalization gap")
        axes.plot(*measured(train), color=TRAIN, marker="o", markersize=3, label="training")
        axes.plot(*measured(val), color=VAL, marker="o", markersize=3, label="validation")
        axes.set(xlabel="epoch", title=metric)
        axes.locator_params("x", integer=True)
        axes.grid(alpha=0.3)
    accuracy.set_ylim(0, 1)
    accuracy.yaxis.set_major_formatter("{x:.0%}")
    accuracy.axhline(target, color="0.4", linewidth=1, linestyle="--", label=f"target, {100 * target:g} %")
    accuracy.axhline(1 / classes, color="0.4", linewidth=1, linestyle=":", label=f"chance, {100 / classes:.3g} %")
    loss.legend(frameon=False, loc="upper right")
    accuracy.legend(frameon=False, loc="lower right")
    save(figure, path)


def draw_learning_rate(rates: list[tuple[float, float]], path: Path) -> None:
    """The learning rate of every step: (epoch, rate), the epoch a fraction that counts from 0."""
    figure, axes = blank(6, 3)
    axes.plot(*zip(*rates), color=TRAIN)
    axes.set(xlabel="epoch", ylabel="learning rate", title="Learning rate", ylim=(0, None))
    save(figure, path)


def draw_gradient_norms(norms: list[tuple[float, list[float]]], layers: list[str], path: Path) -> None:
    """Gradient norm of each layer over time: (epoch, norm by layer), and the layers' names, the first layer first."""
    from matplotlib import colormaps

    figure, axes = blank(9, 4)
    epochs = [epoch for epoch, _ in norms]
    norms_TL = np.array([each for _, each in norms])
    positive = norms_TL[norms_TL > 0]
    zero = 10 ** (np.floor(np.log10(positive.min())) - 1) if positive.size else 1.0  # where a logarithmic axis has none
    colors = colormaps["viridis"](np.linspace(0, 0.92, len(layers)))
    for name, color, norms_T in zip(layers, colors, norms_TL.T):
        axes.plot(epochs, np.where(norms_T == 0, zero, norms_T), color=color, label=name)
    if (norms_TL == 0).any():
        axes.axhline(zero, color="0.4", linewidth=1, linestyle="--", zorder=0)
        axes.text(epochs[0], zero, "exactly zero", va="bottom", fontsize=8, color="0.3")
    axes.set(xlabel="epoch", ylabel="norm of the gradient", yscale="log")
    axes.set_title("Gradients by layer, dark to light with depth")
    if len(layers) <= 24:
        axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def draw_activations(moments: dict[str, list[Any]], path: Path) -> None:
    """Histograms of activations, a row for each moment: its name -> each activation function's outputs, in order."""
    count = min(map(len, moments.values()))  # a network may change while it trains
    shown = np.linspace(0, count - 1, min(count, 8)).round().astype(int)  # the first, the last, and some between
    figure, grid = blanks(len(moments), len(shown), 1.5 * max(len(shown), 3), 1.7 * len(moments) + 0.4)
    for row, (moment, layers) in zip(grid, moments.items()):
        row[0].set_ylabel(moment)
        for axes, depth in zip(row, shown):
            draw_histogram(axes, layers[depth])
    for axes, depth in zip(grid[0], shown):
        axes.set_title(f"layer {depth + 1}", fontsize=9)
    figure.suptitle("What the activation functions put out", fontsize=11)
    save(figure, path)


def draw_histogram(axes: Any, values: Any) -> None:
    """Values as a histogram without a scale, their mean and standard deviation below it."""
    values = values[values.isfinite()].numpy()
    axes.hist(values, bins=40, color=TRAIN)
    axes.set_yticks([])
    axes.tick_params(labelsize=6)
    axes.spines.left.set_visible(False)
    if len(values):
        axes.set_xlabel(f"mean {values.mean():.2g}\nstd {values.std():.2g}", fontsize=7)


def blank(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, with one pair of axes."""
    figure, ((axes,),) = blanks(1, 1, width, height)
    axes.grid(alpha=0.3)
    return figure, axes


def blanks(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, with a grid of axes, (rows, columns)."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    with rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        return figure, figure.subplots(rows, columns, squeeze=False)


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
