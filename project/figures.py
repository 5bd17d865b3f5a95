"""Drawing, and nothing else: numbers in, a PNG out."""

from pathlib import Path

TRAIN, VAL = "#2a6fb0", "#d1572c"


def draw_learning_curves(rows: list[dict[str, float]], path: Path) -> None:
    """Loss and accuracy by epoch, with the generalization gap shaded between training and validation.

    Args:
        rows: One for each epoch, with `epoch` (from 1), `train/loss`, `train/accuracy`, `val/loss`, `val/accuracy`.
        path: The PNG to write; its folder is made.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        train, val = ([row.get(f"{split}/{metric}", float("nan")) for row in rows] for split in ("train", "val"))
        axes.fill_between(epochs, train, val, color="0.9", label="generalization gap")
        axes.plot(epochs, train, color=TRAIN, marker="o", markersize=3, label="training")
        axes.plot(epochs, val, color=VAL, marker="o", markersize=3, label="validation")
        axes.set(xlabel="epoch", title=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        if metric == "accuracy":
            axes.set_ylim(0, 1)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.axhline(0.8, color="0.4", linewidth=1, linestyle="--", label="80 %")
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
